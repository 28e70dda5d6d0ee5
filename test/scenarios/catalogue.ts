import { antiEntropy, antiEntropyEmptied } from './anti-entropy.ts'
import { convergenceBound } from './convergence-bound.ts'
import { deleteStaysDeleted } from './delete-stays-deleted.ts'
import { diskEio, diskFull, diskReadonly } from './disk-faults.ts'
import { expiry, expiryForGood } from './expiry.ts'
import { garbage } from './garbage.ts'
import { hints, hintsHoldersKilled } from './hints.ts'
import { killAllDisk, killAllOs } from './kill-all.ts'
import type { Scenario } from './kit/scenario.ts'
import { powerCut } from './power-cut.ts'
import { repairModes } from './repair-modes.ts'
import { wiped } from './wiped.ts'

/** All scenarios, in the order of the list. */
export const catalogue: readonly Scenario[] = [
  hints,
  hintsHoldersKilled,
  antiEntropy,
  antiEntropyEmptied,
  repairModes,
  convergenceBound,
  wiped,
  killAllOs,
  killAllDisk,
  powerCut,
  diskFull,
  diskReadonly,
  diskEio,
  deleteStaysDeleted,
  expiry,
  expiryForGood,
  garbage,
]
