import { antiEntropy, antiEntropyEmptied } from './anti-entropy.ts'
import { diskEio, diskFull, diskReadonly } from './disk-faults.ts'
import { hints, hintsHoldersKilled } from './hints.ts'
import { killAllDisk, killAllOs } from './kill-all.ts'
import type { Scenario } from './kit/scenario.ts'
import { powerCut } from './power-cut.ts'
import { wiped } from './wiped.ts'

/** All scenarios, in the order of the list. */
export const catalogue: readonly Scenario[] = [
  hints,
  hintsHoldersKilled,
  antiEntropy,
  antiEntropyEmptied,
  wiped,
  killAllOs,
  killAllDisk,
  powerCut,
  diskFull,
  diskReadonly,
  diskEio,
]
