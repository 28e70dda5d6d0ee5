import { hlcFromMs } from '../../lib/protocol/clock/hlc.ts'
import { wallMsOf } from '../../lib/simulator/simulated-time.ts'
import type { World } from '../../lib/simulator/world.ts'
import type { Hash } from '../../lib/vocabulary/hash.ts'
import type { Key } from '../../lib/vocabulary/key.ts'
import type { Random } from '../../lib/vocabulary/random.ts'
import { dataRange } from '../../lib/wire/store-keys.ts'
import type { History } from '../checkers/history.ts'
import { bucket, keyName, vidOf } from './clients.ts'
import type { SimulatedCluster } from './cluster.ts'
import type { Configuration } from './configuration.ts'
import { replayWithinMs } from './replay-frames.ts'
import {
  dirtyRangesOn,
  divergedKeys,
  hintsOn,
  isGivenOn,
  isTombstoneCopy,
  ownedCopies,
  type StoredCopy,
} from './stored-state.ts'
import { wrongTreesOn } from './stored-trees.ts'

/** Hints go out once a minute at the latest; an exchange that nobody asks for comes within ten minutes. */
const togetherLimitMs = 150_000
const scheduleLimitMs = 800_000
const lookEveryMs = 250
/** Asked for again: what a hint has brought to one owner since, the others may lack. */
const exchangeEveryMs = 10_000
const exchangeLastsMs = 1500
/** Interruptions come while there is most to do. */
const interruptedWithinMs = 4000
const downMsMax = 1000
const stopLimitMs = 30_000
/** Old copies that are kept for no longer are gone soon after; a clock that is ahead by restarts holds them up (docs/rules.md K1). */
const keptSecondsMax = 5
const removedAfterMs = 240_000
/** How far wall clocks may be apart in the end. */
const clocksApartMs = 5000
/** No tombstone is expected to go in the course of a run whose grace is longer. */
export const shortGraceSeconds = 10

/** What is told when a promise is broken that no history shows. */
export type Report = (check: string, message: string) => void

/**
 * What happens after the healing without any client: copies come together by themselves, within a bound, and then there
 * is silence.
 */
export class FinalPhase {
  readonly #cluster: SimulatedCluster
  readonly #world: World
  readonly #configuration: Configuration
  readonly #history: History
  readonly #hash: Hash
  readonly #random: Random
  readonly #report: Report
  #goneIfBefore = 0

  constructor(
    cluster: SimulatedCluster,
    configuration: Configuration,
    parts: { readonly history: History; readonly hash: Hash; readonly report: Report },
  ) {
    this.#cluster = cluster
    this.#world = cluster.world
    this.#configuration = configuration
    this.#history = parts.history
    this.#hash = parts.hash
    this.#report = parts.report
    this.#random = this.#world.random('final phase')
  }

  /** Waits until everything is where the mechanisms of this run promise to bring it, or reports what is not. */
  bringTogether(): void {
    const { awaitsSchedule, interruptions } = this.#configuration
    for (let count = 0; count < interruptions; count += 1) this.#interruptLater()
    const beganMs = this.#world.nowMs
    this.#goneIfBefore = hlcFromMs(wallMsOf(this.#world) + clocksApartMs)
    const endMs = beganMs + (awaitsSchedule ? scheduleLimitMs : togetherLimitMs)
    const leastMs = beganMs + (interruptions > 0 ? interruptedWithinMs + downMsMax : 0)
    let nextExchangeMs = awaitsSchedule ? Number.POSITIVE_INFINITY : beganMs
    let reasons: readonly string[] = []
    while (this.#world.nowMs < endMs) {
      if (this.#world.nowMs >= nextExchangeMs) {
        this.#exchange()
        nextExchangeMs += exchangeEveryMs
      }
      this.#world.run(lookEveryMs)
      if (this.#world.nowMs < leastMs) continue
      reasons = [...this.#cluster.unreadiness(), ...this.#apart()]
      if (reasons.length === 0) return
    }
    this.#report('not-together', `${Math.round((endMs - beganMs) / 1000)} s after the healing: ${reasons.join('; ')}`)
  }

  /** Two rounds of exchanges in which nobody finds anything to repair. */
  expectSilence(): void {
    if (!this.#configuration.antiEntropy) return
    // What the last round has set off ends first, and what is heard again is heard.
    this.#world.run(this.#configuration.replayChance > 0 ? replayWithinMs + exchangeLastsMs : exchangeLastsMs)
    const before = this.#repairs()
    for (let round = 0; round < 2; round += 1) {
      this.#exchange()
      this.#world.run(exchangeLastsMs)
    }
    for (const [name, count] of this.#repairs()) {
      const more = count - (before.get(name) ?? 0)
      if (more !== 0) this.#report('repairs-equal-copies', `${more} more of ${name} though all copies were equal`)
    }
  }

  /** Every partition has all the owners it should have, and nothing is on its way to any of them. */
  lookAtOwners(): void {
    const { replicas, churn } = this.#configuration
    for (const name of this.#cluster.running) {
      const node = this.#cluster.node(name)
      const ring = node?.ring()
      if (node === undefined || ring === undefined) continue
      const wanted = Math.min(replicas, ring.nodes.length)
      const few = ring.partitions.findIndex((owners) => new Set(owners).size !== wanted)
      if (few >= 0) this.#report('too-few-owners', `${name} knows of fewer than ${wanted} owners of partition ${few}`)
      for (const { kind, name: peer } of node.transfers().transfers) {
        this.#report('transfer-goes-on', `${name} still has ${kind} with ${peer} when everything is over`)
      }
    }
    // A node whose clock was ahead of all others counts from there.
    const mayBeAhead = this.#configuration.faults.includes('clock-leap')
    if (churn === undefined || churn.oldCopiesKeptSeconds > keptSecondsMax || mayBeAhead) return
    const isLeft = (): boolean => this.#cluster.running.some((name) => this.#leftOver(name).length > 0)
    const endMs = this.#world.nowMs + removedAfterMs
    while (this.#world.nowMs < endMs && isLeft()) this.#world.run(1000)
    for (const name of this.#cluster.running) {
      for (const partition of this.#leftOver(name)) {
        this.#report('left-over', `${name} still has records of partition ${partition}, which it does not own`)
      }
    }
  }

  /** Partitions of which that disk has records, though its node does not own them. */
  #leftOver(name: string): readonly number[] {
    const ring = this.#cluster.node(name)?.ring()
    const id = this.#cluster.idOf(name)
    const { disk } = this.#world.machine(name)
    const place = ring?.nodes.findIndex((node) => node.id === id) ?? -1
    const owns = (partition: number): boolean => place >= 0 && ring?.partitions[partition]?.includes(place) === true
    return Array.from({ length: this.#configuration.partitions }, (_, partition) => partition).filter((partition) => {
      const { from, to } = dataRange(partition)
      return !owns(partition) && disk.live.lowerBound(to) > disk.live.lowerBound(from)
    })
  }

  /** Writes down what each owner itself has of each key. */
  lookAtCopies(): void {
    let open = 0
    const stored = ownedCopies(this.#cluster, this.#configuration.keys, this.#hash)
    const storedAt = new Map(stored.map((copy) => [`${copy.node} ${copy.key}`, copy]))
    for (let number = 0; number < this.#configuration.keys; number += 1) {
      const key = keyName(number)
      const first = this.#cluster.names.map((name) => this.#cluster.node(name)?.ownersOf(bucket, key as Key))
      for (const owner of first.find((place) => place !== undefined)?.owners ?? []) {
        const node = this.#cluster.nameOf(owner)
        if (node === undefined) continue
        open += 1
        this.#world.inProcess(node, () => {
          this.#cluster.node(node)?.replica(bucket, key as Key, (error, view) => {
            open -= 1
            const copy = storedAt.get(`${node} ${key}`)
            if (view === undefined) return this.#report('unreadable-copy', `${node} says of ${key}: ${error?.message}`)
            this.#history.add({
              t: 'ok',
              p: 'probe',
              f: 'replica-get',
              k: key,
              node,
              vals: view.siblings.map(vidOf),
              state: view.stateHash,
              tomb: view.tombstone,
              hlc: copy === undefined ? 0 : deletedHlcOf(copy),
              marked: copy?.isMarked ? true : undefined,
              ns: Math.floor(this.#world.nowMs * 1_000_000),
            })
          })
        })
      }
    }
    this.#world.runUntil(() => open === 0, 10_000)
    if (open > 0) this.#report('unreadable-copy', `${open} owners never showed their copy`)
  }

  /** Every node stops in good order, and so writes its trees: each must be the one that its records make. */
  compareTrees(): void {
    if (!this.#configuration.antiEntropy) return
    // What has left lies on a disk that nobody looks after any more.
    const { running } = this.#cluster
    for (const name of this.#cluster.names) this.#cluster.stop(name)
    const hasStopped = (): boolean => this.#cluster.names.every((name) => !this.#cluster.isRunning(name))
    if (!this.#world.runUntil(hasStopped, stopLimitMs)) return this.#report('stop-hangs', 'a node never stopped')
    const { partitions } = this.#configuration
    for (const name of running) {
      for (const partition of wrongTreesOn(this.#world.machine(name).disk, partitions, this.#hash)) {
        this.#report('tree-not-of-its-records', `the tree of partition ${partition} at ${name}`)
      }
    }
  }

  /** Why copies are not yet where they should be. */
  #apart(): readonly string[] {
    const { antiEntropy, hints, keys, retries, tombstoneGraceSeconds } = this.#configuration
    const reasons: string[] = []
    for (const name of this.#cluster.names) {
      const { disk } = this.#world.machine(name)
      const waiting = hints ? hintsOn(disk) : 0
      if (waiting > 0) reasons.push(`${name} keeps ${waiting} hints`)
      const dirty = antiEntropy ? dirtyRangesOn(disk) : 0
      if (dirty > 0) reasons.push(`${name} has ${dirty} dirty ranges`)
      // What a former owner gives counts as repaired, whether or not an owner lacks it (docs/rules.md T5).
      const ungiven = this.#leftOver(name).filter((partition) => !isGivenOn(disk, partition, this.#hash)).length
      if (ungiven > 0 && this.#cluster.isRunning(name)) reasons.push(`${name} has ${ungiven} old copies to give`)
    }
    if (!antiEntropy || reasons.length > 0) return reasons
    const copies = ownedCopies(this.#cluster, keys, this.#hash)
    reasons.push(...divergedKeys(copies).map((key) => `owners have different states of ${key}`))
    // A keyed write is remembered for ten minutes, and its tombstone with it.
    if (reasons.length > 0 || retries || tombstoneGraceSeconds > shortGraceSeconds) return reasons
    const gone = copies.filter((copy) => isTombstoneCopy(copy) && deletedHlcOf(copy) < this.#goneIfBefore)
    return gone.map(({ key, node }) => `${node} has a tombstone of ${key}${this.#waits(node)}`)
  }

  /**
   * Tombstones of deletes before that clock must go. A node that is started again and again has its clock far ahead of
   * all others (docs/rules.md K1): the grace of what it deleted begins when they have caught up.
   */
  get goneIfBefore(): number {
    return this.#goneIfBefore
  }

  #waits(node: string): string {
    const waiting = this.#cluster.node(node)?.tombstones() ?? []
    return waiting.length === 0 ? '' : ` (waits for: ${waiting.map(({ waitingFor }) => waitingFor).join(', ')})`
  }

  #exchange(): void {
    if (!this.#configuration.antiEntropy) return
    for (const name of this.#cluster.wanted) {
      this.#world.inProcess(name, () => this.#cluster.node(name)?.runExchange(() => {}))
    }
  }

  #interruptLater(): void {
    const { wanted } = this.#cluster
    const name = wanted[this.#random.below(wanted.length)] as string
    const atMs = this.#random.fraction() * interruptedWithinMs
    const downMs = this.#random.fraction() * downMsMax
    this.#world.after(atMs, () => {
      this.#cluster.crash(name, 'kill')
      this.#history.add({ t: 'info', p: 'nemesis', f: 'interrupt', v: name, ns: Math.floor(this.#world.nowMs * 1e6) })
      this.#world.after(downMs, () => this.#cluster.start(name))
    })
  }

  /** Everything that counts repairs. */
  #repairs(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>()
    for (const name of this.#cluster.names) {
      for (const [series, ...labels] of repairSeries) {
        counts.set(`${series} ${labels.join(' ')} at ${name}`, this.#cluster.metric(name, series, ...labels))
      }
    }
    return counts
  }
}

function deletedHlcOf({ record }: StoredCopy): number {
  return record?.deletedHlc ?? 0
}

const repairSeries: readonly (readonly [series: string, ...labels: string[]])[] = [
  ['starling_anti_entropy_keys_repaired_total', 'pushed'],
  ['starling_anti_entropy_keys_repaired_total', 'pulled'],
  ['starling_hints_stored_total'],
  ['starling_hints_delivered_total'],
  ['starling_read_repairs_total', 'blocking'],
  ['starling_read_repairs_total', 'async'],
]
