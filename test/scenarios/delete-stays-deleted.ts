import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { call } from '../node/fixtures/real-nodes.ts'
import { Cluster, type Member } from './kit/cluster.ts'
import { Http } from './kit/http.ts'
import type { Lab } from './kit/lab.ts'
import { Ledger } from './kit/ledger.ts'
import { deleteAll, inLanes, putAll } from './kit/load.ts'
import type { Scenario } from './kit/scenario.ts'
import { firstOf } from './one-owner-away.ts'

const keyCount = 1_000
/** The watermark of all nodes must have passed the delete, and the removals take their time. */
const removedWithinMs = 300_000
const restoredWithinMs = 300_000
const lookEveryMs = 2_000

export const deleteStaysDeleted: Scenario = {
  name: 'delete-stays-deleted',
  summary:
    'tombstones go at once when all owners have them, and old values never come back: not from a late, a killed or a restored node',
  seconds: 20,
  run,
}

async function run(lab: Lab): Promise<void> {
  const { seconds } = lab.options
  const http = new Http(lab)
  const ledger = new Ledger()
  const cluster = await Cluster.start(lab, { flags: ['--tombstone-grace', '0'] })
  const [away, asleep] = cluster.members as [Member, Member]
  const backup = join(lab.directory, 'backup')
  const keys = Array.from({ length: keyCount }, (_, at) => `k/${at}`)
  const [whileDead = [], whileAsleep = []] = [keys.slice(0, keyCount / 2), keys.slice(keyCount / 2)]

  const written = await putAll(http, ledger, cluster.members, keys, { query: '?w=all' })
  lab.mustHaveSeen('values that all owners had', written, keyCount * 0.9)
  lab.claim('a stop ends with exit code 0', (await away.stop()) === 0)
  cpSync(away.data, backup, { recursive: true })
  await away.start()
  await cluster.settled()
  lab.say(`a copy of the directory of ${away.name} was put aside, with all the values`)

  await away.kill()
  await cluster.seesAs(away, ['dead'])
  const first = await deleteAll(http, ledger, cluster.others(away), whileDead)
  lab.mustHaveSeen('deletes while an owner was dead', first, whileDead.length * 0.9)
  await sleep((seconds * 1000) / 2)
  const waiting = await tombstonesOf(cluster.others(away))
  lab.claim('their tombstones wait for it', waiting >= first, `${waiting} on two nodes, ${first} deletes`)
  await away.start()
  await cluster.settled()

  asleep.pause()
  await cluster.seesAs(asleep, ['dead'])
  const second = await deleteAll(http, ledger, cluster.others(asleep), whileAsleep)
  lab.mustHaveSeen('deletes while an owner was asleep', second, whileAsleep.length * 0.9)
  asleep.resume()
  await cluster.settled()

  await claimRemoved(lab, http, cluster.members, keys, 'the late nodes are back')
  for (const member of cluster.members) {
    await member.kill()
    await member.start()
    await member.ready()
  }
  await cluster.settled()
  await claimNotRead(lab, http, cluster.members, keys, 'each node was killed and started again')

  await away.kill()
  rmSync(away.data, { recursive: true })
  cpSync(backup, away.data, { recursive: true })
  await away.start()
  const readyMs = await away.ready()
  lab.say(`${away.name} is back with its old directory`)
  let live = await liveCopies(http, [away], keys)
  lab.mustHaveSeen('old values in the restored directory', live.length, 1)
  const seen = new Set<string>()
  while (performance.now() - readyMs < restoredWithinMs) {
    for (const key of await read(http, cluster.members, keys)) seen.add(key)
    live = await liveCopies(http, cluster.members, keys)
    if (live.length === 0) break
    await sleep(lookEveryMs)
  }
  lab.claim('no read ever shows what the restored directory brought', seen.size === 0, firstOf([...seen]))
  lab.claim('and no copy of it is left, on no node', live.length === 0, firstOf(live))
  lab.measure('until the last old copy was gone, after its /readyz', (performance.now() - readyMs) / 1000, 's')
  await cluster.settled()
  await claimRemoved(lab, http, cluster.members, keys, 'the restored node has recovered')
}

/** Tombstones really go: from the metric, and from the copies. */
async function claimRemoved(lab: Lab, http: Http, nodes: readonly Member[], keys: readonly string[], when: string) {
  const startedMs = performance.now()
  let left = await tombstonesOf(nodes)
  while (left > 0 && performance.now() - startedMs < removedWithinMs) {
    await sleep(500)
    left = await tombstonesOf(nodes)
  }
  lab.measure(`until no tombstone was left, when ${when}`, (performance.now() - startedMs) / 1000, 's')
  lab.claim(`no tombstone is left when ${when}`, left === 0, left === 0 ? '' : await waitingFor(nodes))
  const present: string[] = []
  await inLanes(keys, async (key) => {
    for (const node of nodes) {
      const copy = await http.copy(node, key)
      if (copy === undefined || copy.isPresent) present.push(`${key} at ${node.name}`)
    }
  })
  lab.claim(`no copy is left when ${when}`, present.length === 0, firstOf(present))
}

async function claimNotRead(lab: Lab, http: Http, nodes: readonly Member[], keys: readonly string[], when: string) {
  const seen = await read(http, nodes, keys)
  lab.claim(`no deleted value is read when ${when}`, seen.length === 0, firstOf(seen))
  const live = await liveCopies(http, nodes, keys)
  lab.claim(`no copy has one when ${when}`, live.length === 0, firstOf(live))
}

/** Keys that read as something, each through one of the nodes. */
async function read(http: Http, nodes: readonly Member[], keys: readonly string[]): Promise<readonly string[]> {
  const seen: string[] = []
  await inLanes(keys, async (key, at) => {
    const node = nodes[at % nodes.length] as Member
    const shown = await http.read(node, key)
    if (shown !== undefined && shown.values.length > 0) seen.push(`${key} through ${node.name}`)
  })
  return seen
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

/** The metric says of each tombstone what it waits for. */
async function waitingFor(nodes: readonly Member[]): Promise<string> {
  const texts = await Promise.all(nodes.map((node) => call(node, 'GET', '/metrics')))
  const lines = texts.flatMap(({ text }, at) =>
    text
      .split('\n')
      .filter((line) => /^starling_tombstones\{.*[1-9]\d*$/.test(line))
      .map((line) => `${nodes[at]?.name}: ${line}`),
  )
  return lines.join(', ')
}

async function tombstonesOf(nodes: readonly Member[]): Promise<number> {
  const counts = await Promise.all(nodes.map((node) => node.metric('starling_tombstones')))
  return counts.reduce((sum, count) => sum + count, 0)
}
