import { type DestinationStream, destination, type LoggerOptions, pino, stdSerializers, stdTimeFunctions } from 'pino'
import { build } from 'pino-pretty'
import type { Log, LogLevel } from '../ports/log.ts'

export type LogFormat = 'json' | 'pretty'

export interface LogSettings {
  readonly level: LogLevel
  /** Default: `pretty` if standard error is a terminal, else `json`. */
  readonly format?: LogFormat | undefined
}

/** Standard error: what a command prints on standard output stays data, also while it logs. */
const standardError = 2

/** Structured lines on standard error, one JSON object each, written before the call returns: a crash loses none. */
export function createLog(settings: LogSettings): Log {
  const format = settings.format ?? (process.stderr.isTTY ? 'pretty' : 'json')
  return pino(optionsFor(settings.level), format === 'pretty' ? prettyLines() : jsonLines())
}

function optionsFor(level: LogLevel): LoggerOptions {
  return {
    level,
    base: null,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { error: stdSerializers.err },
  }
}

function jsonLines(): DestinationStream {
  return survivingErrors(destination({ fd: standardError, sync: true }))
}

function prettyLines(): DestinationStream {
  const options = {
    destination: standardError,
    sync: true,
    // https://no-color.org: whatever its value is, unless it is empty.
    colorize: process.stderr.isTTY && !process.env.NO_COLOR,
    errorLikeObjectKeys: ['error'],
  }
  return survivingErrors(build(options))
}

/** A log that cannot be written, on a full disk for one, is no reason for a database to end. */
function survivingErrors<Stream extends DestinationStream & { on(event: 'error', listener: () => void): unknown }>(
  stream: Stream,
): Stream {
  stream.on('error', () => undefined)
  return stream
}
