import type { Hash } from '../vocabulary/hash.ts'
import type { Random } from '../vocabulary/random.ts'
import type { SimulatedDatagramSocket } from './simulated-datagrams.ts'
import type { SimulatedDirectory } from './simulated-directory.ts'
import { type DiskSettings, SimulatedDisk } from './simulated-disk.ts'
import type { SimulatedProcess } from './simulated-process.ts'
import type { SimulatedListener, StreamEnd } from './simulated-streams.ts'
import { MachineClock } from './simulated-time.ts'

const ephemeralPortMin = 40_000
const portMax = 65_535

/** One computer: a clock, a disk, a network card, and at most one process of ours. Its host name is `name`. */
export class Machine {
  readonly name: string
  /** 0, 1, 2...: the order in which machines were added. */
  readonly number: number
  readonly clock = new MachineClock()
  readonly disk: SimulatedDisk
  readonly datagramSockets = new Map<number, SimulatedDatagramSocket>()
  readonly listeners = new Map<number, SimulatedListener>()
  readonly streamEnds = new Set<StreamEnd>()
  process: SimulatedProcess | undefined
  lockHolder: SimulatedDirectory | undefined
  /** False after a power cut, until a process starts. */
  isOn = true
  boots = 1
  /** How many processes were started here. */
  starts = 0
  #ephemeralPort = ephemeralPortMin

  constructor(name: string, number: number, disk: DiskSettings, random: Random, logHash?: Hash | undefined) {
    this.name = name
    this.number = number
    this.disk = new SimulatedDisk(disk, random, logHash)
  }

  get isRunning(): boolean {
    return this.process?.isAlive === true
  }

  freePort(taken: ReadonlyMap<number, unknown>): number {
    let port = this.drawEphemeralPort()
    while (taken.has(port)) port = this.drawEphemeralPort()
    return port
  }

  drawEphemeralPort(): number {
    this.#ephemeralPort = this.#ephemeralPort === portMax ? ephemeralPortMin : this.#ephemeralPort + 1
    return this.#ephemeralPort
  }

  /** Ends the process and what the system kept for it. */
  stop(kind: 'kill' | 'power'): void {
    const { process } = this
    if (process !== undefined) {
      process.die(kind)
      for (const end of this.streamEnds) end.die(kind)
    }
    this.process = undefined
    this.streamEnds.clear()
    if (kind === 'power') {
      this.isOn = false
      this.boots += 1
      this.disk.losePower()
    }
  }
}
