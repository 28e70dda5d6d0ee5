import type { Log } from '../ports/log.ts'
import { type Storage, StorageError, type StorageFailure, type StorageOperation } from '../ports/storage.ts'
import type { Time } from '../ports/time.ts'
import { mintAsAfterMerge } from '../protocol/causality/mint.ts'
import type { KeyRecord } from '../protocol/causality/record.ts'
import { type Hlc, hlcToMs, hlcZero } from '../protocol/clock/hlc.ts'
import { beyondBudget, type HintLimits, type HintRefusal } from '../protocol/handoff/hint-budget.ts'
import { type HintFacts, HintLedger } from '../protocol/handoff/hint-ledger.ts'
import { oldestMint } from '../protocol/handoff/oldest-mint.ts'
import type { Durability } from '../protocol/quorum/client-request.ts'
import { equalStates } from '../protocol/quorum/equal-states.ts'
import { partitionOf } from '../protocol/ring/partition.ts'
import type { Hash } from '../vocabulary/hash.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import { parseRecordKey, type RecordKey } from '../vocabulary/key.ts'
import { decodeRecord, encodeRecord } from '../wire/record.ts'
import {
  compareBytes,
  hintIndexKey,
  hintIndexRange,
  hintKey,
  hintRange,
  indexValue,
  type KeyBounds,
  keyAfter,
  parseHintIndexKey,
  parseHintKey,
  parseIndexValue,
} from '../wire/store-keys.ts'
import { decodeStored, encodeStored } from '../wire/stored-record.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import type { BatchWriter } from './batch-writer.ts'
import type { DirtyRanges } from './dirty-ranges.ts'
import { mergeLists } from './merge-lists.ts'
import type { NodeMetrics } from './node-metrics.ts'
import type { NodeParts } from './node-settings.ts'
import type { LocalCopy } from './replica-store.ts'
import { type IndexLimits, type IndexListed, scanIndex } from './scan-index.ts'
import { isLive, shownUntil } from './shown-until.ts'

/** `refused`: nothing was stored, and the range is marked for comparison instead, durably (docs/rules.md H2). */
export type HintOutcome =
  | { readonly type: 'stored' }
  | { readonly type: 'refused'; readonly reason: HintRefusal }
  | { readonly type: 'failed'; readonly failure: StorageFailure }

/** One hint as the store has it. */
export interface Hint {
  readonly target: NodeId
  readonly partition: number
  readonly key: RecordKey
  /** encodeRecord's bytes. */
  readonly record: Uint8Array
  /** The very value in the store: the hint goes only while it is this one. */
  readonly stored: Uint8Array
}

export interface HintsOfTarget {
  readonly target: NodeId
  readonly count: number
  readonly bytes: number
  readonly oldestMintMs: number
}

/** A hint that is on its way to the store or out of it. */
interface OnItsWay {
  /** Undefined: it is being removed. */
  stored: Uint8Array | undefined
  batches: number
}

interface Held {
  readonly stored: Uint8Array
  readonly recordBytes: Uint8Array
  readonly record: KeyRecord
  readonly mintAs: number | undefined
}

/**
 * What this node keeps for absent owners: one merged state for each target and key (docs/rules.md H1 to H3, D2). Like
 * the node's own records, hints are decided synchronously and see what was decided before.
 */
export class HintStore {
  readonly #storage: Storage
  readonly #batches: BatchWriter
  readonly #dirty: DirtyRanges
  readonly #hash: Hash
  readonly #log: Log
  readonly #time: Time
  readonly #metrics: NodeMetrics
  readonly #parts: NodeParts
  readonly #options: HintStoreOptions
  readonly #ledgers = new Map<NodeId, HintLedger>()
  readonly #onItsWay = new Map<string, OnItsWay>()
  readonly #awaySinceMs = new Map<NodeId, number>()
  /** Hints counted before the reader of the start got there; undefined: the whole store has been read. */
  #counted: Set<string> | undefined = new Set()
  /** How far it has got. */
  #readUpTo: Uint8Array = new Uint8Array(0)
  #isDiscarding = false
  /** What was to be kept before this life of the node had told a stable. */
  #waiting: (() => void)[] = []
  #bytes = 0
  #freeBytes = 0
  #freeAskedAtMs = Number.NEGATIVE_INFINITY

  constructor(
    parts: {
      readonly storage: Storage
      readonly batches: BatchWriter
      readonly dirty: DirtyRanges
      readonly hash: Hash
      readonly log: Log
      readonly time: Time
      readonly metrics: NodeMetrics
      readonly nodeParts: NodeParts
    },
    options: HintStoreOptions,
  ) {
    this.#storage = parts.storage
    this.#batches = parts.batches
    this.#dirty = parts.dirty
    this.#hash = parts.hash
    this.#log = parts.log
    this.#time = parts.time
    this.#metrics = parts.metrics
    this.#parts = parts.nodeParts
    this.#options = options
  }

  /** Counts the hints of earlier lives. Everything else works meanwhile. */
  load(done: (failure: StorageFailure | undefined) => void): void {
    this.#eachPage(hintRange(), (entries) => {
      for (const { key, value } of entries) this.#countStored(key, value)
      this.#readUpTo = entries.at(-1)?.key ?? this.#readUpTo
    })((failure) => {
      if (failure === undefined) this.#counted = undefined
      done(failure)
    })
  }

  /**
   * Keeps a state for `target`, in this turn's batch. `done` once it is as durable as asked; or once the range is
   * marked for comparison, where the hint is one too many.
   * @param bytes encodeRecord's of `record`
   */
  add(
    target: NodeId,
    key: RecordKey,
    record: KeyRecord,
    bytes: Uint8Array,
    durability: Durability,
    done: (outcome: HintOutcome) => void,
  ): void {
    // A moment after the start. Marked instead, the owner would have to wait for a comparison.
    if (this.#options.isOn && !this.#options.isStableTold() && this.#waiting.length < waitingMax) {
      this.#waiting.push(() => this.add(target, key, record, bytes, durability, done))
      return
    }
    const held = this.#read(target, key)
    if (held === 'failed') return done({ type: 'failed', failure: readFailure })
    let after = record
    let encoded = bytes
    let mintAs: number | undefined
    if (held !== undefined) {
      after = this.#parts.merge(held.record, record)
      if (after === held.record || equalStates(after, held.record))
        return this.#confirm(target, key, held, durability, done)
      mintAs = mintAsAfterMerge(held, after, this.#options.generation())
      if (!equalStates(after, record)) encoded = encodeRecord(after)
    }
    const stored = encodeStored(encoded, mintAs, this.#hash)
    const refused = this.#refusalOf(target, key, held, after, stored)
    if (refused !== undefined) return this.#markInstead(target, key, refused, done)
    this.#put(target, key, held, after, stored, durability, done)
  }

  /** This life of the node has told a stable: what waited for that is kept now. */
  stableTold(): void {
    for (const add of this.#waiting.splice(0)) add()
  }

  /** The hint for one target. Not there, damaged or not: then this node must begin a new actor in it. */
  read(target: NodeId, key: RecordKey): LocalCopy {
    const held = this.#read(target, key)
    if (held === 'failed') return { state: 'failed', failure: readFailure }
    if (held === undefined) return { state: 'absent' }
    return { state: 'found', bytes: held.recordBytes, mintAs: held.mintAs }
  }

  /** What is kept of a key for anybody, merged; undefined: nothing. `failed`: the store does not say. */
  readAll(key: RecordKey): KeyRecord | undefined | 'failed' {
    if (this.#isDiscarding) return undefined
    let merged: KeyRecord | undefined
    for (const target of this.#ledgers.keys()) {
      const held = this.#read(target, key)
      if (held === 'failed') return 'failed'
      if (held !== undefined) merged = merged === undefined ? held.record : this.#parts.merge(merged, held.record)
    }
    return merged
  }

  /** Calls back with the same once it has reached the store: what could still be lost is shown to nobody. */
  readAllStored(key: RecordKey, callback: (record: KeyRecord | undefined | 'failed') => void): void {
    if (this.#batches.failure !== undefined) return callback('failed')
    const record = this.readAll(key)
    let isOnItsWay = false
    for (const target of this.#ledgers.keys()) if (this.#onItsWay.has(nameOf(target, key))) isOnItsWay = true
    if (!isOnItsWay) return callback(record)
    this.#batches.add([], 'os', (failure) => callback(failure === undefined ? record : 'failed'))
  }

  /** Calls back when everything taken until now has reached the store, where `scan` finds it. */
  whenStored(done: (failure: StorageFailure | undefined) => void): void {
    this.#batches.add([], 'os', done)
  }

  /**
   * Keys of a bucket of which something live is kept for somebody, in key order: costs nothing where nothing is kept.
   * Calls back at once or later.
   */
  list(bounds: KeyBounds, limits: IndexLimits, done: IndexListed): void {
    const targets = [...this.#ledgers].filter(([, { count }]) => count > 0).map(([target]) => target)
    const lists: { readonly keys: readonly string[]; readonly isComplete: boolean }[] = []
    let failed: StorageFailure | undefined
    let left = this.#isDiscarding ? 0 : targets.length
    if (left === 0) return done(undefined, [], true)
    for (const target of targets) {
      const range = hintIndexRange(target, bounds)
      const within = { ...limits, reverse: bounds.reverse }
      scanIndex(this.#storage, range, parseHintIndexKey, within, (failure, keys, isComplete) => {
        failed ??= failure
        lists.push({ keys, isComplete })
        left -= 1
        if (left > 0) return
        const { keys: all, isComplete: isAll } = mergeLists(lists, bounds.reverse === true)
        done(failed, all, isAll)
      })
    }
  }

  /** Targets for which the key has a hint. */
  targetsOf(key: RecordKey): readonly NodeId[] {
    return [...this.#ledgers.keys()].filter((target) => {
      const held = this.#read(target, key)
      return held !== undefined && held !== 'failed'
    })
  }

  /**
   * Puts in the place of the hint for `target` what a put or delete decided on it (docs/rules.md Q2).
   * @returns the encoded record; or why nothing was stored, and then `done` is not called
   */
  write(
    target: NodeId,
    key: RecordKey,
    after: KeyRecord,
    mintAs: number | undefined,
    durability: Durability,
    done: (failure: StorageFailure | undefined) => void,
  ): Uint8Array | HintRefusal {
    const held = this.#read(target, key)
    const encoded = encodeRecord(after)
    const stored = encodeStored(encoded, mintAs, this.#hash)
    const before = held === 'failed' ? undefined : held
    const refused = this.#refusalOf(target, key, before, after, stored)
    if (refused !== undefined) {
      this.#metrics.hintsRefused(refused).add(1)
      return refused
    }
    this.#put(target, key, before, after, stored, durability, (outcome) =>
      done(outcome.type === 'failed' ? outcome.failure : undefined),
    )
    return encoded
  }

  /** Hints for `target` in the order of the store, behind `after`; up to about `bytesMax`, one at least. */
  scan(
    target: NodeId,
    after: Uint8Array | undefined,
    limits: { readonly entriesMax: number; readonly bytesMax: number },
    done: (failure: StorageFailure | undefined, hints: readonly Hint[], next: Uint8Array | undefined) => void,
  ): void {
    if (this.#isDiscarding) return this.#time.soon(() => done(undefined, [], undefined))
    const { from, to } = hintRange(target, after)
    this.#storage.scan({ from, to, entriesMax: limits.entriesMax }, (failure, entries) => {
      if (failure !== undefined) {
        this.#options.onFailure(failure)
        return done(failure, [], undefined)
      }
      const hints: Hint[] = []
      let bytes = 0
      for (const { key, value } of entries) {
        bytes += key.length + value.length
        if (bytes > limits.bytesMax && hints.length > 0) return done(undefined, hints, hintKeyOf(hints.at(-1) as Hint))
        const hint = this.#parse(key, value)
        if (hint !== undefined) hints.push(hint)
      }
      const last = entries.at(-1)
      done(undefined, hints, last === undefined || entries.length < limits.entriesMax ? undefined : last.key)
    })
  }

  /** Takes away those that are still what they were when they were read; `done` once that is on the disk. */
  remove(hints: readonly Hint[], done: (failure: StorageFailure | undefined) => void): void {
    const operations: StorageOperation[] = []
    const removed: { readonly target: NodeId; readonly name: string; readonly facts: HintFacts }[] = []
    for (const hint of hints) {
      const { target, key, record, stored } = hint
      const name = nameOf(target, key)
      if (!this.#isStill(target, key, stored)) continue
      const storeKey = hintKeyOf(hint)
      const decoded = decodeRecord(record, this.#hash)
      const facts = { bytes: storeKey.length + stored.length, mint: oldestMint(decoded) }
      this.#countOnce(storeKey, name, target, facts)
      this.#sendOff(name, undefined)
      operations.push({ type: 'delete', key: storeKey })
      indexChange(target, key, decoded, undefined, operations)
      removed.push({ target, name, facts })
    }
    // Synced before anybody may believe that nothing below it is left (docs/rules.md D5).
    this.#batches.add(operations, 'disk', (failure) => {
      for (const { target, name, facts } of removed) {
        this.#arrived(name)
        if (failure === undefined) this.#forget(target, facts)
      }
      done(failure)
    })
  }

  /**
   * Takes away the hints that may have gone back in time, and marks their ranges (docs/rules.md D6). Until that is done
   * nobody is given a hint.
   * @param isSince whether a write was named after the copy that the store was restored from
   */
  discardRestored(isSince: (mint: Hlc) => boolean): void {
    this.#isDiscarding = true
    this.#eachPage(hintRange(), (entries) => {
      const old: Hint[] = []
      for (const { key, value } of entries) {
        const hint = this.#parse(key, value)
        if (hint === undefined || isSince(oldestMint(this.decode(hint.record)))) continue
        this.#dirty.mark(hint.target, hint.partition)
        old.push(hint)
      }
      this.remove(old, () => {})
    })((failure) => {
      if (failure !== undefined) return
      this.#batches.add([], 'disk', () => {
        this.#isDiscarding = false
      })
    })
  }

  /** The target is away or back; undefined: it is there. */
  noteAway(target: NodeId, sinceMs: number | undefined): void {
    if (sinceMs === undefined) this.#awaySinceMs.delete(target)
    else if (!this.#awaySinceMs.has(target)) this.#awaySinceMs.set(target, sinceMs)
  }

  /** The hints of earlier lives have been counted. */
  get isCounted(): boolean {
    return this.#counted === undefined
  }

  /** `ledger` and `scan` say all there is. */
  get isWhole(): boolean {
    return this.isCounted && !this.#isDiscarding
  }

  /** At or below the mint of everything held; undefined: nothing is held. Before all is counted nobody knows: zero. */
  oldestMint(): Hlc | undefined {
    if (this.#counted !== undefined) return hlcZero
    let oldest: Hlc | undefined
    for (const ledger of this.#ledgers.values()) {
      const mint = ledger.oldestMint
      if (mint !== undefined && (oldest === undefined || mint < oldest)) oldest = mint
    }
    return oldest
  }

  ledger(): readonly HintsOfTarget[] {
    const targets: HintsOfTarget[] = []
    for (const [target, { count, bytes, oldestMint: mint }] of this.#ledgers) {
      if (count > 0) targets.push({ target, count, bytes, oldestMintMs: mint === undefined ? 0 : hlcToMs(mint) })
    }
    return targets
  }

  countOf(target: NodeId): number {
    return this.#ledgers.get(target)?.count ?? 0
  }

  get bytes(): number {
    return this.#bytes
  }

  get isFull(): boolean {
    return this.#batches.isFull
  }

  decode(bytes: Uint8Array): KeyRecord {
    return decodeRecord(bytes, this.#hash)
  }

  // One hint

  #read(target: NodeId, key: RecordKey): Held | undefined | 'failed' {
    // Most keys have no hint, and most nodes no target.
    if ((this.#ledgers.get(target)?.count ?? 0) === 0 && this.#counted === undefined) return undefined
    let stored: Uint8Array | undefined
    try {
      stored = this.#storedNow(target, key)
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      this.#options.onFailure(error.failure)
      return 'failed'
    }
    if (stored === undefined) return undefined
    try {
      const { recordBytes, mintAs } = decodeStored(stored, this.#hash)
      return { stored, recordBytes, record: decodeRecord(recordBytes, this.#hash), mintAs }
    } catch (error) {
      if (!(error instanceof UnreadableBytes)) throw error
      this.#discardDamaged(hintKey(target, this.#partitionOf(key), key), target, this.#partitionOf(key), error)
      return undefined
    }
  }

  /** False also when the store does not say: a hint too many is delivered once more. */
  #isStill(target: NodeId, key: RecordKey, stored: Uint8Array): boolean {
    try {
      const now = this.#storedNow(target, key)
      return now !== undefined && compareBytes(now, stored) === 0
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      this.#options.onFailure(error.failure)
      return false
    }
  }

  #storedNow(target: NodeId, key: RecordKey): Uint8Array | undefined {
    const onItsWay = this.#onItsWay.get(nameOf(target, key))
    if (onItsWay !== undefined) return onItsWay.stored
    return this.#storage.get(hintKey(target, this.#partitionOf(key), key))
  }

  #put(
    target: NodeId,
    key: RecordKey,
    before: Held | undefined,
    after: KeyRecord,
    stored: Uint8Array,
    durability: Durability,
    done: (outcome: HintOutcome) => void,
  ): void {
    const name = nameOf(target, key)
    const storeKey = hintKey(target, this.#partitionOf(key), key)
    const held = before === undefined ? undefined : factsOf(storeKey, before.stored, before.record)
    this.#countOnce(storeKey, name, target, held)
    if (held !== undefined) this.#forget(target, held)
    this.#remember(target, factsOf(storeKey, stored, after))
    this.#sendOff(name, stored)
    this.#metrics.hintsStored.add(1)
    const operations: StorageOperation[] = [{ type: 'put', key: storeKey, value: stored }]
    // Before all has been read what stands in the index is not known.
    indexChange(target, key, before?.record, after, operations, this.isCounted)
    this.#batches.add(operations, durability, (failure) => {
      this.#arrived(name)
      done(failure === undefined ? { type: 'stored' } : { type: 'failed', failure })
    })
    this.#options.onAdded(target)
  }

  /** Everything in it is held already: but it must be in the store, and synced if that was asked for. */
  #confirm(
    target: NodeId,
    key: RecordKey,
    { stored }: Held,
    durability: Durability,
    done: (outcome: HintOutcome) => void,
  ): void {
    const operations: StorageOperation[] =
      durability === 'disk' ? [{ type: 'put', key: hintKey(target, this.#partitionOf(key), key), value: stored }] : []
    const name = nameOf(target, key)
    if (operations.length > 0) this.#sendOff(name, stored)
    this.#batches.add(operations, durability, (failure) => {
      if (operations.length > 0) this.#arrived(name)
      done(failure === undefined ? { type: 'stored' } : { type: 'failed', failure })
    })
  }

  #markInstead(target: NodeId, key: RecordKey, reason: HintRefusal, done: (outcome: HintOutcome) => void): void {
    this.#metrics.hintsRefused(reason).add(1)
    this.#dirty.mark(target, this.#partitionOf(key), (failure) =>
      done(failure === undefined ? { type: 'refused', reason } : { type: 'failed', failure }),
    )
  }

  #refusalOf(
    target: NodeId,
    key: RecordKey,
    before: Held | undefined,
    after: KeyRecord,
    stored: Uint8Array,
  ): HintRefusal | undefined {
    if (!this.#options.isOn) return 'off'
    if (oldestMint(after) <= this.#options.publishedStable()) return 'stable'
    const keyBytes = before === undefined ? hintHeadBytes + key.bytes.length : 0
    const awaySinceMs = this.#awaySinceMs.get(target)
    return beyondBudget(this.#options.limits, {
      ofTargetBytes: this.#ledgers.get(target)?.bytes ?? 0,
      ofAllBytes: this.#bytes,
      addedBytes: keyBytes + stored.length - (before?.stored.length ?? 0),
      freeBytes: this.#freeBytesNow(),
      awayMs: awaySinceMs === undefined ? undefined : this.#time.nowMs() - awaySinceMs,
    })
  }

  #freeBytesNow(): number {
    const nowMs = this.#time.nowMs()
    if (nowMs - this.#freeAskedAtMs >= freeAskedEveryMs) {
      this.#freeAskedAtMs = nowMs
      this.#freeBytes = this.#options.freeBytes()
    }
    return this.#freeBytes
  }

  #partitionOf(key: RecordKey): number {
    return partitionOf(key.token, this.#options.partitionCount)
  }

  // What the store does not have yet

  #sendOff(name: string, stored: Uint8Array | undefined): void {
    const onItsWay = this.#onItsWay.get(name)
    if (onItsWay === undefined) this.#onItsWay.set(name, { stored, batches: 1 })
    else {
      onItsWay.stored = stored
      onItsWay.batches += 1
    }
  }

  #arrived(name: string): void {
    const onItsWay = this.#onItsWay.get(name)
    if (onItsWay === undefined) return
    onItsWay.batches -= 1
    if (onItsWay.batches === 0) this.#onItsWay.delete(name)
  }

  // The ledgers

  #remember(target: NodeId, facts: HintFacts): void {
    let ledger = this.#ledgers.get(target)
    if (ledger === undefined) {
      ledger = new HintLedger()
      this.#ledgers.set(target, ledger)
    }
    ledger.add(facts)
    this.#bytes += facts.bytes
  }

  #forget(target: NodeId, facts: HintFacts): void {
    this.#ledgers.get(target)?.remove(facts)
    this.#bytes -= facts.bytes
  }

  /** While the store is being read: what changes before the reader gets there is counted here, and not again there. */
  #countOnce(storeKey: Uint8Array, name: string, target: NodeId, held: HintFacts | undefined): void {
    if (this.#counted === undefined || this.#counted.has(name)) return
    if (compareBytes(storeKey, this.#readUpTo) <= 0) return
    this.#counted.add(name)
    if (held !== undefined) this.#remember(target, held)
  }

  #countStored(storeKey: Uint8Array, value: Uint8Array): void {
    const hint = this.#parse(storeKey, value)
    if (hint === undefined) return
    if (this.#counted?.has(nameOf(hint.target, hint.key)) === true) return
    const record = decodeRecord(hint.record, this.#hash)
    this.#remember(hint.target, factsOf(storeKey, value, record))
    this.#indexIfMissing(hint, record)
  }

  /**
   * What a Starling kept that knew no index of hints gets into it: one after the other, for it may have run between two
   * lives of this one, and this one may have ended in the middle.
   */
  #indexIfMissing({ target, key }: Hint, record: KeyRecord): void {
    if (!isLive(record)) return
    try {
      const indexed = this.#storage.get(hintIndexKey(target, key.bytes))
      if (indexed !== undefined && parseIndexValue(indexed) === shownUntil(record)) return
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      return
    }
    const operations: StorageOperation[] = []
    indexChange(target, key, undefined, record, operations)
    this.#batches.add(operations, 'os', () => {})
  }

  #parse(storeKey: Uint8Array, value: Uint8Array): Hint | undefined {
    const parsed = parseHintKey(storeKey)
    const key = parsed === undefined ? undefined : parseRecordKey(parsed.keyBytes.slice(), this.#hash)
    if (parsed === undefined || key === undefined) return undefined
    const { target, partition } = parsed
    try {
      const { recordBytes } = decodeStored(value, this.#hash)
      // Once here, so that whoever uses the bytes later meets no surprise.
      decodeRecord(recordBytes, this.#hash)
      return { target, partition, key, record: recordBytes, stored: value }
    } catch (error) {
      if (!(error instanceof UnreadableBytes)) throw error
      this.#discardDamaged(storeKey, target, partition, error)
      return undefined
    }
  }

  /** Nobody can say what it held: its range is compared instead. */
  #discardDamaged(storeKey: Uint8Array, target: NodeId, partition: number, error: UnreadableBytes): void {
    this.#metrics.damagedRecords.add(1)
    this.#log.error(
      { target, partition, reason: error.message },
      'a hint cannot be read: its range is compared instead',
    )
    this.#dirty.mark(target, partition)
    const operations: StorageOperation[] = [{ type: 'delete', key: storeKey }]
    const parsed = parseHintKey(storeKey)
    if (parsed !== undefined) operations.push({ type: 'delete', key: hintIndexKey(target, parsed.keyBytes) })
    this.#batches.add(operations, 'os', () => {})
  }

  #eachPage(
    range: { readonly from: Uint8Array; readonly to: Uint8Array },
    use: (entries: readonly { readonly key: Uint8Array; readonly value: Uint8Array }[]) => void,
  ): (done: (failure: StorageFailure | undefined) => void) => void {
    return (done) => {
      const step = (from: Uint8Array): void => {
        this.#storage.scan({ from, to: range.to, entriesMax: pageEntries }, (failure, entries) => {
          if (failure !== undefined) {
            this.#options.onFailure(failure)
            return done(failure)
          }
          use(entries)
          const last = entries.at(-1)
          if (last === undefined || entries.length < pageEntries) return done(undefined)
          step(keyAfter(last.key))
        })
      }
      step(range.from)
    }
  }
}

export interface HintStoreOptions {
  readonly limits: HintLimits
  /** `--hints`; off: nothing is kept, ranges are marked. */
  readonly isOn: boolean
  readonly partitionCount: number
  /** The own store generation; may roll. */
  readonly generation: () => number
  /** Bytes left on the disk; asked every ten seconds at most. */
  readonly freeBytes: () => number
  /** The highest stable this node has told anybody (docs/rules.md D2). */
  readonly publishedStable: () => Hlc
  /** Whether this life of the node has told one. Before it has, no hint can be taken, and `add` waits. */
  readonly isStableTold: () => boolean
  /** There is one hint more for this target. */
  readonly onAdded: (target: NodeId) => void
  readonly onFailure: (failure: StorageFailure) => void
}

const pageEntries = 256
/** Beyond this the ranges are marked: the start takes too long for the writes that come. */
const waitingMax = 10_000
const freeAskedEveryMs = 10_000
/** Of a hint's key, in front of bucket and key. */
const hintHeadBytes = 27
const readFailure: StorageFailure = { kind: 'failed', message: 'the hint cannot be read' }

/** What changes in the index of hints with this hint. */
function indexChange(
  target: NodeId,
  { bytes }: RecordKey,
  before: KeyRecord | undefined,
  after: KeyRecord | undefined,
  operations: StorageOperation[],
  isBeforeIndexed = true,
): void {
  if (after !== undefined && isLive(after)) {
    const until = shownUntil(after)
    if (isBeforeIndexed && before !== undefined && isLive(before) && shownUntil(before) === until) return
    operations.push({ type: 'put', key: hintIndexKey(target, bytes), value: indexValue(until) })
  } else if (isLive(before)) operations.push({ type: 'delete', key: hintIndexKey(target, bytes) })
}

function nameOf(target: NodeId, key: RecordKey): string {
  return `${target}/${key.id}`
}

function hintKeyOf({ target, partition, key }: Hint): Uint8Array {
  return hintKey(target, partition, key)
}

function factsOf(storeKey: Uint8Array, stored: Uint8Array, record: KeyRecord): HintFacts {
  return { bytes: storeKey.length + stored.length, mint: oldestMint(record) }
}
