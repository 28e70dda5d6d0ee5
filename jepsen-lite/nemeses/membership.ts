import type { Nemesis, Stage } from '../nemesis.ts'
import { pickOne, runningNodes } from './chance.ts'
import { bitesOf, saw } from './evidence.ts'
import { losers } from './losers.ts'
import { perStage } from './per-stage.ts'
import { ask, untilWhole, within } from './wholeness.ts'

/** Beyond as many as there were at first. */
const moreMax = 2
const seenDeadWithinMs = 40_000
const endsWithinMs = 60_000
const stillWholeWithinMs = 20_000
const committing = ['cluster', 'commit', '--yes', '--wait', '50']

const sizes = perStage((stage) => ({ atFirst: stage.nodes.length }))

export const membership: Nemesis = {
  name: 'membership',
  summary: 'nodes join, leave, and are killed and replaced, under load, by the command line',
  needs: [],
  async strike(stage) {
    const change = await drawChange(stage, sizes(stage).atFirst)
    const work = change.run().then(() => saw(stage, 'changes of owners carried out'))
    // It is awaited when it is undone; until then nobody looks.
    work.catch(() => undefined)
    return { what: change.what, nodes: change.nodes, undo: () => work }
  },
  bites: async (stage) => bitesOf(stage),
}

interface Change {
  readonly what: string
  readonly nodes: readonly string[]
  run(): Promise<void>
}

/** Never fewer nodes than at first: with as many as there are copies, nobody can leave. */
async function drawChange(stage: Stage, atFirst: number): Promise<Change> {
  const more = stage.nodes.length - atFirst
  if (more === 0 || (more < moreMax && stage.fraction() < 1 / 3)) return join(stage)
  const mayLose = !losers(stage).isOnlyOne && (await untilWhole(stage, stillWholeWithinMs))
  return mayLose && stage.fraction() < 0.5 ? replace(stage) : leave(stage)
}

function join(stage: Stage): Change {
  return {
    what: 'one more node joins',
    nodes: [],
    run: async () => {
      await stage.addNode()
      await stage.cli(committing)
    },
  }
}

function leave(stage: Stage): Change {
  const node = pickOne(stage, runningNodes(stage))
  return {
    what: `${node.name} leaves`,
    nodes: [node.name],
    run: async () => {
      await stage.cli(['cluster', 'leave', node.name])
      await stage.cli(committing)
      const hasEnded = await within(endsWithinMs, () => !node.isRunning)
      if (!hasEnded) throw new Error(`${node.name} has left and does not end`)
      await stage.dismiss(node)
    },
  }
}

/** Its disk is lost with it. */
function replace(stage: Stage): Change {
  const node = pickOne(stage, runningNodes(stage))
  return {
    what: `${node.name} is killed and replaced`,
    nodes: [node.name],
    run: async () => {
      await node.kill()
      const successor = await stage.addNode()
      const isDead = await within(seenDeadWithinMs, async () => isSeen(stage, node.name, 'dead'))
      if (!isDead) throw new Error(`nobody sees that ${node.name} is dead`)
      await stage.cli(['cluster', 'replace', node.name, successor.name])
      await stage.cli(committing)
      await stage.dismiss(node)
    },
  }
}

/** By the first that answers. */
async function isSeen(stage: Stage, name: string, state: string): Promise<boolean> {
  for (const node of runningNodes(stage)) {
    const answer = await ask(node, '/v1/cluster/status')
    const status = (await answer?.json().catch(() => undefined)) as
      | { readonly members: readonly { readonly name: string; readonly state: string }[] }
      | undefined
    if (status !== undefined) return status.members.some((member) => member.name === name && member.state === state)
  }
  return false
}
