import type { WantedToken } from '../protocol/anti-entropy/exchange-messages.ts'
import { siblingChecksum } from '../protocol/causality/state-hash.ts'
import type { Hlc } from '../protocol/clock/hlc.ts'
import type { LayoutInForce } from '../protocol/layout/layout-in-force.ts'
import type { Durability } from '../protocol/quorum/client-request.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { RecordKey, Token } from '../vocabulary/key.ts'
import { mergeBytesMax, mergeEntriesMax, type RecordEntry } from '../wire/messages.ts'
import { decodeRecord } from '../wire/record.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import { catchUpClock } from './catch-up-clock.ts'
import { isLiveOwner, takesRecords } from './closed-partition.ts'
import { addRecord } from './leaf-scan.ts'
import type { RequestContext } from './request-context.ts'

const timeoutMs = 10_000
/** What an exchange moves at most, in both directions together. */
const bytesPerSecondMax = 2 * 1024 * 1024
/** A state that was read before a deletion is read again, so often (docs/rules.md D5). */
const attemptsMax = 3
const retryAfterMs = 200
/** While clients wait, nothing is moved: for so long, then the exchange ends and the next one goes on. */
const calmEveryMs = 500
const calmWaitsMax = 60

interface Batch {
  readonly tokens: readonly bigint[]
  /** Tokens of which there is something: the others have been deleted for good meanwhile. */
  readonly present: number
  readonly entries: readonly RecordEntry[]
  readonly asOf: Hlc
}

export interface Pulled {
  readonly token: bigint
  readonly received: bigint
  readonly merged: bigint
}

/**
 * Moves records between this node and one other for an exchange: whole states, with the clock at which they were read,
 * at most 256 KiB at a time and one message under way.
 */
export class RecordMover {
  readonly #context: RequestContext
  readonly #peer: NodeId
  readonly #layout: LayoutInForce
  readonly #durability: Durability
  readonly #mustWait: () => boolean
  readonly #asOfMax: Hlc | undefined
  /** By token, the keys that were seen here: what may be pushed. */
  #keys = new Map<bigint, RecordKey[]>()
  #restUntilMs = 0
  #isStopped = false
  /** Sent and received so far. */
  bytes = 0

  /** @param mustWait clients wait longer than they should */
  constructor(
    context: RequestContext,
    peer: NodeId,
    layout: LayoutInForce,
    options: {
      readonly durability: Durability
      readonly mustWait: () => boolean
      /** Since then this node is no live owner any more (docs/rules.md D5); undefined: it is one. */
      readonly asOfMax?: Hlc | undefined
    },
  ) {
    this.#context = context
    this.#peer = peer
    this.#layout = layout
    this.#durability = options.durability
    this.#mustWait = options.mustWait
    this.#asOfMax = options.asOfMax
  }

  stop(): void {
    this.#isStopped = true
  }

  /** This node has something of the key; as long as `forget` was not called. */
  know(key: RecordKey): void {
    const keys = this.#keys.get(key.token)
    if (keys === undefined) this.#keys.set(key.token, [key])
    else if (keys.every(({ id }) => id !== key.id)) keys.push(key)
  }

  forget(): void {
    this.#keys = new Map()
  }

  /** Sends what this node has of `tokens`, which it knows. `failed` counts those that the other side does not hold now. */
  push(tokens: readonly bigint[], done: (count: number, failed: number) => void): void {
    let pushed = 0
    let failed = 0
    let attempts = 0
    let left = [...tokens]
    const next = (): void => {
      if (left.length === 0) return done(pushed, failed)
      this.#whenAllowed((isAllowed) => {
        if (!isAllowed) return done(pushed, failed + left.length)
        this.#readBatch(left, (batch) => {
          if (batch === undefined) return done(pushed, failed + left.length)
          left = left.slice(batch.tokens.length)
          this.#send(batch, (merged, again) => {
            pushed += merged
            failed += batch.present - merged - again.length
            if (again.length === 0) return next()
            attempts += 1
            if (attempts < attemptsMax) left = [...again, ...left]
            else failed += again.length
            this.#context.time.after(retryAfterMs, next)
          })
        })
      })
    }
    next()
  }

  /** Brings what the other side has of these tokens, where it is not what we have. */
  pull(wanted: readonly WantedToken[], done: (records: readonly Pulled[], failed: number) => void): void {
    const records: Pulled[] = []
    let failed = 0
    let attempts = 0
    let left = [...wanted]
    const next = (): void => {
      if (left.length === 0) return done(records, failed)
      this.#whenAllowed((isAllowed) => {
        if (!isAllowed) return done(records, failed + left.length)
        const asked = left.slice(0, mergeEntriesMax)
        this.#ask(asked, (answer) => {
          if (answer === undefined) return done(records, failed + left.length)
          left = left.slice(answer.answered)
          this.#merge(answer.entries, answer.asOf, new Set(asked.map(({ token }) => token)), (pulled, bad, again) => {
            records.push(...pulled)
            failed += bad
            if (again.length === 0) return next()
            attempts += 1
            if (attempts < attemptsMax) left = [...asked.filter(({ token }) => again.includes(token)), ...left]
            else failed += again.length
            this.#context.time.after(retryAfterMs, next)
          })
        })
      })
    }
    next()
  }

  // Pushing

  /** The first of `tokens`, as many as fit. Undefined: the store does not say. */
  #readBatch(tokens: readonly bigint[], done: (batch: Batch | undefined) => void): void {
    const { minting, recovery } = this.#context
    const now = hlcMin(minting.read(), this.#asOfMax)
    const entries: RecordEntry[] = []
    let asOf = now
    let bytes = 0
    let present = 0
    const step = (at: number): void => {
      if (this.#isStopped) return
      const token = tokens[at]
      if (token === undefined || entries.length >= mergeEntriesMax) {
        return done({ tokens: tokens.slice(0, at), entries, present, asOf })
      }
      // Lost meanwhile: what is here is no newer than that.
      if (this.#asOfMax === undefined && !isLiveOwner(this.#context, this.#partitionOf(token))) return done(undefined)
      this.#read(token, (found) => {
        if (found === undefined) return done(undefined)
        const more = bytesOf(found)
        if (entries.length > 0 && bytes + more > mergeBytesMax) {
          return done({ tokens: tokens.slice(0, at), entries, present, asOf })
        }
        if (found.length > 0) present += 1
        const readAt = recovery.asOf(this.#partitionOf(token), now)
        if (readAt < asOf) asOf = readAt
        bytes += more
        entries.push(...found)
        step(at + 1)
      })
    }
    step(0)
  }

  /** What has reached the store of the keys of one token. Undefined: the store does not say. */
  #read(token: bigint, done: (found: readonly RecordEntry[] | undefined) => void): void {
    const found: RecordEntry[] = []
    const keys = this.#keys.get(token) ?? []
    const step = (at: number): void => {
      const key = keys[at]
      if (key === undefined) return done(found)
      this.#context.store.readStored(key, (copy) => {
        if (copy.state === 'failed') return done(undefined)
        if (copy.state === 'found') found.push({ key, record: copy.bytes })
        step(at + 1)
      })
    }
    step(0)
  }

  #send({ entries, asOf }: Batch, done: (merged: number, again: readonly bigint[]) => void): void {
    const { peers } = this.#context
    // What was to go is gone itself: deleted for good.
    if (entries.length === 0) return this.#context.time.soon(() => done(0, []))
    const layoutNumber = this.#layout.decided.version.number
    const message = {
      type: 'merge-records',
      purpose: 'anti-entropy',
      durability: this.#durability,
      entries,
      layoutNumber,
      asOf,
    } as const
    this.#spend(bytesOf(entries))
    peers.ask(this.#peer, message, timeoutMs, (outcome) => {
      if (this.#isStopped) return
      if (outcome.type !== 'answered' || outcome.message.type !== 'records-merged') return done(0, [])
      const { outcomes, isBusy } = outcome.message
      if (isBusy) this.#rest(retryAfterMs)
      const merged = new Set<bigint>()
      const again = new Set<bigint>()
      for (const [index, { key }] of entries.entries()) {
        if (outcomes[index] === 'merged') merged.add(key.token)
        if (outcomes[index] === 're-read') again.add(key.token)
      }
      if (again.size === 0) return done(merged.size, [])
      // A clock that is behind the deletion would have them refused once more.
      const partitions = [...new Set([...again].map((token) => this.#context.store.partitionOfToken(token as Token)))]
      catchUpClock(this.#context, this.#peer, partitions, () => {
        if (!this.#isStopped) done(merged.size, [...again])
      })
    })
  }

  // Pulling

  #ask(
    wanted: readonly WantedToken[],
    done: (
      answer: { readonly answered: number; readonly asOf: Hlc; readonly entries: readonly RecordEntry[] } | undefined,
    ) => void,
  ): void {
    const { peers, self } = this.#context
    const message = {
      type: 'exchange',
      from: self,
      layoutHash: this.#layout.decided.hash,
      question: { type: 'pull-records', wanted },
    } as const
    peers.ask(this.#peer, message, timeoutMs, (outcome) => {
      if (this.#isStopped) return
      const answer =
        outcome.type === 'answered' && outcome.message.type === 'exchanged' ? outcome.message.answer : undefined
      if (answer?.type !== 'records-pulled' || answer.answered < 1) return done(undefined)
      this.#spend(bytesOf(answer.entries))
      done(answer)
    })
  }

  #merge(
    entries: readonly RecordEntry[],
    asOf: Hlc,
    wanted: ReadonlySet<bigint>,
    done: (pulled: readonly Pulled[], failed: number, again: readonly bigint[]) => void,
  ): void {
    const { store, hash, minting, time } = this.#context
    minting.adopt(asOf)
    const bad = new Set<bigint>()
    const again = new Set<bigint>()
    const received = new Map<bigint, RecordEntry[]>()
    let left = entries.length
    const ended = (): void => {
      left -= 1
      if (left > 0 || this.#isStopped) return
      const isWhole = ([token]: readonly [bigint, unknown]): boolean => !bad.has(token) && !again.has(token)
      done(
        [...received].filter(isWhole).map(([token, came]) => this.#pulled(token, came)),
        bad.size,
        [...again],
      )
    }
    if (left === 0) return this.#context.time.soon(() => done([], 0, []))
    for (const entry of entries) {
      const { key, record } = entry
      try {
        // Whoever sends what was not asked for is not believed in anything.
        if (!wanted.has(key.token)) throw new NotWanted()
        if (!takesRecords(this.#context, store.partitionOf(key))) {
          bad.add(key.token)
          time.soon(ended)
          continue
        }
        const incoming = decodeRecord(record, hash, { siblingChecksum })
        this.know(key)
        received.set(key.token, [...(received.get(key.token) ?? []), entry])
        store.merge(key, incoming, record, this.#durability, asOf, (failure) => {
          if (failure?.kind === 're-read') again.add(key.token)
          else if (failure !== undefined) bad.add(key.token)
          ended()
        })
      } catch (error) {
        if (!(error instanceof UnreadableBytes || error instanceof NotWanted)) throw error
        this.#context.metrics.malformedFrames.add(1)
        bad.add(key.token)
        this.#context.time.soon(ended)
      }
    }
  }

  #pulled(token: bigint, came: readonly RecordEntry[]): Pulled {
    const { store, hash } = this.#context
    const theirs = combined(came, hash)
    const ours = came.flatMap(({ key }) => {
      const copy = store.read(key)
      return copy.state === 'found' ? [{ key, record: copy.bytes }] : []
    })
    return { token, received: theirs, merged: combined(ours, hash) }
  }

  // Sparing the others

  #spend(bytes: number): void {
    this.bytes += bytes
    this.#rest((bytes / bytesPerSecondMax) * 1000)
  }

  #rest(durationMs: number): void {
    this.#restUntilMs = Math.max(this.#restUntilMs, this.#context.time.nowMs()) + durationMs
  }

  #whenAllowed(callback: (isAllowed: boolean) => void, waits = 0): void {
    const { time } = this.#context
    if (this.#isStopped) return
    if (waits > calmWaitsMax) return callback(false)
    const restMs = this.#restUntilMs - time.nowMs()
    if (restMs > 0) time.after(restMs, () => this.#whenAllowed(callback, waits))
    else if (this.#mustWait()) time.after(calmEveryMs, () => this.#whenAllowed(callback, waits + 1))
    else callback(true)
  }

  #partitionOf(token: bigint): number {
    return this.#layout.ring.partitionOf(token as Token)
  }
}

class NotWanted extends Error {}

function hlcMin(a: Hlc, b: Hlc | undefined): Hlc {
  return b !== undefined && b < a ? b : a
}

function combined(entries: readonly RecordEntry[], hash: RequestContext['hash']): bigint {
  const states: Parameters<typeof addRecord>[0] = []
  for (const { key, record } of entries) addRecord(states, key, record, hash)
  return states[0]?.stateHash ?? 0n
}

function bytesOf(entries: readonly RecordEntry[]): number {
  return entries.reduce((sum, { key, record }) => sum + key.bytes.length + record.length, 0)
}
