import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { toCausalContext } from '../../lib/client/causal-context.ts'
import { bytes, type Codec, json, text } from '../../lib/client/codec.ts'
import { msgpack } from '../../lib/client/msgpack-codec.ts'
import type { PutOptions } from '../../lib/client/request-options.ts'
import type { StarlingError } from '../../lib/vocabulary/errors.ts'
import fc from '../fixtures/fast-check.ts'
import { coordinated, nodeNames, ScriptedCluster } from './fixtures/scripted-cluster.ts'

t.test('a codec reads what it wrote', async (t) => {
  // As JSON has it: without undefined and -0. msgpackr gives a key of this name another one.
  const documents = fc
    .jsonValue()
    .map((value) => JSON.parse(JSON.stringify(value)))
    .filter((value) => !JSON.stringify(value).includes('__proto__'))
  const strings = fc
    .array(fc.integer({ min: 0, max: 0x10ffff }))
    .map((points) => String.fromCodePoint(...points))
    .filter((string) => string.isWellFormed())
  t.doesNotThrow(() => fc.assert(roundTrip(bytes, fc.uint8Array())), 'bytes')
  t.doesNotThrow(() => fc.assert(roundTrip(text, strings)), 'text')
  t.doesNotThrow(() => fc.assert(roundTrip<unknown>(json, documents)), 'json')
  t.doesNotThrow(() => fc.assert(roundTrip<unknown>(msgpack, documents)), 'msgpack')

  await t.test('and msgpack more than JSON can say', async (t) => {
    const value = {
      when: new Date(1_700_000_000_000),
      bytes: Buffer.from([0, 255]),
      big: 2n ** 60n,
    }
    t.same(msgpack.decode(msgpack.encode(value), msgpack.contentType), value)
  })
})

t.test('what a codec cannot write is refused before anything is sent', async (t) => {
  const cluster = new ScriptedCluster()
  const db = await cluster.connected()
  const loop: { self?: unknown } = {}
  loop.self = loop
  const puts: readonly [string, () => Promise<unknown>][] = [
    ['not bytes', () => db.bucket('b', { codec: bytes as Codec<unknown> }).put('k', 'text')],
    ['not text', () => db.bucket('b', { codec: text as Codec<unknown> }).put('k', 1)],
    ['half a character', () => db.bucket('b', { codec: text }).put('k', '\ud800')],
    ['a function', () => db.bucket('b', { codec: json }).put('k', () => 1)],
    ['a circle', () => db.bucket('b', { codec: json }).put('k', loop)],
  ]
  for (const [name, put] of puts) {
    t.match(await failure(cluster, put()), { code: 'invalid-body', aftermath: 'nothing-changed' }, name)
  }
  t.match(await failure(cluster, db.bucket('b').put('k', new Uint8Array(8 * 1024 * 1024 + 1))), {
    code: 'value-too-large',
  })
  t.same(cluster.askedNodes(), [])

  await t.test('and what it cannot read is an error of that get, not of the client', async (t) => {
    const numbers = db.bucket<number>('b', { codec: json })
    for (const name of nodeNames) {
      cluster.node(name).script = (request, respond) => respond(coordinated(name, request, ['not JSON']))
    }
    t.match(await failure(cluster, numbers.get('k')), { code: 'invalid-body', message: /application\/json/ })
    t.match(await cluster.settle(db.bucket('b', { codec: text }).get('k')), { siblings: [{ value: 'not JSON' }] })
  })
})

t.test('names and options out of range are refused before anything is sent', async (t) => {
  const cluster = new ScriptedCluster()
  const db = await cluster.connected()
  for (const name of ['', '.', '..', '$system', 'x'.repeat(256), '\ud800']) {
    t.throws(() => db.bucket(name), { code: 'invalid-bucket' }, name)
  }
  const bucket = db.bucket('b', { codec: text })
  for (const key of ['', '.', '..', 'x'.repeat(1025), 'é'.repeat(513)]) {
    t.match(await failure(cluster, bucket.get(key)), { code: 'invalid-key', aftermath: 'nothing-changed' }, key)
    t.match(await failure(cluster, bucket.put(key, 'v')), { code: 'invalid-key' }, key)
  }
  const refused: readonly [Record<string, unknown>, string][] = [
    [{ w: 0 }, 'invalid-parameter'],
    [{ w: 1.5 }, 'invalid-parameter'],
    [{ w: 'two' }, 'invalid-parameter'],
    [{ pw: -1 }, 'invalid-parameter'],
    [{ durability: 'tape' }, 'invalid-parameter'],
    [{ deadlineMs: 0 }, 'invalid-parameter'],
    [{ deadlineMs: 60_001 }, 'invalid-parameter'],
    [{ deadlineMs: Number.NaN }, 'invalid-parameter'],
    [{ ttlSeconds: 0 }, 'invalid-parameter'],
    [{ ttlSeconds: 1.5 }, 'invalid-parameter'],
    [{ contentType: '' }, 'invalid-header'],
    [{ contentType: 'é'.repeat(128) }, 'invalid-header'],
    [{ metadata: { 'a b': 'x' } }, 'invalid-header'],
    [{ metadata: { a: 'x\ny' } }, 'invalid-header'],
    [{ metadata: { a: ' x' } }, 'invalid-header'],
    [{ metadata: { a: 'x', A: 'y' } }, 'invalid-header'],
    [{ metadata: { a: 'x'.repeat(8192) } }, 'metadata-too-large'],
  ]
  for (const [options, code] of refused) {
    const error = await failure(cluster, bucket.put('k', 'v', options as PutOptions))
    t.match(error, { code, aftermath: 'nothing-changed' }, JSON.stringify(options).slice(0, 60))
  }
  t.same(cluster.askedNodes(), [])

  await t.test('what is in range is sent', async (t) => {
    const metadata = { a: '', 'x-place': 'Zürich, 東京', b: 'two words' }
    await cluster.settle(bucket.put('é'.repeat(512), 'v', { metadata, deadlineMs: 60_000, ttlSeconds: 1, pw: 0, w: 3 }))
    t.match(cluster.asked[0]?.request, { metadata: Object.entries(metadata).sort() })
  })
})

t.test('a context may be kept as text meanwhile', async (t) => {
  t.equal(toCausalContext('AYDg-_b0'), 'AYDg-_b0')
  for (const damaged of ['', 'a b', 'ä', 'a=', 'x'.repeat(32 * 1024 + 1)]) {
    t.throws(() => toCausalContext(damaged), { code: 'invalid-context' })
  }
})

function roundTrip<Value>(codec: Codec<Value>, values: fc.Arbitrary<Value>) {
  return fc.property(values, (value) =>
    isDeepStrictEqual(codec.decode(codec.encode(value).slice(), codec.contentType), value),
  )
}

async function failure(cluster: ScriptedCluster, promise: Promise<unknown>): Promise<StarlingError> {
  try {
    await cluster.settle(promise)
  } catch (error) {
    return error as StarlingError
  }
  throw new Error('it did not fail')
}
