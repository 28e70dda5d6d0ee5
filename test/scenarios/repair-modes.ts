import { join } from 'node:path'
import { Cluster, type Member } from './kit/cluster.ts'
import { awaitCopies, wrongReads } from './kit/copies.ts'
import { Http } from './kit/http.ts'
import type { Lab } from './kit/lab.ts'
import { type Demand, judge, Ledger } from './kit/ledger.ts'
import { inLanes, putAll } from './kit/load.ts'
import type { Scenario } from './kit/scenario.ts'
import { firstOf } from './one-owner-away.ts'

type Mode = 'blocking' | 'async' | 'off'

const asyncWithinMs = 60_000
const copiesWithinMs = 5_000

export const repairModes: Scenario = {
  name: 'repair-modes',
  summary: 'read repair alone, blocking, async and off, brings copies together as far as it promises',
  seconds: 30,
  async run(lab) {
    for (const mode of ['blocking', 'async', 'off'] as const) await repairMode(lab, mode)
  },
}

export async function repairMode(lab: Lab, mode: Mode): Promise<void> {
  // As many keys as would be written in that time at a tenth of the rate; there is no load here.
  const keys = Array.from({ length: Math.ceil((lab.options.seconds * lab.options.rate) / 30) }, (_, at) => `k/${at}`)
  const http = new Http(lab)
  const ledger = new Ledger()
  const cluster = await Cluster.start(lab, {
    data: (name) => join(lab.directory, mode, name),
    flags: ['--hints', 'off', '--anti-entropy', 'off', '--read-repair', mode],
  })
  const away = lab.pick(cluster.members)
  const stayers = cluster.others(away)
  await putAll(http, ledger, cluster.members, keys, { query: '?w=all' })
  await away.kill()
  await cluster.seesAs(away, ['dead'])
  const missed = await putAll(http, ledger, stayers, keys)
  await away.start()
  await cluster.settled()
  const demands = ledger.demands()
  const before = await behind(http, away, demands)
  lab.mustHaveSeen(`${mode}: copies behind after the return`, before.length, missed * 0.9)

  if (mode === 'blocking') await claimBlocking(lab, http, away, stayers, before)
  else if (mode === 'async') await claimAsync(lab, http, away, stayers, before)
  else {
    const wrong = await readAll(http, stayers, demands)
    lab.claim('off: reads are right still', wrong.length === 0, firstOf(wrong))
    const after = await behind(http, away, demands)
    lab.claim(
      'off: no copy is repaired',
      after.length === before.length,
      `${after.length} of ${before.length} are behind`,
    )
  }
  const repairs = await repairsOf(cluster.members)
  if (mode === 'off') lab.claim('off: no repair is counted', repairs === 0, `${repairs}`)
  else {
    await readAll(http, cluster.members, demands)
    const more = (await repairsOf(cluster.members)) - repairs
    lab.claim(`${mode}: nothing is repaired where copies agree`, more === 0, `${repairs} repairs, then ${more}`)
  }
  for (const member of cluster.members) await member.kill()
}

/** When a read of all owners has answered, all owners hold what it answered. */
async function claimBlocking(lab: Lab, http: Http, away: Member, through: readonly Member[], open: readonly Demand[]) {
  const wrong: string[] = []
  await inLanes(open, async (demand, at) => {
    const { key } = demand.story
    const shown = await http.read(through[at % through.length] as Member, key, '?r=all')
    if (shown === undefined || judge(demand, shown) !== 'held') wrong.push(`${key} read`)
    const copy = await http.copy(away, key)
    if (copy === undefined || judge(demand, copy) !== 'held') wrong.push(`${key} copy`)
  })
  lab.claim('blocking: whatever a read of all owners answers, all hold by then', wrong.length === 0, firstOf(wrong))
}

/** Repairs follow the answers, and there is a limit to how many at once: some take another read. */
async function claimAsync(lab: Lab, http: Http, away: Member, through: readonly Member[], open: readonly Demand[]) {
  const startedMs = performance.now()
  let left = open
  let rounds = 0
  while (left.length > 0 && performance.now() - startedMs < asyncWithinMs) {
    rounds += 1
    const wrong = await readAll(http, through, left)
    lab.claim(`async: reads are right, round ${rounds}`, wrong.length === 0, firstOf(wrong))
    const { wrong: keys } = await awaitCopies(http, away, left, copiesWithinMs)
    left = left.filter(({ story }) => keys.includes(story.key))
  }
  lab.measure('async: rounds of reads until all copies were repaired', rounds, 'rounds')
  lab.claim(
    'async: reads repair what they found behind',
    left.length === 0,
    `${left.length} of ${open.length} are left`,
  )
}

async function behind(http: Http, node: Member, demands: readonly Demand[]): Promise<readonly Demand[]> {
  const found: Demand[] = []
  await inLanes(demands, async (demand) => {
    const copy = await http.copy(node, demand.story.key)
    if (copy !== undefined && judge(demand, copy) === 'behind') found.push(demand)
  })
  return found
}

async function readAll(http: Http, nodes: readonly Member[], demands: readonly Demand[]): Promise<readonly string[]> {
  const wrong = await Promise.all(nodes.map((node) => wrongReads(http, node, demands, '?r=all')))
  return wrong.flat()
}

async function repairsOf(nodes: readonly Member[]): Promise<number> {
  const counts = await Promise.all(nodes.map((node) => node.metric('starling_read_repairs_total')))
  return counts.reduce((sum, count) => sum + count, 0)
}
