/**
 * The catalogue of known bugs that a replicated store should be tried with, by number, and the mutants that stand for each
 * (docs/verification.md says what each is, and what becomes of the others).
 */
export const catalogue: Readonly<Record<string, readonly string[]>> = {
  M1: ['one-acknowledgement', 'hint-counts-twice', 'union-quorum'],
  M2: ['one-answer'],
  M3: ['half-is-a-quorum'],
  M4: ['acknowledgement-counts-twice'],
  M5: ['strict-counts-hints'],
  M6: ['refusal-is-acknowledgement', 'failure-is-success'],
  M7: ['never-synced'],
  M8: ['acknowledged-before-written'],
  M9: ['answers-of-earlier-questions'],
  M10: ['merge-last-write-wins'],
  M11: ['merge-union'],
  M12: ['latest-is-not-covered'],
  M13: ['next-is-covered', 'merge-intersection'],
  M14: ['plain-version-vectors'],
  M15: ['context-ignored', 'context-of-the-read-before'],
  M16: ['blind-sees-all'],
  M17: ['counters-reused-after-restart', 'forgets-metadata'],
  M18: ['one-actor-for-all'],
  M19: ['first-write-is-number-one', 'counters-begin-anew'],
  M20: ['token-truncated'],
  M21: ['equal-bytes-are-one'],
  M22: ['delete-forgets'],
  M23: ['stable-ignored', 'barrier-ignored'],
  M24: ['grace-ignored'],
  M25: ['missing-is-newer'],
  M26: ['expiry-begins-anew'],
  M27: ['hint-without-expiry', 'never-expires'],
  M28: ['hints-dropped', 'hints-never-sent'],
  M29: ['hint-removed-first', 'hint-acknowledged-unstored'],
  M30: ['hints-in-memory'],
  M31: ['hint-to-another'],
  M32: ['written-meanwhile-is-missed'],
  M33: ['handed-over-too-early'],
  M34: ['copy-resumes-too-far'],
  M35: ['new-owners-unwritten'],
  M36: ['hint-never-goes', 'hints-not-retargeted'],
  M37: ['no-read-repair'],
  M38: ['repair-sends-the-stale-side'],
  M39: ['tree-ignores-deletes'],
  M40: ['tree-ignores-contexts'],
  M41: ['no-vote-is-needed'],
  M42: ['excluded-serves'],
  M43: ['detector-by-wall-clock'],
  M44: ['retry-is-another-write', 'done-forgotten'],
}

/** The numbers that a mutant stands for, as a column. */
export function numbersOf(name: string): string {
  const numbers = Object.keys(catalogue).filter((number) => catalogue[number]?.includes(name))
  return numbers.length === 0 ? '-' : numbers.join(' ')
}
