import type { Test } from 'tap'

/** A fault that this machine cannot produce, and why: the scenarios that need it are skipped with these words. */
export interface Unavailable {
  readonly unavailable: string
}

/** Skips what follows, with the world's own words. */
export function lacks(t: Test, ability: object): ability is Unavailable {
  if (!('unavailable' in ability)) return false
  t.pass('this world has the fault', { skip: String(ability.unavailable) })
  return true
}
