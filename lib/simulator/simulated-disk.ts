import type { StorageEntry, StorageFailure, StorageOperation } from '../ports/storage.ts'
import { checkpointKey, parseCheckpoint, parseEntry } from '../value-log/index-entry.ts'
import type { Hash } from '../vocabulary/hash.ts'
import type { Random } from '../vocabulary/random.ts'
import { LoggedContents } from './logged-contents.ts'
import { SegmentContents } from './segment-contents.ts'
import { compareBytes, SortedEntries } from './sorted-entries.ts'

export interface DiskSettings {
  /** The mean milliseconds of a write that nobody syncs, and of one that is synced. */
  readonly writeMs: number
  readonly syncMs: number
}

/** What every write does from now on: nothing wrong, `full` (ENOSPC), `failed` (EIO) or `read-only` (EROFS). */
export type DiskFault = 'none' | 'full' | 'failed' | 'read-only'

type Batch = readonly StorageOperation[]

/** What a disk held at a moment, for going back to it. */
export interface DiskSnapshot {
  readonly entries: SortedEntries
  readonly segments: ReadonlyMap<number, Uint8Array>
  readonly identity: Uint8Array | undefined
  readonly votes: Uint8Array | undefined
  readonly errorByte: boolean
}

/** How many batches the log holds before the older half of them is moved to the tables. */
const logBatchesMax = 512

/**
 * One machine's disk, as LevelDB uses one: tables, and a log of atomic batches on top. Batches up to `#synced` survive a
 * power cut. `live` is tables and log together: what a reader sees, and what survives the death of the process.
 */
export class SimulatedDisk {
  readonly settings: DiskSettings
  fault: DiskFault = 'none'
  /** How many times slower than usual everything is. */
  slowness = 1
  /** Something that is no Starling store lies there: opening refuses. */
  isForeign = false
  /** What is left of it, as the system says; nothing here uses it up. */
  freeBytes = 100 * 1024 * 1024 * 1024
  /** `node.json`, replaced durably at once. */
  identity: Uint8Array | undefined
  /** The file `votes`, replaced durably at once. */
  votes: Uint8Array | undefined
  errorByte = false
  /** Changes when the disk is another one. */
  inode: number
  /** How many batches power cuts took: the proof that they bit. */
  batchesLost = 0
  /** Of a value log, where the machines have one. */
  readonly segments: SegmentContents
  readonly #random: Random
  #tables = new SortedEntries()
  #log: Batch[] = []
  #synced = 0
  #live = new SortedEntries()
  #damage: string[] = []
  /** Where a value log lies beside LevelDB: what both hold together, for readers and for certain. */
  readonly #logged: { readonly live: LoggedContents; readonly durable: LoggedContents } | undefined

  /** @param logHash of a machine whose stores have a value log */
  constructor(settings: DiskSettings, random: Random, logHash?: Hash | undefined) {
    this.settings = settings
    this.#random = random
    const segments = new SegmentContents(random)
    this.segments = segments
    this.inode = random.uint32()
    if (logHash === undefined) return
    const changes = (): number => segments.changes
    const logsGone = (): number => segments.logsGone
    const numbers = (): readonly number[] => segments.list().map(({ number }) => number)
    const index = (): SortedEntries => this.#live
    const live = {
      ...{ changes, logsGone, segments: numbers, index },
      read: segments.read.bind(segments),
      indexValue: (key: Uint8Array) => this.#live.get(key),
    }
    const durable = {
      ...{ changes, logsGone, segments: numbers },
      index: () => this.#durableIndex(),
      read: segments.readSynced.bind(segments),
      indexValue: (key: Uint8Array) => this.#durableInIndex(key),
    }
    this.#logged = { live: new LoggedContents(live, logHash), durable: new LoggedContents(durable, logHash) }
  }

  /** What the store holds for whoever opens it after the death of the process. */
  get live(): SortedEntries {
    return this.#logged?.live.entries() ?? this.#live
  }

  /** What LevelDB itself holds: pointers, where values lie in a log. */
  get index(): SortedEntries {
    return this.#live
  }

  /** What a power cut now would surely leave under `key`. */
  durableValue(key: Uint8Array): Uint8Array | undefined {
    return this.#logged === undefined ? this.#durableInIndex(key) : this.#logged.durable.entries().get(key)
  }

  #durableInIndex(key: Uint8Array): Uint8Array | undefined {
    for (let index = this.#synced - 1; index >= 0; index -= 1) {
      const batch = this.#log[index] as Batch
      for (let place = batch.length - 1; place >= 0; place -= 1) {
        const operation = batch[place] as StorageOperation
        if (compareBytes(operation.key, key) === 0) return operation.type === 'put' ? operation.value : undefined
      }
    }
    return this.#tables.get(key)
  }

  #durableIndex(): SortedEntries {
    const entries = this.#tables.copy()
    for (let index = 0; index < this.#synced; index += 1) entries.apply(this.#log[index] as Batch)
    return entries
  }

  /** How long the next write takes. */
  drawLatencyMs(sync: boolean): number {
    const fraction = this.#random.fraction()
    // Mean 1: mostly quick, sometimes thrice as slow. No logarithm, whose last bit may differ between engines.
    return (sync ? this.settings.syncMs : this.settings.writeMs) * (0.25 + 2.25 * fraction * fraction) * this.slowness
  }

  /** The batch has reached the system: it survives a kill; with `sync`, it and all before it survive a power cut. */
  write(batch: Batch, sync: boolean): void {
    this.#live.apply(batch)
    this.#log.push(batch)
    if (sync) this.#synced = this.#log.length
    if (this.#log.length > logBatchesMax) this.#compact(Math.min(this.#synced, logBatchesMax / 2))
  }

  /** A write that the fault of the disk stopped: it may have reached the log and not the platter, or be torn. */
  failWrite(batch: Batch): StorageFailure {
    const kind = this.fault === 'none' ? 'failed' : this.fault
    if (kind === 'failed' && this.#random.below(4) === 0) this.write(batch, false)
    else if (kind !== 'read-only' && this.#random.below(2) === 0) this.#damage.push(tornTail)
    return { kind, message: `simulated disk: ${kind}` }
  }

  /** What was under way when the process was killed: a prefix of it had reached the system. */
  abandon(batches: readonly Batch[]): void {
    const reached = this.#random.below(batches.length + 1)
    for (let index = 0; index < reached; index += 1) this.write(batches[index] as Batch, false)
  }

  /** Of the batches that no sync covered, all, none or a prefix survive; the one after may be torn, which the next open reports. */
  losePower(): void {
    this.segments.losePower()
    this.#forgetLogged()
    const count = this.#log.length - this.#synced
    const draw = this.#random.below(4)
    const kept = draw === 0 ? count : draw === 1 ? 0 : this.#random.below(count + 1)
    if (kept === count) return
    this.batchesLost += count - kept
    if (this.#random.below(2) === 0) this.#damage.push(tornTail)
    this.#log.length = this.#synced + kept
    this.#replay()
  }

  /** A byte in the middle of the log is another one: a block of it, some batches, is gone. False when there is no log. */
  damageLog(): boolean {
    this.#forgetLogged()
    if (this.#log.length === 0) return false
    const first = this.#log.length >> 1
    const removed = this.#log.splice(first, 1 + this.#random.below(Math.min(8, this.#log.length - first)))
    this.#synced -= Math.max(0, Math.min(this.#synced - first, removed.length))
    this.#damage.push('dropping 32768 bytes; Corruption: checksum mismatch')
    this.#replay()
    return true
  }

  /** What an open finds in LevelDB's LOG: told again until a close in good order. */
  get damage(): readonly string[] {
    return this.#damage.slice()
  }

  /** The store was closed in good order. */
  closeOrderly(): void {
    this.#damage = []
  }

  /** A new, empty disk. */
  wipe(): void {
    this.#replace({
      entries: new SortedEntries(),
      segments: new Map(),
      identity: undefined,
      votes: undefined,
      errorByte: false,
    })
    this.inode = this.#random.uint32()
  }

  snapshot(): DiskSnapshot {
    const { identity, votes, errorByte } = this
    return { entries: this.#live.copy(), segments: this.segments.copy(), identity, votes, errorByte }
  }

  /** Everything is as it was when the snapshot was taken: a backup put back. Only while no process runs. */
  restore(snapshot: DiskSnapshot): void {
    this.#replace({ ...snapshot, entries: snapshot.entries.copy() })
  }

  /** One bit of one value that `isTarget` accepts is another one; false when there is none to flip. */
  flipBit(isTarget: (entry: StorageEntry) => boolean): boolean {
    this.#forgetLogged()
    if (this.#logged !== undefined && this.#random.below(3) === 0 && this.#flipInTail()) return true
    this.#compact(this.#log.length)
    const indexes: number[] = []
    for (let index = 0; index < this.#live.length; index += 1) {
      const entry = this.#live.at(index) as StorageEntry
      if (entry.value.length > 0 && isTarget(entry)) indexes.push(index)
    }
    const index = indexes[this.#random.below(Math.max(1, indexes.length))]
    if (index === undefined) return false
    const value = (this.#live.at(index) as StorageEntry).value.slice()
    const entry = this.#logged === undefined ? undefined : parseEntry(value)
    if (entry?.type === 'pointer' && this.#random.below(2) === 0) {
      this.segments.flipBit(entry.segment, entry.offset, entry.offset + entry.length)
      return true
    }
    const place = this.#random.below(value.length)
    value[place] = (value[place] as number) ^ (1 << this.#random.below(8))
    this.#live.replaceValue(index, value)
    this.#tables.replaceValue(index, value)
    return true
  }

  /** In what the log has and the index may lack; false when there is none. */
  #flipInTail(): boolean {
    const stored = this.#live.get(checkpointKey)
    const checkpoint = stored === undefined ? undefined : parseCheckpoint(stored)
    if (checkpoint === undefined) return false
    const from = { number: checkpoint.segment, offset: checkpoint.offset }
    const tails = this.segments.list().flatMap(({ number, bytes }) => {
      const offset = number === from.number ? from.offset : number > from.number ? 0 : bytes
      return offset < bytes ? [{ number, offset, bytes }] : []
    })
    const tail = tails[this.#random.below(Math.max(1, tails.length))]
    if (tail !== undefined) this.segments.flipBit(tail.number, tail.offset, tail.bytes)
    return tail !== undefined
  }

  #compact(count: number): void {
    for (let index = 0; index < count; index += 1) this.#tables.apply(this.#log[index] as Batch)
    this.#log.splice(0, count)
    this.#synced = Math.max(0, this.#synced - count)
  }

  #replay(): void {
    this.#synced = Math.min(this.#synced, this.#log.length)
    this.#live = this.#tables.copy()
    for (const batch of this.#log) this.#live.apply(batch)
  }

  #forgetLogged(): void {
    this.#logged?.live.forget()
    this.#logged?.durable.forget()
  }

  #replace({ entries, segments, identity, votes, errorByte }: DiskSnapshot): void {
    this.segments.replace(segments)
    this.#forgetLogged()
    this.#tables = entries
    this.#live = entries.copy()
    this.#log = []
    this.#synced = 0
    this.#damage = []
    this.identity = identity
    this.votes = votes
    this.errorByte = errorByte
    this.fault = 'none'
    this.isForeign = false
  }
}

const tornTail = 'dropping 256 bytes; Corruption: checksum mismatch'
