declare const brand: unique symbol

/**
 * A hybrid logical clock reading: wall-clock milliseconds x 2048 plus a logical count, one safe integer.
 * Compared and incremented as a number; a full count simply runs into the next millisecond.
 * (Kulkarni et al., Logical Physical Clocks, OPODIS 2014; docs/decisions/0004-hlc-as-one-number.md)
 */
export type Hlc = number & { readonly [brand]: 'Hlc' }

export const hlcTicksPerMs = 2048

/** Before every reading: "never". */
export const hlcZero = 0 as Hlc

/** The first reading of a wall-clock millisecond; a fraction of one counts as ticks. */
export function hlcFromMs(wallMs: number): Hlc {
  return Math.floor(wallMs * hlcTicksPerMs) as Hlc
}

/** The wall-clock millisecond a reading lies in. */
export function hlcToMs(hlc: Hlc): number {
  return Math.floor(hlc / hlcTicksPerMs)
}

export function hlcMax(a: Hlc, b: Hlc): Hlc {
  return a >= b ? a : b
}

/** A reading `ms` milliseconds later; earlier when negative, but never before `hlcZero`. */
export function hlcPlusMs(hlc: Hlc, ms: number): Hlc {
  return Math.max(0, hlc + Math.floor(ms * hlcTicksPerMs)) as Hlc
}
