import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '../node/fixtures/real-nodes.ts'
import { Cluster, type Member } from './kit/cluster.ts'
import { awaitCopies, wrongReads } from './kit/copies.ts'
import { Http } from './kit/http.ts'
import type { Lab } from './kit/lab.ts'
import { judge, Ledger } from './kit/ledger.ts'
import { inLanes, Load } from './kit/load.ts'
import type { Scenario } from './kit/scenario.ts'
import { firstOf } from './one-owner-away.ts'

const recoveredWithinSeconds = 300
const readsAtOnce = 100
const resumedWithinMs = 120_000

export const wiped: Scenario = {
  name: 'wiped',
  summary:
    "one node's data directory is deleted under load: nothing is lost, its answers do not count, it fills up by itself",
  seconds: 60,
  run,
}

async function run(lab: Lab): Promise<void> {
  const { seconds, rate } = lab.options
  const http = new Http(lab)
  const ledger = new Ledger()
  const cluster = await Cluster.start(lab)
  const victim = lab.pick(cluster.members)
  let through = cluster.members
  // As many keys as writes: the more it has lost, the longer one can watch it recover.
  const load = new Load(lab, http, ledger, { through: () => through, rate, keys: rate * seconds })
  await load.runFor(seconds)
  const id = await victim.id()
  through = cluster.others(victim)
  await victim.kill()
  victim.emptyData()
  lab.say(
    `${victim.name} was killed and its directory deleted, after ${ledger.counts.acknowledged} acknowledged writes`,
  )
  lab.mustHaveSeen('writes acknowledged before', ledger.counts.acknowledged, rate * seconds * 0.8)

  await victim.start()
  // Until the others call the old one dead it is a newcomer of another id, which owns nothing.
  const again = await eventually(
    'it is who it was',
    () => victim.id(),
    (now) => now === id,
    resumedWithinMs,
  )
  lab.claim('it resumes its id by its name', again === id, id)
  const readyMs = await victim.ready()
  const seen = await watchRecovery(lab, http, ledger, victim, readyMs)
  lab.mustHaveSeen('reads at r=1 through it while it was recovering', seen.reads, 1)
  lab.claim(
    'no read at r=1 shows less than was acknowledged because it counted',
    seen.wrong.length === 0,
    firstOf(seen.wrong),
  )
  lab.claim('it recovers by itself', seen.recoveredMs !== undefined)
  if (seen.recoveredMs !== undefined)
    lab.measure('until it had recovered, after its /readyz', seen.recoveredMs / 1000, 's')
  await load.stop()

  await cluster.settled()
  const held = await awaitCopies(http, victim, ledger.demands(), recoveredWithinSeconds * 1000, readyMs)
  if (held.heldAfterMs !== undefined)
    lab.measure('until its copies held everything, after its /readyz', held.heldAfterMs / 1000, 's')
  lab.claim(
    'its own copies hold every acknowledged write',
    held.heldAfterMs !== undefined && held.invented === 0,
    `${held.demanded} keys; ${firstOf(held.wrong)}`,
  )
  for (const node of cluster.members) {
    const wrong = await wrongReads(http, node, ledger.demands())
    lab.claim(`every acknowledged write reads through ${node.name}`, wrong.length === 0, firstOf(wrong))
  }
}

interface Watched {
  readonly reads: number
  readonly wrong: readonly string[]
  readonly recoveredMs: number | undefined
}

/** Reads at r=1 through the node that knows least: an answer of its own that counted would show. */
async function watchRecovery(lab: Lab, http: Http, ledger: Ledger, victim: Member, readyMs: number): Promise<Watched> {
  let reads = 0
  const wrong: string[] = []
  while (performance.now() - readyMs < recoveredWithinSeconds * 1000) {
    const recovering = await victim.recoveringPartitions()
    if (recovering === 0) return { reads, wrong, recoveredMs: performance.now() - readyMs }
    const demands = ledger.demands()
    const some = Array.from({ length: readsAtOnce }, () => lab.pick(demands))
    await inLanes(some, async (demand) => {
      const shown = await http.read(victim, demand.story.key, '?r=1')
      if (shown === undefined) return
      reads += 1
      // At r=1 an owner may be behind; that it knows nothing at all of what is old, it may not say.
      if (judge(demand, shown) !== 'held' && shown.values.length === 0) wrong.push(demand.story.key)
    })
    await sleep(10)
  }
  return { reads, wrong, recoveredMs: undefined }
}
