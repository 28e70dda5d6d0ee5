import type { Storage, StorageFailure, StorageOperation } from '../ports/storage.ts'
import type { Hash } from '../vocabulary/hash.ts'
import { isNodeId, type NodeId } from '../vocabulary/ids.ts'
import { keyAfter, metaKey, metaRange, parseMetaKey } from '../wire/store-keys.ts'
import { sealValue } from '../wire/stored-record.ts'
import type { BatchWriter } from './batch-writer.ts'

const prefix = 'dirty-range/'
const scanEntriesMax = 1000
const nothing = new Uint8Array(0)

/**
 * Partitions in which another owner may lack what this node knows, because a hint for it was not kept (docs/rules.md H2):
 * anti-entropy compares them first when it is back, and takes the mark away once both were proved equal. At most one mark
 * for each member and partition.
 */
export class DirtyRanges {
  readonly #storage: Storage
  readonly #batches: BatchWriter
  readonly #hash: Hash
  /** For each node its partitions, with when each was marked last. */
  readonly #marks = new Map<NodeId, Map<number, number>>()
  #marksSoFar = 0
  /** Cleared before the marks of earlier lives were read; undefined: they have been. */
  #clearedEarly: Set<string> | undefined = new Set()

  constructor(parts: { readonly storage: Storage; readonly batches: BatchWriter; readonly hash: Hash }) {
    this.#storage = parts.storage
    this.#batches = parts.batches
    this.#hash = parts.hash
  }

  /** Reads the marks of earlier lives. `done` gets a failure when the store does not say. */
  load(done: (failure: StorageFailure | undefined) => void): void {
    const { from, to } = metaRange(prefix)
    const read = (start: Uint8Array): void => {
      this.#storage.scan({ from: start, to, entriesMax: scanEntriesMax }, (failure, entries) => {
        if (failure !== undefined) return done(failure)
        for (const { key } of entries) this.#remember(parseMetaKey(key))
        const last = entries.at(-1)
        if (last !== undefined && entries.length === scanEntriesMax) return read(keyAfter(last.key))
        this.#clearedEarly = undefined
        done(undefined)
      })
    }
    read(from)
  }

  /** `done` once the mark is in the store, also when it was there before. */
  mark(target: NodeId, partition: number, done: (failure: StorageFailure | undefined) => void = ignore): void {
    const name = nameOf(target, partition)
    const operations: StorageOperation[] = []
    this.#clearedEarly?.delete(name)
    if (this.#add(target, partition)) {
      operations.push({ type: 'put', key: metaKey(name), value: sealValue(nothing, this.#hash) })
    }
    // Without an operation too: an earlier mark may still be on its way.
    this.#batches.add(operations, 'os', done)
  }

  /** The marks of earlier lives are known. */
  get isLoaded(): boolean {
    return this.#clearedEarly === undefined
  }

  /** The partitions marked for `target`, in the order of marking. */
  of(target: NodeId): readonly number[] {
    return [...(this.#marks.get(target)?.keys() ?? [])]
  }

  /** Nodes that partitions are marked for. */
  get targets(): readonly NodeId[] {
    return [...this.#marks.keys()]
  }

  countOf(target: NodeId): number {
    return this.#marks.get(target)?.size ?? 0
  }

  /** This moment among the marks, for `clear`. */
  get moment(): number {
    return this.#marksSoFar
  }

  /** Both sides were the same in this partition, or its owners know of it: after `moment`. A mark made since then stays. */
  clear(target: NodeId, partition: number, moment: number): void {
    const name = nameOf(target, partition)
    const marks = this.#marks.get(target)
    const markedAt = marks?.get(partition)
    if (marks === undefined || markedAt === undefined || markedAt > moment) return
    marks.delete(partition)
    if (marks.size === 0) this.#marks.delete(target)
    this.#clearedEarly?.add(name)
    this.#batches.add([{ type: 'delete', key: metaKey(name) }], 'os', ignore)
  }

  #remember(name: string | undefined): void {
    const [target = '', partition = ''] = name?.slice(prefix.length).split('/') ?? []
    if (name === undefined || this.#clearedEarly?.has(name) === true) return
    const isKnown = this.#marks.get(target as NodeId)?.has(Number(partition)) === true
    if (isNodeId(target) && /^\d+$/.test(partition) && !isKnown) this.#add(target, Number(partition))
  }

  #add(target: NodeId, partition: number): boolean {
    const marks = this.#marks.get(target) ?? new Map<number, number>()
    const isNew = !marks.has(partition)
    this.#marksSoFar += 1
    this.#marks.set(target, marks.set(partition, this.#marksSoFar))
    return isNew
  }
}

function nameOf(target: NodeId, partition: number): string {
  return `${prefix}${target}/${partition}`
}

function ignore(): void {}
