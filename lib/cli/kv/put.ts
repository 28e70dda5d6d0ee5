import { readFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { connect } from '../client-options.ts'
import { UsageError } from '../exit-code.ts'
import { note, writeJson } from '../output.ts'
import { type WriteFlags, writeOptions } from './options.ts'

export interface PutFlags extends WriteFlags {
  readonly file?: string
  readonly contentType?: string
  readonly meta: Readonly<Record<string, string>>
  readonly ttl?: number
}

export async function put(bucket: string, key: string, given: string | undefined, flags: PutFlags): Promise<void> {
  const client = connect(flags)
  const value = await readValue(given, flags.file)
  const { contentType, meta: metadata, ttl: ttlSeconds } = flags
  const written = await client.put(bucket, key, value, { ...writeOptions(flags), contentType, metadata, ttlSeconds })
  if (flags.json) return writeJson('Written', { bucket, key, ...written })
  note(`stored ${bucket}/${key}${written.quorum === undefined ? '' : ` (${written.quorum})`}`)
}

async function readValue(given: string | undefined, file: string | undefined): Promise<Uint8Array> {
  if (given !== undefined && file !== undefined)
    throw new UsageError('a value is given twice, as an argument and as --file')
  if (file !== undefined)
    return readFile(file).catch((error: Error) => {
      throw new UsageError(`the file cannot be read: ${error.message}`)
    })
  if (given !== undefined && given !== '-') return Buffer.from(given)
  if (given === undefined && process.stdin.isTTY)
    throw new UsageError('no value is given', 'kv put BUCKET KEY VALUE, or --file FILE, or - for standard input')
  return buffer(process.stdin)
}
