import { joinSeen, type Seen, seenWith } from '../protocol/causality/seen.ts'
import type { SessionNeed } from '../protocol/quorum/client-request.ts'
import type { RecordKey } from '../vocabulary/key.ts'
import { contextIn } from '../wire/context-token.ts'

/** Keys that a session remembers at least; at most it holds twice as many. */
const keysMin = 10_000
/** Blind writes of one key that are remembered one by one before they are brought together. */
const tokensMax = 8

/** What a session knows of one key; replaced when it learns more, so that who asked can tell whether it has since. */
export interface KeySeen {
  /** Contexts of answers: all that the session has seen is in one of them, or in `before`. */
  readonly tokens: readonly string[]
  readonly before: Seen | undefined
  /** All of it, once it was read. */
  all: Seen | undefined
  /** When it was kept: what is older than the last generation is forgotten. */
  generation: number
  isReplaced: boolean
}

/**
 * What one session of a client has seen and written, key by key (docs/rules.md S1). A note costs next to nothing: the
 * context of the answer is kept as it came, and read only when the key is read again.
 *
 * Unlike a session that travels in a header it remembers thousands of keys, and knows when it has forgotten none: as
 * long as that is so, a key that it does not know is one that it has never touched.
 */
export class ClientSession {
  // Two generations: what is used moves to the young one; when that is full, the old one is forgotten.
  #young = new Map<string, KeySeen>()
  #old = new Map<string, KeySeen>()
  #generation = 0
  #hasForgotten = false

  of(key: RecordKey): KeySeen | undefined {
    const { id } = key
    const known = this.#young.get(id)
    if (known !== undefined || this.#old.size === 0) return known
    const old = this.#old.get(id)
    if (old !== undefined) this.#keep(id, old, undefined)
    return old
  }

  /** What an answer must not be older than, given what `of` said; undefined: anything will do. */
  needOf(seen: KeySeen | undefined): SessionNeed | undefined {
    if (seen === undefined) return this.#hasForgotten ? 'quorum' : undefined
    seen.all ??= readAll(seen)
    return seen.all ?? 'quorum'
  }

  /**
   * An answer showed, or wrote, what its context `token` covers.
   *
   * @param asked what `of` said when the request was sent
   * @param coversAsked whether the token covers all of that as well: a get does, and a write with that very context
   */
  note(key: RecordKey, token: string, asked: KeySeen | undefined, coversAsked: boolean): void {
    // Nearly always nothing has happened since: then the key need not be looked up again.
    const isLatest = asked !== undefined && !asked.isReplaced && asked.generation >= this.#generation - 1
    const now = isLatest ? asked : this.of(key)
    if (now === undefined || (now === asked && coversAsked)) {
      if (now?.tokens.length === 1 && now.tokens[0] === token) return
      return this.#keep(key.id, toSeen([token], undefined), now)
    }
    if (now.tokens.includes(token)) return
    const next = toSeen([...now.tokens, token], now.before)
    if (next.tokens.length <= tokensMax) return this.#keep(key.id, next, now)
    this.#keep(key.id, toSeen([], readAll(next)), now)
  }

  #keep(id: string, seen: KeySeen, replaced: KeySeen | undefined): void {
    if (replaced !== undefined) replaced.isReplaced = true
    seen.generation = this.#generation
    this.#young.set(id, seen)
    if (this.#young.size < keysMin) return
    if (this.#old.size > 0) this.#hasForgotten = true
    this.#generation += 1
    this.#old = this.#young
    this.#young = new Map()
  }
}

function toSeen(tokens: readonly string[], before: Seen | undefined): KeySeen {
  return { tokens, before, all: undefined, generation: 0, isReplaced: false }
}

function readAll({ tokens, before }: Pick<KeySeen, 'tokens' | 'before'>): Seen | undefined {
  let all = before
  for (const token of tokens) {
    const context = contextIn(token)
    if (context === undefined) continue
    const seen = seenWith(context)
    all = all === undefined ? seen : joinSeen(all, seen)
  }
  return all
}

/** Whether a write with the context `given` covers everything that the session had seen of its key. */
export function coversSeen(given: string | undefined, seen: KeySeen | undefined): boolean {
  if (seen === undefined) return true
  return seen.before === undefined && seen.tokens.length === 1 && seen.tokens[0] === given
}
