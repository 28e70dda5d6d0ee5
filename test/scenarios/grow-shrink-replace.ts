import type { Lab } from './kit/lab.ts'
import type { Scenario } from './kit/scenario.ts'
import { type Changed, Scene } from './kit/scene.ts'
import { TransferCount } from './kit/transfer-count.ts'

const loadShareOfPeak = 0.3
const peakSeconds = 8
/** Between two changes: what the last one left behind is over, and the next begins in a cluster at rest. */
const restSeconds = 3
const imbalanceMax = 0.05
const overheadMax = 1.1
const successMin = 0.999
const slowdownMax = 3
const leftWithinMs = 120_000

export const growShrinkReplace: Scenario = {
  name: 'grow-shrink-replace',
  summary:
    'three nodes under mixed load become five, then four, then one that was killed is replaced: nothing is lost, no read goes back, little more moves than must',
  seconds: 20,
  keys: 100_000,
  runs: 3,
  run,
}

async function run(lab: Lab): Promise<void> {
  const { runs = 1 } = lab.options
  const slowdowns: Slowdowns[] = []
  for (let round = 1; round <= runs; round += 1) {
    lab.say(`run ${round} of ${runs}`)
    slowdowns.push(await once(lab, runs === 1 ? '' : `run ${round}: `))
  }
  for (const change of ['grow', 'shrink', 'replace'] as const) {
    const sorted = slowdowns.map((each) => each[change]).sort((a, b) => a - b)
    const median = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.POSITIVE_INFINITY
    lab.claim(
      `${change}: p99 while data moves is at most ${slowdownMax} times that before`,
      median <= slowdownMax,
      `${sorted.map((ratio) => ratio.toFixed(2)).join(', ')}; median ${median.toFixed(2)}`,
    )
  }
}

type Slowdowns = Readonly<Record<'grow' | 'shrink' | 'replace', number>>

async function once(lab: Lab, prefix: string): Promise<Slowdowns> {
  const { keys = 1_000, seconds } = lab.options
  const scene = await Scene.begin(lab, { keys })
  const { cluster, operator, load } = scene
  const peak = await load.peak(peakSeconds)
  lab.measure(`${prefix}peak`, peak, 'requests/s')
  load.period('warming up')
  load.start(peak * loadShareOfPeak)
  await load.runFor(restSeconds)
  const before = load.period('before')
  await load.runFor(seconds)
  load.period('two more start')

  await cluster.add(2)
  const grow = await measured(scene, `${prefix}grow`, () => scene.change('grow'))
  await load.runFor(restSeconds)

  const [leaver] = cluster.members.slice(1)
  if (leaver === undefined) throw new Error('there is a second node')
  const shrink = await measured(scene, `${prefix}shrink`, () => scene.change('shrink', ['leave', leaver.name]))
  lab.claim(`${prefix}the node that left ends by itself with 0`, (await leaver.ends(leftWithinMs)) === 0, leaver.name)
  cluster.dismiss(leaver)
  await load.runFor(restSeconds)

  const [, victim] = cluster.members
  if (victim === undefined) throw new Error('there is a second node')
  load.period('one is killed')
  await victim.kill()
  await cluster.seesAs(victim, ['dead'])
  const [successor] = await cluster.add(1)
  if (successor === undefined) throw new Error('one was added')
  // It staged itself to join; to replace is something else.
  const replace = await measured(scene, `${prefix}replace`, () =>
    scene.change('replace', ['replace', victim.name, successor.name]),
  )
  lab.claim(
    `${prefix}the successor owns exactly what the dead one owned`,
    ownsTheSame(replace, victim.name, successor.name),
    `${replace.after.partitionsOf(successor.name)} partitions`,
  )
  cluster.dismiss(victim)
  await load.runFor(restSeconds)
  await load.stop()

  const { answered, failed, heldBack } = load
  const success = answered / (answered + failed)
  lab.measure(`${prefix}requests`, answered + failed, 'requests')
  lab.claim(
    `${prefix}of all requests at least ${successMin * 100} % succeed`,
    success >= successMin,
    `${(success * 100).toFixed(3)} %: ${failed} of ${answered + failed} failed, ${heldBack} were not sent`,
  )
  scene.claimReads()
  await scene.claimEverythingThere('at the end')
  scene.claimReadable()
  await operator.do(['ring', 'balance'])
  const p99Ms = before.summary.p99Ms
  lab.measure(`${prefix}p99 before`, p99Ms, 'ms')
  for (const member of cluster.running) await member.kill()
  return {
    grow: grow.period.summary.p99Ms / p99Ms,
    shrink: shrink.period.summary.p99Ms / p99Ms,
    replace: replace.period.summary.p99Ms / p99Ms,
  }
}

/** What it moved, against what it had to; and how even things are afterwards. */
async function measured(scene: Scene, what: string, change: () => Promise<Changed>): Promise<Changed> {
  const { lab, cluster } = scene
  const count = new TransferCount(cluster.running)
  await count.begin()
  const changed = await change()
  const moved = await count.end()
  const least = scene.leastRecords(changed)
  const { period, seconds } = changed
  lab.measure(`${what} took`, seconds, 's')
  lab.measure(`${what}: p99 while it moved`, period.summary.p99Ms, 'ms')
  lab.measure(`${what}: moved`, moved.bytes / 2 ** 20, 'MiB')
  lab.claim(
    `${what}: ownership is within ${imbalanceMax * 100} % of the target`,
    changed.after.imbalance <= imbalanceMax,
    `${(changed.after.imbalance * 100).toFixed(2)} %`,
  )
  lab.claim(
    `${what}: at most ${overheadMax} times what must be copied is copied`,
    moved.records <= least * overheadMax && moved.records >= least,
    `${moved.records} records, ${(moved.records / least).toFixed(3)} x ${least}`,
  )
  return changed
}

function ownsTheSame({ before, after }: Changed, old: string, successor: string): boolean {
  for (let partition = 0; partition < after.partitionCount; partition += 1) {
    const expected = before.ownersOf(partition).map((name) => (name === old ? successor : name))
    if (after.ownersOf(partition).toSorted().join() !== expected.toSorted().join()) return false
  }
  return true
}
