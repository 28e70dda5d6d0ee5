import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster, type Member } from './kit/cluster.ts'
import { awaitCopies, awaitEqualCopies } from './kit/copies.ts'
import { Http } from './kit/http.ts'
import type { Lab } from './kit/lab.ts'
import { Ledger } from './kit/ledger.ts'
import { Load } from './kit/load.ts'
import type { Scenario } from './kit/scenario.ts'
import { firstOf } from './one-owner-away.ts'

const keys = 2_000
const equalWithinSeconds = 60
const quietSeconds = 20
const faultsMin = 3

export const convergenceBound: Scenario = {
  name: 'convergence-bound',
  summary:
    'nodes are killed, stopped and put to sleep in turns under load: soon after the last fault all copies are equal, and then nothing is repaired',
  seconds: 60,
  run,
}

async function run(lab: Lab): Promise<void> {
  const { seconds, rate } = lab.options
  const http = new Http(lab)
  const cluster = await Cluster.start(lab)
  const through = (): readonly Member[] => cluster.members.filter(({ isRunning }) => isRunning)
  const ledger = new Ledger()
  const load = new Load(lab, http, ledger, { through, rate, keys })
  // Two clients that know nothing of each other write the same keys: siblings, by different coordinators.
  const rivals = [new Ledger(), new Ledger()].map(
    (each) => new Load(lab, http, each, { through, rate: rate / 10, keys: keys / 10, prefix: 'contended' }),
  )
  const faults = await faultsFor(lab, cluster, seconds)
  lab.mustHaveSeen('faults', faults, faultsMin)
  await Promise.all([load, ...rivals].map((each) => each.stop()))
  await cluster.settled()
  const healedMs = performance.now()

  const written = ledger.stories.map(({ key }) => key)
  const contended = Array.from({ length: keys / 10 }, (_, at) => `contended/${at}`)
  lab.mustHaveSeen('writes acknowledged', ledger.counts.acknowledged, (rate * seconds) / 4)
  const { equalAfterMs, different } = await awaitEqualCopies(
    http,
    cluster.members,
    [...written, ...contended],
    equalWithinSeconds * 1000,
    healedMs,
  )
  if (equalAfterMs !== undefined) lab.measure('until all copies were equal, after healing', equalAfterMs / 1000, 's')
  lab.claim(`within ${equalWithinSeconds} s all copies are equal`, equalAfterMs !== undefined, firstOf(different))
  for (const node of cluster.members) {
    const held = await awaitCopies(http, node, ledger.demands(), 0)
    lab.claim(
      `the copies of ${node.name} hold every acknowledged write`,
      held.heldAfterMs !== undefined && held.invented === 0,
      `${held.demanded} keys, ${ledger.counts.acknowledged} writes; ${firstOf(held.wrong)}`,
    )
  }
  const before = await repairsOf(cluster.members)
  for (let round = 0; round < 2; round += 1) {
    for (const node of cluster.members) await http.post(node, '/v1/cluster/anti-entropy')
    await sleep((quietSeconds * 1000) / 2)
  }
  const more = (await repairsOf(cluster.members)) - before
  lab.claim('two further rounds repair nothing', more === 0, `${before} repairs, then ${more}`)
}

/** One after the other, each node as likely; sometimes the next comes before the last has quite healed. @returns how many */
async function faultsFor(lab: Lab, cluster: Cluster, seconds: number): Promise<number> {
  const endMs = performance.now() + seconds * 1000
  let count = 0
  while (performance.now() < endMs || count < faultsMin) {
    const victim = lab.pick(cluster.members)
    const fault = lab.pick(['killed', 'stopped', 'put to sleep'])
    const lastsMs = 500 + lab.fraction() * 8_000
    lab.say(`${victim.name} is ${fault} for ${Math.round(lastsMs)} ms`)
    if (fault === 'put to sleep') {
      victim.pause()
      await sleep(lastsMs)
      victim.resume()
    } else {
      if (fault === 'killed') await victim.kill()
      else await victim.stop()
      await sleep(lastsMs)
      await victim.start()
    }
    count += 1
    await sleep(lab.fraction() * 3_000)
  }
  return count
}

async function repairsOf(nodes: readonly Member[]): Promise<number> {
  const names = ['starling_read_repairs_total', 'starling_anti_entropy_keys_repaired_total']
  const counts = await Promise.all(nodes.flatMap((node) => names.map((name) => node.metric(name))))
  return counts.reduce((sum, count) => sum + count, 0)
}
