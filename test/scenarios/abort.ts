import type { Lab } from './kit/lab.ts'
import { statusOf } from './kit/layout.ts'
import type { Scenario } from './kit/scenario.ts'
import { Scene } from './kit/scene.ts'
import { TransferWatch } from './kit/transfer-count.ts'

const flags = ['--partitions', '32']
const halfWithinMs = 120_000

export const abort: Scenario = {
  name: 'abort',
  summary:
    'a change of owners is taken back in the middle of its transfer: the old owners go on and hold everything, and the same change succeeds later',
  seconds: 3,
  keys: 60_000,
  run,
}

async function run(lab: Lab): Promise<void> {
  const { keys = 1_000, seconds, rate } = lab.options
  const scene = await Scene.begin(lab, { keys, flags })
  const { cluster, load, operator } = scene
  const [joiner] = await cluster.add(1)
  if (joiner === undefined) throw new Error('one was added')
  load.period('before')
  load.start(Math.min(rate, 200))
  await load.runFor(seconds)
  const before = await scene.ring()
  await operator.do(['cluster', 'plan'])
  await operator.do(['cluster', 'commit', '--yes'])
  const watch = new TransferWatch(lab, cluster)
  const left = await watch.halfWay(joiner, halfWithinMs)
  lab.mustHaveSeen('bytes left when it was taken back', left.bytes, 1)
  await operator.do(['cluster', 'abort', '--yes', '--wait', '120'])
  await watch.end()
  const after = await scene.settled(before.number + 2)
  lab.claim('the owners are those of before', sameOwners(before, after), after.names.join(', '))
  const { layout } = await statusOf(scene.first)
  lab.claim('one layout is live', layout.live.length === 1, layout.live.join(', '))
  await load.runFor(seconds)
  await load.stop()
  await scene.claimEverythingThere('with the old owners')

  load.start(Math.min(rate, 200))
  await load.runFor(seconds)
  const again = await scene.change('the same again', ['join', joiner.name])
  await load.stop()
  lab.claim('the same change succeeds later', again.after.names.includes(joiner.name), again.after.names.join(', '))
  await scene.claimEverythingThere('with the new owner')
  lab.claim('no request fails at any time', load.failed === 0, `${load.failed} of ${load.failed + load.answered}`)
  scene.claimReads()
  scene.claimReadable()
}

function sameOwners(
  before: { readonly partitionCount: number; ownersOf(partition: number): readonly string[] },
  after: { ownersOf(partition: number): readonly string[] },
): boolean {
  return Array.from({ length: before.partitionCount }, (_, partition) => partition).every(
    (partition) => before.ownersOf(partition).toSorted().join() === after.ownersOf(partition).toSorted().join(),
  )
}
