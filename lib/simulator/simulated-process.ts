import type { Keyring } from '../security/keyring.ts'
import { SimulatedEvent } from './event-queue.ts'
import type { Machine } from './machine.ts'
import type { World } from './world.ts'

/** An event that a process takes part in: it waits while the process is paused, and is lost when it is dead. */
export abstract class ProcessEvent extends SimulatedEvent {
  /** Called inside the process, at most once. */
  abstract deliver(): void
}

/** One life of one process, from its start to its death. Whatever was asked for in this life ends with it. */
export class SimulatedProcess {
  readonly world: World
  readonly machine: Machine
  /** How many processes this machine started before. */
  readonly number: number
  readonly startedMs: number
  /** With it, connections are made to those alone who have its first key, and taken from those who have any. */
  keyring: Keyring | undefined
  /** Told after each turn of this process: for whoever waits for what it may have done outside the world. */
  onTurn: (() => void) | undefined
  #isAlive = true
  #isPaused = false
  #isInTurn = false
  #parked: ProcessEvent[] = []
  #parkedAtMs = 0
  #soon: (() => void)[] = []
  #endOfTurn: (() => void)[] = []
  #longestDelayMs = 0
  #delayedAtMs = Number.NEGATIVE_INFINITY
  #deathWatches: ((kind: 'kill' | 'power') => void)[] = []

  constructor(world: World, machine: Machine, number: number) {
    this.world = world
    this.machine = machine
    this.number = number
    this.startedMs = world.nowMs
  }

  get isAlive(): boolean {
    return this.#isAlive
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  /** One event runs to completion, and then what waited for the end of the turn. */
  run(event: ProcessEvent): void {
    if (!this.#isAlive) return
    if (this.#isPaused) {
      this.#parked.push(event)
      return
    }
    this.#isInTurn = true
    event.deliver()
    this.#runSoon()
    this.#finishTurn()
  }

  soon(callback: () => void): void {
    if (!this.#isAlive) return
    this.#soon.push(callback)
    this.#needTurn()
  }

  endOfTurn(callback: () => void): void {
    if (!this.#isAlive) return
    this.#endOfTurn.push(callback)
    this.#needTurn()
  }

  /** SIGSTOP: every event waits. */
  pause(): void {
    if (!this.#isAlive || this.#isPaused) return
    this.#isPaused = true
    this.#parkedAtMs = this.world.nowMs
  }

  /** SIGCONT: what waited happens now, in the order in which it came. */
  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#longestDelayMs = this.world.nowMs - this.#parkedAtMs
    this.#delayedAtMs = this.world.nowMs
    const parked = this.#parked
    this.#parked = []
    for (const event of parked) this.world.at(this.world.nowMs, new Resumption(this, event))
  }

  /** The longest wait of the last second. */
  eventLoopDelayMs(): number {
    return this.world.nowMs - this.#delayedAtMs <= 1000 ? this.#longestDelayMs : 0
  }

  /** `watch` is called when this process dies, so that what belongs to it can end too. */
  atDeath(watch: (kind: 'kill' | 'power') => void): void {
    this.#deathWatches.push(watch)
  }

  die(kind: 'kill' | 'power'): void {
    if (!this.#isAlive) return
    this.#isAlive = false
    this.#isPaused = false
    this.#soon = []
    this.#endOfTurn = []
    // What waited finds a dead process: a stream's bytes are answered with a reset, the rest is forgotten.
    for (const event of this.#parked) this.world.at(this.world.nowMs, event)
    this.#parked = []
    for (const watch of this.#deathWatches) watch(kind)
    this.#deathWatches = []
  }

  /** Asked for from outside an event: a turn of its own. */
  #needTurn(): void {
    if (!this.#isInTurn && this.#soon.length + this.#endOfTurn.length === 1) {
      this.world.at(this.world.nowMs, new EmptyTurn(this))
    }
  }

  #runSoon(): void {
    if (this.#soon.length === 0) return
    // A callback may ask for more: they follow at once.
    for (let index = 0; index < this.#soon.length; index += 1) (this.#soon[index] as () => void)()
    this.#soon = []
  }

  #finishTurn(): void {
    // A callback may ask for more: they belong to the same turn.
    for (let index = 0; index < this.#endOfTurn.length; index += 1) {
      const callback = this.#endOfTurn[index] as () => void
      callback()
      this.#runSoon()
    }
    if (this.#endOfTurn.length > 0) this.#endOfTurn = []
    this.#isInTurn = false
    this.onTurn?.()
  }
}

/** Lets the callbacks run that were asked for from outside. */
class EmptyTurn extends ProcessEvent {
  readonly #process: SimulatedProcess
  constructor(process: SimulatedProcess) {
    super()
    this.#process = process
  }
  override happen(): void {
    this.#process.run(this)
  }
  override deliver(): void {}
}

/** An event that waited while its process was paused. */
class Resumption extends SimulatedEvent {
  readonly #process: SimulatedProcess
  readonly #event: ProcessEvent
  constructor(process: SimulatedProcess, event: ProcessEvent) {
    super()
    this.#process = process
    this.#event = event
  }
  override happen(): void {
    this.#process.run(this.#event)
  }
}

/** A callback inside a process, `world.inProcess`. */
export class ProcessCall extends ProcessEvent {
  readonly #process: SimulatedProcess
  readonly #callback: () => void
  constructor(process: SimulatedProcess, callback: () => void) {
    super()
    this.#process = process
    this.#callback = callback
  }
  override happen(): void {
    this.#process.run(this)
  }
  override deliver(): void {
    this.#callback()
  }
}
