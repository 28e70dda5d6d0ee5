import { randomInt } from 'node:crypto'
import { createReadStream, createWriteStream, openSync, type WriteStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { finished } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { QuorumLevel } from '../../http-client/http-client.ts'
import { InvalidBucket, StarlingError, Unreachable } from '../../vocabulary/errors.ts'
import { bucketProblem } from '../../vocabulary/key.ts'
import { type ClientOptions, connect } from '../client-options.ts'
import { tlsTextsOf } from '../client-tls.ts'
import { exitCode, exitCodeOf, UsageError } from '../exit-code.ts'
import { note, writeJson } from '../output.ts'
import { formatCount } from '../table.ts'
import { undiciTransport } from '../undici-transport.ts'
import { codesOfEveryRecord, ImportRun, type LineFailure } from './import-run.ts'
import { type Line, readLines } from './line-source.ts'
import { showProgress } from './progress-bar.ts'
import { RecordImporter } from './record-importer.ts'

export interface ImportFlags extends ClientOptions {
  readonly concurrency?: number
  readonly retrySeconds?: number
  readonly failed?: string
  readonly fromLine?: number
  readonly w?: QuorumLevel
}

const concurrencyDefault = 64
const retrySecondsDefault = 60
const failuresShownMax = 20

export async function importFile(bucket: string, file: string, flags: ImportFlags): Promise<void> {
  const problem = bucketProblem(bucket)
  if (problem !== undefined) throw new InvalidBucket(`the bucket ${problem}`)
  const client = connect(flags, { transport: undiciTransport(tlsTextsOf(flags)), spread: true })
  const { source, bytesTotal } = await openSource(file)
  // A wrong endpoint shows now, and not after a minute of retries.
  await client.node().catch((error: unknown) => {
    if (error instanceof Unreachable) throw error
  })
  const importer = new RecordImporter({
    client,
    bucket,
    retryMs: (flags.retrySeconds ?? retrySecondsDefault) * 1000,
    w: flags.w,
    timeoutMs: flags.timeout,
    fraction: () => randomInt(2 ** 32) / 2 ** 32,
    sleep,
    nowMs: Date.now,
  })
  const rejects = flags.failed === undefined ? undefined : openRejects(flags.failed, file)
  const run = new ImportRun(importer, flags.concurrency ?? concurrencyDefault, ({ bytes }) => {
    rejects?.write(bytes)
    rejects?.write('\n')
  })
  rejects?.on('error', (error) => run.stop(`${flags.failed}: ${error.message}`))
  const startedMs = Date.now()
  const bar = showProgress(() => ({ ...run.counts, bytesTotal, elapsedMs: Date.now() - startedMs }))
  const interrupt = () => run.stop('interrupted')
  process.once('SIGINT', interrupt)
  try {
    await run.over(linesFrom(readLines(source), flags.fromLine ?? 1))
  } finally {
    process.off('SIGINT', interrupt)
    bar.stop()
    await closed(rejects)
  }
  await report(bucket, file, run, Date.now() - startedMs, flags)
}

async function* linesFrom(lines: AsyncIterable<Line>, first: number): AsyncGenerator<Line> {
  for await (const line of lines) if (line.number >= first) yield line
}

async function openSource(file: string) {
  if (file === '-') return { source: process.stdin as AsyncIterable<Uint8Array>, bytesTotal: undefined }
  try {
    const stats = await stat(file)
    if (stats.isDirectory()) throw new Error(`${file} is a directory`)
    return {
      source: createReadStream(file, { highWaterMark: 256 * 1024 }) as AsyncIterable<Uint8Array>,
      bytesTotal: stats.size,
    }
  } catch (error) {
    throw new UsageError(`the file cannot be read: ${(error as Error).message}`)
  }
}

/** Opened before anything else happens: a name that cannot be written shows now. */
function openRejects(file: string, source: string): WriteStream {
  if (resolve(file) === resolve(source)) throw new UsageError('--failed is the file that is to be imported')
  try {
    return createWriteStream(file, { fd: openSync(file, 'w') })
  } catch (error) {
    throw new UsageError(`--failed cannot be written: ${(error as Error).message}`)
  }
}

async function closed(stream: WriteStream | undefined): Promise<void> {
  if (stream === undefined) return
  stream.end()
  await finished(stream)
}

async function report(
  bucket: string,
  file: string,
  run: ImportRun,
  elapsedMs: number,
  flags: ImportFlags,
): Promise<void> {
  const { records, written, unchanged, retries, failed, unsettled } = run.counts
  const isWhole = failed === 0 && run.stopped === undefined
  if (!isWhole) process.exitCode = exitCodeOfRun(run)
  if (flags.json) {
    const failures = run.failures.map(({ line, key, error }) => ({ line, key, ...describe(error) }))
    const stopped = run.stopped ?? null
    await writeJson('ImportResult', {
      bucket,
      records,
      written,
      unchanged,
      failed,
      retries,
      unsettled,
      stopped,
      elapsedMs,
      failures,
    })
    return
  }
  for (const failure of run.failures.slice(0, failuresShownMax)) note(describeFailure(file, failure))
  if (failed > failuresShownMax) note(`... and ${formatCount(failed - failuresShownMax)} more`)
  if (run.stopped !== undefined)
    note(
      `starling: stopped after line ${run.stopped.line}: ${run.stopped.reason}; --from-line ${run.stopped.line + 1} goes on`,
    )
  const seconds = elapsedMs / 1000
  const perSecond = formatCount(Math.round(records / Math.max(seconds, 0.001)))
  note(
    `imported ${formatCount(written)} records into ${bucket} in ${seconds.toFixed(1)} s (${perSecond}/s); ` +
      `${formatCount(unchanged)} were there already, ${formatCount(failed)} failed, ${formatCount(retries)} retries`,
  )
  if (unsettled > 0) {
    note(
      `  ${formatCount(unsettled)} records were written more than once, and not all nodes could be asked whether a copy is ` +
        'left: import the same file again when they are back, and it will be mended',
    )
  }
  if (!isWhole)
    note(
      '  hint: importing the same file again is safe: what is there already is left alone; --failed FILE keeps the rest',
    )
}

/** Nothing done, for a reason that has nothing to do with the records, is another thing than a part that failed. */
function exitCodeOfRun(run: ImportRun): number {
  const { written, unchanged } = run.counts
  const [first] = run.failures
  const isOfAll = ({ error }: LineFailure) =>
    error instanceof Unreachable || (error instanceof StarlingError && codesOfEveryRecord.includes(error.code))
  const isNothing = written + unchanged === 0 && first !== undefined && run.failures.every(isOfAll)
  return isNothing ? exitCodeOf(first.error) : exitCode.partial
}

function describeFailure(file: string, { line, key, error }: LineFailure): string {
  const { message, code } = describe(error)
  return `${file}:${line}: ${key === undefined ? '' : `${JSON.stringify(key)}: `}${message} (${code})`
}

function describe(error: unknown): { readonly message: string; readonly code: string } {
  return error instanceof StarlingError
    ? { message: error.message, code: error.code }
    : { message: String(error), code: 'internal' }
}
