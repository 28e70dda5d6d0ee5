import t from 'tap'
import { RecordCache } from '../../lib/node/record-cache.ts'

t.test('the least recently used records go when the bytes are too many', async (t) => {
  const cache = new RecordCache(30, 0)
  for (const id of ['a', 'b', 'c']) cache.put(id, bytes(10), undefined)
  cache.get('a')
  cache.peek('b')
  cache.put('d', bytes(10), undefined)
  t.same(held(cache), ['a', 'c', 'd'], 'a was used, b only looked at')
  cache.put('e', bytes(25), undefined)
  t.same(held(cache), ['e'])
})

t.test('what goes makes room for what comes, round after round', async (t) => {
  const cache = new RecordCache(1000, 0)
  const kept = (): number => [...Array(5000).keys()].filter((id) => cache.peek(`k${id}`) !== undefined).length
  for (let round = 0; round < 3; round += 1) {
    for (let id = 0; id < 5000; id += 1) {
      cache.putOnItsWay(`k${id}`, bytes(10), undefined)
      // Every tenth stays in use.
      if (id % 10 === 0) for (let hot = 0; hot < 20; hot += 1) cache.get(`k${hot}`)
      cache.hasArrived(`k${id}`)
      t.ok(cache.peek(`k${id}`) !== undefined || id === 0, 'what came last is there')
    }
    t.ok(kept() <= 100 && kept() > 90, `${kept()} of 100 places are taken`)
  }
  t.ok(cache.peek('k3') !== undefined, 'what is used stays')
})

t.test('another state of a record takes the place of the one before', async (t) => {
  const cache = new RecordCache(30, 0)
  for (let count = 0; count < 10; count += 1) cache.put('a', bytes(10), count)
  cache.put('b', bytes(20), undefined)
  t.same(held(cache), ['a', 'b'])
  t.equal(cache.get('a')?.mintAs, 9)
})

t.test('a record on its way to the store stays, however many there are', async (t) => {
  const cache = new RecordCache(30, 0)
  for (const id of ['a', 'b', 'c', 'd']) cache.putOnItsWay(id, bytes(20), undefined)
  t.same(held(cache), ['a', 'b', 'c', 'd'], 'the next request on each of them builds on it')
  cache.put('e', bytes(1), undefined)
  t.same(held(cache), ['a', 'b', 'c', 'd'], 'what was only read has no room')
  t.notOk(cache.hasArrived('b') > 0)
  t.same(
    held(cache),
    ['a', 'b', 'c', 'd'].filter((id) => id !== 'b'),
    'and goes when it has arrived',
  )
})

t.test('a record on its way twice has arrived when both have', async (t) => {
  const cache = new RecordCache(10, 0)
  cache.putOnItsWay('a', bytes(20), 1)
  cache.putOnItsWay('a', bytes(20), 2)
  t.equal(cache.hasArrived('a'), 1)
  t.equal(cache.get('a')?.mintAs, 2)
  t.equal(cache.hasArrived('a'), 0)
  t.same(held(cache), [])
})

t.test('counts what an entry takes besides its bytes: small records are no smaller than that', async (t) => {
  const cache = new RecordCache(1000, 100)
  for (let index = 0; index < 1000; index += 1) cache.put(`k${index}`, new Uint8Array(1), undefined)
  const kept = Array.from({ length: 1000 }, (_, index) => cache.peek(`k${index}`)).filter(
    (entry) => entry !== undefined,
  )
  t.equal(kept.length, 9)
  cache.putOnItsWay('gone', undefined, undefined)
  cache.hasArrived('gone')
  cache.put('new', new Uint8Array(1), undefined)
  t.ok(cache.peek('new'), 'what has left makes room')
})

function bytes(length: number): Uint8Array {
  return new Uint8Array(length)
}

function held(cache: RecordCache): readonly string[] {
  return ['a', 'b', 'c', 'd', 'e'].filter((id) => cache.peek(id) !== undefined)
}
