/**
 * A source of chance. Whoever decides by chance is given one, so that a seed replays the decision.
 * One stream per component: a draw added in one place does not shift the draws of another.
 */
export interface Random {
  /** An unsigned 32-bit integer. */
  uint32(): number
  /** A float in [0, 1). */
  fraction(): number
  /** An integer in [0, below); `below` from 1 to 2^32. */
  below(below: number): number
}
