import { json } from '../node/fixtures/real-nodes.ts'
import type { Member } from './kit/cluster.ts'
import type { Lab } from './kit/lab.ts'
import { type StatusJson, statusOf } from './kit/layout.ts'
import type { Scenario } from './kit/scenario.ts'
import { Scene } from './kit/scene.ts'

const roundsMax = 12
const contestsMin = 2

export const competingCommits: Scenario = {
  name: 'competing-commits',
  summary:
    'two operators commit different plans at the same moment through two nodes: one wins everywhere, the other is told that its plan is stale',
  seconds: 5,
  keys: 500,
  run,
}

/**
 * Each stages another weight at a node of its own and commits what that node plans, at once. What is staged reaches the
 * other node within moments, and then both plans are stale: such a round shows nothing and is not counted.
 */
async function run(lab: Lab): Promise<void> {
  const { keys = 500, rate } = lab.options
  const scene = await Scene.begin(lab, { keys })
  await scene.cluster.add(1)
  await scene.change('four nodes')
  const { cluster, load, operator } = scene
  const [one, two] = cluster.members as readonly [Member, Member]
  load.period('contests')
  load.start(Math.min(rate, 200))
  let contests = 0
  let wrong = 0
  for (let round = 1; round <= roundsMax && contests < contestsMin; round += 1) {
    const { number } = (await statusOf(one)).layout
    const plans = await Promise.all(
      [one, two].map(async (node, at) => {
        // Both nodes have learnt of neither change but their own.
        await scene.http.call(node, 'POST', '/v1/cluster/stage', {
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ action: 'set', node: node.name, weight: 1 + round * 0.01 + at * 0.5 }),
        })
        return String((await json(node, '/v1/cluster/plan')).plan)
      }),
    )
    const [first, second] = plans as [string, string]
    if (first === second) {
      lab.say(`round ${round}: both plan the same`)
      continue
    }
    const ran = await Promise.all([
      operator.run(['cluster', 'commit', '--yes', '--plan', first], one),
      operator.run(['cluster', 'commit', '--yes', '--plan', second], two),
    ])
    const codes = ran.map(({ code }) => code)
    const winners = codes.filter((code) => code === 0).length
    if (winners > 1 || codes.some((code) => code !== 0 && code !== 6)) wrong += 1
    lab.say(`round ${round}: exit codes ${codes.join(' and ')}`)
    if (winners === 1) {
      await scene.settled(number + 1)
      const won = codes[0] === 0 ? first : second
      const seen = await Promise.all(cluster.running.map((node) => statusOf(node)))
      lab.claim(
        `round ${round}: one wins, everywhere`,
        wonEverywhere(seen, won, number + 1),
        `${won} is layout ${number + 1}`,
      )
      const loser = ran.find(({ code }) => code === 6)
      lab.claim(
        `round ${round}: the other hears that its plan is stale`,
        loser !== undefined && /stale|another|other/.test(loser.stderr),
        loser?.stderr.trim().split('\n')[0] ?? '',
      )
      contests += 1
    }
    await operator.do(['cluster', 'clear'])
  }
  lab.claim('never do two win, and a loser ends with 6', wrong === 0, `${wrong} rounds`)
  lab.mustHaveSeen('contests', contests, contestsMin)
  await load.stop()
  lab.claim('no request fails at any time', load.failed === 0, `${load.failed} of ${load.failed + load.answered}`)
  scene.claimReads()
  await scene.claimEverythingThere('at the end')
}

function wonEverywhere(seen: readonly StatusJson[], hash: string, number: number): boolean {
  return seen.every(({ layout }) => layout.number === number && layout.hash === hash)
}
