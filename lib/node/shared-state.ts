import type { Log } from '../ports/log.ts'
import { StorageError, type StorageFailure } from '../ports/storage.ts'
import type { Durability } from '../protocol/quorum/client-request.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import type { MetaStore } from './meta-store.ts'

/** Beyond it a request is refused as overloaded; it lasts 3 s at most, and once in the life of a data directory. */
const waitersMax = 10_000

/** Something that all nodes of a cluster go by: kept by one record of the reserved bucket, whose states merge. */
export interface SharedKind<State> {
  /** Its key in the reserved bucket, and what a node calls it in its own metadata. */
  readonly name: string
  /** As messages say it. */
  readonly title: string
  readonly empty: State
  /** Commutative, associative and idempotent; `a` itself when `b` adds nothing. */
  merge(a: State, b: State): State
  encode(state: State): Uint8Array
  /** @throws {UnreadableBytes} */
  decode(bytes: Uint8Array): State
  /** How a node keeps what it knows. Of one that lost it the others remember it: `os` does, where being late does no harm. */
  readonly durability: Durability
}

export interface SharedStateParts {
  readonly meta: MetaStore
  readonly log: Log
  readonly onStorageFailed: (failure: StorageFailure) => void
}

/**
 * What this node knows of something that the cluster shares: in memory, and kept in the store, so that a node that starts
 * alone goes by what it knew last.
 */
export class SharedState<State> {
  readonly kind: SharedKind<State>
  readonly #meta: MetaStore
  readonly #onLearnt: (state: State) => void
  #current: State
  #isKnown: boolean
  #waiting: (() => void)[] = []

  /** @param onLearnt told what is in force from now on; and at once, if the store had kept it */
  constructor(kind: SharedKind<State>, parts: SharedStateParts, onLearnt: (state: State) => void = () => {}) {
    this.kind = kind
    this.#meta = parts.meta
    this.#onLearnt = onLearnt
    const kept = load(kind, parts)
    this.#current = kept ?? kind.empty
    this.#isKnown = kept !== undefined
    if (kept !== undefined) onLearnt(kept)
  }

  get current(): State {
    return this.#current
  }

  /** False in a new data directory until the cluster was asked, or could not be asked. */
  get isKnown(): boolean {
    return this.#isKnown
  }

  /** Calls back when it is known. @returns false when too many wait already */
  whenKnown(callback: () => void): boolean {
    if (this.#waiting.length >= waitersMax) return false
    this.#waiting.push(callback)
    return true
  }

  /** Puts in force what others set later than what is in force here, and keeps it. */
  learn(state: State): void {
    const merged = this.kind.merge(this.#current, state)
    const isNews = merged !== this.#current || !this.#isKnown
    this.#current = merged
    if (isNews) this.#meta.write(this.kind.name, this.kind.encode(merged), this.kind.durability, () => {})
    this.#onLearnt(merged)
    this.beKnown()
  }

  /** Nobody who knows better could be asked: what is known here must do. */
  beKnown(): void {
    if (this.#isKnown) return
    this.#isKnown = true
    const waiting = this.#waiting
    this.#waiting = []
    for (const callback of waiting) callback()
  }
}

function load<State>(kind: SharedKind<State>, parts: SharedStateParts): State | undefined {
  try {
    const bytes = parts.meta.read(kind.name)
    return bytes instanceof Uint8Array ? kind.decode(bytes) : undefined
  } catch (error) {
    if (error instanceof StorageError) parts.onStorageFailed(error.failure)
    else if (error instanceof UnreadableBytes)
      parts.log.error({ reason: error.message }, `${kind.title} are unreadable`)
    else throw error
    return undefined
  }
}
