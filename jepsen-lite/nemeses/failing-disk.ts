import type { DiskFault } from '../../test/scenarios/kit/failing-disk.ts'
import type { Nemesis } from '../nemesis.ts'
import { pickOne, runningNodes, scaled } from './chance.ts'
import { bitesOf, saw } from './evidence.ts'
import { nodeDisks } from './node-disks.ts'
import { untilWhole } from './wholeness.ts'

/** Of each write and each sync. */
const delayMsMin = 5
const delayMsMax = 200
const wholeWithinMs = 60_000

export const slowDisk = failing('slow-disk', 'slow', 'every write and sync of one node takes up to 200 ms longer')
export const readOnlyDisk = failing('read-only-disk', 'EROFS', 'the disk of one node takes no more writes: EROFS')
export const brokenDisk = failing('broken-disk', 'EIO', 'every write and sync of one node fails: EIO')

function failing(name: string, fault: DiskFault, summary: string): Nemesis {
  return {
    name,
    summary,
    needs: ['c-compiler'],
    async prepare(stage) {
      const disks = nodeDisks(stage)
      disks.canFail = true
      return disks.preparation
    },
    async strike(stage) {
      const node = pickOne(stage, runningNodes(stage))
      const disk = nodeDisks(stage).failing(node.name)
      const delayMs = Math.round(scaled(stage, delayMsMin, delayMsMax))
      const feltBefore = disk.felt
      disk.begin(fault, delayMs)
      return {
        what: `the disk of ${node.name} ${fault === 'slow' ? `takes ${delayMs} ms longer` : `answers ${fault}`}`,
        nodes: [node.name],
        undo: async () => {
          disk.end()
          saw(stage, fault === 'slow' ? 'calls made slow' : `calls answered ${fault}`, disk.felt - feltBefore)
          // It has opened its store anew, and may take it for one that lost something.
          if (fault !== 'slow') await untilWhole(stage, wholeWithinMs, [node])
        },
      }
    },
    bites: async (stage) => bitesOf(stage),
  }
}
