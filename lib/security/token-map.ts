import type { Role, Scope } from './principal.ts'

/** What the database knows of a token that it has made. Nothing of it changes but that it is revoked. */
export interface TokenEntry {
  readonly id: string
  /** Higher than those of all tokens that its maker knew of; 1 at least. Two that are made at once may have the same. */
  readonly number: number
  /** SHA-256 of its text. */
  readonly hash: Uint8Array
  readonly name: string
  readonly role: Role
  /** Undefined: all data. */
  readonly scopes: readonly Scope[] | undefined
  /** Wall clock, milliseconds, as everything here that ends so. */
  readonly createdAtMs: number
  /** The id of whoever asked for it. */
  readonly createdBy: string
  /** Undefined: never. */
  readonly expiresAtMs: number | undefined
  /** Undefined: it is not. */
  readonly revokedAtMs: number | undefined
}

/** All tokens of a cluster. Replicated as one record; states of it merge. */
export interface TokenMap {
  /**
   * A token up to this number that is not in `entries` is gone for good: whoever still has it forgets it with the next
   * merge. So what was removed comes back from no late copy, and nothing has to be kept of it. (The seen set of an
   * observed-remove set, Bieniusa et al., "An optimized conflict-free replicated set", 2012, with one number for all.)
   */
  readonly closed: number
  readonly entries: ReadonlyMap<string, TokenEntry>
}

/** A cluster keeps so many, those that are revoked or expired among them; to make one more is refused. Merging never is. */
export const tokensMax = 1_000
/** Revoked and expired ones stay in the list for so long. */
export const endedKeptMs = 7 * 24 * 3_600_000
/**
 * And for so long where room is needed. Much longer than any request lasts: whoever made a token that the remover has not
 * seen gave it a higher number, unless both ran at the same time.
 */
export const endedKeptMsMin = 3_600_000

export const emptyTokenMap: TokenMap = { closed: 0, entries: new Map() }

/**
 * Commutative, associative and idempotent. A token that one of them has and the other has removed is gone; one that is
 * revoked in either is revoked, since the earlier moment.
 *
 * Returns `a` itself when `b` adds nothing, else `b` itself when `a` adds nothing.
 */
export function mergeTokenMaps(a: TokenMap, b: TokenMap): TokenMap {
  if (a === b) return a
  const closed = Math.max(a.closed, b.closed)
  const entries = new Map<string, TokenEntry>()
  let isA = closed === a.closed
  let isB = closed === b.closed
  for (const [id, ours] of a.entries) {
    const theirs = b.entries.get(id)
    if (theirs === undefined) {
      const isKept = ours.number > b.closed
      if (isKept) entries.set(id, ours)
      isA &&= isKept
      isB &&= !isKept
      continue
    }
    const merged = mergeEntries(ours, theirs)
    isA &&= merged === ours
    isB &&= isSame(merged, theirs)
    entries.set(id, merged)
  }
  for (const [id, theirs] of b.entries) {
    if (a.entries.has(id)) continue
    const isKept = theirs.number > a.closed
    if (isKept) entries.set(id, theirs)
    isA &&= !isKept
    isB &&= isKept
  }
  if (isA) return a
  return isB ? b : { closed, entries }
}

/** The number of the next token. */
export function nextNumber(map: TokenMap): number {
  let highest = map.closed
  for (const { number } of map.entries.values()) if (number > highest) highest = number
  return highest + 1
}

export function withToken(map: TokenMap, entry: TokenEntry): TokenMap {
  return { closed: map.closed, entries: new Map(map.entries).set(entry.id, entry) }
}

/** The map in which the token is revoked, for good: no merge takes it back. The same map if it was, or is not known. */
export function withRevoked(map: TokenMap, id: string, nowMs: number): TokenMap {
  const entry = map.entries.get(id)
  if (entry === undefined || entry.revokedAtMs !== undefined) return map
  return withToken(map, { ...entry, revokedAtMs: nowMs })
}

/** The map without those that ended `keptMs` ago or earlier; the same if there are none. */
export function withoutEnded(map: TokenMap, nowMs: number, keptMs: number): TokenMap {
  const ended = [...map.entries.values()].filter((entry) => endedAtMs(entry) <= nowMs - keptMs)
  if (ended.length === 0) return map
  const entries = new Map(map.entries)
  for (const { id } of ended) entries.delete(id)
  return { closed: Math.max(map.closed, ...ended.map(({ number }) => number)), entries }
}

/** Since when it is good for nothing; infinite: it may be good for ever. */
function endedAtMs({ expiresAtMs, revokedAtMs }: TokenEntry): number {
  return Math.min(expiresAtMs ?? Number.POSITIVE_INFINITY, revokedAtMs ?? Number.POSITIVE_INFINITY)
}

/**
 * What does not change of a token goes by its hash. Ids are drawn by chance: two tokens with one id do not happen; if they
 * do, one of them stays, everywhere the same.
 */
function mergeEntries(a: TokenEntry, b: TokenEntry): TokenEntry {
  if (a === b) return a
  const revokedAtMs = earlier(a.revokedAtMs, b.revokedAtMs)
  const entry = compareBytes(a.hash, b.hash) >= 0 ? a : b
  return entry.revokedAtMs === revokedAtMs ? entry : { ...entry, revokedAtMs }
}

function isSame(a: TokenEntry, b: TokenEntry): boolean {
  return a === b || (a.revokedAtMs === b.revokedAtMs && compareBytes(a.hash, b.hash) === 0)
}

function earlier(one: number | undefined, other: number | undefined): number | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return Math.min(one, other)
}

/** Of the same length. */
function compareBytes(one: Uint8Array, other: Uint8Array): number {
  for (const [at, byte] of one.entries()) {
    const order = byte - (other[at] ?? 0)
    if (order !== 0) return order
  }
  return 0
}
