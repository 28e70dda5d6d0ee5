import type { Log } from '../ports/log.ts'
import { StorageError, type StorageFailure } from '../ports/storage.ts'
import type { Timer } from '../ports/time.ts'
import { type Hlc, hlcMax, hlcZero } from '../protocol/clock/hlc.ts'
import type { LayoutInForce } from '../protocol/layout/layout-in-force.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import {
  decodeCursor,
  decodeOwned,
  encodeCursor,
  encodeOwned,
  type HandBackCursor,
  type OwnedPartitions,
} from '../wire/hand-back.ts'
import type { RecordEntry } from '../wire/messages.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import { gather } from './gather.ts'
import { mergeChunks } from './merge-chunks.ts'
import type { MetaStore } from './meta-store.ts'
import type { TransferView } from './repair-views.ts'
import type { RequestContext } from './request-context.ts'

const ownedName = 'owned'
const cursorName = 'hand-back'
const pageBytesMax = 256 * 1024
const pushTimeoutMs = 10_000
const askTimeoutMs = 3_000
/** Has a version decided: longer than other questions. */
const sayTimeoutMs = 10_000
/** After an owner did not take what it was sent, and between looks at what is left. */
const retryMs = 500
/** An owner that has other work gets the next a little later. */
const busyWaitMs = 200
const noBytes = new Uint8Array(0)

/**
 * A node that was excluded, or dropped while it was away, and comes back (docs/rules.md L5): nobody waits for it, nobody
 * listens to it, and it alone may hold what was acknowledged. It brings every record of what it owned to all owners, and
 * its hints, and then says that it need not be awaited any more. While it is awaited nothing is deleted for good, so
 * whatever it held is judged as if it were read from a live owner.
 */
export class HandBack {
  readonly #context: RequestContext
  readonly #meta: MetaStore
  readonly #log: Log
  readonly #onFailure: (failure: StorageFailure) => void
  #remembered: OwnedPartitions | undefined
  /** Undefined: this node is not awaited, or not by a version that it knows. */
  #cursor: HandBackCursor | undefined
  #partitions: readonly number[] = []
  #asked = 0
  #timer: Timer | undefined
  #isStopped = false

  constructor(parts: {
    readonly context: RequestContext
    readonly meta: MetaStore
    readonly log: Log
    readonly onFailure: (failure: StorageFailure) => void
  }) {
    this.#context = parts.context
    this.#onFailure = parts.onFailure
    this.#meta = parts.meta
    this.#log = parts.log
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  /** Partitions that the owners have not been given whole yet; undefined: nothing is being handed back. */
  get partitionsLeft(): number | undefined {
    if (this.#cursor === undefined) return undefined
    const { partition } = this.#cursor
    return this.#partitions.filter((each) => each >= partition).length
  }

  /** What is still to be brought back, by the owner that it goes to. */
  transfers(): readonly TransferView[] {
    const cursor = this.#cursor
    if (cursor === undefined) return []
    const owed = new Map<NodeId, number>()
    for (const partition of this.#partitions) {
      if (partition < cursor.partition) continue
      for (const owner of this.#ownersOf(partition)) owed.set(owner, (owed.get(owner) ?? 0) + 1)
    }
    return [...owed].map(([peer, partitionsLeft]) => ({
      kind: 'hand-back',
      peer,
      name: this.#context.peers.nameOf(peer),
      partitionsLeft,
      keysLeft: undefined,
      bytesLeft: undefined,
      bytesPerSecond: undefined,
      etaSeconds: undefined,
    }))
  }

  /** The layout is another, or somebody has come further. */
  follow(layout: LayoutInForce): void {
    if (this.#isStopped) return
    try {
      this.#follow(layout)
    } catch (error) {
      // Of a store that does not say nothing is handed back for less than it is.
      if (!(error instanceof StorageError)) throw error
      this.#isStopped = true
      this.#onFailure(error.failure)
    }
  }

  #follow(layout: LayoutInForce): void {
    const { self } = this.#context
    const { awaited } = layout.decided.version
    if (!awaited.includes(self)) {
      this.#end(layout)
      if (layout.has(self) && !layout.isExcluded(self)) this.#remember(layout)
    } else if (this.#cursor === undefined) {
      this.#begin(layout)
    }
  }

  /** What to hand back, should this node be excluded: kept before that can be. */
  #remember(layout: LayoutInForce): void {
    const partitions = ownedBy(layout, this.#context)
    const before = this.#remembered ?? this.#load(ownedName, decodeOwned)
    this.#remembered = before
    const isSame =
      before?.partitions.length === partitions.length && before.partitions.every((p, at) => p === partitions[at])
    if (isSame) return
    this.#remembered = { number: layout.number, partitions }
    this.#meta.write(ownedName, encodeOwned(this.#remembered), 'disk', () => {})
  }

  #begin(layout: LayoutInForce): void {
    const owned = this.#remembered ?? this.#load(ownedName, decodeOwned)
    const all = Array.from({ length: layout.partitionCount }, (_, partition) => partition)
    const number = owned?.number ?? 0
    const kept = this.#load(cursorName, decodeCursor)
    const cursor = kept?.number === number ? kept : { number, partition: 0, after: noBytes }
    this.#partitions = owned?.partitions ?? all
    this.#cursor = cursor
    this.#log.warn(
      { partitions: this.partitionsLeft },
      'the cluster goes on without this node: what it held goes to the owners, and then it may join anew',
    )
    const { minting, hints } = this.#context
    // A store that went back in time must be known as such: what it holds is older than it looks (docs/rules.md D6).
    minting.whenReady(() => {
      // What was decided before this moment is in the store then; after it nothing is.
      hints.whenStored((failure) => {
        if (failure === undefined) this.#next(cursor)
      })
    })
  }

  /** Nobody waits for this node, or it is a member: the next time begins anew. */
  #end({ number }: LayoutInForce): void {
    if (this.#cursor === undefined) return
    this.#cursor = undefined
    this.#timer?.cancel()
    this.#meta.remove(cursorName, 'os', () => {})
    this.#log.info({ layout: number }, 'what this node held is with the owners: it may join anew')
  }

  // Records

  #next(cursor: HandBackCursor): void {
    if (this.#isOver(cursor)) return
    const partition = this.#partitions.find((each) => each >= cursor.partition)
    if (partition === undefined) return this.#say(cursor)
    const { store, minting, recovery } = this.#context
    const after = partition === cursor.partition ? cursor.after : noBytes
    const readAt = recovery.asOf(partition, minting.read())
    store.scanPartition(partition, after, pageBytesMax, (failure, entries, next) => {
      // A store that does not say ends this life of the node; the next one goes on from the cursor.
      if (failure !== undefined || this.#isOver(cursor)) return
      const chunks = mergeChunks(entries.map(({ key, bytes }) => ({ key, record: bytes })))
      this.#push(cursor, partition, chunks, readAt, () => {
        const isLast = next.length === 0
        const to = { ...cursor, partition: isLast ? partition + 1 : partition, after: isLast ? noBytes : next }
        this.#cursor = to
        this.#meta.write(cursorName, encodeCursor(to), 'os', () => {})
        this.#next(to)
      })
    })
  }

  #push(
    cursor: HandBackCursor,
    partition: number,
    [chunk, ...others]: readonly (readonly RecordEntry[])[],
    readAt: Hlc,
    done: () => void,
  ): void {
    if (chunk === undefined) return this.#context.time.soon(done)
    const given = new Set<NodeId>()
    const again = (asOf: Hlc): void => {
      if (this.#isOver(cursor)) return
      // Whoever owns it by now; a version that comes in between asks for no more than it says.
      const missing = this.#ownersOf(partition).filter((owner) => !given.has(owner))
      if (missing.length === 0 && given.size > 0) return this.#push(cursor, partition, others, asOf, done)
      // All who own it are excluded: somebody has to take their place.
      if (missing.length === 0) return this.#later(retryMs, () => again(asOf))
      let left = missing.length
      let barrier = hlcZero
      let waitMs = 0
      for (const owner of missing) {
        this.#give(owner, partition, chunk, asOf, (outcome) => {
          if (outcome.isTaken) given.add(owner)
          else waitMs = retryMs
          if (outcome.isBusy) waitMs = Math.max(waitMs, busyWaitMs)
          barrier = hlcMax(barrier, outcome.barrier)
          left -= 1
          if (left > 0 || this.#isOver(cursor)) return
          // While this node is awaited nothing more is deleted: what it read is as good as the last barrier.
          const next = barrier === hlcZero ? asOf : barrier
          if (waitMs === 0) again(next)
          else this.#later(waitMs, () => again(next))
        })
      }
    }
    again(readAt)
  }

  #give(
    owner: NodeId,
    partition: number,
    entries: readonly RecordEntry[],
    asOf: Hlc,
    done: (given: Given) => void,
  ): void {
    const { peers, layout, time } = this.#context
    const notGiven: Given = { isTaken: false, isBusy: false, barrier: hlcZero }
    if (!peers.isReachable(owner)) return time.soon(() => done(notGiven))
    const message = {
      type: 'merge-records',
      purpose: 'recovery',
      durability: 'disk',
      entries,
      layoutNumber: layout.inForce?.number ?? 0,
      asOf,
    } as const
    peers.ask(owner, message, pushTimeoutMs, (outcome) => {
      if (outcome.type !== 'answered' || outcome.message.type !== 'records-merged') return done(notGiven)
      const { outcomes, isBusy } = outcome.message
      if (outcomes.length !== entries.length || outcomes.includes('failed')) return done({ ...notGiven, isBusy })
      const refused = entries.filter((_, index) => outcomes[index] === 're-read')
      if (refused.length === 0) return done({ isTaken: true, isBusy, barrier: hlcZero })
      if (this.#context.recovery.isRestored(partition)) {
        return this.#giveUp(partition, refused, (isGivenUp) => done({ ...notGiven, isTaken: isGivenUp, isBusy }))
      }
      // It was deleted before this node was excluded, and this node agreed; or its clock is behind.
      this.#barrierOf(owner, partition, (barrier) => done({ ...notGiven, isBusy, barrier }))
    })
  }

  #barrierOf(owner: NodeId, partition: number, done: (barrier: Hlc) => void): void {
    const { peers } = this.#context
    peers.ask(owner, { type: 'tell-barriers', partitions: [partition] }, askTimeoutMs, (outcome) => {
      const isTold = outcome.type === 'answered' && outcome.message.type === 'barriers-told'
      done(isTold ? (outcome.message.barriers[0]?.gcBarrier ?? hlcZero) : hlcZero)
    })
  }

  /** Of a copy that went back in time: what all owners have deleted for good stays away, once all have answered (rule D5). */
  #giveUp(partition: number, refused: readonly RecordEntry[], done: (isGivenUp: boolean) => void): void {
    const [first, ...others] = refused
    if (first === undefined) return done(true)
    const owners = this.#ownersOf(partition)
    const layoutNumber = this.#context.layout.inForce?.number ?? 0
    const request = { key: first.key, owners, layoutNumber, timeoutMs: askTimeoutMs }
    gather(this.#context, request, ({ answered }) => {
      if (answered.length < owners.length) done(false)
      else this.#giveUp(partition, others, done)
    })
  }

  #ownersOf(partition: number): readonly NodeId[] {
    const { layout, self } = this.#context
    const inForce = layout.inForce
    return inForce?.ownersOf(partition).filter((owner) => owner !== self && !inForce.isExcluded(owner)) ?? []
  }

  // The end

  /** When the hints are with the owners, too, one member after the other is told. */
  #say(cursor: HandBackCursor): void {
    const { hints, peers, layout, self } = this.#context
    if (this.#isOver(cursor)) return
    const again = (): void => this.#later(retryMs, () => this.#say(cursor))
    const inForce = layout.inForce
    if (!hints.isWhole || hints.ledger().length > 0 || inForce === undefined) return again()
    const members = inForce.ring.nodeIds.filter(
      (node) => node !== self && !inForce.isExcluded(node) && peers.isReachable(node),
    )
    const member = members[this.#asked % members.length]
    if (member === undefined) return again()
    this.#asked += 1
    peers.ask(member, { type: 'handed-back', layoutNumber: inForce.number }, sayTimeoutMs, again)
  }

  /** Another one has begun, or there is none. */
  #isOver(cursor: HandBackCursor): boolean {
    return this.#isStopped || this.#cursor !== cursor
  }

  #later(delayMs: number, callback: () => void): void {
    this.#timer?.cancel()
    this.#timer = this.#context.time.after(delayMs, callback)
  }

  #load<Value>(name: string, decode: (bytes: Uint8Array) => Value): Value | undefined {
    const bytes = this.#meta.read(name)
    if (!(bytes instanceof Uint8Array)) return undefined
    try {
      return decode(bytes)
    } catch (error) {
      if (!(error instanceof UnreadableBytes)) throw error
      return undefined
    }
  }
}

interface Given {
  readonly isTaken: boolean
  readonly isBusy: boolean
  /** What the owner has deleted for good, if it refused something because of that. */
  readonly barrier: Hlc
}

/**
 * The partitions of which a member may hold what no other does: those it owns in the newest version, and those it owned
 * before as long as it has not said that all of them are with the new owners (docs/rules.md T3).
 */
function ownedBy(layout: LayoutInForce, { self, layout: { document } }: RequestContext): readonly number[] {
  const { assignedAt } = layout.decided.version
  const isSynced = (document.trackers.get(self)?.sync ?? 0) >= assignedAt
  const owned = isSynced ? layout.ring.partitionsOf(self) : layout.partitionsOf(self)
  return [...owned].sort((a, b) => a - b)
}
