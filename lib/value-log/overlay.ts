import type { StorageRange } from '../ports/storage.ts'
import type { Place } from './frame.ts'

/** What the log has of one key and the index does not, yet. */
export interface Overlaid {
  /** The key, by `idOf`. */
  readonly id: string
  /** Of a small one. Undefined: it is deleted, or lies at `place`. */
  readonly value: Uint8Array | undefined
  /** Where the value stays. Undefined: deleted, or small enough for the index. */
  readonly place: Place | undefined
  /** Nobody has looked what the index holds under this key: it may point to a value that is dead from now on. */
  readonly isBeforeUnknown: boolean
}

/** What lies over the index: the newest of each key, in memory until the index has it. */
export class Overlay {
  #pending = new Map<string, Overlaid>()
  #onItsWay = new Map<string, Overlaid>()
  #pendingBytes = 0
  #bytesOnItsWay = 0

  get pendingBytes(): number {
    return this.#pendingBytes
  }

  get bytes(): number {
    return this.#pendingBytes + this.#bytesOnItsWay
  }

  get isEmpty(): boolean {
    return this.#pending.size === 0 && this.#onItsWay.size === 0
  }

  get(id: string): Overlaid | undefined {
    return this.#pending.get(id) ?? this.#onItsWay.get(id)
  }

  set(entry: Overlaid): void {
    const { id, value, place } = entry
    this.#pending.set(id, entry)
    // A value that lies in the log takes no memory, but a start has to read it.
    this.#pendingBytes += entryBytes + id.length + (value?.length ?? (place === undefined ? 0 : place.length >> 2))
  }

  /** All that is there goes to the index now. What comes from now on waits for the next time. */
  begin(): readonly Overlaid[] {
    this.#onItsWay = this.#pending
    this.#bytesOnItsWay = this.#pendingBytes
    this.#pending = new Map()
    this.#pendingBytes = 0
    return [...this.#onItsWay.values()]
  }

  /** The index has it. */
  end(): void {
    this.#onItsWay = new Map()
    this.#bytesOnItsWay = 0
  }

  /** The newest of each key of the range, in its order. */
  within({ from, to, reverse }: StorageRange): Overlaid[] {
    const found: Overlaid[] = []
    const [low, high] = [idOf(from), idOf(to)]
    for (const [id, entry] of this.#pending) if (id >= low && id < high) found.push(entry)
    for (const [id, entry] of this.#onItsWay) {
      if (id >= low && id < high && !this.#pending.has(id)) found.push(entry)
    }
    const sign = reverse === true ? -1 : 1
    return found.sort((a, b) => (a.id < b.id ? -sign : sign))
  }
}

/** What an entry takes beside its bytes, about. */
const entryBytes = 200

/** A key as a string of its bytes, each a character: it compares as they do. */
export function idOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
}

export function keyOf(id: string): Uint8Array {
  const bytes = Buffer.from(id, 'latin1')
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
}
