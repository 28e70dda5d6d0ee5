import type { Lab } from './kit/lab.ts'
import { statusOf } from './kit/layout.ts'
import type { Scenario } from './kit/scenario.ts'
import { Scene } from './kit/scene.ts'

const leftWithinMs = 120_000

export const leaveAndReturn: Scenario = {
  name: 'leave-and-return',
  summary: 'a node leaves and ends with 0; started again it owns nothing and asks for nothing until it is invited',
  seconds: 8,
  keys: 3_000,
  run,
}

async function run(lab: Lab): Promise<void> {
  const { keys = 1_000, seconds, rate } = lab.options
  const scene = await Scene.begin(lab, { keys })
  await scene.cluster.add(1)
  const { cluster, load, operator } = scene
  load.period('all')
  load.start(rate)
  await scene.change('four nodes')
  const leaver = lab.pick(cluster.members)
  const left = await scene.change('one leaves', ['leave', leaver.name])
  lab.claim('it ends by itself with 0', (await leaver.ends(leftWithinMs)) === 0, leaver.name)

  await leaver.start()
  await cluster.seesAs(leaver, ['alive'])
  await load.runFor(seconds)
  const plan = await operator.json(['cluster', 'plan'])
  lab.claim('started again it stages nothing', isEmpty(plan.staged), JSON.stringify(plan.staged))
  const { layout } = await statusOf(scene.first)
  lab.claim('and no layout is made for it', layout.number === left.after.number, `layout ${layout.number}`)
  lab.claim('it runs on', leaver.isRunning)

  const back = await scene.change('it is invited', ['join', leaver.name])
  lab.claim('invited, it owns again', back.after.names.includes(leaver.name), back.after.names.join(', '))
  await load.stop()
  lab.claim('no request fails at any time', load.failed === 0, `${load.failed} of ${load.failed + load.answered}`)
  scene.claimReads()
  await scene.claimEverythingThere('at the end')
}

function isEmpty(staged: unknown): boolean {
  return Array.isArray(staged) && staged.length === 0
}
