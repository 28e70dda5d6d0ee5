import type { Log } from '../ports/log.ts'
import { type Storage, StorageError, type StorageFailure, type StorageOperation } from '../ports/storage.ts'
import { mintAsAfterMerge } from '../protocol/causality/mint.ts'
import type { KeyRecord } from '../protocol/causality/record.ts'
import type { Hlc } from '../protocol/clock/hlc.ts'
import type { Durability } from '../protocol/quorum/client-request.ts'
import { equalRecords } from '../protocol/quorum/equal-states.ts'
import { partitionOf } from '../protocol/ring/partition.ts'
import type { Hash } from '../vocabulary/hash.ts'
import type { RecordKey, Token } from '../vocabulary/key.ts'
import { parseRecordKey } from '../vocabulary/key.ts'
import { decodeRecord, encodeRecord } from '../wire/record.ts'
import {
  dataKey,
  dataRange,
  dataRangeFrom,
  indexKeyOf,
  indexRange,
  indexValue,
  type KeyBounds,
  keyAfter,
  metaKey,
  parseDataKey,
  parseIndexKey,
  prefixEnd,
  tokenKey,
} from '../wire/store-keys.ts'
import { decodeStored, encodeStored, storedChecksumBytes } from '../wire/stored-record.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import type { BatchWriter } from './batch-writer.ts'
import type { NodeMetrics } from './node-metrics.ts'
import type { NodeParts } from './node-settings.ts'
import { type CachedRecord, RecordCache } from './record-cache.ts'
import { type BucketsListed, scanBuckets } from './scan-buckets.ts'
import { type IndexLimits, type IndexListed, scanIndex } from './scan-index.ts'
import { shownUntil } from './shown-until.ts'

/** This node's copy of one key. */
export type LocalCopy =
  | { readonly state: 'found'; readonly bytes: Uint8Array; readonly mintAs: number | undefined }
  | { readonly state: 'absent' }
  /** There is a copy, and it cannot be read: neither absent nor an answer (docs/rules.md A6). */
  | { readonly state: 'damaged' }
  /** The store does not say. */
  | { readonly state: 'failed'; readonly failure: StorageFailure }

type Stored = (failure: StorageFailure | undefined) => void

/**
 * The state was read before a deletion that has ended here, and would bring back what it deleted: its sender must read
 * it again from a live owner (docs/rules.md D5). Nothing was stored.
 */
export interface ReRead {
  readonly kind: 're-read'
  readonly message: string
}

export type MergeFailure = StorageFailure | ReRead
type Merged = (failure: MergeFailure | undefined) => void

/** One record is another from now on. */
export interface RecordChange {
  readonly key: RecordKey
  readonly partition: number
  /** Undefined: there was none, or none that could be read. */
  readonly before: KeyRecord | undefined
  /** Undefined: it is removed. */
  readonly after: KeyRecord | undefined
}

/** Whoever keeps account of the records: hears of every change when it is decided. */
export interface StoreObserver {
  /** May add operations of its own: they are stored with the change, or neither is. */
  recordChanged(change: RecordChange, operations: StorageOperation[]): void
}

/** Says which states come too late to be merged. */
export interface MergeGuard {
  refuses(partition: number, asOf: Hlc, local: KeyRecord | undefined, incoming: KeyRecord): boolean
}

/** Somebody who may not see a copy before its last write has ended. */
interface Waiting {
  writesLeft: number
  readonly ended: Stored
}

/** Some 33,000 records of 1 KiB, or three times as many small ones. */
export const recordCacheBytesMax = 48 * 1024 * 1024

const absent: LocalCopy = { state: 'absent' }
const damaged: LocalCopy = { state: 'damaged' }
const reRead: ReRead = { kind: 're-read', message: 'the state was read before a deletion that has ended here' }

/**
 * The records of one node. Deciding is synchronous and sees what was decided before, stored or not; so requests on one
 * key take turns by themselves. What has not reached the store yet is shown to nobody: `readStored` waits for it.
 */
export class ReplicaStore {
  readonly #storage: Storage
  readonly #batches: BatchWriter
  readonly #hash: Hash
  readonly #log: Log
  readonly #metrics: NodeMetrics
  readonly #parts: NodeParts
  readonly #generation: () => number
  readonly #partitionCount: number
  readonly #cache = new RecordCache(recordCacheBytesMax)
  readonly #waiting = new Map<string, Waiting[]>()
  readonly #damaged = new Set<string>()
  readonly #onDamaged: (key: RecordKey) => void
  readonly #onFailure: (failure: StorageFailure) => void
  readonly #observers: readonly StoreObserver[]
  readonly #guard: MergeGuard | undefined

  constructor(
    parts: {
      readonly storage: Storage
      readonly batches: BatchWriter
      readonly hash: Hash
      readonly log: Log
      readonly metrics: NodeMetrics
      readonly nodeParts: NodeParts
    },
    options: {
      /** The own store generation; may roll. */
      readonly generation: () => number
      readonly partitionCount: number
      readonly onDamaged: (key: RecordKey) => void
      /** A read failed: the store must not be trusted any more. */
      readonly onFailure: (failure: StorageFailure) => void
      readonly observers?: readonly StoreObserver[]
      readonly guard?: MergeGuard | undefined
    },
  ) {
    this.#storage = parts.storage
    this.#batches = parts.batches
    this.#hash = parts.hash
    this.#log = parts.log
    this.#metrics = parts.metrics
    this.#parts = parts.nodeParts
    this.#generation = options.generation
    this.#partitionCount = options.partitionCount
    this.#onDamaged = options.onDamaged
    this.#onFailure = options.onFailure
    this.#observers = options.observers ?? []
    this.#guard = options.guard
  }

  partitionOf(key: RecordKey): number {
    return partitionOf(key.token, this.#partitionCount)
  }

  partitionOfToken(token: Token): number {
    return partitionOf(token, this.#partitionCount)
  }

  /** The newest copy decided here, which may not have reached the store. */
  read(key: RecordKey): LocalCopy {
    const cached = this.#cache.get(key.id)
    return cached === undefined ? this.#readStore(key) : copyOf(cached)
  }

  #readStore(key: RecordKey): LocalCopy {
    if (this.#damaged.has(key.id)) return damaged
    try {
      const stored = this.#storage.get(dataKey(this.partitionOf(key), key))
      return stored === undefined ? absent : this.#decodeStored(key, stored)
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      this.#onFailure(error.failure)
      return { state: 'failed', failure: error.failure }
    }
  }

  #decodeStored(key: RecordKey, stored: Uint8Array): LocalCopy {
    try {
      const { recordBytes, mintAs } = decodeStored(stored, this.#hash)
      // Decoded once here, so that whoever uses the bytes later meets no surprise.
      decodeRecord(recordBytes, this.#hash)
      this.#cache.put(key.id, recordBytes, mintAs)
      return { state: 'found', bytes: recordBytes, mintAs }
    } catch (error) {
      if (!(error instanceof UnreadableBytes)) throw error
      this.#quarantine(key, stored, error)
      return damaged
    }
  }

  /**
   * Calls back with the copy of this moment when it has reached the store; inside the call when it has. Writes decided
   * afterwards are not waited for: a key that is written all the time can still be read.
   */
  readStored(key: RecordKey, callback: (copy: LocalCopy) => void): void {
    const failed = this.#batches.failure
    // Memory may hold what never reached the store.
    if (failed !== undefined) return callback({ state: 'failed', failure: failed })
    const cached = this.#cache.get(key.id)
    const copy = cached === undefined ? this.#readStore(key) : copyOf(cached)
    const writesLeft = cached?.inFlight ?? 0
    if (writesLeft === 0) return callback(copy)
    const entry: Waiting = {
      writesLeft,
      ended: (failure) => callback(failure === undefined ? copy : { state: 'failed', failure }),
    }
    const waiting = this.#waiting.get(key.id)
    if (waiting === undefined) this.#waiting.set(key.id, [entry])
    else waiting.push(entry)
  }

  decode(bytes: Uint8Array): KeyRecord {
    return decodeRecord(bytes, this.#hash)
  }

  /**
   * Writes what a put or delete decided.
   * @param before the record it was decided on, undefined when there was none
   * @returns the encoded record, to be sent to the other owners as it is
   */
  write(
    key: RecordKey,
    before: KeyRecord | undefined,
    after: KeyRecord,
    mintAs: number | undefined,
    durability: Durability,
    done: Stored,
  ): Uint8Array {
    return this.#store(key, before, after, encodeRecord(after), mintAs, durability, done)
  }

  /**
   * Merges a state that another node sent (docs/rules.md A7). `done` comes when this node holds everything in it as
   * durably as asked, also when nothing had to be written; or with why it does not.
   * @param incoming decoded from `bytes`
   * @param asOf the clock at which `bytes` were read from an owner's live store (docs/rules.md D5)
   */
  merge(key: RecordKey, incoming: KeyRecord, bytes: Uint8Array, durability: Durability, asOf: Hlc, done: Merged): void {
    const copy = this.read(key)
    if (copy.state === 'failed') return done(copy.failure)
    if (copy.state === 'damaged') {
      // The damaged copy may hold what nobody may forget: it is healed first, by reading the other owners.
      return done({ kind: 'corrupt', message: 'the local copy is damaged and waits to be healed' })
    }
    if (copy.state === 'absent') {
      if (this.#guard?.refuses(this.partitionOf(key), asOf, undefined, incoming) === true) return done(reRead)
      this.#store(key, undefined, incoming, bytes, undefined, durability, done)
      return
    }
    const local = this.decode(copy.bytes)
    const merged = this.#parts.merge(local, incoming)
    if (merged === local || equalRecords(merged, local)) return this.#confirm(key, copy, local, durability, done)
    if (this.#guard?.refuses(this.partitionOf(key), asOf, local, incoming) === true) return done(reRead)
    const mintAs = mintAsAfterMerge({ record: local, mintAs: copy.mintAs }, merged, this.#generation())
    // Most writes bring a state that covers ours: its bytes serve as they are.
    const encoded = equalRecords(merged, incoming) ? bytes : encodeRecord(merged)
    this.#store(key, local, merged, encoded, mintAs, durability, done)
  }

  /** The same for a state that is at hand decoded. */
  mergeDecoded(key: RecordKey, incoming: KeyRecord, durability: Durability, asOf: Hlc, done: Merged): void {
    this.merge(key, incoming, encodeRecord(incoming), durability, asOf, done)
  }

  /**
   * Takes a record away, and with it what it minted as (docs/rules.md A2).
   * @param before what the caller has just read, in this turn
   * @param operations stored in the same batch
   */
  remove(
    key: RecordKey,
    before: KeyRecord,
    operations: readonly StorageOperation[],
    durability: Durability,
    done: Stored,
  ): void {
    const partition = this.partitionOf(key)
    const all: StorageOperation[] = [{ type: 'delete', key: dataKey(partition, key) }, ...operations]
    if (before.siblings.length > 0) all.push({ type: 'delete', key: indexKeyOf(key) })
    this.#tellObservers({ key, partition, before, after: undefined }, all)
    this.#cache.putOnItsWay(key.id, undefined, undefined)
    this.#batches.add(all, durability, (failure) => this.#ended(key, failure, done))
  }

  /** The first partition, from this one on, of which there is a record; the number of partitions when there is none. */
  nextOccupied(partition: number, done: (failure: StorageFailure | undefined, occupied: number) => void): void {
    this.#storage.scan({ ...dataRangeFrom(partition), entriesMax: 1 }, (failure, entries) => {
      if (failure !== undefined) this.#onFailure(failure)
      const [first] = entries
      done(failure, first === undefined ? this.#partitionCount : (parseDataKey(first.key)?.partition ?? partition))
    })
  }

  /**
   * Takes away up to 256 of the records of `partition`, readable or not, synced: they are nobody's. `isSwept`: there was
   * nothing left to take away.
   * @param isAllowed asked at the last moment: they may be somebody's by then
   */
  sweep(
    partition: number,
    isAllowed: () => boolean,
    done: (failure: StorageFailure | undefined, isSwept: boolean) => void,
  ): void {
    const { from, to } = dataRange(partition)
    this.#storage.scan({ from, to, entriesMax: scanEntriesMax }, (failure, entries) => {
      if (failure !== undefined) {
        this.#onFailure(failure)
        return done(failure, false)
      }
      if (entries.length === 0 || !isAllowed()) return done(undefined, entries.length === 0)
      for (const entry of entries) this.#sweepOne(entry.key, entry.value)
      // In the same batch, or behind it.
      this.#batches.add([], 'disk', (failed) => done(failed, false))
    })
  }

  #sweepOne(storeKey: Uint8Array, value: Uint8Array): void {
    const parsed = parseDataKey(storeKey)
    const key = parsed === undefined ? undefined : parseRecordKey(parsed.keyBytes.slice(), this.#hash)
    const newest = key === undefined ? undefined : this.#cache.get(key.id)
    // It is on its way out already.
    if (newest !== undefined && newest.bytes === undefined) return
    try {
      if (key !== undefined) {
        const bytes = newest?.bytes ?? decodeStored(value, this.#hash).recordBytes
        return this.remove(key, decodeRecord(bytes, this.#hash), [], 'disk', () => {})
      }
    } catch (error) {
      if (!(error instanceof UnreadableBytes)) throw error
    }
    const operations: StorageOperation[] = [{ type: 'delete', key: storeKey.slice() }]
    if (key !== undefined) {
      operations.push({ type: 'delete', key: indexKeyOf(key) })
      this.#damaged.delete(key.id)
      this.#metrics.damagedRecordsNow.set(this.#damaged.size)
    }
    this.#batches.add(operations, 'disk', () => {})
  }

  /** Puts another state, or none, in the place of the own one: it was proved that nobody needs what the own one has. */
  replace(key: RecordKey, record: KeyRecord | undefined, done: Stored): void {
    const copy = this.read(key)
    if (copy.state === 'failed') return done(copy.failure)
    const before = copy.state === 'found' ? this.decode(copy.bytes) : undefined
    if (record !== undefined) this.#store(key, before, record, encodeRecord(record), undefined, 'disk', done)
    else if (before !== undefined) this.remove(key, before, [], 'disk', done)
    else done(undefined)
  }

  /** Something waits for the disk behind the batch in flight: who sends in bulk should send less. */
  get isBusy(): boolean {
    return this.#batches.waitingBytes > busyBytes
  }

  /** Too much waits for the disk already. */
  get isFull(): boolean {
    return this.#batches.isFull
  }

  /** Replaces a damaged copy by what the other owners hold; undefined: none of them has anything. */
  heal(key: RecordKey, record: KeyRecord | undefined, done: Stored): void {
    this.#damaged.delete(key.id)
    this.#metrics.damagedRecordsNow.set(this.#damaged.size)
    if (record !== undefined) {
      this.#store(key, undefined, record, encodeRecord(record), undefined, 'disk', done)
      return
    }
    const operations: StorageOperation[] = [
      { type: 'delete', key: dataKey(this.partitionOf(key), key) },
      { type: 'delete', key: indexKeyOf(key) },
    ]
    this.#batches.add(operations, 'disk', done)
  }

  get damagedCount(): number {
    return this.#damaged.size
  }

  /** Live keys of a bucket in key order, from the key index. */
  list(bounds: KeyBounds, limits: IndexLimits, done: IndexListed): void {
    scanIndex(this.#storage, indexRange(bounds), parseIndexKey, { ...limits, reverse: bounds.reverse }, done)
  }

  /** Buckets with a live key here, and one such key of each, behind the bucket `after`: shorter names come first. */
  listBuckets(
    after: string,
    { limit, wallMs }: { readonly limit: number; readonly wallMs: number },
    done: BucketsListed,
  ): void {
    scanBuckets(this.#storage, after, { limit, wallMs }, done)
  }

  /** Records of one partition in token order, as the store has them, up to about `bytesMax`. Damaged ones are left out and quarantined. */
  scanPartition(
    partition: number,
    after: Uint8Array,
    bytesMax: number,
    done: (
      failure: StorageFailure | undefined,
      entries: readonly { readonly key: RecordKey; readonly bytes: Uint8Array }[],
      next: Uint8Array,
    ) => void,
  ): void {
    const { from, to } = dataRange(partition, after.length === 0 ? undefined : after)
    const found: { key: RecordKey; bytes: Uint8Array }[] = []
    let bytes = 0
    const step = (start: Uint8Array): void => {
      this.#storage.scan({ from: start, to, entriesMax: scanEntriesMax }, (failure, entries) => {
        if (failure !== undefined) {
          this.#onFailure(failure)
          return done(failure, [], empty)
        }
        for (const entry of entries) {
          const record = this.#readScanned(entry.key, entry.value)
          if (record !== undefined) {
            found.push(record)
            bytes += record.bytes.length + record.key.bytes.length
          }
          if (bytes >= bytesMax) return done(undefined, found, entry.key)
        }
        const last = entries.at(-1)
        if (last === undefined || entries.length < scanEntriesMax) return done(undefined, found, empty)
        step(keyAfter(last.key))
      })
    }
    step(from)
  }

  /** The records of one partition with tokens from `first` to `last`, both included, as the store has them. Damaged ones are left out and quarantined. */
  scanTokens(
    partition: number,
    first: bigint,
    last: bigint,
    visit: (key: RecordKey, bytes: Uint8Array) => void,
    done: (failure: StorageFailure | undefined) => void,
  ): void {
    const to = prefixEnd(tokenKey(partition, last))
    const step = (from: Uint8Array): void => {
      this.#storage.scan({ from, to, entriesMax: tokensScannedMax }, (failure, entries) => {
        if (failure !== undefined) {
          this.#onFailure(failure)
          return done(failure)
        }
        for (const entry of entries) {
          const record = this.#readScanned(entry.key, entry.value)
          if (record !== undefined) visit(record.key, record.bytes)
        }
        const behind = entries.length < tokensScannedMax ? undefined : entries.at(-1)
        if (behind === undefined) done(undefined)
        else step(keyAfter(behind.key))
      })
    }
    step(tokenKey(partition, first))
  }

  #readScanned(storeKey: Uint8Array, value: Uint8Array): { key: RecordKey; bytes: Uint8Array } | undefined {
    const parsed = parseDataKey(storeKey)
    const key = parsed === undefined ? undefined : parseRecordKey(parsed.keyBytes.slice(), this.#hash)
    if (key === undefined) return undefined
    try {
      const { recordBytes } = decodeStored(value, this.#hash)
      return { key, bytes: recordBytes }
    } catch (error) {
      if (!(error instanceof UnreadableBytes)) throw error
      return this.#rewrite(key) ?? this.#quarantine(key, value, error)
    }
  }

  /** What the store has is damaged, but memory has it whole, perhaps with more than any other owner: it goes there again. */
  #rewrite(key: RecordKey): { key: RecordKey; bytes: Uint8Array } | undefined {
    const cached = this.#cache.peek(key.id)
    if (cached?.bytes === undefined) return undefined
    this.#metrics.damagedRecords.add(1)
    this.#log.error(
      { bucket: key.bucket, key: key.key },
      'a stored record cannot be read: it is written again from memory',
    )
    const record = this.decode(cached.bytes)
    const bytes = this.#store(key, record, record, cached.bytes, cached.mintAs, 'disk', () => {})
    return { key, bytes }
  }

  /** Nothing new: but what we confirm must be in the store, and synced if that was asked for. */
  #confirm(
    key: RecordKey,
    copy: { readonly bytes: Uint8Array; readonly mintAs: number | undefined },
    record: KeyRecord,
    durability: Durability,
    done: Stored,
  ): void {
    if (durability === 'disk') {
      // A synced rewrite: an earlier `os` write of the same state may not be on the disk yet.
      this.#store(key, record, record, copy.bytes, copy.mintAs, durability, done)
      return
    }
    this.readStored(key, () => done(this.#batches.failure))
  }

  #store(
    key: RecordKey,
    before: KeyRecord | undefined,
    after: KeyRecord,
    bytes: Uint8Array,
    mintAs: number | undefined,
    durability: Durability,
    done: Stored,
  ): Uint8Array {
    const stored = encodeStored(bytes, mintAs, this.#hash)
    const operations: StorageOperation[] = [{ type: 'put', key: dataKey(this.partitionOf(key), key), value: stored }]
    const wasLive = before !== undefined && before.siblings.length > 0
    const isLive = after.siblings.length > 0
    const shownUntilMs = shownUntil(after)
    if (isLive !== wasLive || before === undefined || shownUntilMs !== shownUntil(before)) {
      const index = indexKeyOf(key)
      operations.push(
        isLive ? { type: 'put', key: index, value: indexValue(shownUntilMs) } : { type: 'delete', key: index },
      )
    }
    if (before !== after) this.#tellObservers({ key, partition: this.partitionOf(key), before, after }, operations)
    // A view of what the store was given: it skips mintAs in front and the checksum behind.
    const kept = stored.subarray(
      stored.length - storedChecksumBytes - bytes.length,
      stored.length - storedChecksumBytes,
    )
    this.#cache.putOnItsWay(key.id, kept, mintAs)
    this.#batches.add(operations, durability, (failure) => this.#ended(key, failure, done))
    return kept
  }

  #ended(key: RecordKey, failure: StorageFailure | undefined, done: Stored): void {
    this.#cache.hasArrived(key.id)
    this.#tellWaiting(key, failure)
    done(failure)
  }

  #tellObservers(change: RecordChange, operations: StorageOperation[]): void {
    for (const observer of this.#observers) observer.recordChanged(change, operations)
  }

  /** One write of the key has ended: they end in the order in which they were decided. */
  #tellWaiting(key: RecordKey, failure: StorageFailure | undefined): void {
    const waiting = this.#waiting.get(key.id)
    if (waiting === undefined) return
    for (const entry of waiting) entry.writesLeft -= 1
    const later = waiting.filter(({ writesLeft }) => writesLeft > 0)
    if (later.length === 0) this.#waiting.delete(key.id)
    else this.#waiting.set(key.id, later)
    for (const { writesLeft, ended } of waiting) if (writesLeft === 0) ended(failure)
  }

  #quarantine(key: RecordKey, stored: Uint8Array, error: UnreadableBytes): undefined {
    if (this.#damaged.has(key.id)) return
    this.#damaged.add(key.id)
    this.#metrics.damagedRecords.add(1)
    this.#metrics.damagedRecordsNow.set(this.#damaged.size)
    this.#log.error(
      { bucket: key.bucket, key: key.key, reason: error.message },
      'a stored record cannot be read: it is kept aside and read again from the other owners',
    )
    const aside = metaKey(`quarantine/${Buffer.from(key.bytes).toString('hex')}`)
    this.#batches.add([{ type: 'put', key: aside, value: stored.slice() }], 'os', () => {})
    this.#onDamaged(key)
  }
}

const scanEntriesMax = 256
const tokensScannedMax = 64
const busyBytes = 4 * 1024 * 1024
const empty = new Uint8Array(0)

function copyOf({ bytes, mintAs }: CachedRecord): LocalCopy {
  return bytes === undefined ? absent : { state: 'found', bytes, mintAs }
}
