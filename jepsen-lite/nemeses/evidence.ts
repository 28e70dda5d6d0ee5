import type { Bite, Stage } from '../nemesis.ts'

/** What the faults of each run have shown, by what it is. */
const seenInRuns = new WeakMap<object, Map<string, number>>()

/** Adds to it; the same words add up. */
export function saw(stage: Stage, what: string, count = 1): void {
  let seen = seenInRuns.get(stage)
  if (seen === undefined) {
    seen = new Map()
    seenInRuns.set(stage, seen)
  }
  seen.set(what, (seen.get(what) ?? 0) + count)
}

/** All that was seen, and nothing that was not. */
export function bitesOf(stage: Stage): readonly Bite[] {
  return [...(seenInRuns.get(stage) ?? [])].filter(([, count]) => count > 0).map(([what, count]) => ({ what, count }))
}
