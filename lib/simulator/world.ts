import type { Cryptography } from '../ports/cryptography.ts'
import type { LogLevel } from '../ports/log.ts'
import type { Names } from '../ports/network.ts'
import type { Ports } from '../ports/ports.ts'
import { seededRandom, seedFor } from '../ports/random.ts'
import type { StorageOpener } from '../ports/storage.ts'
import { noTracer } from '../ports/tracer.ts'
import { createValueLog } from '../value-log/open-value-log.ts'
import type { ValueLogSettings } from '../value-log/settings.ts'
import type { Hash } from '../vocabulary/hash.ts'
import { type Endpoint, formatEndpoint, parseEndpoint } from '../vocabulary/ids.ts'
import { invariant } from '../vocabulary/invariant.ts'
import type { Random } from '../vocabulary/random.ts'
import { EventQueue, SimulatedEvent } from './event-queue.ts'
import { Machine } from './machine.ts'
import { SimulatedDatagrams } from './simulated-datagrams.ts'
import { SimulatedDirectory } from './simulated-directory.ts'
import type { DiskSettings } from './simulated-disk.ts'
import { LogRing, SimulatedLog } from './simulated-log.ts'
import { SimulatedMetrics } from './simulated-metrics.ts'
import { type LinkSettings, SimulatedNetwork } from './simulated-network.ts'
import { ProcessCall, SimulatedProcess } from './simulated-process.ts'
import { SimulatedSegments } from './simulated-segments.ts'
import { SimulatedStorageOpener } from './simulated-storage.ts'
import { resetConnections, SimulatedStreams } from './simulated-streams.ts'
import { SimulatedTime } from './simulated-time.ts'
import { Trace } from './trace.ts'

export interface WorldOptions {
  readonly seed: number
  readonly hash: Hash
  /** The real primitives, with chance of this world. */
  readonly createCryptography: (random: (count: number) => Uint8Array) => Cryptography
  readonly links?: LinkSettings | undefined
  readonly disk?: DiskSettings | undefined
  /** Machines keep large values in a log over their stores; each process may do it in its own way. Default: they do not. */
  readonly valueLog?: Partial<ValueLogSettings> | ((life: string) => Partial<ValueLogSettings>) | undefined
  readonly logLinesMax?: number | undefined
  readonly logLevel?: LogLevel | undefined
}

/** A quick local network: a fraction of a millisecond, and nothing goes wrong. */
export const calmLinks: LinkSettings = {
  delayMs: 0.1,
  jitterMs: 0.2,
  lossChance: 0,
  duplicateChance: 0,
  splitChance: 0,
}

const calmDisk: DiskSettings = { writeMs: 0.05, syncMs: 0.5 }

/**
 * A small universe: machines, disks, a network and virtual time, in one thread. Everything in it follows from the seed
 * and from what is asked of it: the same seed and the same questions give the same run, event by event.
 */
export class World {
  readonly seed: number
  readonly network: SimulatedNetwork
  readonly log: LogRing
  readonly trace = new Trace()
  readonly machines = new Map<string, Machine>()
  readonly #hash: Hash
  readonly #createCryptography: WorldOptions['createCryptography']
  readonly #disk: DiskSettings
  readonly #valueLog: WorldOptions['valueLog']
  readonly #events = new EventQueue()
  #nowMs = 0
  #happened = 0

  constructor(options: WorldOptions) {
    this.seed = options.seed
    this.#hash = options.hash
    this.#createCryptography = options.createCryptography
    this.#disk = options.disk ?? calmDisk
    this.#valueLog = options.valueLog
    this.network = new SimulatedNetwork((link) => this.random(`network/${link}`), options.links ?? calmLinks)
    this.log = new LogRing(options.logLinesMax ?? 200, options.logLevel ?? 'info')
  }

  /** True, virtual milliseconds since the beginning. No process sees this clock. */
  get nowMs(): number {
    return this.#nowMs
  }

  /** How many events have happened. */
  get happened(): number {
    return this.#happened
  }

  /** A stream of chance of its own for each component. */
  random(component: string): Random {
    return seededRandom(seedFor(this.seed, component))
  }

  /** The machine of that name, which is made if need be. */
  machine(name: string): Machine {
    let machine = this.machines.get(name)
    if (machine === undefined) {
      machine = new Machine(
        name,
        this.machines.size,
        this.#disk,
        this.random(`${name}/disk`),
        this.#valueLog === undefined ? undefined : this.#hash,
      )
      this.machines.set(name, machine)
      this.network.add(machine)
    }
    return machine
  }

  /** The ports of a new process on that machine. One at a time: the one before must have ended or been crashed. */
  portsFor(name: string): Ports & { readonly metrics: SimulatedMetrics } {
    const machine = this.machine(name)
    invariant(!machine.isRunning, 'a machine runs one process at a time', { name })
    const process = new SimulatedProcess(this, machine, machine.starts)
    machine.starts += 1
    machine.process = process
    if (!machine.isOn) {
      machine.isOn = true
      for (const link of this.network.links()) if (link.to === machine) link.wakeWaiting()
    }
    const life = `${name}/${machine.starts}`
    return {
      time: new SimulatedTime(process, machine.clock, this.random(`${life}/timers`)),
      random: (component) => this.random(`${life}/${component}`),
      hash: this.#hash,
      cryptography: this.#createCryptography(bytesOf(this.random(`${life}/cryptography`))),
      directory: new SimulatedDirectory(process, machine),
      storage: this.#storageOf(process, machine, life),
      datagrams: new SimulatedDatagrams(process, this.network),
      streams: new SimulatedStreams(process, this.network),
      names: new SimulatedNames(process, this.network),
      log: new SimulatedLog(this, name),
      metrics: new SimulatedMetrics(),
      tracer: noTracer,
    }
  }

  #storageOf(process: SimulatedProcess, machine: Machine, life: string): StorageOpener {
    const index = new SimulatedStorageOpener(process, machine.disk)
    if (this.#valueLog === undefined) return index
    const time = new SimulatedTime(process, machine.clock, this.random(`${life}/value-log`))
    const openSegments = (): SimulatedSegments => new SimulatedSegments(process, machine.disk)
    const settings = typeof this.#valueLog === 'function' ? this.#valueLog(life) : this.#valueLog
    return createValueLog({ index, openSegments, hash: this.#hash, time }, settings)
  }

  /**
   * Ends the process at once. `kill`: what reached the system survives, and peers hear of it. `power`: unsynced writes
   * may be lost, nobody hears anything, and the machine's next start has another boot id.
   */
  crash(name: string, kind: 'kill' | 'power'): void {
    this.machine(name).stop(kind)
  }

  /** The ports of the machine's next process; the one that still runs is killed. */
  restart(name: string): Ports & { readonly metrics: SimulatedMetrics } {
    this.crash(name, 'kill')
    return this.portsFor(name)
  }

  /** SIGSTOP and SIGCONT. */
  pause(name: string): void {
    this.machine(name).process?.pause()
  }

  resume(name: string): void {
    this.machine(name).process?.resume()
  }

  /** Ends every connection between two machines; both sides hear of it. Returns how many there were. */
  resetConnections(between: string, and: string): number {
    return resetConnections(this.machine(between), this.machine(and))
  }

  /** Calls back at a time, outside of every process: for whoever directs the simulation. */
  after(delayMs: number, callback: () => void): void {
    this.#events.push(this.#nowMs + delayMs, new WorldCall(callback))
  }

  /** Calls back inside the process that runs on that machine now; never, if it is dead by then. */
  inProcess(name: string, callback: () => void, delayMs = 0): void {
    const process = this.machine(name).process
    if (process !== undefined) this.#events.push(this.#nowMs + delayMs, new ProcessCall(process, callback))
  }

  at(atMs: number, event: SimulatedEvent): void {
    this.#events.push(atMs, event)
  }

  /** Lets one event happen; false when there is none. */
  step(): boolean {
    const atMs = this.#events.nextMs
    const event = this.#events.pop()
    if (event === undefined) return false
    this.#nowMs = atMs
    this.#happened += 1
    this.trace.addTime(atMs)
    event.happen()
    return true
  }

  /** Lets everything happen that is due in the next `durationMs`, or until `isDone`. */
  run(durationMs: number, isDone?: () => boolean): void {
    const endMs = this.#nowMs + durationMs
    while (this.#events.nextMs <= endMs) {
      if (isDone?.() === true) return
      this.step()
    }
    if (isDone?.() !== true) this.#nowMs = endMs
  }

  /** Until `isDone`; false when that did not come about within `limitMs`. */
  runUntil(isDone: () => boolean, limitMs: number): boolean {
    if (!isDone()) this.run(limitMs, isDone)
    return isDone()
  }
}

class WorldCall extends SimulatedEvent {
  readonly #callback: () => void
  constructor(callback: () => void) {
    super()
    this.#callback = callback
  }
  override happen(): void {
    this.#callback()
  }
}

/** Every machine's name resolves to itself; IP addresses too. */
class SimulatedNames implements Names {
  readonly #process: SimulatedProcess
  readonly #network: SimulatedNetwork

  constructor(process: SimulatedProcess, network: SimulatedNetwork) {
    this.#process = process
    this.#network = network
  }

  resolve(endpoint: Endpoint, done: (addresses: readonly Endpoint[]) => void): void {
    const { host, port } = parseEndpoint(endpoint) as { host: string; port: number }
    const machine = this.#network.machineOf(host, this.#process.machine)
    const isKnown = machine !== undefined || /^[0-9.]+$|:/.test(host)
    const answer = isKnown ? [formatEndpoint(host === 'localhost' ? '127.0.0.1' : host, port)] : []
    const { world } = this.#process
    if (this.#process.isAlive) world.at(world.nowMs + 0.1, new ProcessCall(this.#process, () => done(answer)))
  }
}

function bytesOf(random: Random): (count: number) => Uint8Array {
  return (count) => Uint8Array.from({ length: count }, () => random.below(256))
}
