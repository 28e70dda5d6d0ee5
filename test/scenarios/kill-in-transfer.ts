import { eventually } from '../node/fixtures/real-nodes.ts'
import type { Member } from './kit/cluster.ts'
import type { Lab } from './kit/lab.ts'
import { converged } from './kit/layout.ts'
import type { Scenario } from './kit/scenario.ts'
import { Scene, valueBytes } from './kit/scene.ts'
import { TransferWatch } from './kit/transfer-count.ts'

/** Few partitions, so that each is many batches long. */
const flags = ['--partitions', '32']
/** What is sent at once of a partition, at most; of a partition that was on its way so much may come twice. */
const batchBytesMax = 256 * 1024
const downMs = 3_000
const halfWithinMs = 120_000
const overWithinMs = 240_000

export const killReceiver: Scenario = {
  name: 'kill-receiver',
  summary:
    'a node that takes over partitions is killed at half way and started again: the change ends by itself, nothing is lost, nothing is sent twice beyond one batch per partition',
  seconds: 3,
  keys: 60_000,
  run: (lab) => killInTransfer(lab, 'receiver'),
}

export const killSender: Scenario = {
  name: 'kill-sender',
  summary: 'the same with a node that hands partitions over',
  seconds: 3,
  keys: 60_000,
  run: (lab) => killInTransfer(lab, 'sender'),
}

async function killInTransfer(lab: Lab, role: 'receiver' | 'sender'): Promise<void> {
  const { keys = 1_000, seconds, rate } = lab.options
  const scene = await Scene.begin(lab, { keys, flags })
  const { cluster, load, operator } = scene
  const [joiner] = await cluster.add(1)
  if (joiner === undefined) throw new Error('one was added')
  const old = cluster.others(joiner)
  load.period('before')
  load.start(Math.min(rate, 100))
  await load.runFor(seconds)
  const before = await scene.ring()
  const watch = new TransferWatch(lab, cluster)
  await operator.do(['cluster', 'plan'])
  load.period('while it moves')
  await operator.do(['cluster', 'commit', '--yes'])
  const victim = role === 'receiver' ? joiner : await busiestSender(watch, old)
  const left = await watch.halfWay(joiner, halfWithinMs)
  await victim.kill()
  lab.say(`${victim.name} is killed with ${left.partitions} partitions and ${left.bytes} bytes left to move`)
  lab.mustHaveSeen('bytes left when it was killed', left.bytes, 1)
  await cluster.seesAs(victim, ['suspect', 'dead'])
  await load.runFor(downMs / 1000)
  await victim.start()
  await victim.ready()
  const startedMs = performance.now()
  await converged(cluster, before.number + 1, overWithinMs)
  const after = await scene.settled(before.number + 1)
  lab.measure('until the change was over, after the restart', (performance.now() - startedMs) / 1000, 's')
  lab.claim('the change ends by itself', after.number === before.number + 1, `layout ${after.number}`)
  load.period('after')
  await load.stop()

  const moved = await watch.end()
  const least = scene.leastRecords({ before, after })
  const gained = after.gains(before).size
  const batchRecords = Math.ceil(batchBytesMax / valueBytes)
  lab.measure('records that had to be copied', least, 'records')
  lab.measure('records that were sent', moved.sent, 'records')
  lab.claim('all of it was sent', moved.sent >= least, `${moved.sent} of ${least}`)
  lab.claim(
    'nothing is sent twice beyond one batch per partition',
    moved.sent - least <= gained * batchRecords,
    `${moved.sent - least} records twice; ${gained} partitions with batches of ${batchRecords}`,
  )
  scene.claimReads()
  await scene.claimEverythingThere('at the end')
}

async function busiestSender(watch: TransferWatch, old: readonly Member[]): Promise<Member> {
  const sent = await eventually(
    'somebody sends',
    async () => Promise.all(old.map(async (node) => ({ node, records: await watch.sentBy(node) }))),
    (counts) => counts.some(({ records }) => records > 0),
    halfWithinMs,
  )
  return (sent.toSorted((a, b) => b.records - a.records)[0] as { node: Member }).node
}
