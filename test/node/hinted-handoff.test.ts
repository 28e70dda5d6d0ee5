import t from 'tap'
import type { KeyRecord } from '../../lib/protocol/causality/record.ts'
import type { NodeId } from '../../lib/vocabulary/ids.ts'
import type { Key } from '../../lib/vocabulary/key.ts'
import { toRecordKey } from '../../lib/vocabulary/key.ts'
import { decodeRecord } from '../../lib/wire/record.ts'
import { dataKey, hintKey } from '../../lib/wire/store-keys.ts'
import { decodeStored } from '../../lib/wire/stored-record.ts'
import { hash } from '../wire/fixtures/hash.ts'
import { bucket, TestCluster, valuesOf } from './fixtures/test-cluster.ts'

const six = ['ada', 'bob', 'cyd', 'dan', 'eve', 'fay']
const hintsOnly = { antiEntropy: false, readRepair: 'off' } as const

t.test('three nodes, one of them dead; hints only', async (t) => {
  const cluster = formed()
  const keys = Array.from({ length: 40 }, (_, number) => `k${number}`)
  cluster.world.crash('cyd', 'kill')
  awaitDead(cluster, 'cyd')

  t.test('writes go on, and what the dead owner misses is kept by their coordinators', async (t) => {
    for (const [index, key] of keys.entries()) {
      t.match(cluster.put(index % 2 === 0 ? 'ada' : 'bob', key, `of ${key}`), { code: 'ok', quorum: 'w=2/2' })
    }
    t.equal(held(cluster, 'ada', 'cyd') + held(cluster, 'bob', 'cyd'), keys.length)
    t.ok(bytesHeld(cluster, 'ada') > 0)
  })

  t.test('nobody else could acknowledge for it: with as many nodes as owners there is no fallback (Q1)', async (t) => {
    t.match(cluster.put('ada', 'k0', 'three', { w: 3 }), { code: 'quorum-unavailable', aftermath: 'nothing-changed' })
  })

  t.test('a hint survives the death of its holder', async (t) => {
    const before = held(cluster, 'ada', 'cyd')
    cluster.world.crash('ada', 'kill')
    cluster.start('ada')
    cluster.await('ada counts', () => held(cluster, 'ada', 'cyd') === before)
    t.ok(before > 0)
  })

  t.test('it holds everything within seconds of its return, and nobody keeps a hint', async (t) => {
    cluster.start('cyd')
    cluster.awaitReady()
    cluster.await('all hints are delivered', () => heldInAll(cluster) === 0, 5000)
    const missing = keys.filter((key) => !same(ownCopy(cluster, 'cyd', key), [`of ${key}`]))
    t.same(missing, [])
    t.equal(cluster.metricSum('starling_hints_delivered_total'), keys.length)
    t.equal(cluster.metricSum('starling_read_repairs_total', 'blocking'), 0, 'by hints alone')
  })
})

t.test('thousands of small keys are handed over within seconds of the return', async (t) => {
  const cluster = formed()
  cluster.world.crash('cyd', 'kill')
  awaitDead(cluster, 'cyd')
  const count = 3000
  for (let at = 0; at < count; at += 500) {
    const batch = Array.from({ length: 500 }, (_, number) => cluster.putRequest(`k${at + number}`, 'v'))
    cluster.askAll('ada', batch)
  }
  t.equal(held(cluster, 'ada', 'cyd'), count)
  cluster.start('cyd')
  cluster.awaitReady()
  const fromMs = cluster.world.nowMs
  cluster.await('all hints are delivered', () => heldInAll(cluster) === 0)
  t.ok(cluster.world.nowMs - fromMs < 3000, `after ${cluster.world.nowMs - fromMs} ms`)
})

t.test('six nodes; a key of which one owner is dead', async (t) => {
  const cluster = formed(six)
  const key = 'k1'
  const [first, second, third] = cluster.ownersOf(key) as [string, string, string]
  cluster.world.crash(third, 'kill')
  awaitDead(cluster, third)

  t.test('its fallback acknowledges for it: w=3 of two owners (Dynamo §4.6)', async (t) => {
    t.match(cluster.put(first, key, 'one', { w: 3 }), { code: 'ok', quorum: 'w=3/3' })
    const holders = six.filter((name) => name !== third && held(cluster, name, third) > 0)
    t.equal(holders.length, 2, 'the coordinator, uncounted, and one fallback')
    t.ok(holders.includes(first))
  })

  t.test('whatever the coordinator, it is the same fallback', async (t) => {
    t.match(cluster.put(second, key, 'two', { w: 3 }), { code: 'ok', quorum: 'w=3/3' })
    const holders = six.filter((name) => name !== third && held(cluster, name, third) > 0)
    t.same(holders.filter((name) => name !== first && name !== second).length, 1)
  })

  t.test('a strict quorum counts owners only, and pw counts those it asks for', async (t) => {
    const refused = { code: 'quorum-unavailable', aftermath: 'nothing-changed' }
    t.match(cluster.put(first, key, 'x', { w: 3, sloppy: false }), refused)
    t.match(cluster.put(first, key, 'x', { w: 3, pw: 3 }), refused)
    t.match(cluster.put(first, key, 'three', { w: 3, pw: 2 }), { code: 'ok' })
    t.match(cluster.put(first, key, 'four', { w: 2, sloppy: false }), { code: 'ok', quorum: 'w=2/2' })
  })

  t.test('a fallback that finds something fills a slot of a sloppy read, and none of a strict one (Q3)', async (t) => {
    t.match(cluster.get(first, key, { r: 3 }), { code: 'ok', quorum: 'r=3/3' })
    t.match(cluster.get(first, key, { r: 3, sloppy: false }), { code: 'quorum-unavailable' })
    t.match(cluster.get(first, key, { r: 3, pr: 3 }), { code: 'quorum-unavailable' })
    const sameOwners = (owners: readonly string[]): boolean => same(owners, [first, second, third].sort())
    const nothing = cluster.keyWhere((owners) => sameOwners([...owners].sort()), 'never-written-')
    t.match(cluster.get(first, nothing, { r: 2 }), { code: 'ok', values: [] })
    t.match(cluster.get(first, nothing, { r: 3 }), { code: 'quorum-unavailable' }, 'its "nothing here" says nothing')
  })

  t.test('the fallback, killed right after it acknowledged, hands it over when both are back', async (t) => {
    const fallback = six.find((name) => ![first, second].includes(name) && held(cluster, name, third) > 0) as string
    t.match(cluster.put(first, key, 'five', { w: 3 }), { code: 'ok' })
    for (const name of [fallback, first, second]) cluster.world.crash(name, 'kill')
    cluster.start(fallback)
    cluster.start(third)
    cluster.await('the hint arrives', () => ownCopy(cluster, third, key).includes('five'))
    for (const name of [first, second]) cluster.start(name)
    cluster.awaitReady()
    cluster.await('all hints are delivered', () => heldInAll(cluster) === 0)
  })
})

t.test('a key of which no owner is in reach', async (t) => {
  const cluster = formed(six)
  const key = cluster.keyWhere((owners) => !owners.includes('ada'))
  const owners = cluster.ownersOf(key)
  const others = six.filter((name) => !owners.includes(name))
  for (const owner of owners) cluster.world.crash(owner, 'kill')
  for (const owner of owners) awaitDead(cluster, owner, others)
  const targets = owners.map((name) => cluster.node(name).id as NodeId).sort()
  const [first] = targets as [NodeId]

  t.test('is written by its first fallback, and read from there, through whatever node (Q2)', async (t) => {
    const written = cluster.put('ada', key, 'one', { w: 2 })
    t.match(written, { code: 'ok', quorum: 'w=2/2' })
    for (const name of others) t.match(cluster.get(name, key), { code: 'ok', values: ['one'] }, name)
    const again = cluster.put('ada', key, 'two', { w: 2, context: written.context })
    t.match(again, { code: 'ok' })
    for (const name of others) t.match(cluster.get(name, key), { values: ['two'] }, name)
  })

  t.test('only sloppily', async (t) => {
    t.match(cluster.put('ada', key, 'x', { sloppy: false }), { code: 'quorum-unavailable' })
    t.match(cluster.put('ada', key, 'x', { pw: 1 }), { code: 'quorum-unavailable' })
    t.match(cluster.get('ada', key, { sloppy: false }), { code: 'quorum-unavailable' })
  })

  t.test('goes on minting in one hint only: no other may promise what it has not seen (A2)', async (t) => {
    const copies = others.flatMap((holder) =>
      targets.flatMap((target) => {
        const mintAs = hintAt(cluster, holder, target, key)?.mintAs
        return mintAs === undefined ? [] : [{ holder, target }]
      }),
    )
    t.equal(copies.length, 1, 'of all hints for the key')
    t.equal(copies[0]?.target, first, 'the one for the first absent owner by id')
  })

  t.test('a delete is a write like others', async (t) => {
    const { context } = cluster.get('ada', key)
    t.match(cluster.delete('ada', key, { context }), { code: 'ok' })
    t.match(cluster.get(others[1] as string, key), { values: [], tombstone: true })
    t.match(cluster.put('ada', key, 'three'), { code: 'ok' })
  })

  t.test('reaches all owners when they return', async (t) => {
    for (const owner of owners) cluster.start(owner)
    cluster.awaitReady()
    cluster.await('all hints are delivered', () => heldInAll(cluster) === 0)
    for (const owner of owners) t.same(ownCopy(cluster, owner, key), ['three'], owner)
    for (const owner of owners) {
      const stored = cluster.world.machine(owner).disk.live.get(dataKey(partitionOf(cluster, key), named(key)))
      t.equal(decodeStored(stored as Uint8Array, hash).mintAs, undefined, 'and brings no right to mint there')
    }
  })
})

t.test('an owner that is silent, and not known to be dead', async (t) => {
  const cluster = formed(six)
  const key = 'k1'
  const [first, second, third] = cluster.ownersOf(key) as [string, string, string]
  // Fast answers before, so that the silence is noticed soon.
  for (let count = 0; count < 20; count += 1) cluster.put(first, key, 'warm', { w: 3 })
  cluster.world.pause(third)
  const fromMs = cluster.world.nowMs
  t.match(cluster.put(first, key, 'one', { w: 3 }), { code: 'ok' }, 'its fallback acknowledges')
  t.ok(cluster.world.nowMs - fromMs <= 250, `after ${cluster.world.nowMs - fromMs} ms`)
  t.match(cluster.get(second, key, { r: 2 }), { code: 'ok' })
})

t.test('a disk without room for hints', async (t) => {
  const cluster = formed()
  for (const name of cluster.names) cluster.world.machine(name).disk.freeBytes = 4000
  cluster.world.crash('cyd', 'kill')
  awaitDead(cluster, 'cyd')
  cluster.world.run(11_000)
  for (let number = 0; number < 30; number += 1) {
    t.match(cluster.put('ada', `k${number}`, 'v'), { code: 'ok' }, 'fails no write')
  }
  t.ok(bytesHeld(cluster, 'ada') <= 400, 'keeps to its share')
  t.ok(cluster.metric('ada', 'starling_hints_refused_total', 'node-budget') > 0)
  const [forCyd] = cluster.node('ada').hints().hints
  t.ok((forCyd?.dirtyPartitions ?? 0) > 0, 'and remembers what is to be compared')
})

t.test('with hints off', async (t) => {
  const cluster = new TestCluster(six, { change: (settings) => ({ ...settings, ...hintsOnly, hints: false }) })
  for (const name of six) cluster.start(name)
  cluster.awaitReady()
  const key = 'k1'
  const [first, , third] = cluster.ownersOf(key) as [string, string, string]
  cluster.world.crash(third, 'kill')
  awaitDead(cluster, third)
  t.match(cluster.put(first, key, 'v', { w: 3 }), { code: 'quorum-unavailable' }, 'nobody stands in')
  t.match(cluster.put(first, key, 'v', { w: 2 }), { code: 'ok' })
  t.equal(heldInAll(cluster), 0)
})

function formed(names?: readonly string[]): TestCluster {
  return TestCluster.formed(names, { change: (settings) => ({ ...settings, ...hintsOnly }) })
}

function awaitDead(cluster: TestCluster, name: string, observers = cluster.names): void {
  const { id } = cluster.node(name)
  const running = observers.filter((other) => other !== name && cluster.world.machine(other).isRunning)
  cluster.await(`${name} is seen dead`, () =>
    running.every((other) => {
      const { members } = cluster.node(other).status()
      return members.find((member) => member.id === id)?.state === 'dead'
    }),
  )
}

function held(cluster: TestCluster, holder: string, target: string): number {
  const { id } = cluster.node(target)
  return (
    cluster
      .node(holder)
      .hints()
      .hints.find((hint) => hint.target === id)?.count ?? 0
  )
}

function heldInAll(cluster: TestCluster): number {
  return cluster.names
    .filter((name) => cluster.world.machine(name).isRunning)
    .reduce((sum, name) => sum + cluster.node(name).hints().held.count, 0)
}

function bytesHeld(cluster: TestCluster, holder: string): number {
  return cluster.node(holder).hints().held.bytes
}

function named(key: string) {
  return toRecordKey(bucket, key as Key, hash)
}

function partitionOf(cluster: TestCluster, key: string): number {
  const running = cluster.names.find((name) => cluster.world.machine(name).isRunning) as string
  return cluster.node(running).ownersOf(bucket, key as Key)?.partition as number
}

/** What lies on the disk of a machine as its own copy. */
function ownCopy(cluster: TestCluster, name: string, key: string): readonly string[] {
  const stored = cluster.world.machine(name).disk.live.get(dataKey(partitionOf(cluster, key), named(key)))
  return stored === undefined ? [] : valuesOf(recordIn(stored))
}

function hintAt(
  cluster: TestCluster,
  holder: string,
  target: NodeId,
  key: string,
): ReturnType<typeof decodeStored> | undefined {
  const stored = cluster.world.machine(holder).disk.live.get(hintKey(target, partitionOf(cluster, key), named(key)))
  return stored === undefined ? undefined : decodeStored(stored, hash)
}

function recordIn(stored: Uint8Array): KeyRecord {
  return decodeRecord(decodeStored(stored, hash).recordBytes, hash)
}

function same(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((value, index) => value === right[index])
}
