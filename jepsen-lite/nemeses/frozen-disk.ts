import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import type { Nemesis } from '../nemesis.ts'
import { pickOne, runningNodes } from './chance.ts'
import { bitesOf, saw } from './evidence.ts'
import { nodeDisks } from './node-disks.ts'
import { untilReady } from './wholeness.ts'

const run = promisify(execFile)
const betweenLooksMs = 50
const readyWithinMs = 30_000

export const frozenDisk: Nemesis = {
  name: 'frozen-disk',
  summary: 'the file system of one node stands still: writes neither fail nor end until it goes on',
  needs: ['fsfreeze', 'loop-mounts'],
  async prepare(stage) {
    const disks = nodeDisks(stage)
    disks.areMounted = true
    return disks.preparation
  },
  async strike(stage) {
    const node = pickOne(stage, runningNodes(stage))
    const { pid } = node
    const { path } = nodeDisks(stage).mounted(node.name)
    await run('fsfreeze', ['-f', path])
    let isFrozen = true
    const look = setInterval(() => {
      saw(stage, 'threads seen waiting for a frozen disk', threadsThatWait(pid))
    }, betweenLooksMs)
    /** A process that waits for a frozen disk cannot even be killed. */
    const thaw = async (): Promise<void> => {
      clearInterval(look)
      if (isFrozen) await run('fsfreeze', ['-u', path])
      isFrozen = false
    }
    stage.teardown(thaw)
    return {
      what: `the disk of ${node.name} stands still`,
      nodes: [node.name],
      undo: async () => {
        await thaw()
        await untilReady(stage, [node], readyWithinMs)
      },
    }
  },
  bites: async (stage) => bitesOf(stage),
}

/** In the state D, uninterruptible. */
function threadsThatWait(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/task`).filter((task) => {
      const line = readFileSync(`/proc/${pid}/task/${task}/stat`, 'utf8')
      return line.slice(line.lastIndexOf(')') + 2).startsWith('D')
    }).length
  } catch {
    return 0 // It has ended meanwhile.
  }
}
