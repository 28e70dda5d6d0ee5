import { deepEqual, equal, ok } from 'node:assert/strict'
import t from 'tap'
import {
  type BucketMap,
  compareEntries,
  emptyBucketMap,
  mergeBucketMaps,
  withProperties,
} from '../../../lib/protocol/bucket/bucket-map.ts'
import { propertiesDefault } from '../../../lib/protocol/bucket/properties.ts'
import type { Hlc } from '../../../lib/protocol/clock/hlc.ts'
import fc from '../../fixtures/fast-check.ts'
import { bucketMap } from '../../wire/fixtures/bucket-arbitraries.ts'

t.test('the properties of all buckets merge: commutative, associative and idempotent', async (t) => {
  fc.assert(
    fc.property(bucketMap, bucketMap, bucketMap, (a, b, c) => {
      deepEqual(sorted(mergeBucketMaps(a, b)), sorted(mergeBucketMaps(b, a)))
      deepEqual(sorted(mergeBucketMaps(mergeBucketMaps(a, b), c)), sorted(mergeBucketMaps(a, mergeBucketMaps(b, c))))
      equal(mergeBucketMaps(a, a), a)
      const ab = mergeBucketMaps(a, b)
      equal(mergeBucketMaps(ab, a), ab, 'what was merged adds nothing: the same object, so nobody writes it again')
      equal(mergeBucketMaps(ab, new Map(b)), ab)
      equal(mergeBucketMaps(emptyBucketMap, a), a.size === 0 ? emptyBucketMap : a)
    }),
    { numRuns: 500 },
  )
  t.pass()
})

t.test('of two entries of a bucket the later one stays', async (t) => {
  fc.assert(
    fc.property(bucketMap, bucketMap, (a, b) => {
      const merged = mergeBucketMaps(a, b)
      for (const [bucket, entry] of merged) {
        for (const other of [a.get(bucket), b.get(bucket)]) {
          if (other === undefined) continue
          ok(compareEntries(entry, other) >= 0)
          ok(entry.properties.version >= other.properties.version)
        }
      }
    }),
  )
  const older = map('carts', { version: 2, r: 1 }, 90)
  const newer = map('carts', { version: 3, r: 2 }, 10)
  t.equal(mergeBucketMaps(older, newer), newer, 'the version comes before the clock')
  const later = map('carts', { version: 2, r: 3 }, 91)
  t.equal(mergeBucketMaps(later, older), later, 'then the clock')
  const rival = map('carts', { version: 2, r: 'all' }, 90)
  t.same(
    sorted(mergeBucketMaps(older, rival)),
    sorted(mergeBucketMaps(rival, older)),
    'then anything, if only the same everywhere',
  )
})

t.test('setting the properties of a bucket makes the next version of them', async (t) => {
  const first = withProperties(emptyBucketMap, 'carts', { ...propertiesDefault, r: 1 }, 50 as Hlc)
  t.match(first.get('carts'), { properties: { r: 1, version: 1 }, hlc: 50 })
  const second = withProperties(first, 'carts', { ...propertiesDefault, r: 2, version: 9 }, 40 as Hlc)
  t.match(second.get('carts'), { properties: { r: 2, version: 2 }, hlc: 51 }, 'whatever the clock says')
  t.equal(first.get('carts')?.properties.version, 1, 'the map before is as it was')
  t.equal(mergeBucketMaps(first, second), second)
  const other = withProperties(first, 'sessions', propertiesDefault, 60 as Hlc)
  t.same([...mergeBucketMaps(second, other).keys()], ['carts', 'sessions'], 'others keep theirs')
})

function map(bucket: string, properties: Partial<typeof propertiesDefault>, hlc: number): BucketMap {
  return new Map([[bucket, { properties: { ...propertiesDefault, ...properties }, hlc: hlc as Hlc }]])
}

function sorted(of: BucketMap) {
  return [...of].sort(([one], [other]) => (one < other ? -1 : 1))
}
