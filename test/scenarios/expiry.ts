import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster, type Member } from './kit/cluster.ts'
import { wrongReads } from './kit/copies.ts'
import { bucket, Http } from './kit/http.ts'
import type { Lab } from './kit/lab.ts'
import { Ledger } from './kit/ledger.ts'
import { inLanes, putAll } from './kit/load.ts'
import type { Scenario } from './kit/scenario.ts'
import { firstOf } from './one-owner-away.ts'

const keyCount = 500
/** Replicas wait so long before they make a tombstone of what has expired: one fast clock must not delete for all. */
const graceSeconds = 600
const sweepSecondsMax = 180
const deathSecondsMax = 30

export const expiry: Scenario = {
  name: 'expiry',
  summary: 'what has expired is gone everywhere, and stays away when a node that missed it returns',
  seconds: 15,
  run: async (lab) => {
    await expire(lab)
  },
}

export const expiryForGood: Scenario = {
  name: 'expiry-for-good',
  summary: 'the same, and ten minutes later every copy is a tombstone',
  seconds: 15,
  async run(lab) {
    const { http, cluster, keys, expiredMs } = await expire(lab)
    await sleep(Math.max(0, expiredMs + graceSeconds * 1000 - performance.now()))
    let live: readonly string[] = keys
    const startedMs = performance.now()
    while (live.length > 0 && performance.now() - startedMs < sweepSecondsMax * 1000) {
      await sleep(1000)
      live = await liveCopies(http, cluster.members, keys)
    }
    lab.claim('every copy is a tombstone or gone', live.length === 0, firstOf(live))
    lab.measure('until the last one was, after the ten minutes', (performance.now() - startedMs) / 1000, 's')
  },
}

async function expire(lab: Lab) {
  const http = new Http(lab)
  const ledger = new Ledger()
  const cluster = await Cluster.start(lab)
  const away = lab.pick(cluster.members)
  const stayers = cluster.others(away)
  const [lasting, before, during] = ['lasting', 'before', 'during'].map((name) =>
    Array.from({ length: keyCount }, (_, at) => `${name}/${at}`),
  ) as [string[], string[], string[]]
  // Long enough for the death of a node to be noticed before.
  const ttlSeconds = lab.options.seconds + deathSecondsMax
  const headers = { 'starling-ttl': String(ttlSeconds) }
  const kept = await putAll(http, ledger, cluster.members, lasting)
  const written = await putAll(http, ledger, cluster.members, before, { query: '?w=all', headers })
  await away.kill()
  await cluster.seesAs(away, ['dead'])
  const missed = await putAll(http, ledger, stayers, during, { headers })
  const expiredMs = performance.now() + ttlSeconds * 1000
  lab.mustHaveSeen('writes with a time to live, before', written, keyCount * 0.9)
  lab.mustHaveSeen('writes with a time to live while one owner was away', missed, keyCount * 0.9)
  const keys = [...before, ...during]

  const early = await wrongReads(http, stayers[0] as Member, ledger.demands())
  // A slow machine may be here only when the time is over.
  if (performance.now() < expiredMs - ttlSeconds * 500)
    lab.claim('all read before their time', early.length === 0, firstOf(early))
  const deadlines = await expiries(http, stayers, keys)
  lab.claim('all copies have one deadline', deadlines.different.length === 0, firstOf(deadlines.different))
  await sleep(Math.max(0, expiredMs + 1000 - performance.now()))
  await claimGone(lab, http, stayers, keys, 'after their time')

  await away.start()
  await away.ready()
  for (let look = 1; look <= 3; look += 1) {
    await claimGone(lab, http, cluster.members, keys, `with the late node back, look ${look}`)
    await sleep((lab.options.seconds * 1000) / 3)
  }
  const late = await expiries(http, cluster.members, keys)
  lab.claim('late copies keep the deadline', late.different.length === 0, firstOf(late.different))
  const lastingStories = new Set(lasting)
  const demands = ledger.demands().filter(({ story }) => lastingStories.has(story.key))
  const lost = await wrongReads(http, away, demands)
  lab.claim('what has no time to live is there', lost.length === 0, `${kept} keys; ${firstOf(lost)}`)
  return { http, cluster, keys, expiredMs }
}

async function claimGone(lab: Lab, http: Http, nodes: readonly Member[], keys: readonly string[], when: string) {
  const seen: string[] = []
  await inLanes(keys, async (key, at) => {
    const node = nodes[at % nodes.length] as Member
    const shown = await http.read(node, key)
    if (shown === undefined) seen.push(`${key} unreadable through ${node.name}`)
    else if (shown.values.length > 0) seen.push(`${key} through ${node.name}`)
  })
  lab.claim(`nothing that has expired is read ${when}`, seen.length === 0, firstOf(seen))
}

interface DatedCopy {
  readonly siblings: readonly { readonly expiresAt?: string }[]
}

/** Keys whose copies, where there are any, do not have one and the same deadline. */
async function expiries(http: Http, nodes: readonly Member[], keys: readonly string[]) {
  const different: string[] = []
  await inLanes(keys, async (key) => {
    const copies = await Promise.all(
      nodes.map(async (node) => {
        const { status, text } = await http.call(node, 'GET', `/v1/replica/${bucket}/${encodeURIComponent(key)}`)
        return status === 200 ? (JSON.parse(text) as DatedCopy) : { siblings: [] }
      }),
    )
    const deadlines = copies.flatMap(({ siblings }) => siblings.map(({ expiresAt }) => expiresAt))
    if (new Set(deadlines).size > 1 || deadlines.includes(undefined)) different.push(key)
  })
  return { different }
}

async function liveCopies(http: Http, nodes: readonly Member[], keys: readonly string[]): Promise<readonly string[]> {
  const live: string[] = []
  await inLanes(keys, async (key) => {
    for (const node of nodes) {
      const copy = await http.copy(node, key)
      if (copy === undefined || copy.values.length > 0) live.push(`${key} at ${node.name}`)
    }
  })
  return live
}
