/**
 * One continuous local copy of one key: only it can promise to hold, or to have seen superseded, every dot it minted
 * (rules.md A1). It lives inside the dots it mints; there is no table of actors.
 */
export interface Actor {
  /** The minting node's number in the layout: u32. */
  readonly shortId: number
  /** The minting node's store generation: random u32. */
  readonly generation: number
  /** The counter at which the copy began: u53. */
  readonly born: number
}

/** The name of one write: its actor and the node's counter, counter >= born. */
export interface Dot extends Actor {
  readonly counter: number
}

/**
 * What a state has seen: for each actor its highest dot; every dot of that actor up to it, for this key, is included.
 * Sorted by actor, one entry per actor.
 */
export type VersionVector = readonly Dot[]
