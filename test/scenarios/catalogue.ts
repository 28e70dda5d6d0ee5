import { antiEntropy, antiEntropyEmptied } from './anti-entropy.ts'
import { hints, hintsHoldersKilled } from './hints.ts'
import type { Scenario } from './kit/scenario.ts'

/** All scenarios, in the order of the list. */
export const catalogue: readonly Scenario[] = [hints, hintsHoldersKilled, antiEntropy, antiEntropyEmptied]
