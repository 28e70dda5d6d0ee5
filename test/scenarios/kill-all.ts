import { Cluster } from './kit/cluster.ts'
import { awaitCopies, wrongReads } from './kit/copies.ts'
import { Http } from './kit/http.ts'
import type { Lab } from './kit/lab.ts'
import { Ledger } from './kit/ledger.ts'
import { Load } from './kit/load.ts'
import type { Scenario } from './kit/scenario.ts'
import { firstOf } from './one-owner-away.ts'

const rounds = 3
const keys = 3_000
const copiesWithinSeconds = 60

export const killAllOs: Scenario = {
  name: 'kill-all-os',
  summary:
    'kill -9 of all nodes at once, under load acknowledged at "os": every acknowledged write is there after the restart',
  seconds: 30,
  run: (lab) => killAll(lab, 'os'),
}

export const killAllDisk: Scenario = {
  name: 'kill-all-disk',
  summary: 'the same, under load acknowledged at "disk"',
  seconds: 30,
  run: (lab) => killAll(lab, 'disk'),
}

async function killAll(lab: Lab, durability: 'os' | 'disk'): Promise<void> {
  const { seconds, rate } = lab.options
  const http = new Http(lab)
  const ledger = new Ledger()
  const cluster = await Cluster.start(lab)
  const acknowledgedMin = (rate * seconds) / rounds / 2
  for (let round = 1; round <= rounds; round += 1) {
    const before = ledger.counts.acknowledged
    const through = (): typeof cluster.members => cluster.members
    const load = new Load(lab, http, ledger, { through, rate, keys, query: `?durability=${durability}` })
    // Never at the same point of whatever the nodes do in turns.
    await load.runFor((seconds / rounds) * (0.7 + 0.6 * lab.fraction()))
    await load.until(acknowledgedMin)
    await Promise.all(cluster.members.map((member) => member.kill()))
    await load.stop()
    const acknowledged = ledger.counts.acknowledged - before
    lab.say(
      `round ${round}: all killed after ${acknowledged} acknowledged writes, ${ledger.counts.unknown} unknown in all`,
    )
    lab.mustHaveSeen(`writes acknowledged in round ${round}`, acknowledged, acknowledgedMin)

    const startedMs = performance.now()
    await Promise.all(cluster.members.map((member) => member.start()))
    await cluster.settled()
    lab.measure(`until all were ready again, round ${round}`, (performance.now() - startedMs) / 1000, 's')
    for (const node of cluster.members) {
      const wrong = await wrongReads(http, node, ledger.demands())
      lab.claim(
        `round ${round}: every acknowledged write reads through ${node.name}`,
        wrong.length === 0,
        firstOf(wrong),
      )
    }
  }
  for (const node of cluster.members) {
    const held = await awaitCopies(http, node, ledger.demands(), copiesWithinSeconds * 1000)
    lab.claim(
      `the copies of ${node.name} hold every acknowledged write within ${copiesWithinSeconds} s`,
      held.heldAfterMs !== undefined && held.invented === 0,
      `${held.demanded} keys, ${ledger.counts.acknowledged} writes; ${firstOf(held.wrong)}`,
    )
  }
}
