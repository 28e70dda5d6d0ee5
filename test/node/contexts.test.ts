import t from 'tap'
import { hlcFromMs } from '../../lib/protocol/clock/hlc.ts'
import { clockAheadMsMax, siblingsMax, valueBytesMax } from '../../lib/vocabulary/limits.ts'
import { decodeContext, encodeContext } from '../../lib/wire/context-token.ts'
import { hash } from '../wire/fixtures/hash.ts'
import { named } from '../wire/fixtures/names.ts'
import { bucket, TestCluster } from './fixtures/test-cluster.ts'

const nothing = { aftermath: 'nothing-changed' }

t.test('a write', async (t) => {
  const cluster = TestCluster.formed()

  await t.test('replaces what its writer was shown, through whatever node', async (t) => {
    cluster.put('ada', 'cart', 'a')
    cluster.put('bob', 'cart', 'b')
    const read = cluster.get('cyd', 'cart')
    t.same(read.values, ['a', 'b'])
    t.match(cluster.put('ada', 'cart', 'a+b', { context: read.context }), { code: 'ok' })
    t.match(cluster.get('bob', 'cart'), { values: ['a+b'] })
  })

  await t.test('and becomes a sibling of what its writer was not shown', async (t) => {
    const first = cluster.put('ada', 'race', 'first')
    cluster.put('bob', 'race', 'unseen', { context: first.context })
    cluster.put('cyd', 'race', 'late', { context: first.context })
    t.match(cluster.get('ada', 'race'), { values: ['late', 'unseen'] })
  })

  await t.test('without a context replaces nothing', async (t) => {
    for (const name of cluster.names) cluster.put(name, 'blind', name)
    t.match(cluster.get('ada', 'blind'), { values: ['ada', 'bob', 'cyd'] })
  })

  await t.test('of two writers in turns, both with stale contexts, leaves two siblings and never more', async (t) => {
    const first = cluster.put('ada', 'turns', 'first')
    let [left, right] = [first.context, first.context]
    for (let turn = 0; turn < 12; turn += 1) {
      const at = cluster.names[turn % 3] as string
      left = cluster.put(at, 'turns', `left ${turn}`, { context: left }).context
      right = cluster.put(cluster.names[(turn * 2 + 1) % 3] as string, 'turns', `right ${turn}`, {
        context: right,
      }).context
      t.match(cluster.get(at, 'turns', { r: 'all' }), { values: [`left ${turn}`, `right ${turn}`] })
    }
    const merged = cluster.get('ada', 'turns')
    cluster.put('bob', 'turns', 'merged', { context: merged.context })
    t.match(cluster.get('cyd', 'turns'), { values: ['merged'] }, 'a write with the merged context makes it one')
  })

  await t.test('with a context of a write that its coordinator has missed reads the others first', async (t) => {
    const { token } = missedWrite(cluster, 'missed')
    t.match(cluster.replica('bob', 'missed').siblings.length, 2, 'bob does not know the latest')
    t.match(cluster.put('bob', 'missed', 'next', { context: token, w: 'all' }), { code: 'ok' })
    t.match(cluster.get('cyd', 'missed', { r: 'all' }), { values: ['next', 'theirs'] })
  })

  await t.test(
    'and goes on without it when nobody in reach knows it: one sibling too many, none too few',
    async (t) => {
      const { token } = missedWrite(cluster, 'unknown', () => {
        cluster.isolate('ada')
        cluster.await('ada is away', () => !isAlive(cluster, 'bob', 'ada') && !isAlive(cluster, 'cyd', 'ada'))
      })
      t.match(cluster.put('bob', 'unknown', 'next', { context: token }), { code: 'ok' })
      cluster.heal()
      t.match(cluster.get('cyd', 'unknown', { r: 'all' }), { values: ['latest', 'next', 'theirs'] })
    },
  )
})

t.test('a delete', async (t) => {
  const cluster = TestCluster.formed()

  await t.test('removes what its writer was shown and nothing else', async (t) => {
    const first = cluster.put('ada', 'cart', 'seen')
    cluster.put('bob', 'cart', 'unseen')
    t.match(cluster.delete('cyd', 'cart', { context: first.context }), { code: 'ok' })
    t.match(cluster.get('ada', 'cart'), { values: ['unseen'], tombstone: false })
  })

  await t.test('without a context removes what a quorum read sees now', async (t) => {
    for (const name of cluster.names) cluster.put(name, 'all', name)
    t.match(cluster.delete('ada', 'all'), { code: 'ok' })
    const read = cluster.get('bob', 'all')
    t.match(read, { values: [], tombstone: true })
    t.ok(read.context, 'with a context, so that the next write replaces the tombstone')
    t.match(cluster.put('cyd', 'all', 'again', { context: read.context }), { code: 'ok' })
    t.match(cluster.get('ada', 'all'), { values: ['again'], tombstone: false })
  })

  await t.test('of nothing makes nothing', async (t) => {
    const ended = cluster.delete('ada', 'never')
    t.match(ended, { code: 'ok', context: undefined })
    for (const name of cluster.names) t.match(cluster.replica(name, 'never'), { present: false, tombstone: false })
    t.match(cluster.get('bob', 'never'), { values: [], tombstone: false, context: undefined, stateHash: undefined })
  })

  await t.test('of what is deleted is a delete again', async (t) => {
    cluster.put('ada', 'twice', 'v')
    cluster.delete('ada', 'twice')
    t.match(cluster.delete('bob', 'twice'), { code: 'ok' })
    t.match(cluster.get('cyd', 'twice'), { values: [], tombstone: true })
  })
})

t.test('a context that is none is refused, and nothing changes', async (t) => {
  const cluster = TestCluster.formed()
  const mine = cluster.put('ada', 'mine', 'v')
  const other = cluster.put('ada', 'other', 'v')
  const clusterId = cluster.node('ada').status().clusterId as string
  const key = named(bucket, 'mine')
  const seen = decodeContext(mine.context as string, clusterId, key, hash)
  if (seen === undefined) throw new Error('an answer has a context')
  const ahead = (ms: number) => ({ ...seen, hlc: hlcFromMs(wallMs(cluster) + ms) })
  const refused: readonly (readonly [string, string])[] = [
    ['of another key', other.context as string],
    ['of the same key in another bucket', encodeContext(seen, clusterId, named('other', 'mine'), hash)],
    ['of another cluster', encodeContext(seen, '0123456789abcdef', key, hash)],
    ['from the far future', encodeContext(ahead(clockAheadMsMax + 60_000), clusterId, key, hash)],
    ['damaged', `A${(mine.context as string).slice(1, -2)}AA`],
    ['cut short', (mine.context as string).slice(0, -4)],
    ['made up', 'hello'],
    ['empty', ''],
    ['very long', 'A'.repeat(40_000)],
  ]
  for (const [name, context] of refused) {
    for (const ended of [cluster.put('bob', 'mine', 'w', { context }), cluster.delete('bob', 'mine', { context })]) {
      t.match(ended, { code: 'invalid-context', ...nothing, retryable: false, hint: /GET of this very key/ }, name)
    }
  }
  t.match(cluster.get('cyd', 'mine'), { values: ['v'] })
  const nearFuture = encodeContext(ahead(clockAheadMsMax - 60_000), clusterId, key, hash)
  t.match(cluster.put('bob', 'mine', 'w', { context: nearFuture }), { code: 'ok' }, 'a clock may be a little ahead')
})

t.test('a key with as many siblings as it may have', async (t) => {
  const cluster = TestCluster.formed()
  const puts = Array.from({ length: siblingsMax }, (_, index) => cluster.putRequest('crowd', `${index}`))
  t.ok(cluster.askAll('ada', puts).every(({ code }) => code === 'ok'))
  const refused = { code: 'too-many-siblings', ...nothing, retryable: false, hint: /merge/ }
  t.match(cluster.put('bob', 'crowd', 'one more'), refused)
  const read = cluster.get('cyd', 'crowd', { r: 'all' })
  t.equal(read.values?.length, siblingsMax, 'can be read')
  t.ok(
    cluster.world.log.lines().some(({ message }) => /collects siblings/.test(message)),
    'and was warned of before',
  )

  await t.test('takes a write that replaces as many as it adds', async (t) => {
    const one = cluster.put('ada', 'pair', 'first')
    const full = Array.from({ length: siblingsMax - 1 }, (_, index) => cluster.putRequest('pair', `${index}`))
    cluster.askAll('ada', full)
    // A quorum has them all; bob may be the one that does not yet.
    cluster.world.run(2000)
    t.match(cluster.put('bob', 'pair', 'one more'), refused)
    t.match(cluster.put('ada', 'pair', 'instead', { context: one.context }), { code: 'ok' })
  })

  await t.test('is never in the way of what was acknowledged elsewhere', async (t) => {
    cluster.isolate('ada')
    const here = Array.from({ length: 60 }, (_, index) => cluster.putRequest('apart', `a${index}`, { w: 1 }))
    const there = Array.from({ length: 60 }, (_, index) => cluster.putRequest('apart', `b${index}`))
    t.ok(cluster.askAll('ada', here).every(({ code }) => code === 'ok'))
    t.ok(cluster.askAll('bob', there).every(({ code }) => code === 'ok'))
    cluster.heal()
    t.equal(cluster.get('cyd', 'apart', { r: 'all' }).values?.length, 120)
    t.match(cluster.put('ada', 'apart', 'no'), refused)
  })

  await t.test('becomes one again by the write that merges them, or by a delete', async (t) => {
    const apart = cluster.get('bob', 'apart', { r: 'all' })
    t.match(cluster.put('bob', 'apart', 'merged', { context: apart.context }), { code: 'ok' })
    t.match(cluster.get('ada', 'apart'), { values: ['merged'] })
    t.match(cluster.delete('bob', 'crowd'), { code: 'ok' })
    t.match(cluster.get('ada', 'crowd'), { values: [], tombstone: true })
  })
})

t.test('a key with as many bytes as it may have', async (t) => {
  const cluster = TestCluster.formed()
  const large = 'x'.repeat(valueBytesMax)
  const first = cluster.put('ada', 'heavy', large)
  t.equal(first.code, 'ok')
  t.match(cluster.put('bob', 'heavy', large), { code: 'too-many-siblings', ...nothing, message: /bytes/ })
  t.equal(cluster.put('bob', 'heavy', 'a small one').code, 'ok', 'there is room for that')
  t.equal(cluster.get('cyd', 'heavy').values?.length, 2)
  const { context } = cluster.get('cyd', 'heavy')
  t.equal(cluster.put('cyd', 'heavy', large, { context }).code, 'ok', 'a write that replaces them needs no more')
})

/**
 * Ada has two writes of `key` that Bob has, and a later one of her own that he has missed; `token` is of the client
 * that made it and was never shown the other of the two.
 */
function missedWrite(cluster: TestCluster, key: string, cutOff?: () => void): { readonly token: string | undefined } {
  const mine = cluster.put('ada', key, 'mine', { w: 'all' })
  cluster.put('bob', key, 'theirs', { w: 'all' })
  if (cutOff !== undefined) cutOff()
  else cluster.cut('ada', 'bob')
  const latest = cluster.put('ada', key, 'latest', { context: mine.context, w: 1 })
  if (cutOff === undefined) cluster.heal()
  return { token: latest.context }
}

function isAlive(cluster: TestCluster, at: string, name: string): boolean {
  return cluster
    .node(at)
    .status()
    .members.some((member) => member.name === name && member.state === 'alive')
}

function wallMs(cluster: TestCluster): number {
  return 1_767_225_600_000 + cluster.world.nowMs
}
