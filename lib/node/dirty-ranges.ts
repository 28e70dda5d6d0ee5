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
  readonly #marks = new Map<NodeId, Set<number>>()
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

  /** The partitions marked for `target`, in the order of marking. */
  of(target: NodeId): readonly number[] {
    return [...(this.#marks.get(target) ?? [])]
  }

  countOf(target: NodeId): number {
    return this.#marks.get(target)?.size ?? 0
  }

  /** Both sides were proved equal in this partition since it was marked. */
  clear(target: NodeId, partition: number): void {
    const name = nameOf(target, partition)
    const marks = this.#marks.get(target)
    if (marks?.delete(partition) !== true) return
    if (marks.size === 0) this.#marks.delete(target)
    this.#clearedEarly?.add(name)
    this.#batches.add([{ type: 'delete', key: metaKey(name) }], 'os', ignore)
  }

  #remember(name: string | undefined): void {
    const [target = '', partition = ''] = name?.slice(prefix.length).split('/') ?? []
    if (name === undefined || this.#clearedEarly?.has(name) === true) return
    if (isNodeId(target) && /^\d+$/.test(partition)) this.#add(target, Number(partition))
  }

  #add(target: NodeId, partition: number): boolean {
    const marks = this.#marks.get(target) ?? new Set()
    if (marks.has(partition)) return false
    this.#marks.set(target, marks.add(partition))
    return true
  }
}

function nameOf(target: NodeId, partition: number): string {
  return `${prefix}${target}/${partition}`
}

function ignore(): void {}
