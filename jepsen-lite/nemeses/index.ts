import type { Nemesis } from '../nemesis.ts'
import { lossDelayDuplication, lostMessages } from './bad-links.ts'
import { bitFlips } from './bit-flips.ts'
import { clockBump, slightClockBump } from './clock-bump.ts'
import { clockStrobe } from './clock-strobe.ts'
import { brokenDisk, readOnlyDisk, slowDisk } from './failing-disk.ts'
import { frozenDisk } from './frozen-disk.ts'
import { fullDisk } from './full-disk.ts'
import { membership } from './membership.ts'
import { mixed } from './mixed.ts'
import { none } from './none.ts'
import { bridge, halves, majoritiesRing, oneNode, oneWay } from './partitions.ts'
import { powerCut } from './power-cut.ts'
import { killAll, killMinority, killOne, pause } from './processes.ts'
import { rollingRestart } from './rolling-restart.ts'
import { flapping, swizzled } from './unsteady-links.ts'

const partitions: readonly Nemesis[] = [halves, majoritiesRing, bridge, oneNode, oneWay]
const badLinks: readonly Nemesis[] = [flapping, swizzled, lossDelayDuplication, lostMessages]
const links: readonly Nemesis[] = [...partitions, ...badLinks]
const processes: readonly Nemesis[] = [killOne, killMinority, killAll, pause, rollingRestart]
const clocks: readonly Nemesis[] = [clockBump, clockStrobe]
const disks: readonly Nemesis[] = [slowDisk, frozenDisk, fullDisk, readOnlyDisk, brokenDisk, powerCut]
/** Their ends need all the other nodes. */
const alone: readonly Nemesis[] = [bitFlips, membership]

/** The columns of the matrix. */
export const nemeses: readonly Nemesis[] = [
  none,
  ...links,
  ...processes,
  ...clocks,
  ...disks,
  ...alone,
  mixed({ links, clocks: [slightClockBump], nodes: [...processes, ...disks], alone: [...clocks, ...alone] }),
]
