import { compareKeys } from '../vocabulary/key-order.ts'

/** Keys in order, or in reverse; not complete: there are more behind the last. */
export interface KeyList {
  readonly keys: readonly string[]
  readonly isComplete: boolean
}

/** The union of `lists`, each key once, as far as all of them reach: behind the end of one that was cut nobody knows. */
export function mergeLists(lists: readonly KeyList[], reverse: boolean): KeyList {
  const [only] = lists
  if (only !== undefined && lists.length === 1) return only
  const sign = reverse ? -1 : 1
  let horizon: string | undefined
  let isComplete = true
  for (const { keys, isComplete: isWhole } of lists) {
    if (isWhole) continue
    isComplete = false
    const last = keys.at(-1)
    if (last !== undefined && (horizon === undefined || sign * compareKeys(last, horizon) < 0)) horizon = last
  }
  const merged: string[] = []
  const places = lists.map(() => 0)
  for (;;) {
    let least: string | undefined
    for (const [index, { keys }] of lists.entries()) {
      const key = keys[places[index] as number]
      if (key !== undefined && (least === undefined || sign * compareKeys(key, least) < 0)) least = key
    }
    if (least === undefined || (horizon !== undefined && sign * compareKeys(least, horizon) > 0)) break
    merged.push(least)
    for (const [index, { keys }] of lists.entries()) {
      if (keys[places[index] as number] === least) places[index] = (places[index] as number) + 1
    }
  }
  return { keys: merged, isComplete }
}
