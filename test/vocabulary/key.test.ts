import t from 'tap'
import {
  type Bucket,
  bucketProblem,
  type Key,
  keyProblem,
  parseRecordKey,
  toRecordKey,
} from '../../lib/vocabulary/key.ts'
import { bucketBytesMax, keyBytesMax } from '../../lib/vocabulary/limits.ts'
import fc from '../fixtures/fast-check.ts'
import { hash } from '../wire/fixtures/hash.ts'

const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 })

t.test('a bucket or key is non-empty UTF-8 that a URL can carry', async (t) => {
  for (const text of ['a', 'å', '💾', 'a/b', '%2F', ' ', '...', '.a', '\u0000', '\ufeff', 'a'.repeat(255)]) {
    t.equal(keyProblem(text), undefined, JSON.stringify(text))
    t.equal(bucketProblem(text), undefined, JSON.stringify(text))
  }
  for (const [text, problem] of [
    ['', /empty/],
    ['.', /URL/],
    ['..', /URL/],
    ['\ud800', /well-formed/],
    ['a\udc00b', /well-formed/],
  ] as const) {
    t.match(keyProblem(text), problem)
    t.match(bucketProblem(text), problem)
  }
  t.match(bucketProblem('$system'), /reserved/)
  t.equal(keyProblem('$system'), undefined, 'only buckets are reserved')
})

t.test('its length is counted in bytes', async (t) => {
  for (const [problemOf, bytesMax] of [
    [keyProblem, keyBytesMax],
    [bucketProblem, bucketBytesMax],
  ] as const) {
    for (const [unit, unitBytes] of [
      ['a', 1],
      ['å', 2],
      ['€', 3],
      ['💾', 4],
    ] as const) {
      const count = Math.floor(bytesMax / unitBytes)
      const longest = unit.repeat(count) + 'a'.repeat(bytesMax - count * unitBytes)
      t.equal(problemOf(longest), undefined, `${count} of ${unit}`)
      t.match(problemOf(`${longest}a`), new RegExp(`longer than ${bytesMax} bytes`))
    }
  }
})

t.test('a record’s name can be read back from its bytes, and no two names share them', async (t) => {
  fc.assert(
    fc.property(name, name, (bucket, key) => {
      fc.pre(bucketProblem(bucket) === undefined && keyProblem(key) === undefined)
      const recordKey = toRecordKey(bucket as Bucket, key as Key, hash)
      const parsed = parseRecordKey(recordKey.bytes, hash)
      return (
        parsed?.bucket === bucket &&
        parsed.key === key &&
        parsed.token === recordKey.token &&
        parsed.id === recordKey.id
      )
    }),
    { seed: 4711 },
  )
  const [one, other] = [toRecordKey('a' as Bucket, 'bc' as Key, hash), toRecordKey('ab' as Bucket, 'c' as Key, hash)]
  t.notSame(one.bytes, other.bytes)
  t.not(one.id, other.id)
  t.same(one.bytes, [1, 'a'.charCodeAt(0), 'b'.charCodeAt(0), 'c'.charCodeAt(0)])
  t.equal(one.token, hash.hash64(one.bytes))
})

t.test('bytes from outside that are no name are none', async (t) => {
  const cases: readonly (readonly [string, readonly number[]])[] = [
    ['nothing', []],
    ['an empty bucket', [0, 65]],
    ['an empty key', [1, 65]],
    ['a bucket cut short', [5, 65, 66]],
    ['a bucket that is no UTF-8', [1, 0xff, 65]],
    ['a key that is no UTF-8', [1, 65, 0xc3]],
    ['a key that is too long', [1, 65, ...Array.from({ length: keyBytesMax + 1 }, () => 65)]],
  ]
  for (const [what, bytes] of cases) t.equal(parseRecordKey(Uint8Array.from(bytes), hash), undefined, what)
  const longest = [1, 65, ...Array.from({ length: keyBytesMax }, () => 65)]
  t.ok(parseRecordKey(Uint8Array.from(longest), hash))
})
