import type { Nemesis } from '../nemesis.ts'

let kills = 0

export const killOneForTrial: Nemesis = {
  name: 'kill-one',
  summary: 'SIGKILL to one node, which is started again',
  needs: ['signals'],
  async strike(stage) {
    const node = stage.nodes[Math.floor(stage.fraction() * stage.nodes.length)]
    if (node === undefined) throw new Error('there are nodes')
    await node.kill()
    kills += 1
    return { what: `kill -9 ${node.name}`, nodes: [node.name], undo: () => node.start() }
  },
  async bites() {
    return kills === 0 ? [] : [{ what: 'processes killed', count: kills }]
  },
}
