import { eventually } from '../node/fixtures/real-nodes.ts'
import { Cluster, type Member } from './kit/cluster.ts'
import { awaitCopies, tellOf, wrongReads } from './kit/copies.ts'
import { Http } from './kit/http.ts'
import type { Lab } from './kit/lab.ts'
import { type Demand, Ledger } from './kit/ledger.ts'
import { Load } from './kit/load.ts'

const keysMax = 5_000
/** So that most keys are written again while the owner is away: a repair then meets newer copies, too. */
const writesPerKey = 3
const settleSeconds = 3
const resumedWithinMs = 120_000

export interface Absence {
  readonly flags: readonly string[]
  /** The promise: after its `/readyz` the node's own copies hold everything within so many seconds. */
  readonly heldWithinSeconds: number
  readonly deletesData?: boolean
  /** Done to the others once the owner is seen dead, while the load goes on. */
  readonly whileAway?: (lab: Lab, cluster: Cluster, away: Member) => Promise<void>
  /** Of all writes that were due while it was away, so many must have been acknowledged. */
  readonly acknowledgedShareMin?: number
}

/** Three nodes under load; one is killed, misses what is written meanwhile, and comes back. */
export async function oneOwnerAway(lab: Lab, absence: Absence): Promise<void> {
  const { seconds, rate } = lab.options
  const http = new Http(lab)
  const ledger = new Ledger()
  const cluster = await Cluster.start(lab, { flags: absence.flags })
  const away = lab.pick(cluster.members)
  const stayers = cluster.others(away)
  const keys = Math.min(keysMax, Math.ceil((rate * seconds) / writesPerKey))
  let through = cluster.members
  const load = new Load(lab, http, ledger, {
    through: () => through.filter(({ isRunning }) => isRunning),
    rate,
    keys,
  })
  await load.runFor(settleSeconds)

  lab.say(`${away.name} is killed for ${seconds} s under ${rate} writes/s`)
  through = stayers
  const id = await away.id()
  const before = ledger.counts.acknowledged
  const missedMin = rate * seconds * (absence.acknowledgedShareMin ?? 0.8)
  const gone = away.kill()
  const awayUntilMs = performance.now() + seconds * 1000
  await gone
  if (absence.deletesData === true) away.emptyData()
  await cluster.seesAs(away, ['dead'])
  await absence.whileAway?.(lab, cluster, away)
  await load.runFor(Math.max(0, awayUntilMs - performance.now()) / 1000)
  await load.until(before + missedMin)
  const missed = ledger.counts.acknowledged - before
  lab.measure('acknowledged while it was away', missed, 'writes')
  lab.mustHaveSeen('writes acknowledged while it was away', missed, missedMin)
  await away.start()
  if (absence.deletesData === true)
    await eventually(
      'it is who it was',
      () => away.id(),
      (now) => now === id,
      resumedWithinMs,
    )
  const readyMs = await away.ready()
  lab.claim('it comes back as the node it was', (await away.id()) === id, id)
  // From here on the load has keys of its own: a copy that is written anew needs no repair.
  await load.stop()
  await reportHints(lab, stayers)
  const demands = ledger.demands()
  const later = new Load(lab, http, ledger, { through: () => cluster.members, rate, keys, prefix: 'later' })
  await claimHeld(lab, http, away, demands, absence.heldWithinSeconds, readyMs)
  await later.stop()
  lab.measure('writes not sent because the nodes were too slow', load.heldBack + later.heldBack, 'writes')
  lab.measure('slowest acknowledgement', Math.max(load.slowestMs, later.slowestMs), 'ms')

  for (const node of cluster.members) {
    const wrong = await wrongReads(http, node, ledger.demands())
    lab.claim(`every acknowledged write reads through ${node.name}`, wrong.length === 0, firstOf(wrong))
  }
  const last = await awaitCopies(http, away, ledger.demands(), absence.heldWithinSeconds * 1000)
  lab.claim(
    'at the end its copies hold every acknowledged write',
    last.heldAfterMs !== undefined && last.invented === 0,
    `${last.demanded} keys, ${ledger.counts.acknowledged} writes; ${firstOf(last.wrong)}`,
  )
  const wrong = ledger.demands().filter(({ story }) => last.wrong.includes(story.key))
  for (const line of await tellOf(http, cluster.members, wrong)) lab.say(line)
}

async function claimHeld(
  lab: Lab,
  http: Http,
  node: Member,
  demands: readonly Demand[],
  withinSeconds: number,
  readyMs: number,
): Promise<void> {
  const held = await awaitCopies(http, node, demands, withinSeconds * 1000, readyMs)
  const { heldAfterMs, lastBehindMs } = held
  lab.measure('keys its copies were behind in at the first look', held.behindAtFirst, 'keys')
  lab.measure('after its /readyz a copy was last seen behind', lastBehindMs / 1000, 's')
  if (heldAfterMs !== undefined) lab.measure('after its /readyz all copies had been seen', heldAfterMs / 1000, 's')
  lab.claim(
    `within ${withinSeconds} s of its /readyz its own copies hold every write acknowledged before`,
    heldAfterMs !== undefined && lastBehindMs <= withinSeconds * 1000 && held.invented === 0,
    `${held.demanded} keys; ${firstOf(held.wrong)}`,
  )
  // Of what was looked at too late nothing is known.
  const isLate = heldAfterMs !== undefined && heldAfterMs > withinSeconds * 1000
  lab.mustHaveSeen('copies looked at in time', isLate ? 0 : held.demanded, 1)
}

async function reportHints(lab: Lab, holders: readonly Member[]): Promise<void> {
  lab.measure('hints waiting for it', await sumOf(holders, 'starling_hints'), 'hints')
  const refused = await sumOf(holders, 'starling_hints_refused_total')
  lab.measure('hints not stored: their ranges wait for anti-entropy', refused, 'hints')
}

async function sumOf(nodes: readonly Member[], metric: string): Promise<number> {
  const counts = await Promise.all(nodes.map((node) => node.metric(metric)))
  return counts.reduce((sum, count) => sum + count, 0)
}

export function firstOf(wrong: readonly string[]): string {
  return wrong.length === 0 ? 'none wrong' : `${wrong.length} wrong, such as ${wrong.slice(0, 3).join(', ')}`
}
