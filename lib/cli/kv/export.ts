import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { finished } from 'node:stream/promises'
import type { ListEntry } from '../../http-client/listing.ts'
import { connect, requestOptions } from '../client-options.ts'
import { tlsTextsOf } from '../client-tls.ts'
import { UsageError } from '../exit-code.ts'
import { showProgress } from '../import/progress-bar.ts'
import { note, writeData, writeJson } from '../output.ts'
import { formatCount } from '../table.ts'
import { undiciTransport } from '../undici-transport.ts'
import type { RangeFlags } from './options.ts'
import { reportMissing } from './scan.ts'

export interface ExportFlags extends RangeFlags {
  readonly output?: string
  readonly resume?: boolean
}

/** Values are large: a page of them takes its time. */
const pageLimit = 250
const pageTimeoutMs = 30_000
const newline = 10

export async function exportBucket(bucket: string, flags: ExportFlags): Promise<void> {
  const { prefix, end, output } = flags
  if (flags.resume === true && output === undefined)
    throw new UsageError('--resume goes on with a file', 'give --output FILE, or --start KEY')
  const last = flags.resume === true && output !== undefined ? await cutToWholeLines(output) : undefined
  const start = last ?? flags.start
  const transport = undiciTransport(tlsTextsOf(flags))
  const listing = connect(flags, { transport }).list(bucket, {
    ...{ prefix, start, end, values: true, pageLimit, timeoutMs: pageTimeoutMs },
    ...requestOptions(flags),
  })
  const sink = output === undefined ? { write: writeData, end: async () => {} } : fileSink(output, last !== undefined)
  const startedMs = Date.now()
  let count = 0
  let bytes = 0
  const progress = showProgress(() => ({
    records: count,
    bytes,
    bytesTotal: undefined,
    elapsedMs: Date.now() - startedMs,
  }))
  try {
    for await (const entry of listing) {
      if (entry.key === last) continue
      const line = `${formatEntry(entry)}\n`
      await sink.write(line)
      count += 1
      bytes += line.length
    }
  } catch (error) {
    // Whatever came is in the file, to be gone on with.
    await sink.end()
    if (output !== undefined) note(`starling: ${formatCount(count)} records are in ${output}; --resume goes on with it`)
    throw error
  } finally {
    progress.stop()
  }
  await sink.end()
  const { complete, missing } = listing
  // Without --output, stdout is the export itself.
  if (flags.json && output !== undefined)
    await writeJson('ExportResult', { bucket, exported: count, after: last ?? null, complete, missing, output })
  else
    note(
      `exported ${formatCount(count)} records of ${bucket}${last === undefined ? '' : ` after ${JSON.stringify(last)}`}`,
    )
  reportMissing(listing)
}

/**
 * Takes away a line that was written in part.
 *
 * @returns the key of the last whole one; undefined when the file is empty or not there
 * @throws {UsageError} when it is no export
 */
async function cutToWholeLines(file: string): Promise<string | undefined> {
  const handle = await open(file, 'r+').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new UsageError(`the file cannot be gone on with: ${error.message}`)
  })
  if (handle === undefined) return undefined
  try {
    const { size } = await handle.stat()
    const end = await endOfLineBefore(handle, size)
    if (end === 0) {
      await handle.truncate(0)
      return undefined
    }
    const begin = await endOfLineBefore(handle, end - 1)
    const { buffer } = await handle.read(Buffer.alloc(end - begin), 0, end - begin, begin)
    const key = keyOf(buffer.toString())
    if (key === undefined) throw new UsageError(`${file} does not end like an export`)
    await handle.truncate(end)
    return key
  } finally {
    await handle.close()
  }
}

/** Behind the last newline before `position`; 0: there is none. */
async function endOfLineBefore(handle: FileHandle, position: number): Promise<number> {
  const part = Buffer.alloc(64 * 1024)
  for (let to = position; to > 0; to -= part.length) {
    const from = Math.max(0, to - part.length)
    const { bytesRead } = await handle.read(part, 0, to - from, from)
    const at = part.subarray(0, bytesRead).lastIndexOf(newline)
    if (at !== -1) return from + at + 1
  }
  return 0
}

function keyOf(line: string): string | undefined {
  try {
    const { key } = JSON.parse(line) as { readonly key?: unknown }
    return typeof key === 'string' ? key : undefined
  } catch {
    return undefined
  }
}

/** A record with one value is that value's fields beside the key; with more, it is the list of them. */
function formatEntry({ key, siblings = [] }: ListEntry): string {
  const [only, ...others] = siblings
  return JSON.stringify(only !== undefined && others.length === 0 ? { key, ...only } : { key, siblings })
}

function fileSink(path: string, goesOn: boolean) {
  const stream = createWriteStream(path, { flags: goesOn ? 'a' : 'w' })
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
