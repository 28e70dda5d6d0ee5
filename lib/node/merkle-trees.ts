import type { Log } from '../ports/log.ts'
import { StorageError, type StorageFailure, type StorageOperation } from '../ports/storage.ts'
import type { Time, Timer } from '../ports/time.ts'
import { TreeBuild } from '../protocol/anti-entropy/tree-build.ts'
import { leafCount, leafOf, leafTokens, XorTree } from '../protocol/anti-entropy/xor-tree.ts'
import type { KeyRecord } from '../protocol/causality/record.ts'
import { stateHash } from '../protocol/causality/state-hash.ts'
import type { Hash } from '../vocabulary/hash.ts'
import type { RecordKey, Token } from '../vocabulary/key.ts'
import type { Random } from '../vocabulary/random.ts'
import { decodeRecord } from '../wire/record.ts'
import { metaKey, parseDataKey, tokenKey } from '../wire/store-keys.ts'
import { sealValue } from '../wire/stored-record.ts'
import { decodeTree, encodeTree } from '../wire/tree-codec.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import type { BatchWriter } from './batch-writer.ts'
import type { MetaStore } from './meta-store.ts'
import type { NodeMetrics } from './node-metrics.ts'
import type { RecordChange, ReplicaStore, StoreObserver } from './replica-store.ts'

/** Trees are looked after this often; one that did not change for so many of these is written. */
export const lookEveryMs = 10_000
const quietLooksMin = 6
/** Of trees in one batch, and at one look. */
const checkpointBytesMax = 1024 * 1024
/** A tree is made anew from the records after this long, and at most as long again, so that not all are due at once. */
const sweepAfterMs = 7 * 24 * 3_600_000
/** What one step of a rebuild reads. After a step it rests four times as long as the step took. */
const stepBytesMax = 256 * 1024
const restFactor = 4
/** Partitions whose trees are made at the same time. */
const buildsMax = 16
/** Trees read from the store in one turn at a start. */
const loadsPerTurn = 8
const epochName = 'tree/epoch'

/** What is known of one partition's tree. */
interface Entry {
  readonly partition: number
  /** Undefined while it is being made. */
  tree: XorTree | undefined
  /** Runs when `tree` is undefined, or to check it. */
  build: TreeBuild | undefined
  isQueued: boolean
  /** What the store has of the tree, if anything, does not hold: marked, or missing. */
  isStale: boolean
  changedAtLook: number
  verifiedAtMs: number
  sweepAtMs: number
}

/** Where the trees read records. */
export type RecordSource = Pick<ReplicaStore, 'scanPartition'>

/**
 * The trees of this node's partitions (docs/rules.md A5, A6), true to what was decided: a change enters its tree in the
 * turn that decides it, before it is in the store. That is safe because nothing of the memory outlives a batch that
 * failed: the life of the node ends with it. What is shown early is two cells that differ for a moment.
 *
 * A tree is written when its partition has been quiet for a minute, and at a clean stop. The first change after that
 * marks it, in the batch of the change itself: so whatever way the process dies, a tree without its mark is that of the
 * records, and one with its mark is made anew.
 */
export class MerkleTrees implements StoreObserver {
  readonly #time: Time
  readonly #batches: BatchWriter
  readonly #meta: MetaStore
  readonly #hash: Hash
  readonly #log: Log
  readonly #metrics: NodeMetrics
  readonly #random: Random
  readonly #partitionCount: number
  /** Trees are kept of these, and of no others. */
  readonly #kept: Set<number>
  readonly #entries = new Map<number, Entry>()
  #epoch: number
  #records: RecordSource | undefined
  #queue: Entry[] = []
  /** Of them each step reads a part. */
  #building: readonly Entry[] = []
  #isStepping = false
  #look = 0
  #lookTimer: Timer | undefined
  #isStopped = false

  /** @param options.partitions those this node owns */
  constructor(
    parts: {
      readonly time: Time
      readonly batches: BatchWriter
      readonly meta: MetaStore
      readonly hash: Hash
      readonly log: Log
      readonly metrics: NodeMetrics
      readonly random: Random
    },
    options: { readonly partitionCount: number; readonly partitions: readonly number[] },
  ) {
    this.#time = parts.time
    this.#batches = parts.batches
    this.#meta = parts.meta
    this.#hash = parts.hash
    this.#log = parts.log
    this.#metrics = parts.metrics
    this.#random = parts.random
    this.#partitionCount = options.partitionCount
    this.#kept = new Set(options.partitions)
    this.#epoch = readEpoch(parts.meta)
  }

  /** Loads the trees that hold and makes the others, in the background; from now on they are looked after. */
  start(records: RecordSource): void {
    this.#records = records
    this.#loadFrom([...this.#kept])
    this.#buildNext()
    this.#lookLater()
  }

  stop(): void {
    this.#isStopped = true
    this.#lookTimer?.cancel()
  }

  /** From now on a tree of `partition` is kept: as the store has it, or made from the records. */
  keep(partition: number): void {
    if (this.#kept.has(partition)) return
    this.#kept.add(partition)
    if (this.#records !== undefined) this.#entryOf(partition)
  }

  /** The same of a partition of which nothing is here. */
  keepEmpty(partition: number): void {
    this.forget(partition)
    this.#kept.add(partition)
    this.#entries.set(partition, this.#entryWith(partition, { tree: new XorTree(), verifiedAtMs: this.#time.wallMs() }))
    const entry = this.#entries.get(partition) as Entry
    this.#batches.add([this.#markStale(entry)], 'os', () => {})
  }

  /** Of `partition` no tree is kept any more, nor believed that the store has one. */
  forget(partition: number): void {
    this.#kept.delete(partition)
    this.#entries.delete(partition)
    this.#queue = this.#queue.filter((entry) => entry.partition !== partition)
    const names = [treeName(partition), markName(partition)]
    this.#batches.add(
      names.map((name) => ({ type: 'delete', key: metaKey(name) })),
      'os',
      () => {},
    )
  }

  /** The tree of `partition`; undefined while it is being made: a peer is told that we are busy, not that we differ. */
  tree(partition: number): XorTree | undefined {
    return this.#kept.has(partition) ? this.#entryOf(partition).tree : undefined
  }

  /** Partitions whose tree is being made, or waits for it. */
  get rebuilding(): number {
    let count = 0
    for (const entry of this.#entries.values()) if (entry.tree === undefined) count += 1
    return count
  }

  recordChanged(change: RecordChange, operations: StorageOperation[]): void {
    const { key, partition, before, after } = change
    if (!this.#kept.has(partition)) return
    const entry = this.#entryOf(partition)
    const hashBefore = this.#hashOf(key, before)
    const hashAfter = this.#hashOf(key, after)
    // Clocks and `done` do not count.
    if (hashBefore === hashAfter) return
    const leaf = leafOf(key.token, this.#partitionCount)
    entry.tree?.update(leaf, hashBefore, hashAfter)
    entry.build?.changed(key.id, leaf, hashBefore, hashAfter)
    entry.changedAtLook = this.#look
    if (!entry.isStale) operations.push(this.#markStale(entry))
  }

  /** A record of `partition` could not be read: its tree speaks of something this node cannot show (docs/rules.md A6). */
  rebuild(partition: number): void {
    if (!this.#kept.has(partition)) return
    const entry = this.#entryOf(partition)
    if (!entry.isStale) this.#batches.add([this.#markStale(entry)], 'os', () => {})
    entry.tree = undefined
    // A reading under way may have passed the record when it could still be read.
    if (entry.build !== undefined) entry.build = new TreeBuild()
    this.#enqueue(entry)
  }

  /** The store lost something, or went back in time: no tree that it holds is believed (docs/rules.md A5). */
  distrust(): void {
    this.#epoch = distrustTrees(this.#meta, this.#time.wallMs())
    for (const entry of this.#entries.values()) {
      entry.isStale = true
      this.rebuild(entry.partition)
    }
  }

  /** Writes all trees, as far as they are made; the stop is a clean one. */
  finish(done: (failure: StorageFailure | undefined) => void): void {
    const stale = [...this.#entries.values()].filter(isWritable)
    const next = (from: number): void => {
      if (from >= stale.length) return this.#time.soon(() => done(undefined))
      const operations: StorageOperation[] = []
      const written = this.#checkpoint(stale.slice(from), operations)
      this.#batches.add(operations, 'os', (failure) => (failure === undefined ? next(from + written) : done(failure)))
    }
    next(0)
  }

  // Loading

  #entryOf(partition: number): Entry {
    return this.#entries.get(partition) ?? this.#load(partition)
  }

  #load(partition: number): Entry {
    const stored = this.#readStored(partition)
    const entry = this.#entryWith(partition, stored)
    this.#entries.set(partition, entry)
    if (stored === undefined) this.#enqueue(entry)
    return entry
  }

  #entryWith(partition: number, stored: { readonly tree: XorTree; readonly verifiedAtMs: number } | undefined): Entry {
    const entry: Entry = {
      partition,
      tree: stored?.tree,
      build: undefined,
      isQueued: false,
      isStale: stored === undefined,
      changedAtLook: this.#look,
      verifiedAtMs: stored?.verifiedAtMs ?? 0,
      sweepAtMs: 0,
    }
    if (stored !== undefined) this.#planSweep(entry)
    return entry
  }

  #readStored(partition: number): { readonly tree: XorTree; readonly verifiedAtMs: number } | undefined {
    try {
      if (this.#meta.read(markName(partition)) !== undefined) return undefined
      const bytes = this.#meta.read(treeName(partition))
      if (!(bytes instanceof Uint8Array)) return undefined
      const { epoch, partitionCount, verifiedAtMs, leaves } = decodeTree(bytes)
      if (epoch !== this.#epoch || partitionCount !== this.#partitionCount) return undefined
      const tree = new XorTree(leaves.length)
      for (const [leaf, hash] of leaves) tree.update(leaf, 0n, hash)
      return { tree, verifiedAtMs }
    } catch (error) {
      // A store that does not say will end this life by itself.
      if (error instanceof UnreadableBytes || error instanceof StorageError) return undefined
      throw error
    }
  }

  #loadFrom(partitions: readonly number[]): void {
    if (this.#isStopped) return
    for (const partition of partitions.slice(0, loadsPerTurn)) if (this.#kept.has(partition)) this.#entryOf(partition)
    const others = partitions.slice(loadsPerTurn)
    if (others.length > 0) this.#time.after(1, () => this.#loadFrom(others))
  }

  // Making trees from records

  #enqueue(entry: Entry): void {
    if (entry.isQueued || entry.build !== undefined) return
    entry.isQueued = true
    this.#queue.push(entry)
    this.#buildNext()
  }

  #buildNext(): void {
    const records = this.#records
    if (this.#isStepping || this.#isStopped || records === undefined) return
    while (this.#building.length < buildsMax) {
      const entry = this.#queue.shift()
      if (entry === undefined) break
      entry.isQueued = false
      entry.build = new TreeBuild()
      this.#building = [...this.#building, entry]
    }
    if (this.#building.length > 0) this.#step(this.#building, records)
  }

  /** One step of each, side by side: a store with few records in each partition is not a thousand times waited for. */
  #step(entries: readonly Entry[], records: RecordSource): void {
    this.#isStepping = true
    const builds = entries.map((entry) => ({ entry, build: entry.build as TreeBuild }))
    for (const { build } of builds) build.beginStep()
    this.#batches.add([], 'os', (failure) => {
      if (failure !== undefined || this.#isStopped) return
      const begunMs = this.#time.nowMs()
      const bytesMax = Math.ceil(stepBytesMax / builds.length)
      let left = builds.length
      for (const { entry, build } of builds) {
        this.#readLeaves(entry.partition, build, bytesMax, records, (isRead) => {
          if (!isRead || this.#isStopped) return
          left -= 1
          if (left === 0) this.#stepped(builds, this.#time.nowMs() - begunMs)
        })
      }
    })
  }

  #stepped(builds: readonly { readonly entry: Entry; readonly build: TreeBuild }[], tookMs: number): void {
    for (const { entry, build } of builds) {
      // One that was begun anew during the step goes on from its beginning.
      if (entry.build === build && build.isComplete) this.#built(entry, build)
    }
    this.#building = this.#building.filter(({ build }) => build !== undefined)
    this.#time.after(tookMs * restFactor, () => {
      this.#isStepping = false
      this.#buildNext()
    })
  }

  /** Reads whole leaves, about `bytesMax` of them and at least one, and ends the step. */
  #readLeaves(
    partition: number,
    build: TreeBuild,
    bytesMax: number,
    records: RecordSource,
    done: (isRead: boolean) => void,
  ): void {
    const found: { keyId: string; leaf: number; stateHash: bigint }[] = []
    const read = (after: Uint8Array): void => {
      records.scanPartition(partition, after, bytesMax, (failure, entries, next) => {
        if (failure !== undefined) return done(false)
        for (const { key, bytes } of entries) {
          const hash = this.#hashOfBytes(key, bytes)
          if (hash !== unreadable) found.push({ keyId: key.id, leaf: this.#leafOf(key.token), stateHash: hash })
        }
        const token = next.length === 0 ? undefined : parseDataKey(next)?.token
        // The leaf in which the reading ended may go on.
        const upToLeaf = token === undefined ? leafCount : this.#leafOf(token as Token)
        if (upToLeaf === build.nextLeaf) return read(next)
        build.endStep(found, upToLeaf)
        done(true)
      })
    }
    const { first } = leafTokens(partition, build.nextLeaf, this.#partitionCount)
    read(build.nextLeaf === 0 ? noBytes : tokenKey(partition, first))
  }

  #built(entry: Entry, build: TreeBuild): void {
    const { partition } = entry
    entry.build = undefined
    // Forgotten meanwhile.
    if (this.#entries.get(partition) !== entry) return
    entry.verifiedAtMs = this.#time.wallMs()
    this.#planSweep(entry)
    this.#metrics.treeRebuilds.add(1)
    const hasDrifted = entry.tree !== undefined && entry.tree.root !== build.tree.root
    if (hasDrifted) {
      this.#metrics.treeDrift.add(1)
      this.#log.error({ partition }, "a partition's tree was not that of its records: it has been made anew")
    }
    entry.tree = build.tree
    if (entry.isStale) return
    // Also when nothing had drifted: the next start knows when it was last made.
    const operations: StorageOperation[] = []
    this.#checkpoint([entry], operations)
    this.#batches.add(operations, 'os', () => {})
  }

  #planSweep(entry: Entry): void {
    entry.sweepAtMs = entry.verifiedAtMs + sweepAfterMs * (1 + this.#random.fraction())
  }

  // Looking after them

  #lookLater(): void {
    this.#lookTimer = this.#time.after(lookEveryMs, () => {
      this.#look += 1
      this.#writeQuietTrees()
      this.#sweep()
      this.#lookLater()
    })
  }

  #writeQuietTrees(): void {
    const quiet: Entry[] = []
    for (const entry of this.#entries.values()) {
      if (isWritable(entry) && this.#look - entry.changedAtLook >= quietLooksMin) quiet.push(entry)
    }
    if (quiet.length === 0) return
    const operations: StorageOperation[] = []
    this.#checkpoint(quiet, operations)
    this.#batches.add(operations, 'os', () => {})
  }

  /** @returns how many of `entries` were written; at least one */
  #checkpoint(entries: readonly Entry[], operations: StorageOperation[]): number {
    let bytes = 0
    let count = 0
    for (const { partition, tree, verifiedAtMs } of entries) {
      if (bytes >= checkpointBytesMax) break
      const encoded = encodeTree({
        epoch: this.#epoch,
        partitionCount: this.#partitionCount,
        verifiedAtMs,
        leaves: (tree as XorTree).leaves(),
      })
      operations.push({ type: 'put', key: metaKey(treeName(partition)), value: sealValue(encoded, this.#hash) })
      operations.push({ type: 'delete', key: metaKey(markName(partition)) })
      bytes += encoded.length
      count += 1
    }
    for (const entry of entries.slice(0, count)) entry.isStale = false
    return count
  }

  #markStale(entry: Entry): StorageOperation {
    entry.isStale = true
    return { type: 'put', key: metaKey(markName(entry.partition)), value: sealValue(noBytes, this.#hash) }
  }

  /** One that is due, if any: this also finds records that went bad on the disk. */
  #sweep(): void {
    if (this.#building.length > 0) return
    const nowMs = this.#time.wallMs()
    for (const entry of this.#entries.values()) {
      if (entry.tree === undefined || entry.sweepAtMs > nowMs) continue
      this.#enqueue(entry)
      return
    }
  }

  #hashOf(key: RecordKey, record: KeyRecord | undefined): bigint {
    return record === undefined ? 0n : stateHash(key, record, this.#hash)
  }

  #hashOfBytes(key: RecordKey, bytes: Uint8Array): bigint {
    try {
      return stateHash(key, decodeRecord(bytes, this.#hash), this.#hash)
    } catch (error) {
      if (error instanceof UnreadableBytes) return unreadable
      throw error
    }
  }

  #leafOf(token: Token): number {
    return leafOf(token, this.#partitionCount)
  }
}

/**
 * From now on no tree in this store is believed: for a store that lost something, and for a node that keeps none
 * (`--anti-entropy off`). Goes to the store before any later write.
 */
export function distrustTrees(meta: MetaStore, wallMs: number): number {
  const epoch = Math.max(readEpoch(meta) + 1, Math.floor(wallMs))
  meta.write(epochName, encodeEpoch(epoch), 'os', () => {})
  return epoch
}

function readEpoch(meta: MetaStore): number {
  try {
    const bytes = meta.read(epochName)
    if (!(bytes instanceof Uint8Array) || bytes.length !== epochBytes) return 0
    return new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0)
  } catch (error) {
    // A store that does not say will end this life by itself.
    if (error instanceof StorageError) return 0
    throw error
  }
}

function encodeEpoch(epoch: number): Uint8Array {
  const bytes = new Uint8Array(epochBytes)
  new DataView(bytes.buffer).setFloat64(0, epoch)
  return bytes
}

function isWritable(entry: Entry): boolean {
  return entry.isStale && entry.tree !== undefined
}

function treeName(partition: number): string {
  return `tree/${partition}`
}

function markName(partition: number): string {
  return `tree/dirty/${partition}`
}

const epochBytes = 8
const unreadable = 0n
const noBytes = new Uint8Array(0)
