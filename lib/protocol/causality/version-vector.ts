import type { Actor, Dot, VersionVector } from './dot.ts'

export const emptyVector: VersionVector = []

/** Orders actors by short id, generation, born. */
export function compareActors(a: Actor, b: Actor): number {
  if (a.shortId !== b.shortId) return a.shortId - b.shortId
  if (a.generation !== b.generation) return a.generation - b.generation
  return a.born - b.born
}

/** Orders dots by actor, then counter: the order of siblings and of `done` in a record. */
export function compareDots(a: Dot, b: Dot): number {
  const byActor = compareActors(a, b)
  return byActor === 0 ? a.counter - b.counter : byActor
}

export function isSameDot(a: Dot, b: Dot): boolean {
  return a.counter === b.counter && a.born === b.born && a.generation === b.generation && a.shortId === b.shortId
}

/** The highest dot of `actor` that `vv` has seen; 0 when none. */
export function counterOf(vv: VersionVector, actor: Actor): number {
  // Vectors are short (one entry per copy that coordinated the key): looking at each is faster than halving.
  for (let index = 0; index < vv.length; index += 1) {
    const entry = vv[index] as Dot
    if (entry.born === actor.born && entry.generation === actor.generation && entry.shortId === actor.shortId)
      return entry.counter
  }
  return 0
}

/** Whether `vv` has seen this write (rule A1). */
export function covers(vv: VersionVector, dot: Dot): boolean {
  return counterOf(vv, dot) >= dot.counter
}

/** Whether `vv` has seen everything that `other` has. */
export function coversVector(vv: VersionVector, other: VersionVector): boolean {
  return mergeVectors(vv, other) === vv
}

export function equalVectors(a: VersionVector, b: VersionVector): boolean {
  if (a === b) return true
  if (a.length !== b.length) return false
  for (let index = 0; index < a.length; index += 1) {
    if (!isSameDot(a[index] as Dot, b[index] as Dot)) return false
  }
  return true
}

/** The entrywise maximum. Returns `a` itself when `b` adds nothing, else `b` itself when `a` adds nothing. */
export function mergeVectors(a: VersionVector, b: VersionVector): VersionVector {
  if (a === b || b.length === 0) return a
  if (a.length === 0) return b
  let hasAll = true
  let isContained = true
  let i = 0
  let j = 0
  while (i < a.length && j < b.length && (hasAll || isContained)) {
    const ours = a[i] as Dot
    const theirs = b[j] as Dot
    const order = compareActors(ours, theirs)
    if (order === 0) {
      if (ours.counter < theirs.counter) hasAll = false
      else if (ours.counter > theirs.counter) isContained = false
      i += 1
      j += 1
    } else if (order < 0) {
      isContained = false
      i += 1
    } else {
      hasAll = false
      j += 1
    }
  }
  if (i < a.length) isContained = false
  if (j < b.length) hasAll = false
  if (hasAll) return a
  if (isContained) return b
  return zip(a, b)
}

function zip(a: VersionVector, b: VersionVector): VersionVector {
  const merged: Dot[] = []
  let i = 0
  let j = 0
  while (i < a.length && j < b.length) {
    const ours = a[i] as Dot
    const theirs = b[j] as Dot
    const order = compareActors(ours, theirs)
    merged.push(order < 0 || (order === 0 && ours.counter >= theirs.counter) ? ours : theirs)
    if (order <= 0) i += 1
    if (order >= 0) j += 1
  }
  while (i < a.length) merged.push(a[i++] as Dot)
  while (j < b.length) merged.push(b[j++] as Dot)
  return merged
}

/**
 * `vv` and everything of the dot's actor up to `dot`. Only who has seen all of it may call this: the actor's own copy,
 * or anybody when `isExactEntry(dot)`.
 */
export function withDot(vv: VersionVector, dot: Dot): VersionVector {
  let at = 0
  while (at < vv.length) {
    const entry = vv[at] as Dot
    const order = compareActors(entry, dot)
    if (order === 0 && entry.counter >= dot.counter) return vv
    if (order >= 0) break
    at += 1
  }
  const isPresent = at < vv.length && compareActors(vv[at] as Dot, dot) === 0
  const extended: Dot[] = []
  for (let index = 0; index < at; index += 1) extended.push(vv[index] as Dot)
  extended.push(dot)
  for (let index = isPresent ? at + 1 : at; index < vv.length; index += 1) extended.push(vv[index] as Dot)
  return extended
}

/**
 * Whether the dot says the same as a vector entry: an actor has no dots before its `born`, so "all up to born" is one
 * dot (rule A8).
 */
export function isExactEntry(dot: Dot): boolean {
  return dot.counter === dot.born
}
