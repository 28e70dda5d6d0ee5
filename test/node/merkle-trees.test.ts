import t from 'tap'
import { leafOf, XorTree } from '../../lib/protocol/anti-entropy/xor-tree.ts'
import { stateHash } from '../../lib/protocol/causality/state-hash.ts'
import { parseRecordKey, type RecordKey } from '../../lib/vocabulary/key.ts'
import { decodeRecord } from '../../lib/wire/record.ts'
import { dataKey, parseDataKey, parseMetaKey } from '../../lib/wire/store-keys.ts'
import { decodeStored } from '../../lib/wire/stored-record.ts'
import fc from '../fixtures/fast-check.ts'
import { hash } from '../wire/fixtures/hash.ts'
import { named } from '../wire/fixtures/names.ts'
import { HeldStorage, hexOf } from './fixtures/fake-parts.ts'
import { RecordNode } from './fixtures/record-node.ts'

const dayMs = 24 * 3_600_000
const partitionCount = 4
const rebuilds = 'starling_anti_entropy_tree_rebuilds_total'
const drift = 'starling_anti_entropy_tree_drift_total'
const keys = Array.from({ length: 30 }, (_, number) => named('carts', `key-${number}`))

t.test('trees are those of the records, whatever is written while they are made', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(29), fc.nat(3)), { maxLength: 60 }), fc.boolean(), (acts, isDelayed) => {
      const node = made()
      for (const key of keys.slice(10)) node.write(key, 'before')
      settle(node)
      node.trees.distrust()
      node.trees.start(node.store)
      for (const [key, pause] of acts) {
        write(node, keys[key] as RecordKey)
        if (isDelayed) node.time.endTurn()
        if (pause === 1) node.storage.writes.length > 0 && node.storage.complete()
        if (pause > 1) node.time.pass(pause - 1)
      }
      settle(node)
      t.equal(node.trees.rebuilding, 0)
      t.same(rootsOf(node), rootsOfRecords(node))
    }),
    { numRuns: 150 },
  )
})

t.test('after a crash only what changed since it was written is made anew', async (t) => {
  const node = started()
  for (const key of keys) node.write(key, 'first')
  settle(node)
  node.time.pass(80_000)
  settle(node)
  t.same(marked(node), [], 'quiet partitions have been written')

  node.write(keys[0] as RecordKey, 'second')
  const batch = flushed(node)
  t.ok(batch.includes(`tree/dirty/${partitionOf(keys[0])}`), 'the mark is in the batch of the change')
  node.write(keys[0] as RecordKey, 'third')
  t.notOk(
    flushed(node).some((name) => name.startsWith('tree')),
    'and only in that of the first one',
  )

  const restarted = started(node.restarted())
  t.equal(restarted.cells.value(rebuilds), 1)
  t.same(rootsOf(restarted), rootsOfRecords(restarted))
})

t.test('a partition that is written all the time stays marked, and the others are written', async (t) => {
  const node = started()
  const [busy] = keys as [RecordKey]
  for (const key of keys) node.write(key, 'first')
  for (let round = 0; round < 10; round += 1) {
    node.write(busy, `round ${round}`)
    node.time.pass(10_000)
    settle(node)
  }
  t.same(
    marked(node),
    [`tree/dirty/${partitionOf(busy)}`].filter((name) => marked(node).includes(name)),
  )
  t.equal(started(node.restarted()).cells.value(rebuilds), 1)
})

t.test('after a clean stop nothing is made anew', async (t) => {
  const node = started()
  for (const key of keys) node.write(key, 'first')
  const ended: unknown[] = []
  node.trees.finish((failure) => ended.push(failure))
  settle(node)
  t.same(ended, [undefined])
  const restarted = started(node.restarted())
  t.equal(restarted.cells.value(rebuilds), 0)
  t.same(rootsOf(restarted), rootsOfRecords(restarted))
})

t.test('what a store that lost something says is not believed, not even after one more crash', async (t) => {
  const node = started()
  for (const key of keys) node.write(key, 'first')
  node.trees.finish(() => {})
  settle(node)
  // A record is lost, and the tree that speaks of it is not.
  node.storage.entries.delete(hexOf(dataKey(partitionOf(keys[0]), keys[0] as RecordKey)))

  const lossy = node.restarted()
  lossy.trees.distrust()
  started(lossy)
  t.equal(lossy.cells.value(rebuilds), partitionCount)
  t.same(rootsOf(lossy), rootsOfRecords(lossy))
  const again = started(lossy.restarted())
  t.same(rootsOf(again), rootsOfRecords(again))
})

t.test('a record that cannot be read leaves the tree, and is in it again when it is healed (rule A6)', async (t) => {
  const node = started()
  for (const key of keys) node.write(key, 'first')
  settle(node)
  const [key] = keys as [RecordKey]
  const whole = rootsOf(node)
  const record = node.copy(key)?.record
  node.trees.finish(() => {})
  settle(node)
  node.damage(key)

  const restarted = node.restarted()
  restarted.trees.start(restarted.store)
  t.same(restarted.valuesOf(key), [], 'a reader finds out')
  t.equal(restarted.trees.tree(partitionOf(key)), undefined, 'busy, not different')
  settle(restarted)
  t.not(restarted.trees.tree(partitionOf(key))?.root, whole[partitionOf(key)])
  restarted.store.heal(key, record, () => {})
  settle(restarted)
  t.same(rootsOf(restarted), whole)
})

t.test('every one or two weeks a tree is made anew, beside the live one', async (t) => {
  await t.test('and silence means that nothing was wrong', async (t) => {
    const node = started()
    for (const key of keys) node.write(key, 'first')
    sleep(node, 6.9)
    t.equal(node.cells.value(rebuilds), partitionCount)
    sleep(node, 7.3)
    t.equal(node.cells.value(rebuilds), 2 * partitionCount)
    t.equal(node.cells.value(drift), 0)
  })

  await t.test('a record that went bad on the disk is found', async (t) => {
    const [key] = keys as [RecordKey]
    const node = started()
    for (const each of keys) node.write(each, 'first')
    node.trees.finish(() => {})
    settle(node)
    const restarted = started(node.restarted())
    restarted.damage(key)
    sleep(restarted, 14.1)
    t.same(restarted.healing, [key.id])
    t.same(rootsOf(restarted), rootsOfRecords(restarted))
  })

  await t.test('a record that vanished is drift', async (t) => {
    const [key] = keys as [RecordKey]
    const node = started()
    for (const each of keys) node.write(each, 'first')
    settle(node)
    node.storage.entries.delete(hexOf(dataKey(partitionOf(key), key)))
    sleep(node, 14.1)
    t.equal(node.cells.value(drift), 1)
    t.same(rootsOf(node), rootsOfRecords(node))
  })
})

t.test('trees follow what a node owns', async (t) => {
  t.test('of what is given up none is kept, nor found at the next start', async (t) => {
    const node = started()
    for (const key of keys) node.write(key, 'value')
    settle(node)
    node.trees.forget(1)
    settle(node)
    t.equal(node.trees.tree(1), undefined)
    for (const key of keys) node.write(key, 'another')
    node.trees.rebuild(1)
    settle(node)
    t.equal(node.trees.tree(1), undefined, 'whatever happens to the records')
    t.notOk([...node.storage.entries.keys()].some((key) => parseMetaKey(Buffer.from(key, 'hex'))?.endsWith('/1')))
    node.trees.keep(1)
    settle(node)
    t.same(rootsOf(node), rootsOfRecords(node), 'made anew when it comes back')
  })

  t.test('of what begins empty the tree is there at once, and true from then on', async (t) => {
    const node = started()
    for (const key of keys) node.write(key, 'value')
    settle(node)
    node.trees.forget(1)
    while (!sweep(node, 1)) settle(node)
    node.trees.keepEmpty(1)
    t.equal(node.trees.tree(1)?.root, 0n)
    for (const key of keys) node.write(key, 'another')
    settle(node)
    t.same(rootsOf(node), rootsOfRecords(node))
    const again = node.restarted()
    again.trees.start(again.store)
    settle(again)
    t.same(rootsOf(again), rootsOfRecords(again), 'also after a crash')
  })
})

function sweep(node: RecordNode, partition: number): boolean {
  const ended: boolean[] = []
  node.store.sweep(
    partition,
    () => true,
    (_failure, isSwept) => ended.push(isSwept),
  )
  node.flush()
  return ended[0] === true
}

function made(): RecordNode {
  return new RecordNode(partitionCount, new HeldStorage(), true)
}

function started(node = made()): RecordNode {
  node.trees.start(node.store)
  settle(node)
  return node
}

/** Until nothing is on its way and every tree is made. */
function settle(node: RecordNode): void {
  for (let turn = 0; turn < 100; turn += 1) {
    node.time.pass(1)
    node.flush()
  }
}

function sleep(node: RecordNode, days: number): void {
  for (let part = 0; part < 40; part += 1) {
    node.time.pass((days * dayMs) / 40)
    settle(node)
  }
}

function write(node: RecordNode, key: RecordKey): void {
  const values = node.valuesOf(key)
  if (values.length > 2) node.delete(key)
  else node.write(key, `value ${values.length}`)
}

/** The names of what one turn writes about the node itself. */
function flushed(node: RecordNode): readonly string[] {
  node.time.endTurn()
  const names = node.storage.writes[0]?.operations.flatMap(({ key }) => parseMetaKey(key) ?? []) ?? []
  node.flush()
  return names
}

function marked(node: RecordNode): readonly string[] {
  const names = [...node.storage.entries.keys()].map((key) => parseMetaKey(Buffer.from(key, 'hex')) ?? '')
  return names.filter((name) => name.startsWith('tree/dirty/'))
}

function partitionOf(key: RecordKey | undefined): number {
  return made().store.partitionOf(key as RecordKey)
}

function rootsOf(node: RecordNode): readonly (bigint | undefined)[] {
  return Array.from({ length: partitionCount }, (_, partition) => node.trees.tree(partition)?.root)
}

/** Computed from what the disk has and can be read. */
function rootsOfRecords(node: RecordNode): readonly bigint[] {
  const trees = Array.from({ length: partitionCount }, () => new XorTree())
  for (const [storeKey, value] of node.storage.entries) {
    const parsed = parseDataKey(Buffer.from(storeKey, 'hex'))
    const key = parsed === undefined ? undefined : parseRecordKey(parsed.keyBytes.slice(), hash)
    if (parsed === undefined || key === undefined) continue
    try {
      const record = decodeRecord(decodeStored(value, hash).recordBytes, hash)
      trees[parsed.partition]?.update(leafOf(key.token, partitionCount), 0n, stateHash(key, record, hash))
    } catch {
      // Damaged: nobody is told of it.
    }
  }
  return trees.map((tree) => tree.root)
}
