import type { Nemesis } from '../nemesis.ts'
import { none } from './none.ts'
import { bridge, halves, majoritiesRing, oneNode, oneWay } from './partitions.ts'
import { killAll, killMinority, killOne, pause } from './processes.ts'

/** The columns of the matrix. */
export const nemeses: readonly Nemesis[] = [
  none,
  halves,
  majoritiesRing,
  bridge,
  oneNode,
  oneWay,
  killOne,
  killMinority,
  killAll,
  pause,
]
