import type { StorageOperation } from '../ports/storage.ts'
import type { FrameRecord } from '../value-log/frame.ts'
import { type Checkpoint, checkpointKey, isOwnKey, parseCheckpoint, parseEntry } from '../value-log/index-entry.ts'
import { type FoundFrame, type ReplayEnd, replay } from '../value-log/replay.ts'
import type { Hash } from '../vocabulary/hash.ts'
import { SortedEntries } from './sorted-entries.ts'

/** Where a value log lies, or what of it is certain. */
export interface LogPlace {
  /** Counts up whenever the segments have become others. */
  readonly changes: () => number
  /** Counts logs that have gone. */
  readonly logsGone: () => number
  readonly segments: () => readonly number[]
  readonly read: (segment: number, from: number, bytes: number) => Uint8Array
  readonly index: () => SortedEntries
  readonly indexValue: (key: Uint8Array) => Uint8Array | undefined
}

const beginning: Pick<ReplayEnd, 'segment' | 'offset' | 'sequence'> = { segment: 1, offset: 0, sequence: 1 }

/**
 * What a store with a value log holds, as its next open would find it: the index, and over it what the log has beyond the
 * index. The index only ever follows the log, so frames are all that has to be watched; a copy that moves a value changes
 * nothing.
 */
export class LoggedContents {
  readonly #place: LogPlace
  readonly #hash: Hash
  #entries: SortedEntries | undefined
  #end = beginning
  #changesSeen = -1
  #logsGoneSeen = 0
  #checkpointSeen: Uint8Array | undefined

  constructor(place: LogPlace, hash: Hash) {
    this.#place = place
    this.#hash = hash
  }

  /** Something has been done to the disk from outside, or it lost power. */
  forget(): void {
    this.#entries = undefined
  }

  entries(): SortedEntries {
    if (this.#place.logsGone() !== this.#logsGoneSeen) this.forget()
    this.#logsGoneSeen = this.#place.logsGone()
    const known = this.#entries
    if (known !== undefined && this.#place.changes() === this.#changesSeen) return known
    const stored = this.#place.indexValue(checkpointKey)
    const entries = known ?? this.#begin(stored)
    this.#entries = entries
    this.#changesSeen = this.#place.changes()
    this.#goOn(entries)
    if (stored === this.#checkpointSeen) return entries
    const checkpoint = checkpointIn(stored)
    // A log that was emptied went, and another one has begun.
    const isAnother = checkpoint.sequence < checkpointIn(this.#checkpointSeen).sequence
    this.#checkpointSeen = stored
    if (!isAnother && checkpoint.sequence === this.#end.sequence) {
      // Behind a frame that was cut short a log goes on in another segment.
      this.#end = checkpoint
      this.#goOn(entries)
    } else if (isAnother || checkpoint.sequence > this.#end.sequence) {
      this.forget()
      return this.entries()
    }
    return entries
  }

  #begin(stored: Uint8Array | undefined): SortedEntries {
    this.#checkpointSeen = stored
    this.#end = checkpointIn(stored)
    const index = this.#place.index()
    const found: StorageOperation[] = []
    for (let at = 0; at < index.length; at += 1) {
      const { key, value } = index.at(at) as { key: Uint8Array; value: Uint8Array }
      if (isOwnKey(key)) continue
      const entry = parseEntry(value)
      const bytes = entry.type === 'inline' ? entry.value : this.#place.read(entry.segment, entry.offset, entry.length)
      found.push({ type: 'put', key, value: bytes })
    }
    const entries = new SortedEntries()
    entries.apply(found)
    return entries
  }

  #goOn(entries: SortedEntries): void {
    const { read, segments } = this.#place
    this.#end = replay({ read }, segments(), this.#end, this.#hash, (frame) =>
      entries.apply(frame.records.flatMap((record) => operationsOf(record, frame))),
    )
  }
}

function checkpointIn(stored: Uint8Array | undefined): Pick<Checkpoint, 'segment' | 'offset' | 'sequence'> {
  return (stored === undefined ? undefined : parseCheckpoint(stored)) ?? beginning
}

function operationsOf(record: FrameRecord, { bytes }: FoundFrame): readonly StorageOperation[] {
  const { type, key } = record
  if (type === 'delete') return [{ type, key }]
  if (type === 'small') return [{ type: 'put', key, value: record.value }]
  if (type === 'moved') return []
  return [{ type: 'put', key, value: bytes.slice(record.offset, record.offset + record.length) }]
}
