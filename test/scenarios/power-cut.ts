import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster } from './kit/cluster.ts'
import { awaitCopies, wrongReads } from './kit/copies.ts'
import { Http } from './kit/http.ts'
import type { Lab } from './kit/lab.ts'
import { Ledger } from './kit/ledger.ts'
import { Load } from './kit/load.ts'
import { afterReboot, LoopDisk } from './kit/loop-disk.ts'
import type { Scenario } from './kit/scenario.ts'
import { firstOf } from './one-owner-away.ts'

const keys = 3_000
const diskMebibytes = 256
const markerBytes = 20_000
const copiesWithinSeconds = 120

export const powerCut: Scenario = {
  name: 'power-cut',
  summary: 'the power of all machines fails at once under load: no write acknowledged at "disk" is lost (needs root)',
  seconds: 30,
  run,
}

async function run(lab: Lab): Promise<void> {
  const { seconds, rate } = lab.options
  const disks = new Map<string, LoopDisk>()
  for (const name of ['n1', 'n2', 'n3']) disks.set(name, LoopDisk.make(lab, name, diskMebibytes))
  const diskOf = (name: string): LoopDisk => disks.get(name) as LoopDisk
  const http = new Http(lab)
  const onDisk = new Ledger()
  const onlyInMemory = new Ledger()
  const cluster = await Cluster.start(lab, { data: (name) => join(diskOf(name).path, 'data') })

  const through = (): typeof cluster.members => cluster.members
  const load = new Load(lab, http, onDisk, { through, rate, keys, query: '?durability=disk' })
  await load.runFor(seconds)
  await load.stop()
  lab.mustHaveSeen('writes acknowledged at "disk"', onDisk.counts.acknowledged, (rate * seconds) / 2)
  // These nothing syncs behind: they show that the cut takes what it should.
  const lastMoments = new Load(lab, http, onlyInMemory, { through, rate, keys, prefix: 'os', query: '?durability=os' })
  const again = new Load(lab, http, onDisk, {
    through,
    rate: rate / 10,
    keys,
    prefix: 'last',
    query: '?durability=disk',
  })
  await sleep(500 + 1000 * lab.fraction())
  await again.stop()
  await sleep(100)
  await Promise.all([...disks.values()].map(writeMarkers))

  for (const member of cluster.members) member.pause()
  const copies = await Promise.all(cluster.members.map(({ name }) => diskOf(name).copyAsItIs()))
  await Promise.all(cluster.members.map((member) => member.kill()))
  await lastMoments.stop()
  for (const [at, { name }] of cluster.members.entries()) await diskOf(name).becomes(copies[at] as string)
  lab.say('the power was cut; each disk is what it was at that moment')
  const lost = await Promise.all([...disks.values()].map((disk) => disk.sizeOf('not-synced')))
  const kept = await Promise.all([...disks.values()].map((disk) => disk.sizeOf('synced')))
  lab.mustHaveSeen('disks that lost a file nobody synced', lost.filter((size) => size < markerBytes).length, disks.size)
  lab.mustHaveSeen('disks that kept a synced file', kept.filter((size) => size === markerBytes).length, disks.size)

  const before = afterReboot(lab)
  for (const member of cluster.members) member.surroundings = { before }
  await Promise.all(cluster.members.map((member) => member.start()))
  await cluster.settled()
  for (const node of cluster.members) {
    const wrong = await wrongReads(http, node, onDisk.demands())
    lab.claim(`every write acknowledged at "disk" reads through ${node.name}`, wrong.length === 0, firstOf(wrong))
  }
  for (const node of cluster.members) {
    const held = await awaitCopies(http, node, onDisk.demands(), copiesWithinSeconds * 1000)
    lab.claim(
      `the copies of ${node.name} hold every write acknowledged at "disk" within ${copiesWithinSeconds} s`,
      held.heldAfterMs !== undefined && held.invented === 0,
      `${held.demanded} keys, ${onDisk.counts.acknowledged} writes; ${firstOf(held.wrong)}`,
    )
  }
  const gone = await wrongReads(http, cluster.members[0] as (typeof cluster.members)[0], onlyInMemory.demands())
  lab.measure('writes acknowledged at "os" in the last moments', onlyInMemory.counts.acknowledged, 'writes')
  lab.measure('of their keys are gone, as they may be', gone.length, 'keys')
}

async function writeMarkers(disk: LoopDisk): Promise<void> {
  const bytes = new Uint8Array(markerBytes).fill(1)
  const synced = await open(join(disk.path, 'synced'), 'w')
  await synced.write(bytes)
  await synced.sync()
  await synced.close()
  await writeFile(join(disk.path, 'not-synced'), bytes)
}
