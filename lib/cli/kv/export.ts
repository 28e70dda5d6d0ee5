import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { finished } from 'node:stream/promises'
import type { ListEntry } from '../../http-client/listing.ts'
import { connect, requestOptions } from '../client-options.ts'
import { note, writeData, writeJson } from '../output.ts'
import { formatCount } from '../table.ts'
import { undiciTransport } from '../undici-transport.ts'
import type { RangeFlags } from './options.ts'
import { reportMissing } from './scan.ts'

export interface ExportFlags extends RangeFlags {
  readonly output?: string
}

/** Values are large: a page of them takes its time. */
const pageLimit = 250
const pageTimeoutMs = 30_000

export async function exportBucket(bucket: string, flags: ExportFlags): Promise<void> {
  const { prefix, start, end } = flags
  const transport = undiciTransport()
  const listing = connect(flags, { transport }).list(bucket, {
    ...{ prefix, start, end, values: true, pageLimit, timeoutMs: pageTimeoutMs },
    ...requestOptions(flags),
  })
  const sink = flags.output === undefined ? { write: writeData, end: async () => {} } : fileSink(flags.output)
  let count = 0
  for await (const entry of listing) {
    await sink.write(`${formatEntry(entry)}\n`)
    count += 1
  }
  await sink.end()
  const { complete, missing } = listing
  // Without --output, stdout is the export itself.
  if (flags.json && flags.output !== undefined)
    await writeJson('ExportResult', { bucket, exported: count, complete, missing, output: flags.output })
  else note(`exported ${formatCount(count)} records of ${bucket}`)
  reportMissing(listing)
}

/** A record with one value is that value's fields beside the key; with more, it is the list of them. */
function formatEntry({ key, siblings = [] }: ListEntry): string {
  const [only, ...others] = siblings
  return JSON.stringify(only !== undefined && others.length === 0 ? { key, ...only } : { key, siblings })
}

function fileSink(path: string) {
  const stream = createWriteStream(path)
  const failed = once(stream, 'error').then(([error]) => {
    throw error
  })
  failed.catch(() => {}) // Awaited where it matters.
  return {
    async write(text: string): Promise<void> {
      if (!stream.write(text)) await Promise.race([once(stream, 'drain'), failed])
    },
    async end(): Promise<void> {
      stream.end()
      await finished(stream)
    },
  }
}
