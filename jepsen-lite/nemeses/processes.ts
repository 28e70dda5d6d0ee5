import { stateOf } from '../capabilities.ts'
import type { Nemesis, Stage, StageNode, Strike } from '../nemesis.ts'
import { between, minorityOf, namesOf, pickOne, runningNodes, shuffled } from './chance.ts'
import { bitesOf, saw } from './evidence.ts'

const stoppedMsMax = 2000
const lookEveryMs = 10

export const killOne = killing('kill-one', 'SIGKILL to one node, which is started again later', (stage) => [
  pickOne(stage, runningNodes(stage)),
])

export const killMinority = killing('kill-minority', 'SIGKILL to as many nodes as leave a majority', (stage) =>
  shuffled(stage, runningNodes(stage)).slice(0, Math.max(1, minorityOf(stage.nodes.length))),
)

export const killAll = killing('kill-all', 'SIGKILL to all nodes at once', runningNodes)

export const pause: Nemesis = {
  name: 'pause',
  summary: 'SIGSTOP to one node or several, with their sockets open, and SIGCONT later',
  needs: ['signals'],
  async strike(stage) {
    const running = shuffled(stage, runningNodes(stage))
    const stopped = running.slice(0, between(stage, 1, Math.max(1, minorityOf(running.length))))
    for (const node of stopped) node.signal('SIGSTOP')
    for (const node of stopped) if (await isSeenStopped(node.pid)) saw(stage, 'processes seen in state T')
    return {
      what: `SIGSTOP ${namesOf(stopped).join(' ')}`,
      nodes: namesOf(stopped),
      cluster: { down: namesOf(stopped), cuts: [] },
      undo: async () => {
        for (const node of stopped) if (node.isRunning) node.signal('SIGCONT')
      },
    }
  },
  bites: async (stage) => bitesOf(stage),
}

function killing(name: string, summary: string, choose: (stage: Stage) => readonly StageNode[]): Nemesis {
  return {
    name,
    summary,
    needs: [],
    strike: (stage) => killNodes(stage, choose(stage)),
    bites: async (stage) => bitesOf(stage),
  }
}

async function killNodes(stage: Stage, nodes: readonly StageNode[]): Promise<Strike> {
  const pids = nodes.map(({ pid }) => pid)
  await Promise.all(nodes.map((node) => node.kill()))
  for (const pid of pids) if (isGone(pid)) saw(stage, 'processes killed and gone')
  return {
    what: `kill -9 ${namesOf(nodes).join(' ')}`,
    nodes: namesOf(nodes),
    cluster: { down: namesOf(nodes), cuts: [] },
    undo: async () => {
      await Promise.all(nodes.filter(({ isRunning }) => !isRunning).map((node) => node.start()))
    },
  }
}

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH'
  }
}

async function isSeenStopped(pid: number): Promise<boolean> {
  const endMs = performance.now() + stoppedMsMax
  while (performance.now() < endMs) {
    if ((await stateOf(pid)) === 'T') return true
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs))
  }
  return false
}
