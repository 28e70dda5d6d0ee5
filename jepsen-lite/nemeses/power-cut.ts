import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Nemesis } from '../nemesis.ts'
import { bitesOf, saw } from './evidence.ts'
import { losers } from './losers.ts'
import { nodeDisks } from './node-disks.ts'
import { nothingDone } from './nothing-done.ts'
import { perStage } from './per-stage.ts'
import { untilWhole } from './wholeness.ts'

const wholeWithinMs = 60_000
/** Before the next one: whoever is not whole by then has had a minute already. */
const stillWholeWithinMs = 2_000

const cuts = perStage(() => ({ count: 0 }))

export const powerCut: Nemesis = {
  name: 'power-cut',
  summary: "the power of a node's machine fails: what was not synced is gone, and the machine boots anew",
  needs: ['signals', 'loop-mounts', 'boot-id'],
  async prepare(stage) {
    const disks = nodeDisks(stage)
    disks.areMounted = true
    disks.canReboot = true
    return disks.preparation
  },
  async strike(stage) {
    const state = cuts(stage)
    if (state.count > 0 && !(await untilWhole(stage, stillWholeWithinMs)))
      return nothingDone('copies are missing since the last power cut')
    const node = losers(stage).next(stage)
    if (node === undefined) return nothingDone('its node does not run')
    const disk = nodeDisks(stage).mounted(node.name)
    node.signal('SIGSTOP')
    const copy = await disk.copyAsItIs()
    const before = sizesBelow(disk.path)
    await node.kill()
    await disk.becomes(copy)
    nodeDisks(stage).boot(node.name).change()
    const lost = bytesLost(before, sizesBelow(disk.path))
    saw(stage, 'bytes lost by power cuts', lost)
    state.count += 1
    return {
      what: `the power of ${node.name} fails; ${lost} bytes that it had written are gone`,
      nodes: [node.name],
      undo: async () => {
        if (!node.isRunning) await node.start()
        await untilWhole(stage, wholeWithinMs)
      },
    }
  },
  bites: async (stage) => bitesOf(stage),
}

function sizesBelow(directory: string): ReadonlyMap<string, number> {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' })
  return new Map(
    names.flatMap((name) => {
      const found = statSync(join(directory, name), { throwIfNoEntry: false })
      return found?.isFile() === true ? [[name, found.size] as const] : []
    }),
  )
}

function bytesLost(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): number {
  return [...before].reduce((sum, [name, size]) => sum + Math.max(0, size - (after.get(name) ?? 0)), 0)
}
