import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { call, eventually, type Surroundings } from '../node/fixtures/real-nodes.ts'
import { mountSmallDisk } from '../platform/fixtures/scratch.ts'
import { Cluster, type Member } from './kit/cluster.ts'
import { awaitCopies, wrongReads } from './kit/copies.ts'
import { type DiskFault, FailingDisk } from './kit/failing-disk.ts'
import { bucket, Http } from './kit/http.ts'
import type { Lab } from './kit/lab.ts'
import { Ledger } from './kit/ledger.ts'
import { Load } from './kit/load.ts'
import { NothingSeen, type Scenario } from './kit/scenario.ts'
import { firstOf } from './one-owner-away.ts'

const keys = 2_000
const fullDiskMebibytes = 128
const noticedWithinMs = 60_000
const readyWithinMs = 90_000
const copiesWithinSeconds = 120
const settleSeconds = 3

export const diskFull: Scenario = {
  name: 'disk-full',
  summary:
    "one node's disk is full for a while: it acknowledges nothing and says why, others take over, it comes back by itself (needs root)",
  seconds: 20,
  run: (lab) => diskFault(lab, /ENOSPC|space/i, fullDisk),
}

export const diskReadonly: Scenario = {
  name: 'disk-readonly',
  summary: 'the same with a disk that turns read-only, EROFS (needs a C compiler)',
  seconds: 20,
  run: (lab) => diskFault(lab, /EROFS|read-only/i, failingDisk('EROFS')),
}

export const diskEio: Scenario = {
  name: 'disk-eio',
  summary: 'the same with a disk whose every write and sync fails, EIO (needs a C compiler)',
  seconds: 20,
  run: (lab) => diskFault(lab, /EIO|input\/output/i, failingDisk('EIO')),
}

/** A place for one node's directory that can fail and heal while the node runs. */
interface Disk {
  readonly data: string
  readonly surroundings: Surroundings
  fail(): void
  heal(): void
}

async function diskFault(lab: Lab, reason: RegExp, makeDisk: (lab: Lab) => Disk): Promise<void> {
  const { seconds, rate } = lab.options
  const http = new Http(lab)
  const ledger = new Ledger()
  const sickName = lab.pick(['n1', 'n2', 'n3'])
  const disk = makeDisk(lab)
  const cluster = await Cluster.start(lab, {
    data: (name) => (name === sickName ? disk.data : join(lab.directory, name)),
    surroundings: (name) => (name === sickName ? disk.surroundings : {}),
  })
  const sick = cluster.members.find(({ name }) => name === sickName) as Member
  const others = cluster.others(sick)
  const { pid } = sick
  const load = new Load(lab, http, ledger, { through: () => others, rate, keys })
  // As from clients that do not ask whether a node is ready.
  const toSick = new Load(lab, http, ledger, { through: () => [sick], rate: rate / 10, keys, prefix: 'sick' })
  await load.runFor(settleSeconds)
  await load.until((rate * settleSeconds) / 2)
  const healthy = load.acknowledged
  lab.mustHaveSeen('writes acknowledged before', healthy, (rate * settleSeconds) / 2)

  lab.say(`the disk of ${sick.name} fails for ${seconds} s`)
  disk.fail()
  const failedMs = performance.now()
  const why = await eventually(
    `${sick.name} is not ready`,
    () => call(sick, 'GET', '/readyz'),
    ({ status }) => status === 503,
    noticedWithinMs,
  )
  lab.measure('until /readyz said 503', (performance.now() - failedMs) / 1000, 's')
  const { detail } = JSON.parse(why.text) as { readonly detail: string }
  lab.claim('/readyz says why', reason.test(detail), detail)
  const sickFrom = load.acknowledged
  const sickFromToSick = toSick.acknowledged
  const asked = await askOfAll(http, others, lab, seconds)
  lab.claim(
    'no write that needs every owner is acknowledged while it is sick',
    asked.acknowledged === 0,
    `${asked.acknowledged} of ${asked.tried}`,
  )
  lab.mustHaveSeen('such writes tried', asked.tried, seconds / 4)
  const meanwhile = load.acknowledged - sickFrom
  lab.measure('acknowledged by the others while it was sick', meanwhile, 'writes')
  lab.measure('acknowledged through the sick node meanwhile', toSick.acknowledged - sickFromToSick, 'writes')
  lab.claim('others take over', meanwhile >= rate * seconds * 0.8, `${meanwhile} of about ${rate * seconds}`)

  disk.heal()
  lab.say('the disk heals')
  const healedMs = performance.now()
  await eventually(
    `${sick.name} is ready again`,
    () => sick.isReady(),
    (isReady) => isReady,
    readyWithinMs,
  )
  const readyMs = performance.now()
  lab.measure('until it was ready again, after the disk healed', (readyMs - healedMs) / 1000, 's')
  lab.claim('it comes back without hands: the same process', sick.isRunning && sick.pid === pid, `pid ${pid}`)
  await load.runFor(settleSeconds)
  await load.stop()
  await toSick.stop()

  await cluster.settled()
  for (const node of cluster.members) {
    const held = await awaitCopies(http, node, ledger.demands(), copiesWithinSeconds * 1000, readyMs)
    if (node === sick && held.heldAfterMs !== undefined)
      lab.measure('until its copies held everything, after its /readyz', held.heldAfterMs / 1000, 's')
    lab.claim(
      `the copies of ${node.name} hold every acknowledged write`,
      held.heldAfterMs !== undefined && held.invented === 0,
      `${held.demanded} keys, ${ledger.counts.acknowledged} writes; ${firstOf(held.wrong)}`,
    )
    const wrong = await wrongReads(http, node, ledger.demands())
    lab.claim(`every acknowledged write reads through ${node.name}`, wrong.length === 0, firstOf(wrong))
  }
}

/** For so long, writes that only the sick node's acknowledgement could complete. */
async function askOfAll(
  http: Http,
  through: readonly Member[],
  lab: Lab,
  seconds: number,
): Promise<{ readonly tried: number; readonly acknowledged: number }> {
  const endMs = performance.now() + seconds * 1000
  let tried = 0
  let acknowledged = 0
  while (performance.now() < endMs) {
    const path = `/v1/kv/${bucket}/${encodeURIComponent(`all/${tried}`)}?w=all&sloppy=false&timeout=1000`
    const reply = await http.call(lab.pick(through), 'PUT', path, { body: 'of all' })
    tried += 1
    if (reply.status === 204) acknowledged += 1
    await sleep(200)
  }
  return { tried, acknowledged }
}

function fullDisk(lab: Lab): Disk {
  const disk = mountSmallDisk(lab, fullDiskMebibytes)
  if ('unavailable' in disk) throw new NothingSeen(disk.unavailable)
  return {
    data: join(disk.path, 'data'),
    surroundings: {},
    fail: () => disk.fill(),
    heal: () => disk.free(),
  }
}

function failingDisk(fault: DiskFault): (lab: Lab) => Disk {
  return (lab) => {
    const data = join(lab.directory, 'failing')
    const disk = new FailingDisk(lab, data)
    return { data, surroundings: disk.surroundings, fail: () => disk.begin(fault), heal: () => disk.end() }
  }
}
