import type { Log, LogLevel } from '../ports/log.ts'
import type { World } from './world.ts'

export interface LogLine {
  readonly atMs: number
  readonly machine: string
  readonly level: LogLevel
  readonly fields: Readonly<Record<string, unknown>>
  readonly message: string
}

const severities: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 }

/** The last lines of all machines together, for the report of a failure. */
export class LogRing {
  readonly #lines: LogLine[] = []
  readonly #linesMax: number
  #next = 0
  /** Lines below this level are not kept. */
  level: LogLevel

  constructor(linesMax: number, level: LogLevel) {
    this.#linesMax = linesMax
    this.level = level
  }

  add(line: LogLine): void {
    if (severities[line.level] < severities[this.level]) return
    this.#lines[this.#next] = line
    this.#next = (this.#next + 1) % this.#linesMax
  }

  /** The oldest first. */
  lines(): readonly LogLine[] {
    return [...this.#lines.slice(this.#next), ...this.#lines.slice(0, this.#next)]
  }

  /** The last `count` lines as text. */
  format(count: number): string {
    return this.lines().slice(-count).map(formatLine).join('\n')
  }
}

function formatLine(line: LogLine): string {
  const fields = JSON.stringify(line.fields, (_name, value) => (typeof value === 'bigint' ? String(value) : value))
  return `${line.atMs.toFixed(3).padStart(12)} ${line.machine} ${line.level} ${line.message} ${fields}`
}

/** One machine's share of the ring. */
export class SimulatedLog implements Log {
  readonly #world: World
  readonly #machine: string

  constructor(world: World, machine: string) {
    this.#world = world
    this.#machine = machine
  }

  debug(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.#add('debug', fields, message)
  }
  info(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.#add('info', fields, message)
  }
  warn(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.#add('warn', fields, message)
  }
  error(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.#add('error', fields, message)
  }

  #add(level: LogLevel, fields: Readonly<Record<string, unknown>>, message: string): void {
    this.#world.log.add({ atMs: this.#world.nowMs, machine: this.#machine, level, fields, message })
  }
}
