import { equalDone } from '../causality/done.ts'
import type { Dot } from '../causality/dot.ts'
import type { KeyRecord } from '../causality/record.ts'

/** Whether two states are the same as far as `merge` can tell: the same things seen, the same siblings. */
export function equalStates(a: KeyRecord, b: KeyRecord): boolean {
  if (a === b) return true
  if (a.mode !== b.mode || a.vv.length !== b.vv.length || a.siblings.length !== b.siblings.length) return false
  for (let index = 0; index < a.vv.length; index += 1) {
    if (!equalDots(a.vv[index] as Dot, b.vv[index] as Dot)) return false
  }
  for (let index = 0; index < a.siblings.length; index += 1) {
    const left = a.siblings[index]
    const right = b.siblings[index]
    if (left === undefined || right === undefined) return false
    if (!equalDots(left.dot, right.dot) || left.checksum !== right.checksum) return false
  }
  return true
}

function equalDots(a: Dot, b: Dot): boolean {
  return a.counter === b.counter && a.born === b.born && a.generation === b.generation && a.shortId === b.shortId
}

/**
 * Whether nothing is lost when one is stored in place of the other: equal states that also remember the same deletes and
 * keyed writes. Two copies need not agree on these, but a merge that brings one must not be taken for nothing.
 */
export function equalRecords(a: KeyRecord, b: KeyRecord): boolean {
  return a === b || (a.deletedHlc === b.deletedHlc && equalDone(a.done, b.done) && equalStates(a, b))
}
