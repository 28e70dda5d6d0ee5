import { execFile } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Nemesis, StageNode } from '../nemesis.ts'
import { pickOne, runningNodes } from './chance.ts'
import { bitesOf, saw } from './evidence.ts'
import { nodeDisks } from './node-disks.ts'
import { metric, untilWhole } from './wholeness.ts'

const run = promisify(execFile)
const wholeWithinMs = 60_000

export const fullDisk: Nemesis = {
  name: 'full-disk',
  summary: 'somebody else fills the disk of one node to the last block, and frees it again: ENOSPC',
  needs: ['loop-mounts'],
  async prepare(stage) {
    const disks = nodeDisks(stage)
    disks.areMounted = true
    return disks.preparation
  },
  async strike(stage) {
    const node = pickOne(stage, runningNodes(stage))
    const { path } = nodeDisks(stage).mounted(node.name)
    const filler = join(path, 'filler')
    const failuresBefore = await failuresOf(node)
    await fill(filler)
    return {
      what: `the disk of ${node.name} is full`,
      nodes: [node.name],
      undo: async () => {
        saw(stage, 'stores that failed for want of room', Math.max(0, (await failuresOf(node)) - failuresBefore))
        await rm(filler, { force: true })
        await untilWhole(stage, wholeWithinMs, [node])
      },
    }
  },
  bites: async (stage) => bitesOf(stage),
}

async function failuresOf(node: StageNode): Promise<number> {
  return (await metric(node, 'starling_store_failures_total')) ?? 0
}

/** Blocks are taken without being written, in ever smaller pieces. */
async function fill(path: string): Promise<void> {
  const script = `
    for size in 16M 1M 64K 4K; do
      while :; do
        at=$(stat -c %s "$0" 2>/dev/null || echo 0)
        fallocate -o "$at" -l $size "$0" 2>/dev/null || break
      done
    done`
  await run('sh', ['-c', script, path])
}
