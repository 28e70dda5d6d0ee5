import type { DiskSnapshot, SimulatedDisk } from '../../lib/simulator/simulated-disk.ts'
import type { World } from '../../lib/simulator/world.ts'
import type { Random } from '../../lib/vocabulary/random.ts'
import { decodeOwnRow } from '../../lib/wire/own-row.ts'
import { metaKey } from '../../lib/wire/store-keys.ts'
import { openValue } from '../../lib/wire/stored-record.ts'
import type { History } from '../checkers/history.ts'
import { hash } from '../wire/fixtures/hash.ts'
import type { DrivenNode, SimulatedCluster } from './cluster.ts'
import { type Configuration, type FaultKind, pick } from './configuration.ts'
import { type Moment, moments, StoredLayouts } from './stored-layout.ts'

/** Wall clocks jump, but stay near enough for their nodes to go on coordinating. */
const clockJumpMsMax = 3000
/** The first byte of a stored record's key. */
const dataPrefix = 0x64
/** Twice the time after which anything gives up waiting for a member. */
const absenceMsMin = 60_000
const lookEveryMs = 30
const looksMax = 100
/** A step of a change may be over in a moment. */
const momentLookMs = 10
/** What a moment is struck by: whatever the run draws of these. */
const striking: readonly FaultKind[] = [
  'kill',
  'power',
  'stop',
  'pause',
  'isolate',
  'halves',
  'one-way',
  'wipe',
  'lossy',
  'slow-disk',
]
const sudden: readonly FaultKind[] = ['kill', 'pause', 'isolate']

/** Does to a cluster what a bad day does, again and again, until it is told to stop; then undoes all of it. */
export class Nemesis {
  readonly #cluster: SimulatedCluster
  readonly #world: World
  readonly #configuration: Configuration
  readonly #history: History
  readonly #random: Random
  /** The one node whose disk may lose what it has acknowledged. */
  readonly #victim: string
  #backup: { readonly id: string; readonly disk: DiskSnapshot; readonly seq: number } | undefined
  #isStopped = false
  /** A disk is taken away only when all copies are where they belong. */
  #isCalm = false
  readonly #layouts = new StoredLayouts(hash)
  /** What was to be undone before the last healing is forgotten. */
  #healings = 0
  /** A node that stays down however often it would be started. */
  #absent: string | undefined
  /** Until when. */
  absentUntilMs = Number.NEGATIVE_INFINITY
  /** When the victim's disk last lost what it had acknowledged. */
  dataLostAtMs = Number.NEGATIVE_INFINITY
  /** How many faults began. */
  begun = 0

  constructor(cluster: SimulatedCluster, configuration: Configuration, history: History) {
    this.#cluster = cluster
    this.#world = cluster.world
    this.#configuration = configuration
    this.#history = history
    this.#random = cluster.world.random('nemesis')
    this.#victim = pick(this.#random, cluster.starters)
  }

  start(): void {
    if (this.#configuration.faults.length > 0) this.#wait()
  }

  /** No new fault begins; those that have begun go on. */
  stop(): void {
    this.#isStopped = true
  }

  /** No new fault begins, and nothing is broken any more; nodes may still have to recover. */
  heal(): void {
    this.#isStopped = true
    this.#absent = undefined
    this.#mendAll()
    this.#record('heal', {})
  }

  #mendAll(): void {
    this.#healings += 1
    const { network } = this.#world
    network.healAll()
    const { links } = this.#configuration
    network.setAll(this.#isStopped ? { ...links, lossChance: 0, duplicateChance: 0 } : links)
    for (const name of this.#cluster.names) {
      const { clock, disk } = this.#world.machine(name)
      this.#world.resume(name)
      disk.slowness = 1
      clock.wallOffsetMs = 0
      const state = this.#cluster.node(name)?.self().state
      const isHurt = disk.fault !== 'none' || state === 'storage-failed' || this.#cluster.isStopping(name)
      disk.fault = 'none'
      if (isHurt) this.#cluster.crash(name, 'kill')
      this.#startNow(name)
    }
  }

  #wait(): void {
    const delayMs = this.#configuration.faultEveryMs * 2 * this.#random.fraction()
    this.#world.after(delayMs, () => {
      if (this.#isStopped) return
      if (!this.#isCalm) {
        this.begun += 1
        this.#begin(pick(this.#random, this.#configuration.faults), pick(this.#random, this.#cluster.wanted))
      }
      this.#wait()
    })
  }

  #begin(kind: FaultKind, name: string): void {
    const { disk, clock } = this.#world.machine(name)
    switch (kind) {
      case 'kill':
      case 'power':
        this.#cluster.crash(name, kind)
        this.#record(kind, name)
        return this.#startLater(name)
      case 'blackout':
        for (const each of this.#cluster.wanted) {
          this.#cluster.crash(each, 'power')
          this.#startLater(each)
        }
        return this.#record(kind, 'all')
      case 'stop':
        this.#cluster.stop(name)
        this.#record(kind, name)
        return this.#startLater(name)
      case 'pause':
        this.#world.pause(name)
        this.#record(kind, name)
        return this.#later(() => this.#world.resume(name))
      case 'isolate':
        return this.#cut(kind, [name])
      case 'halves':
        return this.#cut(
          kind,
          this.#cluster.wanted.filter(() => this.#random.below(2) === 0),
        )
      case 'one-way':
        return this.#cutOneWay(name)
      case 'reset': {
        const other = pick(this.#random, this.#cluster.wanted)
        this.#world.resetConnections(name, other)
        return this.#record(kind, [name, other])
      }
      case 'lossy':
        return this.#loseMore()
      case 'slow-disk':
        disk.slowness = 5 + this.#random.below(50)
        this.#record(kind, name)
        return this.#later(() => {
          disk.slowness = 1
        })
      case 'clock-jump':
        clock.wallOffsetMs = (this.#random.fraction() * 2 - 1) * clockJumpMsMax
        return this.#record(kind, { name, offsetMs: clock.wallOffsetMs })
      case 'disk-full':
      case 'disk-error':
        disk.fault = kind === 'disk-full' ? 'full' : 'failed'
        this.#record(kind, name)
        return this.#later(() => {
          disk.fault = 'none'
          // A node opens its store again by itself; or somebody is impatient.
          if (this.#random.below(2) === 0) return
          this.#cluster.crash(name, 'kill')
          this.#startLater(name)
        })
      case 'wipe':
        return this.#wipe()
      case 'roll-back':
        return this.#rollBack()
      case 'flip-bit': {
        this.#cluster.crash(this.#victim, 'kill')
        const isFlipped = this.#world.machine(this.#victim).disk.flipBit((entry) => entry.key[0] === dataPrefix)
        this.dataLostAtMs = this.#world.nowMs
        this.#record(kind, { name: this.#victim, isFlipped })
        return this.#startLater(this.#victim)
      }
      case 'kill-at-work':
        return this.#killAtWork(looksMax)
      case 'long-absence':
        return this.#takeAway(name)
      case 'mid-move':
        return this.#strikeAt(pick(this.#random, moments), looksMax)
    }
  }

  /** Something happens just when a node has come that far in a change of owners: to it, or to somebody else. */
  #strikeAt(moment: Moment, looks: number): void {
    if (looks === 0 || this.#isStopped || this.#isCalm) return
    const { running } = this.#cluster
    const there = running.find((name) => this.#momentOf(name) === moment)
    if (there === undefined) {
      this.#world.after(momentLookMs, () => this.#strikeAt(moment, looks - 1))
      return
    }
    const name = this.#random.below(3) === 0 ? pick(this.#random, running) : there
    const usual = this.#configuration.faults.filter((kind) => striking.includes(kind))
    const kind = pick(this.#random, usual.length === 0 ? sudden : usual)
    this.#record('mid-move', { moment, at: there, kind, name })
    this.#begin(kind, name)
  }

  #momentOf(name: string): Moment | undefined {
    return this.#layouts.momentOf(this.#world.machine(name).disk, this.#cluster.idOf(name))
  }

  /** A node dies in the middle of bringing copies together; or the one it works with does. */
  #killAtWork(looks: number): void {
    if (looks === 0 || this.#isStopped || this.#isCalm) return
    const worker = this.#cluster.wanted.find((name) => isAtWork(this.#cluster.node(name)))
    if (worker === undefined) {
      this.#world.after(lookEveryMs, () => this.#killAtWork(looks - 1))
      return
    }
    const name = this.#random.below(2) === 0 ? worker : pick(this.#random, this.#cluster.wanted)
    this.#cluster.crash(name, 'kill')
    this.#record('kill-at-work', { name, worker })
    this.#startLater(name)
  }

  /** Once in a run a node is away for longer than anything waits. */
  #takeAway(name: string): void {
    if (this.absentUntilMs > 0) return
    this.#absent = name
    this.absentUntilMs = this.#world.nowMs + absenceMsMin * (1 + this.#random.fraction())
    this.#cluster.crash(name, 'kill')
    this.#record('long-absence', name)
  }

  /**
   * A disk is replaced by an empty one while everybody else is well, and nothing else happens until its node has brought
   * its data back: who else would know what the disk held?
   */
  #wipe(): void {
    this.#isCalm = true
    this.#mendAll()
    this.#whenWhole(() => {
      // Whoever is no member would be somebody else afterwards.
      if (this.#cluster.node(this.#victim)?.self().state !== 'serving') {
        this.#isCalm = false
        return
      }
      this.#cluster.crash(this.#victim, 'kill')
      this.#world.machine(this.#victim).disk.wipe()
      this.dataLostAtMs = this.#world.nowMs
      this.#backup = undefined
      this.#record('wipe', this.#victim)
      this.#startLater(this.#victim)
      // From here on anything may happen to it and to the others, before it has its name and its data back.
      this.#isCalm = false
    })
  }

  #whenWhole(callback: () => void): void {
    if (this.#isStopped) return
    // Not while somebody else may hold the only other copy of something, and is away.
    if (this.#absent === undefined && this.#cluster.unreadiness(this.#configuration.churn !== undefined).length === 0)
      callback()
    else this.#world.after(500, () => this.#whenWhole(callback))
  }

  /** First a backup is taken, of a running store or of one that was stopped in good order; the next time it is put back. */
  #rollBack(): void {
    const name = this.#victim
    const { disk } = this.#world.machine(name)
    const backup = this.#backup
    // As long as a member keeps no later row, it cannot tell that the store went back: the limit of rule A4.
    if (backup !== undefined && this.#rowsKept(backup.id).some((seq) => seq <= backup.seq)) return
    if (backup !== undefined) {
      this.#cluster.crash(name, 'kill')
      disk.restore(backup.disk)
      this.dataLostAtMs = this.#world.nowMs
      this.#backup = undefined
      this.#record('roll-back', name)
      return this.#startLater(name)
    }
    const id = this.#cluster.node(name)?.self().id
    if (id === undefined) return
    if (this.#random.below(2) === 0) {
      this.#backup = { id, disk: disk.snapshot(), seq: rowSeq(disk, 'own-row') }
      return this.#record('back-up', name)
    }
    this.#cluster.stop(name)
    this.#world.after(2000, () => {
      if (this.#cluster.isRunning(name) || this.#isStopped) return
      this.#backup = { id, disk: disk.snapshot(), seq: rowSeq(disk, 'own-row') }
      this.#record('back-up', { name, isStopped: true })
    })
    this.#startLater(name, 2500)
  }

  /** The seq of the row that each other machine keeps for this node. */
  #rowsKept(id: string): readonly number[] {
    const others = this.#cluster.wanted.filter((name) => name !== this.#victim)
    return others.map((name) => rowSeq(this.#world.machine(name).disk, `row/${id}`))
  }

  #cut(kind: string, side: readonly string[]): void {
    const { network } = this.#world
    const links = network.links().filter((link) => side.includes(link.from.name) !== side.includes(link.to.name))
    for (const link of links) link.cut()
    this.#record(kind, side)
    this.#later(() => {
      for (const link of links) link.heal()
    })
  }

  #cutOneWay(name: string): void {
    const { network } = this.#world
    const links = network.links().filter((link) => link.to.name === name && this.#random.below(2) === 0)
    for (const link of links) link.cut()
    this.#record('one-way', { to: name, from: links.map((link) => link.from.name) })
    this.#later(() => {
      for (const link of links) link.heal()
    })
  }

  #loseMore(): void {
    const { links } = this.#configuration
    const lossChance = 0.05 + this.#random.fraction() * 0.4
    const duplicateChance = this.#random.fraction() * 0.5
    this.#world.network.setAll({ ...links, lossChance, duplicateChance })
    this.#record('lossy', { lossChance, duplicateChance })
    this.#later(() => this.#world.network.setAll(links))
  }

  #startLater(name: string, leastMs = 0): void {
    const delayMs = leastMs + this.#configuration.faultLastsMs * (0.2 + 1.3 * this.#random.fraction())
    const healings = this.#healings
    this.#world.after(delayMs, () => {
      // After a healing everybody runs already.
      if (this.#healings === healings) this.#startNow(name)
    })
  }

  #startNow(name: string): void {
    if (name !== this.#absent) this.#cluster.start(name)
  }

  #later(undo: () => void): void {
    const delayMs = this.#configuration.faultLastsMs * (0.2 + 1.3 * this.#random.fraction())
    const healings = this.#healings
    this.#world.after(delayMs, () => {
      if (this.#healings === healings) undo()
    })
  }

  #record(f: string, v: unknown): void {
    this.#history.add({ t: 'info', p: 'nemesis', f, v, ns: Math.floor(this.#world.nowMs * 1_000_000) })
  }
}

function isAtWork(node: DrivenNode | undefined): boolean {
  if (node === undefined) return false
  return (
    node.self().recoveringPartitions > 0 ||
    node.hints().hints.some(({ state }) => state === 'delivering') ||
    node.antiEntropy().exchanges.some(({ state }) => state === 'running') ||
    node.tombstones().some(({ waitingFor }) => waitingFor === 'next round')
  )
}

/** 0: the store has no such row, or one that cannot be read. */
function rowSeq(disk: SimulatedDisk, name: string): number {
  const value = disk.live.get(metaKey(name))
  try {
    return value === undefined ? 0 : decodeOwnRow(openValue(value, hash)).row.seq
  } catch {
    return 0
  }
}
