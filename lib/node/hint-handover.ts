import type { Outcome } from '../links/frame-link.ts'
import type { Log } from '../ports/log.ts'
import type { Timer } from '../ports/time.ts'
import type { Dot } from '../protocol/causality/dot.ts'
import type { KeyRecord } from '../protocol/causality/record.ts'
import { compareDots } from '../protocol/causality/version-vector.ts'
import type { Hlc } from '../protocol/clock/hlc.ts'
import type { LayoutInForce } from '../protocol/layout/layout-in-force.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import { mergeBytesMax, mergeEntriesMax } from '../wire/messages.ts'
import { catchUpClock } from './catch-up-clock.ts'
import { refusedWhileClosed } from './closed-partition.ts'
import { gather } from './gather.ts'
import { hintRecipients, ownersAfter } from './hint-recipients.ts'
import type { Hint } from './hint-store.ts'
import type { RequestContext } from './request-context.ts'

const batchTimeoutMs = 10_000
const askTimeoutMs = 3_000
/** After a pass in which somebody did not take what is his. */
const retryMsMin = 500
const retryMsMax = 30_000
/** A receiver that has other work is asked again so often within a pass. */
const busyWaitMs = 250
const busyWaitsMax = 40

/** One hint on its way to everybody in `owners`. */
interface Parcel {
  readonly hint: Hint
  readonly owners: readonly NodeId[]
}

/**
 * Brings hints to where they belong when owners change (docs/rules.md H3, T4). Before reads move to new owners, whatever
 * is kept here for a partition that moves goes to those; what is kept for somebody who owns nothing of it any more goes
 * to all owners instead, and then goes. Everything is found in the store, whatever happened before: a crash in the
 * middle leaves hints that are found again.
 */
export class HintHandover {
  readonly #context: RequestContext
  readonly #log: Log
  readonly #asOf: (now: Hlc) => Hlc
  /** The newest `assignedAt` for which a whole pass was acknowledged. */
  #clearFor = 0
  /** The live versions, and what this node is in them, for which nothing is left to hand over. */
  #doneFor = ''
  #isRunning = false
  /** A pass that runs may have passed by what it is asked to find. */
  #isAskedAgain = false
  #retryMs = retryMsMin
  #timer: Timer | undefined
  #isStopped = false

  /** @param parts.asOf as of when what is kept here, and read now, can be vouched for (docs/rules.md D5) */
  constructor(parts: { readonly context: RequestContext; readonly log: Log; readonly asOf: (now: Hlc) => Hlc }) {
    this.#context = parts.context
    this.#log = parts.log
    this.#asOf = parts.asOf
  }

  /** Once the hints of earlier lives have been counted. */
  start(): void {
    this.#look()
  }

  stop(): void {
    this.#isStopped = true
    this.#cancelTimer()
  }

  /** Other versions are live, or somebody has come further in a transition. */
  layoutChanged(): void {
    this.#retryMs = retryMsMin
    this.#look()
  }

  /** There may be a hint for somebody who owns nothing of it: kept by a request that began before that was so. */
  lookAgain(): void {
    this.#doneFor = ''
    this.#isAskedAgain = true
    if (this.#timer === undefined && !this.#isRunning) this.#again()
  }

  /**
   * What its target has taken, and what must reach others before it may go: `done` with those that nobody else needs.
   * Never called inside the call.
   */
  beforeRemoval(hints: readonly Hint[], readAt: Hlc, done: (removable: readonly Hint[]) => void): void {
    const { layout, time } = this.#context
    const { inForce } = layout
    if (inForce?.isInTransition !== true || hints.length === 0) return time.soon(() => done(hints))
    const parcels = hints.map((hint) => ({ hint, owners: ownersAfter(hint, inForce) }))
    this.#send(parcels, readAt, (taken) => done(taken))
  }

  #look(): void {
    const { layout, hints } = this.#context
    const inForce = layout.inForce
    if (this.#isRunning || this.#isStopped || inForce === undefined) return
    if (!hints.isWhole) return this.#again()
    const clearFor = this.#wantedClear(inForce)
    const situation = this.#situation(inForce)
    if (clearFor === undefined && situation === this.#doneFor) return
    this.#cancelTimer()
    this.#isRunning = true
    this.#isAskedAgain = false
    // What was taken until now is in the store then, where the pass finds it.
    hints.whenStored((failure) => {
      if (failure !== undefined || this.#isStopped) return
      this.#pass(inForce, clearFor !== undefined, (isWhole) => {
        this.#isRunning = false
        if (this.#isStopped) return
        if (isWhole) this.#passed(clearFor, situation)
        else this.#again()
      })
    })
  }

  /** The `assignedAt` for which reads wait for this node's hints; only what is planned from now on may come in meanwhile. */
  #wantedClear(inForce: LayoutInForce): number | undefined {
    const { assignedAt } = inForce.decided.version
    const oldest = inForce.live[0]?.decided.version.assignedAt ?? assignedAt
    const isOnTheWay = inForce.isInTransition && assignedAt > oldest
    if (!isOnTheWay || inForce.barrier < assignedAt) return undefined
    const { self, layout } = this.#context
    // Said before a restart, and synced.
    const saidFor = Math.max(this.#clearFor, layout.document.trackers.get(self)?.hintsClear ?? 0)
    return saidFor < assignedAt ? assignedAt : undefined
  }

  #situation(inForce: LayoutInForce): string {
    const { self } = this.#context
    return `${inForce.live.map(({ decided }) => decided.hash).join(' ')} ${isDeparting(inForce, self)}`
  }

  #passed(clearFor: number | undefined, situation: string): void {
    this.#retryMs = retryMsMin
    this.#doneFor = this.#isAskedAgain ? '' : situation
    if (clearFor !== undefined) {
      this.#clearFor = clearFor
      this.#context.layout.progressed({ hintsClearFor: clearFor })
    }
    // The layout may have gone on meanwhile.
    this.#look()
  }

  #again(): void {
    this.#cancelTimer()
    this.#timer = this.#context.time.after(this.#retryMs, () => {
      this.#timer = undefined
      this.#look()
    })
    this.#retryMs = Math.min(retryMsMax, this.#retryMs * 2)
  }

  #cancelTimer(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  /** Every hint once. `done(true)`: all that had to be handed over was taken. */
  #pass(began: LayoutInForce, isClearing: boolean, done: (isWhole: boolean) => void): void {
    const { hints, layout } = this.#context
    const targets = hints.ledger().map(({ target }) => target)
    let isWhole = true
    const assignment = assignmentsOf(began)
    const step = (at: number, after: Uint8Array | undefined): void => {
      if (this.#isStopped) return
      const target = targets[at]
      const inForce = layout.inForce
      if (target === undefined) return done(isWhole)
      // Owners are others now: begin anew.
      if (inForce === undefined || assignmentsOf(inForce) !== assignment) return done(false)
      this.#page({ inForce, isClearing }, target, after, (isTaken, next) => {
        if (!isTaken) isWhole = false
        if (next === undefined) step(at + 1, undefined)
        else step(at, next)
      })
    }
    step(0, undefined)
  }

  #page(
    { inForce, isClearing }: { readonly inForce: LayoutInForce; readonly isClearing: boolean },
    target: NodeId,
    after: Uint8Array | undefined,
    done: (isTaken: boolean, next: Uint8Array | undefined) => void,
  ): void {
    const { hints, self, peers, minting } = this.#context
    const limits = { entriesMax: mergeEntriesMax, bytesMax: mergeBytesMax }
    const readAt = this.#asOf(minting.read())
    const keeper = {
      isDeparting: isDeparting(inForce, self),
      isClearing,
      isReachable: (node: NodeId) => peers.isReachable(node),
    }
    hints.scan(target, after, limits, (failure, found, next) => {
      // A store that does not say ends this life of the node; the next one finds everything again.
      if (failure !== undefined || this.#isStopped) return
      const going: Parcel[] = []
      const thenDone = new Set<Hint>()
      for (const hint of found) {
        const { owners, isThenDone } = hintRecipients(hint, inForce, keeper)
        if (owners.length > 0) going.push({ hint, owners })
        if (isThenDone) thenDone.add(hint)
      }
      if (going.length === 0) return done(true, next)
      this.#send(going, readAt, (taken) => {
        const isTaken = taken.length === going.length
        const over = taken.filter((hint) => thenDone.has(hint))
        if (over.length === 0) return done(isTaken, next)
        hints.remove(over, (notRemoved) => done(isTaken && notRemoved === undefined, next))
      })
    })
  }

  /** `done` with the hints that every one of their owners has on its disk; never inside the call. */
  #send(parcels: readonly Parcel[], readAt: Hlc, done: (taken: readonly Hint[]) => void): void {
    const byOwner = new Map<NodeId, Hint[]>()
    for (const { hint, owners } of parcels) {
      for (const owner of owners) {
        const bundle = byOwner.get(owner)
        if (bundle === undefined) byOwner.set(owner, [hint])
        else bundle.push(hint)
      }
    }
    const missing = new Set<Hint>()
    let left = byOwner.size
    const end = (): void => {
      const taken = parcels.map(({ hint }) => hint).filter((hint) => !missing.has(hint))
      if (!this.#isStopped) done(taken)
    }
    if (left === 0) return this.#context.time.soon(end)
    for (const [owner, bundle] of byOwner) {
      const heard = (notTaken: readonly Hint[]): void => {
        for (const hint of notTaken) missing.add(hint)
        left -= 1
        if (left === 0) end()
      }
      if (owner === this.#context.self) this.#mergeHere(bundle, readAt, heard)
      else this.#sendTo(owner, bundle, readAt, busyWaitsMax, heard)
    }
  }

  #sendTo(
    owner: NodeId,
    bundle: readonly Hint[],
    readAt: Hlc,
    waitsLeft: number,
    done: (notTaken: readonly Hint[]) => void,
  ): void {
    const { peers, layout, time, store, metrics, minting } = this.#context
    if (!peers.isReachable(owner)) return time.soon(() => done(bundle))
    const message = {
      type: 'merge-records',
      purpose: 'hint',
      durability: 'disk',
      entries: bundle.map(({ key, record }) => ({ key, record })),
      layoutNumber: layout.inForce?.number ?? 0,
      // As in the delivery of hints: nobody calls stable what is kept here.
      asOf: readAt,
    } as const
    peers.ask(owner, message, batchTimeoutMs, (outcome) => {
      if (this.#isStopped) return
      if (isBusy(outcome) && waitsLeft > 0) {
        time.after(busyWaitMs, () => {
          if (!this.#isStopped) this.#sendTo(owner, bundle, readAt, waitsLeft - 1, done)
        })
        return
      }
      if (outcome.type !== 'answered' || outcome.message.type !== 'records-merged') return done(bundle)
      const { outcomes } = outcome.message
      const notTaken = bundle.filter((_, index) => outcomes[index] !== 'merged')
      metrics.hintsHandedOver.add(bundle.length - notTaken.length)
      const refused = bundle.filter((_, index) => outcomes[index] === 're-read')
      if (refused.length === 0) return done(notTaken)
      const failed = notTaken.filter((hint) => !refused.includes(hint))
      // Read again, they would be no newer: this node is no member any more.
      const now = minting.read()
      if (this.#asOf(now) < now) return this.#giveUp(refused, (left) => done([...failed, ...left]))
      // They are read again in the next pass, with a clock that has passed the deletion (docs/rules.md D5).
      const partitions = [...new Set(refused.map(({ key }) => store.partitionOf(key)))]
      catchUpClock(this.#context, owner, partitions, () => done(notTaken))
    })
  }

  /**
   * What comes too late has been deleted for good, if every owner answers and none of them holds any of it: then it goes
   * (docs/rules.md D5). `done` with the others.
   */
  #giveUp(refused: readonly Hint[], done: (left: readonly Hint[]) => void): void {
    const { layout, hints } = this.#context
    const inForce = layout.inForce
    const left: Hint[] = []
    const step = (at: number): void => {
      const hint = refused[at]
      if (hint === undefined || inForce === undefined) return done(left)
      const owners = inForce.ownersOf(hint.partition).filter((owner) => !inForce.isExcluded(owner))
      const request = { key: hint.key, owners, layoutNumber: inForce.number, timeoutMs: askTimeoutMs }
      gather(this.#context, request, ({ record, answered }) => {
        if (this.#isStopped) return
        const isHeld = hints.decode(hint.record).siblings.some(({ dot }) => hasSibling(record, dot))
        if (answered.length < owners.length || isHeld) left.push(hint)
        step(at + 1)
      })
    }
    step(0)
  }

  /** This node is an owner itself. */
  #mergeHere(bundle: readonly Hint[], readAt: Hlc, done: (notTaken: readonly Hint[]) => void): void {
    const { store, hints, metrics, time } = this.#context
    const notTaken: Hint[] = []
    let left = bundle.length
    const ended = (hint: Hint, isMerged: boolean): void => {
      if (isMerged) metrics.hintsHandedOver.add(1)
      else notTaken.push(hint)
      left -= 1
      if (left === 0 && !this.#isStopped) done(notTaken)
    }
    for (const hint of bundle) {
      if (refusedWhileClosed(this.#context, hint.partition) !== undefined) {
        time.soon(() => ended(hint, false))
        continue
      }
      const { key, record } = hint
      store.merge(key, hints.decode(record), record, 'disk', readAt, (failure) => ended(hint, failure === undefined))
    }
  }
}

/** The owners of all live versions: an amendment changes nobody's. */
function assignmentsOf({ live }: LayoutInForce): string {
  return live.map(({ decided }) => decided.version.assignedAt).join(' ')
}

/** Whoever leaves, or is excluded, keeps nothing for others any more. */
function isDeparting(inForce: LayoutInForce, self: NodeId): boolean {
  return !inForce.ring.has(self) || inForce.isExcluded(self)
}

function hasSibling(record: KeyRecord | undefined, dot: Dot): boolean {
  return record?.siblings.some((sibling) => compareDots(sibling.dot, dot) === 0) === true
}

function isBusy(outcome: Outcome): boolean {
  return outcome.type === 'refused' && ['busy', 'overloaded'].includes(outcome.refusal.code)
}
