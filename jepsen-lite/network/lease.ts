import { execFileSync } from 'node:child_process'
import { linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'

/** Where leases are, and what is named after them. */
export interface Office {
  /** Beside `/run/netns`, where the names of namespaces are: both are the machine's, and gone when it starts again. */
  readonly directory: string
  /** Of all names that are made; whatever else is called so is taken for left behind. */
  readonly prefix: string
  /** The first two numbers of all addresses; the third is the lease's. */
  readonly net: string
}

export const officeDefault: Office = { directory: '/run/starling-jepsen-lite', prefix: 'jl-', net: '10.77' }

const slotsMax = 200
const commandMsMax = 10_000
const endings = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

interface Recorded {
  readonly pid: number
  /** When that process began, in the ticks of its kernel: a number that is given again does not make it alive. */
  readonly began: string
  readonly namespaces: readonly string[]
  readonly links: readonly string[]
}

/**
 * The right of one process to a number, and to whatever is named after it: `jl-NUMBER-...`. What it makes is recorded
 * before it is made, and removed by what is recorded: when the run ends, when the process exits, and at the signals that
 * end it. Of a process that was killed the rest is left for whoever reads the refusal of the next run.
 */
export class Lease {
  readonly number: number
  /** Such as `10.77.0`. */
  readonly net: string
  readonly #office: Office
  readonly #file: string
  #recorded: Recorded
  #isReleased = false
  readonly #onExit = (): void => this.release()
  readonly #onSignal = (signal: NodeJS.Signals, number: number): void => {
    // Whoever else listens decides what happens; if nobody does, the process ends, with all that is done at its end.
    if (process.listenerCount(signal) === 0) process.exit(128 + number)
  }

  private constructor(office: Office, number: number, recorded: Recorded) {
    this.number = number
    this.net = netOf(office, number)
    this.#office = office
    this.#file = fileOf(office, number)
    this.#recorded = recorded
    process.once('exit', this.#onExit)
    for (const signal of endings) process.once(signal, this.#onSignal)
  }

  /** @throws Error, with the remedy, where a run has left something behind; two that run take different numbers */
  static take(office: Office = officeDefault): Lease {
    mkdirSync(office.directory, { recursive: true })
    const stale = leftBehind(office)
    if (stale !== undefined) throw new Error(stale)
    const recorded: Recorded = { pid: process.pid, began: beganAt(process.pid) ?? '', namespaces: [], links: [] }
    const draft = join(office.directory, `draft-${process.pid}-${Date.now()}`)
    writeFileSync(draft, JSON.stringify(recorded))
    try {
      for (let number = 0; number < slotsMax; number += 1) {
        if (isUsed(netOf(office, number))) continue
        if (isLinked(draft, fileOf(office, number))) return new Lease(office, number, recorded)
      }
    } finally {
      rmSync(draft, { force: true })
    }
    throw new Error(`all ${slotsMax} numbers of ${office.directory} are taken`)
  }

  /** The name of a namespace that is about to be made. */
  namespace(name: string): string {
    const namespace = `${this.#office.prefix}${this.number}-${name}`
    this.#record({ ...this.#recorded, namespaces: [...this.#recorded.namespaces, namespace] })
    return namespace
  }

  /** The name of an interface outside that is about to be made. */
  link(): string {
    const link = `${this.#office.prefix}${this.number}`
    this.#record({ ...this.#recorded, links: [...this.#recorded.links, link] })
    return link
  }

  /** Removes what is recorded, and then gives the number back. Nothing happens the second time. */
  release(): void {
    if (this.#isReleased) return
    this.#isReleased = true
    process.removeListener('exit', this.#onExit)
    for (const signal of endings) process.removeListener(signal, this.#onSignal)
    const { namespaces, links } = this.#recorded
    const there = new Set(namespacesThere())
    const outcomes = [
      ...links.map((link) => tried('ip', 'link', 'del', link)),
      ...namespaces.filter((name) => there.has(name)).map((name) => tried('ip', 'netns', 'del', name)),
    ]
    // What could not be removed must still be known to the next run.
    const isClean = outcomes.every((isDone) => isDone) || namespacesThere().every((name) => !namespaces.includes(name))
    if (isClean) rmSync(this.#file, { force: true })
  }

  #record(recorded: Recorded): void {
    this.#recorded = recorded
    writeFileSync(`${this.#file}.new`, JSON.stringify(recorded))
    renameSync(`${this.#file}.new`, this.#file)
  }
}

function fileOf({ directory }: Office, number: number): string {
  return join(directory, `${number}.json`)
}

function netOf({ net }: Office, number: number): string {
  return `${net}.${number}`
}

/** Undefined: nothing is there that belongs to nobody. Otherwise what it is, and how to get rid of it. */
function leftBehind({ directory, prefix }: Office): string | undefined {
  const owned = new Set<string>()
  const remedies: string[] = []
  for (const name of readdirSync(directory).filter((file) => /^\d+\.json$/.test(file))) {
    const file = join(directory, name)
    const recorded = readLease(file)
    if (recorded === undefined) continue
    for (const namespace of recorded.namespaces) owned.add(namespace)
    if (beganAt(recorded.pid) === recorded.began) continue
    const there = namespacesThere()
    const namespaces = recorded.namespaces.filter((namespace) => there.includes(namespace))
    remedies.push(...namespaces.map(removal), `rm ${file}`)
  }
  remedies.push(
    ...namespacesThere()
      .filter((name) => name.startsWith(prefix) && !owned.has(name))
      .map(removal),
  )
  if (remedies.length === 0) return undefined
  const left = 'an earlier run was killed and has left network namespaces behind'
  return `${left}; if nothing of it is needed, remove them:\n${remedies.map((line) => `  ${line}`).join('\n')}`
}

/** With whatever still runs in it. */
function removal(namespace: string): string {
  return `ip netns pids ${namespace} | xargs -r kill -9; ip netns del ${namespace}`
}

/** Undefined: it has been given back meanwhile. */
function readLease(file: string): Recorded | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}

/** Field 22 of /proc/PID/stat; undefined: there is no such process. */
function beganAt(pid: number): string | undefined {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return line.slice(line.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined
  }
}

function namespacesThere(): readonly string[] {
  try {
    const listed = execFileSync('ip', ['netns', 'list'], { timeout: commandMsMax, stdio: ['ignore', 'pipe', 'ignore'] })
    return listed
      .toString()
      .split('\n')
      .map((line) => line.split(' ')[0] ?? '')
      .filter((name) => name !== '')
  } catch {
    return []
  }
}

function isUsed(net: string): boolean {
  return Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address.startsWith(`${net}.`)))
}

/** Whether the other name was free: the claim and its content appear in one step. */
function isLinked(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}

function tried(command: string, ...words: readonly string[]): boolean {
  try {
    execFileSync(command, words, { timeout: commandMsMax, stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
