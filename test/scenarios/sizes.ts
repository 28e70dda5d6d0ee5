import type { Lab } from './kit/lab.ts'
import type { Scenario } from './kit/scenario.ts'
import { type Changed, Scene } from './kit/scene.ts'

const leftWithinMs = 120_000
const restSeconds = 1
const imbalanceMax = 0.05

export const sizes: Scenario = {
  name: 'sizes',
  summary: 'one node becomes three, five and three again under load; after each step everything is where it belongs',
  seconds: 5,
  keys: 5_000,
  run: (lab) => through(lab, 1, [3, 5, 3]),
}

export const sizesLarger: Scenario = {
  name: 'sizes-larger',
  summary: 'three nodes become twelve at once, and three again, one plan each',
  seconds: 5,
  keys: 3_000,
  run: (lab) => through(lab, 3, [12, 3]),
}

/** From so many nodes to each of these, one plan each. */
export async function through(
  lab: Lab,
  size: number,
  steps: readonly number[],
  flags: readonly string[] = [],
): Promise<void> {
  const { keys = 1_000, seconds, rate } = lab.options
  const scene = await Scene.begin(lab, { keys, size, flags })
  const { cluster, load, operator } = scene
  for (const step of steps) {
    const had = cluster.members.length
    load.period(`${had}`)
    load.start(rate)
    await load.runFor(seconds)
    const changed = step > had ? await grown(scene, step) : await shrunk(scene, step)
    lab.measure(`${had} nodes became ${step} in`, changed.seconds, 's')
    await load.runFor(restSeconds)
    await load.stop()
    lab.claim(`${step} nodes: they are the owners`, ownersAre(scene, changed), changed.after.names.join(', '))
    lab.claim(
      `${step} nodes: ownership is within ${imbalanceMax * 100} % of the target`,
      changed.after.imbalance <= imbalanceMax,
      `${(changed.after.imbalance * 100).toFixed(2)} %`,
    )
    const owners = changed.after.ownersOf(0).length
    lab.claim(`${step} nodes: each partition has all its owners`, hasAllOwners(changed, step), `${owners}`)
    await scene.claimEverythingThere(`with ${step} nodes`)
  }
  await operator.do(['cluster', 'status'])
  lab.claim('no request fails at any time', load.failed === 0, `${load.failed} of ${load.failed + load.answered}`)
  scene.claimReads()
  scene.claimReadable()
}

async function grown(scene: Scene, size: number): Promise<Changed> {
  await scene.cluster.add(size - scene.cluster.members.length)
  return scene.change(`to ${size}`)
}

/** The oldest leave: whoever was there first is nothing special. */
async function shrunk(scene: Scene, size: number): Promise<Changed> {
  const { cluster, lab } = scene
  const leavers = cluster.members.slice(0, cluster.members.length - size)
  const changed = await scene.change(`to ${size}`, ['leave', ...leavers.map(({ name }) => name)])
  for (const leaver of leavers) {
    lab.claim(`${leaver.name} left and ended by itself with 0`, (await leaver.ends(leftWithinMs)) === 0)
    cluster.dismiss(leaver)
  }
  return changed
}

function ownersAre({ cluster }: Scene, { after }: Changed): boolean {
  return (
    after.names.toSorted().join() ===
    cluster.members
      .map(({ name }) => name)
      .toSorted()
      .join()
  )
}

function hasAllOwners({ after }: Changed, nodes: number): boolean {
  const count = Math.min(3, nodes)
  return Array.from({ length: after.partitionCount }, (_, partition) => new Set(after.ownersOf(partition)).size).every(
    (owners) => owners === count,
  )
}
