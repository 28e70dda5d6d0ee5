declare const brand: unique symbol

/**
 * A hybrid logical clock reading: wall-clock milliseconds x 2048 plus a logical count, one safe integer.
 * Compared and incremented as a number; a full count simply runs into the next millisecond.
 * (Kulkarni et al., Logical Physical Clocks, OPODIS 2014; docs/decisions/0004-hlc-as-one-number.md)
 */
export type Hlc = number & { readonly [brand]: 'Hlc' }

export const hlcTicksPerMs = 2048
