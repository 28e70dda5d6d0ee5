import type { DiskSnapshot, SimulatedDisk } from '../../lib/simulator/simulated-disk.ts'
import type { World } from '../../lib/simulator/world.ts'
import { unreachable } from '../../lib/vocabulary/invariant.ts'
import type { Random } from '../../lib/vocabulary/random.ts'
import { decodeOwnRow } from '../../lib/wire/own-row.ts'
import { metaKey } from '../../lib/wire/store-keys.ts'
import { openValue } from '../../lib/wire/stored-record.ts'
import type { History } from '../checkers/history.ts'
import { hash } from '../wire/fixtures/hash.ts'
import type { DrivenNode, SimulatedCluster } from './cluster.ts'
import { type Configuration, pick } from './configuration.ts'
import { drawFault } from './draw-fault.ts'
import { type Fault, renamedIn, type ScriptedFault } from './script.ts'
import { type Moment, StoredLayouts } from './stored-layout.ts'

/** The first byte of a stored record's key. */
const dataPrefix = 0x64
const lookEveryMs = 30
const looksMax = 100
/** A step of a change may be over in a moment. */
const momentLookMs = 10
/** A node without its disk needs a while to find itself. */
const looksWhenBackMax = 15_000
/** A store that is backed up after a stop in good order has stopped by then. */
const stoppedAfterMs = 2000

type BareReturn = Extract<Fault, { kind: 'bare-return' }>

/**
 * Does to a cluster what a bad day does, again and again, until it is told to stop; then undoes all of it. What it does is
 * drawn, or was written down.
 */
export class Nemesis {
  readonly #cluster: SimulatedCluster
  readonly #world: World
  readonly #configuration: Configuration
  readonly #history: History
  readonly #random: Random
  readonly #script: readonly ScriptedFault[] | undefined
  /** Everything that began, as it can be done again. */
  readonly written: ScriptedFault[] = []
  #startedMs = 0
  /** Faults of the script whose time has not come. */
  #toCome = 0
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
  /** Whose wall clock is wrong by more than a cluster goes on with. */
  #leapt: string | undefined
  /** How many faults began. */
  begun = 0

  constructor(
    cluster: SimulatedCluster,
    configuration: Configuration,
    history: History,
    script?: readonly ScriptedFault[] | undefined,
  ) {
    this.#cluster = cluster
    this.#world = cluster.world
    this.#configuration = configuration
    this.#history = history
    this.#random = cluster.world.random('nemesis')
    this.#victim = pick(this.#random, cluster.starters)
    this.#script = script
    this.#toCome = script?.length ?? 0
  }

  start(): void {
    this.#startedMs = this.#world.nowMs
    for (const { atMs, ...fault } of this.#script ?? []) {
      this.#world.after(atMs, () => {
        this.#toCome -= 1
        this.#beginNow(fault)
      })
    }
    if (this.#script === undefined && this.#configuration.faults.length > 0) this.#wait()
  }

  /** Whether everything has begun that was written down. */
  get isIdle(): boolean {
    return this.#toCome === 0
  }

  /** No new fault begins; those that have begun go on. */
  stop(): void {
    this.#isStopped = true
  }

  /** No new fault begins, and what is broken stays so until the healing. */
  freeze(): void {
    this.#isStopped = true
    this.#healings += 1
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
    this.#leapt = undefined
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
      if (!this.#isCalm) this.#beginNow(this.#draw())
      this.#wait()
    })
  }

  #draw(): Fault {
    const configuration = this.#configuration
    const { wanted } = this.#cluster
    const kind = pick(this.#random, configuration.faults)
    const scene = { random: this.#random, configuration, wanted, victim: this.#victim }
    return drawFault(kind, pick(this.#random, wanted), { ...scene, hasBackup: this.#backup !== undefined })
  }

  #beginNow(fault: Fault): void {
    if (this.#isStopped || this.#isCalm) return
    this.begun += 1
    this.written.push({ atMs: this.#world.nowMs - this.#startedMs, ...fault })
    this.#begin(fault)
  }

  #begin(fault: Fault): void {
    const { kind } = fault
    switch (kind) {
      case 'kill':
      case 'power':
        this.#cluster.crash(fault.node, kind)
        this.#record(kind, fault.node)
        return this.#startLater(fault.node, fault.lastsMs)
      case 'blackout':
        for (const { node, lastsMs } of fault.nodes) {
          this.#cluster.crash(node, 'power')
          this.#startLater(node, lastsMs)
        }
        return this.#record(kind, 'all')
      case 'stop':
        this.#cluster.stop(fault.node)
        this.#record(kind, fault.node)
        return this.#startLater(fault.node, fault.lastsMs)
      case 'pause':
        this.#world.pause(fault.node)
        this.#record(kind, fault.node)
        return this.#later(fault.lastsMs, () => this.#world.resume(fault.node))
      case 'isolate':
      case 'halves': {
        const { side } = fault
        this.#record(kind, side)
        return this.#cut(fault.lastsMs, (from, to) => side.includes(from) !== side.includes(to))
      }
      case 'one-way':
        this.#record(kind, { to: fault.to, from: fault.from })
        return this.#cut(fault.lastsMs, (from, to) => to === fault.to && fault.from.includes(from))
      case 'reset':
        this.#world.resetConnections(...fault.between)
        return this.#record(kind, fault.between)
      case 'lossy': {
        const { lossChance, duplicateChance, lastsMs } = fault
        const { links } = this.#configuration
        this.#world.network.setAll({ ...links, lossChance, duplicateChance })
        this.#record(kind, { lossChance, duplicateChance })
        return this.#later(lastsMs, () => this.#world.network.setAll(links))
      }
      case 'slow-disk': {
        const { disk } = this.#world.machine(fault.node)
        disk.slowness = fault.slowness
        this.#record(kind, fault.node)
        return this.#later(fault.lastsMs, () => {
          disk.slowness = 1
        })
      }
      case 'clock-jump':
        this.#world.machine(fault.node).clock.wallOffsetMs = fault.offsetMs
        return this.#record(kind, { name: fault.node, offsetMs: fault.offsetMs })
      case 'clock-leap':
        return this.#leap(fault)
      case 'disk-full':
      case 'disk-error': {
        const { node, lastsMs, restartMs } = fault
        const { disk } = this.#world.machine(node)
        disk.fault = kind === 'disk-full' ? 'full' : 'failed'
        this.#record(kind, node)
        return this.#later(lastsMs, () => {
          disk.fault = 'none'
          // A node opens its store again by itself; or somebody is impatient.
          if (restartMs === undefined) return
          this.#cluster.crash(node, 'kill')
          this.#startLater(node, restartMs)
        })
      }
      case 'wipe':
        return this.#wipeInCalm(fault.node, fault.lastsMs)
      case 'bare-return':
        return this.#returnBare(fault)
      case 'back-up':
        return this.#backUp(fault.node, fault)
      case 'roll-back':
        return this.#rollBack(fault.node, fault.lastsMs)
      case 'flip-bit':
        this.#flipBit(fault.node)
        return this.#startLater(fault.node, fault.lastsMs)
      case 'kill-at-work':
        return this.#killAtWork(fault, looksMax)
      case 'long-absence':
        return this.#takeAway(fault.node, fault.lastsMs)
      case 'mid-move':
        return this.#strikeAt(fault, looksMax)
      default:
        return unreachable(kind)
    }
  }

  /** Something happens just when a node has come that far in a change of owners: to it, or to somebody else. */
  #strikeAt(fault: Extract<Fault, { kind: 'mid-move' }>, looks: number): void {
    if (looks === 0 || this.#isStopped || this.#isCalm) return
    const { moment, node, isThere, strikes } = fault
    const there = this.#cluster.running.find((name) => this.#momentOf(name) === moment)
    if (there === undefined) {
      this.#world.after(momentLookMs, () => this.#strikeAt(fault, looks - 1))
      return
    }
    const name = isThere ? there : node
    this.#record('mid-move', { moment, at: there, kind: strikes.kind, name })
    this.#begin(renamedIn(strikes, (one) => (one === node ? name : one)))
  }

  #momentOf(name: string): Moment | undefined {
    return this.#layouts.momentOf(this.#world.machine(name).disk, this.#cluster.idOf(name))
  }

  /** One at a time: of three clocks two must be right, or nobody could say which is wrong. */
  #leap({ kind, node, offsetMs, strobeMs, lastsMs }: Extract<Fault, { kind: 'clock-leap' }>): void {
    if (this.#leapt !== undefined && this.#leapt !== node) return
    this.#leapt = node
    const { clock } = this.#world.machine(node)
    this.#record(kind, { name: node, offsetMs, strobeMs })
    const endMs = this.#world.nowMs + lastsMs
    const strobe = (isWrong: boolean): void => {
      clock.wallOffsetMs = isWrong ? offsetMs : 0
      const leftMs = endMs - this.#world.nowMs
      if (leftMs > 0) return this.#later(Math.min(leftMs, strobeMs ?? leftMs), () => strobe(!isWrong))
      clock.wallOffsetMs = 0
      this.#leapt = undefined
    }
    strobe(true)
  }

  /** A node dies in the middle of bringing copies together; or the one it works with does. */
  #killAtWork(fault: Extract<Fault, { kind: 'kill-at-work' }>, looks: number): void {
    if (looks === 0 || this.#isStopped || this.#isCalm) return
    const worker = this.#cluster.wanted.find((name) => isAtWork(this.#cluster.node(name)))
    if (worker === undefined) {
      this.#world.after(lookEveryMs, () => this.#killAtWork(fault, looks - 1))
      return
    }
    const name = fault.node ?? worker
    this.#cluster.crash(name, 'kill')
    this.#record('kill-at-work', { name, worker })
    this.#startLater(name, fault.lastsMs)
  }

  /** Once in a run a node is away for longer than anything waits. */
  #takeAway(name: string, lastsMs: number): void {
    if (this.absentUntilMs > 0) return
    this.#absent = name
    this.absentUntilMs = this.#world.nowMs + lastsMs
    this.#cluster.crash(name, 'kill')
    this.#record('long-absence', name)
  }

  /**
   * A disk is replaced by an empty one while everybody else is well, and nothing else happens until its node has brought
   * its data back: who else would know what the disk held?
   */
  #wipeInCalm(name: string, lastsMs: number): void {
    this.#inCalm(name, () => {
      this.#wipe(name)
      this.#startLater(name, lastsMs)
      // From here on anything may happen to it and to the others, before it has its name and its data back.
      this.#isCalm = false
    })
  }

  /** When all are well; until `act` says otherwise nothing else breaks. */
  #inCalm(name: string, act: () => void): void {
    this.#isCalm = true
    this.#mendAll()
    this.#whenWhole(() => {
      // Whoever is no member would be somebody else afterwards.
      if (this.#cluster.node(name)?.self().state === 'serving') act()
      else this.#isCalm = false
    })
  }

  #wipe(name: string): void {
    this.#cluster.crash(name, 'kill')
    this.#world.machine(name).disk.wipe()
    this.dataLostAtMs = this.#world.nowMs
    this.#backup = undefined
    this.#record('wipe', name)
  }

  #flipBit(name: string): void {
    this.#cluster.crash(name, 'kill')
    const isFlipped = this.#world.machine(name).disk.flipBit((entry) => entry.key[0] === dataPrefix)
    this.dataLostAtMs = this.#world.nowMs
    this.#record('flip-bit', { name, isFlipped })
  }

  /** Of the owners one has missed what was written, one has lost it, and the one that has it is out of reach. */
  #returnBare({ kind, node, loss, late, apart, lastsMs, downMs, apartMs }: BareReturn): void {
    this.#inCalm(node, () => {
      this.#record(kind, { name: node, loss, late, apart })
      this.#cut(lastsMs, (from, to) => (from === late) !== (to === late))
      this.#world.after(lastsMs, () => {
        if (this.#isStopped) return
        if (loss === 'wipe') this.#wipe(node)
        else this.#flipBit(node)
        this.#startLater(node, downMs)
        const isBack = (): boolean => {
          const self = this.#cluster.node(node)?.self()
          return loss === 'wipe' ? (self?.recoveringPartitions ?? 0) > 0 : self?.state === 'serving'
        }
        this.#whenever(isBack, looksWhenBackMax, () => {
          this.#cut(apartMs, (from, to) => (from === apart) !== (to === apart))
          this.#world.after(apartMs, () => {
            this.#isCalm = false
          })
        })
      })
    })
  }

  /** It may last for a moment only. After so many looks it is given up, and anything may break again. */
  #whenever(isNow: () => boolean, looks: number, callback: () => void): void {
    if (this.#isStopped) return
    if (isNow()) return callback()
    if (looks === 0) this.#isCalm = false
    else this.#world.after(1, () => this.#whenever(isNow, looks - 1, callback))
  }

  #whenWhole(callback: () => void): void {
    if (this.#isStopped) return
    // Not while somebody else may hold the only other copy of something, and is away.
    if (this.#absent === undefined && this.#cluster.unreadiness(this.#configuration.churn !== undefined).length === 0)
      callback()
    else this.#world.after(500, () => this.#whenWhole(callback))
  }

  #backUp(name: string, { isStopped, lastsMs }: { readonly isStopped: boolean; readonly lastsMs: number }): void {
    const { disk } = this.#world.machine(name)
    const id = this.#cluster.node(name)?.self().id
    if (id === undefined) return
    const keep = (): void => {
      this.#backup = { id, disk: disk.snapshot(), seq: rowSeq(disk, 'own-row') }
    }
    if (!isStopped) {
      keep()
      return this.#record('back-up', name)
    }
    this.#cluster.stop(name)
    this.#world.after(stoppedAfterMs, () => {
      if (this.#cluster.isRunning(name) || this.#isStopped) return
      keep()
      this.#record('back-up', { name, isStopped })
    })
    this.#startLater(name, stoppedAfterMs + 500 + lastsMs)
  }

  #rollBack(name: string, lastsMs: number): void {
    const { disk } = this.#world.machine(name)
    const backup = this.#backup
    // As long as a member keeps no later row, it cannot tell that the store went back: the limit of rule A4.
    if (backup === undefined || this.#rowsKept(name, backup.id).some((seq) => seq <= backup.seq)) return
    this.#cluster.crash(name, 'kill')
    disk.restore(backup.disk)
    this.dataLostAtMs = this.#world.nowMs
    this.#backup = undefined
    this.#record('roll-back', name)
    this.#startLater(name, lastsMs)
  }

  /** The seq of the row that each other machine keeps for this node. */
  #rowsKept(of: string, id: string): readonly number[] {
    const others = this.#cluster.wanted.filter((name) => name !== of)
    return others.map((name) => rowSeq(this.#world.machine(name).disk, `row/${id}`))
  }

  #cut(lastsMs: number, isCut: (from: string, to: string) => boolean): void {
    const links = this.#world.network.links().filter((link) => isCut(link.from.name, link.to.name))
    for (const link of links) link.cut()
    this.#later(lastsMs, () => {
      for (const link of links) link.heal()
    })
  }

  /** After a healing everybody runs already. */
  #startLater(name: string, afterMs: number): void {
    this.#later(afterMs, () => this.#startNow(name))
  }

  #startNow(name: string): void {
    if (name !== this.#absent) this.#cluster.start(name)
  }

  #later(afterMs: number, undo: () => void): void {
    const healings = this.#healings
    this.#world.after(afterMs, () => {
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
