import type { Member } from './kit/cluster.ts'
import { Gate } from './kit/gate.ts'
import type { Lab } from './kit/lab.ts'
import { type StatusJson, statusOf } from './kit/layout.ts'
import type { Scenario } from './kit/scenario.ts'
import { Scene } from './kit/scene.ts'

const roundsMax = 20
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
 * other node within moments, and then both plans are stale: such a round shows nothing and is not counted. So both
 * commands are started first, and are let through to their nodes when the changes have just been staged.
 */
async function run(lab: Lab): Promise<void> {
  const { keys = 500, rate } = lab.options
  const scene = await Scene.begin(lab, { keys })
  await scene.cluster.add(1)
  await scene.change('four nodes')
  const { cluster, load, operator } = scene
  const nodes = cluster.members.slice(0, 2)
  const gates = await Promise.all(nodes.map((node) => Gate.before(lab, node)))
  load.period('contests')
  load.start(Math.min(rate, 100))
  let contests = 0
  let wrong = 0
  for (let round = 1; round <= roundsMax && contests < contestsMin; round += 1) {
    const number = (await scene.ring()).number + 1
    const running = Promise.all(gates.map((gate) => operator.run(['cluster', 'commit', '--yes'], gate)))
    await Promise.all(gates.map((gate) => gate.waitedFor()))
    await Promise.all(nodes.map((node, at) => stageWeight(scene, node, 1 + round * 0.1 + at * 0.5)))
    for (const gate of gates) gate.open()
    const ran = await running
    for (const gate of gates) gate.shut()

    const codes = ran.map(({ code }) => code)
    const winners = ran.filter(({ code }) => code === 0)
    const losers = ran.filter(({ code }) => code === 6)
    const plans = ran.map(({ stderr, stdout }) => planOf(`${stderr}${stdout}`))
    const isSame = plans[0] === plans[1]
    lab.say(`round ${round}: plans ${plans.join(' and ')}, exit codes ${codes.join(' and ')}`)
    if (winners.length + losers.length < 2 || (winners.length > 1 && !isSame)) wrong += 1
    if (winners.length > 0) await scene.settled(number)
    if (winners.length === 1 && losers.length === 1 && !isSame) {
      const won = plans[codes.indexOf(0)] as string
      const seen = await Promise.all(cluster.running.map((node) => statusOf(node)))
      lab.claim(`round ${round}: one wins, everywhere`, wonEverywhere(seen, won, number), `${won} is layout ${number}`)
      const word = losers[0]?.stderr ?? ''
      lab.claim(`round ${round}: the other hears that its plan is stale`, word.includes('stale-plan'), verdictIn(word))
      contests += 1
    }
    await operator.do(['cluster', 'clear'])
  }
  lab.claim('never do two different plans win, and a loser ends with 6', wrong === 0, `${wrong} rounds`)
  lab.mustHaveSeen('contests', contests, contestsMin)
  await load.stop()
  lab.claim('no request fails at any time', load.failed === 0, `${load.failed} of ${load.failed + load.answered}`)
  scene.claimReads()
  await scene.claimEverythingThere('at the end')
}

async function stageWeight({ http }: Scene, node: Member, weight: number): Promise<void> {
  const { status, text } = await http.call(node, 'POST', '/v1/cluster/stage', {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ action: 'set', node: node.name, weight }),
  })
  if (status !== 200) throw new Error(`${node.name} stages nothing: ${status} ${text}`)
}

function planOf(printed: string): string | undefined {
  return /plan ([0-9a-f]{16})/.exec(printed)?.[1]
}

function verdictIn(printed: string): string {
  return printed.split('\n').find((line) => line.startsWith('starling: ')) ?? ''
}

function wonEverywhere(seen: readonly StatusJson[], hash: string, number: number): boolean {
  return seen.every(({ layout }) => layout.number === number && layout.hash === hash)
}
