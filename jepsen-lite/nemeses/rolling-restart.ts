import type { Nemesis, Stage, StageNode } from '../nemesis.ts'
import { namesOf, runningNodes, shuffled } from './chance.ts'
import { bitesOf, saw } from './evidence.ts'
import { untilReady, within } from './wholeness.ts'

const endsWithinMs = 15_000
const readyWithinMs = 60_000
const drainChance = 0.5

export const rollingRestart: Nemesis = {
  name: 'rolling-restart',
  summary:
    'all nodes are restarted one after the other by SIGTERM, some drained before: the next when the last is ready',
  needs: [],
  async strike(stage) {
    let isOver = false
    const nodes = shuffled(stage, runningNodes(stage))
    const work = (async () => {
      for (const node of nodes) {
        if (isOver) return
        await restart(stage, node)
        saw(stage, 'nodes restarted')
      }
    })()
    // It is awaited when it is undone; until then nobody looks.
    work.catch(() => undefined)
    return {
      what: `${namesOf(nodes).join(', ')} are restarted in turn`,
      nodes: namesOf(nodes),
      undo: () => {
        isOver = true
        return work
      },
    }
  },
  bites: async (stage) => bitesOf(stage),
}

async function restart(stage: Stage, node: StageNode): Promise<void> {
  if (stage.fraction() < drainChance) await stage.cli(['node', 'drain', '--yes', '--endpoint', `http://${node.http}`])
  node.signal('SIGTERM')
  if (!(await within(endsWithinMs, () => !node.isRunning))) throw new Error(`${node.name} does not end by SIGTERM`)
  await node.start()
  await untilReady(stage, [node], readyWithinMs)
}
