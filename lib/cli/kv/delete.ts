import { connect } from '../client-options.ts'
import { note, writeJson } from '../output.ts'
import { type WriteFlags, writeOptions } from './options.ts'

export async function deleteKey(bucket: string, key: string, flags: WriteFlags): Promise<void> {
  const written = await connect(flags).delete(bucket, key, writeOptions(flags))
  if (flags.json) return writeJson('Deleted', { bucket, key, ...written })
  note(written.context === undefined ? `nothing was at ${bucket}/${key}` : `deleted ${bucket}/${key}`)
}
