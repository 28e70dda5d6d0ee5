import { abort } from './abort.ts'
import { antiEntropy, antiEntropyEmptied } from './anti-entropy.ts'
import { competingCommits } from './competing-commits.ts'
import { convergenceBound } from './convergence-bound.ts'
import { deleteStaysDeleted } from './delete-stays-deleted.ts'
import { diskEio, diskFull, diskReadonly } from './disk-faults.ts'
import { excludeReturn } from './exclude-return.ts'
import { expiry, expiryForGood } from './expiry.ts'
import { garbage } from './garbage.ts'
import { growShrinkReplace } from './grow-shrink-replace.ts'
import { hints, hintsHoldersKilled } from './hints.ts'
import { killAllDisk, killAllOs } from './kill-all.ts'
import { killReceiver, killSender } from './kill-in-transfer.ts'
import type { Scenario } from './kit/scenario.ts'
import { leaveAndReturn } from './leave-and-return.ts'
import { onTheWire } from './on-the-wire.ts'
import { operatorsStory } from './operators-story.ts'
import { payments } from './payments.ts'
import { powerCut } from './power-cut.ts'
import { repairModes } from './repair-modes.ts'
import { replaceDead } from './replace-dead.ts'
import { rollingRestart } from './rolling-restart.ts'
import { rotateCertificates, rotateSecret } from './rotation.ts'
import { scanCities } from './scan-cities.ts'
import { sizes, sizesLarger } from './sizes.ts'
import { strangers } from './strangers.ts'
import { garbageFlood, oversize, slowloris } from './under-attack.ts'
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
  garbageFlood,
  slowloris,
  oversize,
  growShrinkReplace,
  killReceiver,
  killSender,
  abort,
  competingCommits,
  leaveAndReturn,
  replaceDead,
  excludeReturn,
  rollingRestart,
  operatorsStory,
  sizes,
  sizesLarger,
  scanCities,
  payments,
  onTheWire,
  strangers,
  rotateSecret,
  rotateCertificates,
]
