import type { Lab } from './kit/lab.ts'
import type { Scenario } from './kit/scenario.ts'
import { Scene } from './kit/scene.ts'

export const replaceDead: Scenario = {
  name: 'replace-dead',
  summary:
    'a node that is alive cannot be replaced unless forced; killed and its disk lost, it is replaced by one that takes exactly its partitions',
  seconds: 3,
  keys: 5_000,
  run,
}

async function run(lab: Lab): Promise<void> {
  const { keys = 1_000, seconds, rate } = lab.options
  const scene = await Scene.begin(lab, { keys })
  const { cluster, load, operator } = scene
  await cluster.add(1)
  await scene.change('four nodes')
  load.period('before')
  load.start(Math.min(rate, 300))
  await load.runFor(seconds)
  const victim = lab.pick(cluster.members)
  const [successor] = await cluster.add(1)
  if (successor === undefined) throw new Error('one was added')
  await operator.do(['cluster', 'clear'])
  const early = await operator.run(['cluster', 'replace', victim.name, successor.name])
  const refused = early.code === 0 ? await operator.run(['cluster', 'commit', '--yes']) : early
  lab.claim('an alive node is not replaced', refused.code === 4, `exit code ${refused.code}`)
  await operator.do(['cluster', 'clear'])

  load.period('dead')
  await victim.kill()
  victim.emptyData()
  await cluster.seesAs(victim, ['dead'])
  const before = await scene.ring()
  const staged = await operator.do(['cluster', 'replace', victim.name, successor.name])
  const plan = await operator.do(['cluster', 'plan'])
  lab.claim(
    'the plan says that it excludes the dead node',
    /exclu/i.test(`${plan.stdout}${staged.stdout}`),
    victim.name,
  )
  const { after, seconds: took } = await scene.change('replaced')
  lab.measure('replaced in', took, 's')
  let differing = 0
  for (let partition = 0; partition < after.partitionCount; partition += 1) {
    const expected = before.ownersOf(partition).map((name) => (name === victim.name ? successor.name : name))
    if (expected.toSorted().join() !== after.ownersOf(partition).toSorted().join()) differing += 1
  }
  lab.claim('the successor owns exactly what the dead one did', differing === 0, `${differing} partitions differ`)
  cluster.dismiss(victim)
  await load.runFor(seconds)
  await load.stop()
  const { answered, failed } = load
  lab.claim('no request fails at any time', failed === 0, `${failed} of ${failed + answered}`)
  scene.claimReads()
  await scene.claimEverythingThere('at the end')
  scene.claimReadable()
}
