import type { Log } from '../ports/log.ts'
import type { Timer } from '../ports/time.ts'
import type { TreeReader } from '../protocol/anti-entropy/answer.ts'
import type { ExchangePlan, ExchangeSummary } from '../protocol/anti-entropy/exchange.ts'
import { Schedule } from '../protocol/anti-entropy/schedule.ts'
import type { Hlc } from '../protocol/clock/hlc.ts'
import type { LayoutInForce } from '../protocol/layout/layout-in-force.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { Random } from '../vocabulary/random.ts'
import type { Comparison } from '../wire/messages.ts'
import type { DataHandlers } from './data-handlers.ts'
import type { DirtyRanges } from './dirty-ranges.ts'
import { ExchangeRun, type ExchangeTraffic } from './exchange-run.ts'
import { ExchangeService } from './exchange-service.ts'
import type { ForegroundLatency } from './foreground-latency.ts'
import type { MerkleTrees } from './merkle-trees.ts'
import { refusal } from './refusals.ts'
import type { AntiEntropyView, ExchangeView } from './repair-views.ts'
import type { RequestContext } from './request-context.ts'

const lookEveryMs = 1_000
/** Beyond these, work in the background waits: one late second is no reason, half of the last ten are. */
const eventLoopDelayMsMax = 100
const secondsWatched = 10
const lateSecondsMax = 5
const foregroundLatencyMsMax = 512
const askTimeoutMs = 5_000
const marksPerMessage = 1_000

interface Pair {
  /** When each partition was last the same on both sides, or brought together; NaN: not since the start. */
  readonly comparedAtMs: Float64Array
  differences: number
  keysRepaired: number
  compareBytes: number
  reason: string | undefined
}

/** `target` may lack what others know of `partition`. */
interface Mark {
  readonly target: NodeId
  readonly partition: number
}

/**
 * Compares this node's partitions with every other owner's, and repairs what differs (docs/rules.md A5, H2; Dynamo, SOSP
 * 2007, 4.7). Undefined trees: anti-entropy is switched off, nothing is compared and nobody is answered.
 */
export class AntiEntropy {
  readonly handlers: Pick<DataHandlers, 'exchange'>
  readonly #context: RequestContext
  readonly #trees: MerkleTrees | undefined
  readonly #reader: TreeReader
  readonly #dirty: DirtyRanges
  readonly #foreground: ForegroundLatency
  readonly #log: Log
  readonly #random: Random
  readonly #schedule: Schedule
  readonly #pairs = new Map<NodeId, Pair>()
  readonly #running = new Map<NodeId, ExchangeRun>()
  /** One partition each, for a recovery; not of the schedule. */
  readonly #single = new Set<ExchangeRun>()
  readonly #tellingMarks = new Set<NodeId>()
  /** Looks at which the event loop was late. */
  #lateSeconds: number[] = []
  #timer: Timer | undefined
  #isStopped = false

  constructor(
    context: RequestContext,
    parts: {
      readonly trees: MerkleTrees | undefined
      readonly log: Log
      readonly random: Random
    },
  ) {
    this.#context = context
    this.#trees = parts.trees
    this.#dirty = context.dirty
    this.#foreground = context.foreground
    this.#log = parts.log
    this.#random = parts.random
    this.#schedule = new Schedule(parts.random)
    // What may hold records that were deleted for good is compared with nobody (docs/rules.md T3); nor what is on its way
    // here as a whole, or it would be sent twice.
    this.#reader = {
      tree: (partition) =>
        context.recovery.isClosed(partition) || context.gained.isCopying(partition)
          ? undefined
          : parts.trees?.tree(partition),
    }
    const { handlers } = new ExchangeService(context, this.#reader, context.dirty)
    this.handlers = parts.trees === undefined ? { exchange: switchedOff(handlers.exchange) } : handlers
  }

  start(): void {
    if (this.#trees !== undefined) this.#lookLater()
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
    for (const run of this.#running.values()) run.stop()
    for (const run of this.#single) run.stop()
  }

  /** Owners have come or gone: when what one of the two does not own any more was compared last says nothing. */
  layoutChanged(inForce: LayoutInForce, before: LayoutInForce): void {
    if (inForce.live === before.live) return
    const { self } = this.#context
    for (const [peer, { comparedAtMs }] of this.#pairs) {
      if (!inForce.has(peer) || inForce.isExcluded(peer)) {
        this.#pairs.delete(peer)
        this.#schedule.forget(peer)
        continue
      }
      for (let partition = 0; partition < comparedAtMs.length; partition += 1) {
        const isShared = inForce.owns(self, partition) && inForce.owns(peer, partition)
        if (!isShared) comparedAtMs[partition] = Number.NaN
      }
    }
  }

  /** Begins an exchange with every co-owner in reach with whom none runs, suspended or not. */
  runNow(): void {
    const inForce = this.#context.layout.inForce
    if (inForce === undefined || this.#trees === undefined) return
    for (const peer of this.#coOwners(inForce)) {
      if (!this.#running.has(peer) && this.#context.peers.isReachable(peer)) this.#begin(inForce, peer, true)
    }
  }

  /**
   * Brings this node's and `owner`'s copies of one partition together, both ways, moving only what differs; also what is
   * on its way. `done(true)`: both now hold the merge of what they had when it began. `done(false)`: not, or a tree is
   * being made; try again later. Never called inside the call.
   */
  exchangePartitionNow(partition: number, owner: NodeId, done: (isTogether: boolean) => void): void {
    this.#exchangeOne(owner, { ...thorough, partitions: [partition] }, done)
  }

  /**
   * Brings to `owner` what it lacks of a partition that this node owns no more, since `asOf`; nothing is brought back.
   * `done(true)`: it holds all of it. Else as above.
   */
  givePartitionNow(partition: number, owner: NodeId, asOf: Hlc, done: (isGiven: boolean) => void): void {
    this.#exchangeOne(owner, { ...thorough, partitions: [partition], isPushOnly: true }, done, asOf)
  }

  #exchangeOne(owner: NodeId, plan: ExchangePlan, done: (isTogether: boolean) => void, asOfMax?: Hlc): void {
    const inForce = this.#context.layout.inForce
    if (inForce === undefined || this.#trees === undefined || this.#isStopped) {
      return this.#context.time.soon(() => done(false))
    }
    const run = this.#run(
      inForce,
      owner,
      plan,
      true,
      (summary, traffic) => {
        this.#single.delete(run)
        this.#count(summary, traffic)
        if (plan.isPushOnly !== true) this.#noteCompared(owner, summary)
        const isSettled = (partition: number): boolean =>
          summary.equal.includes(partition) || summary.repaired.includes(partition)
        this.#context.time.soon(() => done(plan.partitions.every(isSettled)))
      },
      asOfMax,
    )
    this.#single.add(run)
    run.begin()
  }

  /** Milliseconds since this node last found `partition` the same as at `peer`, or made it so; undefined: never since it started. */
  comparedAgoMs(partition: number, peer: NodeId): number | undefined {
    const atMs = this.#pairs.get(peer)?.comparedAtMs[partition] ?? Number.NaN
    return Number.isNaN(atMs) ? undefined : this.#context.time.nowMs() - atMs
  }

  /** The same with every other owner that there is something to say about. */
  comparisonsOf(partition: number): readonly Comparison[] {
    return [...this.#pairs.keys()].flatMap((peer) => {
      const agoMs = this.comparedAgoMs(partition, peer)
      return agoMs === undefined ? [] : [{ peer, agoMs: Math.round(agoMs) }]
    })
  }

  /** This node may know, alone, that somebody may lack something; switched off it tells nobody. */
  get hasMarks(): boolean {
    return this.#trees !== undefined && !(this.#dirty.isLoaded && this.#dirty.targets.length === 0)
  }

  /** Why no exchange begins now; undefined: they do. */
  get suspendedBecause(): string | undefined {
    const { time, store, entrance } = this.#context
    if (this.#trees === undefined) return 'anti-entropy is switched off (--anti-entropy off)'
    if (this.#lateSeconds.length >= lateSecondsMax) {
      const seconds = `${this.#lateSeconds.length} of the last ${secondsWatched} seconds`
      return `the event loop was late by more than ${eventLoopDelayMsMax} ms in ${seconds}`
    }
    if (entrance.isPressed) return 'requests of clients wait in line'
    if (store.isBusy) return 'writes wait for the disk'
    const latencyMs = this.#foreground.p99Ms(time.nowMs())
    if (latencyMs > foregroundLatencyMsMax) {
      return `one request in a hundred takes up to ${latencyMs} ms (limit ${foregroundLatencyMsMax})`
    }
    return undefined
  }

  /** Not while it is switched off. */
  get isSuspended(): boolean {
    return this.#trees !== undefined && this.suspendedBecause !== undefined
  }

  get rebuilding(): number {
    return this.#trees?.rebuilding ?? 0
  }

  view(): AntiEntropyView {
    const inForce = this.#context.layout.inForce
    const suspendedBecause = this.suspendedBecause
    if (inForce === undefined || this.#trees === undefined) return { exchanges: [], rebuilding: 0, suspendedBecause }
    const exchanges = this.#coOwners(inForce).map((peer) => this.#pairView(inForce, peer, suspendedBecause))
    return { exchanges, rebuilding: this.rebuilding, suspendedBecause }
  }

  /** Seconds since the last whole exchange with each co-owner; those with whom there was none are left out. */
  ages(): readonly { readonly name: string; readonly seconds: number }[] {
    return this.view().exchanges.flatMap(({ name, ageSeconds }) =>
      ageSeconds === undefined ? [] : [{ name, seconds: ageSeconds }],
    )
  }

  // The schedule

  #lookLater(): void {
    this.#timer = this.#context.time.after(lookEveryMs, () => {
      this.#watch()
      const inForce = this.#context.layout.inForce
      if (inForce !== undefined) this.#look(inForce)
      this.#lookLater()
    })
  }

  /** The delay that time tells is the longest of about a second. */
  #watch(): void {
    const { time } = this.#context
    const nowMs = time.nowMs()
    const sinceMs = nowMs - (secondsWatched - 0.5) * lookEveryMs
    this.#lateSeconds = this.#lateSeconds.filter((atMs) => atMs > sinceMs)
    if (time.eventLoopDelayMs() > eventLoopDelayMsMax) this.#lateSeconds.push(nowMs)
  }

  #look(inForce: LayoutInForce): void {
    const { peers, time, hints } = this.#context
    const coOwners = this.#coOwners(inForce)
    this.#handOverMarks(inForce)
    // One at a time: what repairs is not to be what slows down.
    if (this.#running.size > 0) return
    const states = coOwners.map((node) => ({
      node,
      isReachable: peers.isReachable(node),
      isDirty: this.#dirty.countOf(node) > 0,
      hasHints: hints.countOf(node) > 0,
    }))
    const peer = this.#schedule.next(states, time.nowMs(), this.suspendedBecause !== undefined)
    if (peer !== undefined) this.#begin(inForce, peer, false)
  }

  #begin(inForce: LayoutInForce, peer: NodeId, isForced: boolean): void {
    const shared = inForce.comparedPartitions(this.#context.self, peer)
    const moment = this.#dirty.moment
    const first = new Set(this.#dirty.of(peer))
    const plan: ExchangePlan = {
      partitions: shared,
      // How far a transition has come is not known to all at the same time: then they are named.
      isWhole: !inForce.isInTransition,
      first,
      isThorough: false,
      beginAt: this.#random.fraction(),
    }
    const run = this.#run(inForce, peer, plan, isForced, (summary, traffic) => {
      this.#running.delete(peer)
      this.#ended(peer, summary, traffic, moment)
    })
    this.#running.set(peer, run)
    run.begin()
  }

  #run(
    inForce: LayoutInForce,
    peer: NodeId,
    plan: ExchangePlan,
    isForced: boolean,
    done: (summary: ExchangeSummary, traffic: ExchangeTraffic) => void,
    asOfMax?: Hlc,
  ): ExchangeRun {
    const mustWait = (): boolean => !isForced && this.suspendedBecause !== undefined
    return new ExchangeRun(this.#context, this.#reader, inForce, peer, plan, { mustWait, asOfMax }, done)
  }

  #ended(peer: NodeId, summary: ExchangeSummary, traffic: ExchangeTraffic, moment: number): void {
    const { time, peers } = this.#context
    this.#schedule.ended(peer, summary.outcome, time.nowMs())
    this.#count(summary, traffic)
    this.#noteCompared(peer, summary)
    for (const partition of summary.equal) this.#dirty.clear(peer, partition, moment)
    const pair = this.#pairOf(peer)
    pair.differences = summary.differences
    pair.keysRepaired += summary.pushed + summary.pulled
    pair.compareBytes = traffic.compareBytes
    pair.reason = summary.reason
    const { outcome, reason, differences, pushed, pulled } = summary
    if (outcome === 'equal') return
    this.#log.info(
      { peer: peers.nameOf(peer), outcome, reason, differences, pushed, pulled },
      'copies were compared with another owner',
    )
  }

  #count(summary: ExchangeSummary, traffic: ExchangeTraffic): void {
    const { metrics } = this.#context
    metrics.exchanges(summary.outcome).add(1)
    metrics.exchangeBytes('compare').add(traffic.compareBytes)
    if (traffic.recordBytes > 0) metrics.exchangeBytes('records').add(traffic.recordBytes)
    if (summary.pushed > 0) metrics.keysRepaired('pushed').add(summary.pushed)
    if (summary.pulled > 0) metrics.keysRepaired('pulled').add(summary.pulled)
  }

  #noteCompared(peer: NodeId, summary: ExchangeSummary): void {
    const nowMs = this.#context.time.nowMs()
    const { comparedAtMs } = this.#pairOf(peer)
    for (const partition of summary.equal) comparedAtMs[partition] = nowMs
    for (const partition of summary.repaired) comparedAtMs[partition] = nowMs
  }

  /**
   * Marks that this node does not see to itself, because it owns nothing of the partition: their owners are told by the
   * one who may lack something. Of a partition that moves both are owners soon, or the mark means nothing any more.
   */
  #handOverMarks(inForce: LayoutInForce): void {
    const { self } = this.#context
    const moment = this.#dirty.moment
    const isFenced = inForce.isExcluded(self)
    const toTell = new Map<NodeId, Mark[]>()
    for (const target of this.#dirty.targets) {
      for (const partition of this.#dirty.of(target)) {
        // Who owns nothing of a partition any more lacks nothing of it.
        if (!inForce.owns(target, partition)) this.#dirty.clear(target, partition, moment)
        else if (isFenced || !inForce.owns(self, partition)) {
          const to = this.#whomToTell(inForce, target, partition)
          if (to === undefined) continue
          const marks = toTell.get(to)
          if (marks === undefined) toTell.set(to, [{ target, partition }])
          else marks.push({ target, partition })
        }
      }
    }
    for (const [to, marks] of toTell) {
      if (!this.#tellingMarks.has(to)) this.#tellMarks(inForce, to, marks.slice(0, marksPerMessage), moment)
    }
  }

  /** The target itself; a leaver, who is gone before an absent target is back, hands the mark to any other owner. */
  #whomToTell(inForce: LayoutInForce, target: NodeId, partition: number): NodeId | undefined {
    const { self, peers } = this.#context
    if (peers.isReachable(target)) return target
    if (inForce.ring.has(self)) return undefined
    const mayBeTold = (owner: NodeId): boolean => !inForce.isExcluded(owner) && peers.isReachable(owner)
    return inForce.ownersOf(partition).find((owner) => owner !== self && mayBeTold(owner))
  }

  #tellMarks({ decided }: LayoutInForce, to: NodeId, marks: readonly Mark[], moment: number): void {
    const { self, peers } = this.#context
    this.#tellingMarks.add(to)
    const partitions = [...new Set(marks.map(({ partition }) => partition))]
    const question = { type: 'mark-dirty', partitions } as const
    const message = { type: 'exchange', from: self, layoutHash: decided.hash, question } as const
    peers.ask(to, message, askTimeoutMs, (outcome) => {
      this.#tellingMarks.delete(to)
      const isMarked =
        outcome.type === 'answered' &&
        outcome.message.type === 'exchanged' &&
        outcome.message.answer.type === 'ranges-marked'
      if (!isMarked || this.#isStopped) return
      for (const { target, partition } of marks) this.#dirty.clear(target, partition, moment)
    })
  }

  /** The excluded compare with nobody, and nobody with them (docs/rules.md L5). */
  #coOwners(layout: LayoutInForce): readonly NodeId[] {
    const { self } = this.#context
    if (layout.isExcluded(self)) return []
    return layout.nodeIds.filter(
      (node) => node !== self && !layout.isExcluded(node) && layout.comparedPartitions(self, node).length > 0,
    )
  }

  #pairOf(peer: NodeId): Pair {
    let pair = this.#pairs.get(peer)
    if (pair === undefined) {
      const partitionCount = this.#context.layout.inForce?.ring.partitionCount ?? 0
      pair = {
        comparedAtMs: new Float64Array(partitionCount).fill(Number.NaN),
        differences: 0,
        keysRepaired: 0,
        compareBytes: 0,
        reason: undefined,
      }
      this.#pairs.set(peer, pair)
    }
    return pair
  }

  #pairView(inForce: LayoutInForce, peer: NodeId, suspendedBecause: string | undefined): ExchangeView {
    const { time, peers, self } = this.#context
    const pair = this.#pairs.get(peer)
    const ageMs = this.#schedule.ageMs(peer, time.nowMs())
    const isRunning = this.#running.has(peer)
    return {
      peer,
      name: peers.nameOf(peer),
      ageSeconds: ageMs === undefined ? undefined : ageMs / 1000,
      partitions: inForce.comparedPartitions(self, peer).length,
      differences: pair?.differences ?? 0,
      keysRepaired: pair?.keysRepaired ?? 0,
      bytes: pair?.compareBytes ?? 0,
      state: isRunning ? 'running' : suspendedBecause === undefined ? 'idle' : 'suspended',
      reason: suspendedBecause ?? pair?.reason,
    }
  }
}

/** What others know is remembered all the same, for when it is switched on. */
function switchedOff(exchange: DataHandlers['exchange']): DataHandlers['exchange'] {
  return (message, respond) => {
    if (message.question.type === 'mark-dirty') exchange(message, respond)
    else respond(refusal('busy', 'anti-entropy is switched off'))
  }
}

const nothing: ReadonlySet<number> = new Set()
const thorough = { isWhole: false, first: nothing, isThorough: true, beginAt: 0 } as const
