import t from 'tap'
import { toNodeId } from '../../lib/vocabulary/ids.ts'
import { parseRecordKey, toRecordKey } from '../../lib/vocabulary/key.ts'
import { compareKeys } from '../../lib/vocabulary/key-order.ts'
import {
  compareBytes,
  dataKey,
  dataRange,
  hintIndexKey,
  hintIndexRange,
  hintKey,
  hintRange,
  indexKey,
  indexKeyOf,
  indexRange,
  type KeyRange,
  keyAfter,
  metaKey,
  metaRange,
  parseDataKey,
  parseHintKey,
  parseIndexKey,
  parseMetaKey,
  prefixEnd,
} from '../../lib/wire/store-keys.ts'
import fc from '../fixtures/fast-check.ts'
import { recordKey } from './fixtures/arbitraries.ts'
import { hex, unhex } from './fixtures/bytes.ts'
import { nodeId } from './fixtures/frame-arbitraries.ts'
import { hash } from './fixtures/hash.ts'
import { named } from './fixtures/names.ts'

const partition = fc.nat(65535)
const tea = named('carts', 'tea')
const ada = toNodeId('ad'.repeat(16))
const bob = toNodeId('b0'.repeat(16))

t.test('a hint key', async (t) => {
  const last = toNodeId('ff'.repeat(16))
  t.equal(
    hex(hintKey(ada, 513, tea)),
    `68${'ad'.repeat(16)}0201${tea.token.toString(16).padStart(16, '0')}0563617274737465 61`.replace(' ', ''),
  )

  t.test('names its target, its partition and its record', async (t) => {
    fc.assert(
      fc.property(nodeId, partition, recordKey, (target, partition, key) => {
        const parts = parseHintKey(hintKey(target, partition, key))
        t.same([parts?.target, parts?.partition], [target, partition])
        t.same(parts && parseRecordKey(parts.keyBytes, hash), key)
      }),
      { numRuns: 200 },
    )
  })

  t.test('lies in the range of its target, and of all, and of no other', async (t) => {
    fc.assert(
      fc.property(nodeId, nodeId, partition, recordKey, (one, other, partition, key) => {
        t.equal(isIn(hintRange(one), hintKey(other, partition, key)), one === other)
        t.ok(isIn(hintRange(), hintKey(other, partition, key)))
      }),
      { numRuns: 200 },
    )
    t.ok(isIn(hintRange(last), hintKey(last, 65535, tea)), 'also of the last')
    t.notOk(isIn(hintRange(ada, hintKey(ada, 513, tea)), hintKey(ada, 513, tea)), 'but not behind itself')
    t.equal(parseHintKey(dataKey(513, tea)), undefined)
  })
})

t.test('a data key', async (t) => {
  t.equal(
    hex(dataKey(513, tea)),
    `640201${tea.token.toString(16).padStart(16, '0')}05636172747374 6561`.replace(' ', ''),
  )

  t.test('names its record', async (t) => {
    fc.assert(
      fc.property(partition, recordKey, (partition, key) => {
        const parts = parseDataKey(dataKey(partition, key))
        t.equal(parts?.partition, partition)
        t.equal(parts?.token, key.token)
        t.same(parts && parseRecordKey(parts.keyBytes, hash), key)
      }),
      { numRuns: 200 },
    )
  })

  t.test('lies in the range of its partition and no other', async (t) => {
    fc.assert(
      fc.property(partition, partition, recordKey, (one, other, key) => {
        t.equal(isIn(dataRange(one), dataKey(other, key)), one === other)
      }),
      { numRuns: 200 },
    )
    t.ok(isIn(dataRange(65535), dataKey(65535, tea)), 'also in the last')
  })

  t.test('sorts by partition, then by token', async (t) => {
    fc.assert(
      fc.property(partition, recordKey, partition, recordKey, (onePartition, one, otherPartition, other) => {
        const order = onePartition - otherPartition || Number(one.token > other.token) - Number(one.token < other.token)
        if (order !== 0)
          t.equal(compareBytes(dataKey(onePartition, one), dataKey(otherPartition, other)), Math.sign(order))
      }),
      { numRuns: 200 },
    )
  })

  t.test('goes on behind another', async (t) => {
    const range = dataRange(7, dataKey(7, tea))
    t.notOk(isIn(range, dataKey(7, tea)), 'exclusive')
    t.ok(isIn(range, unhex('640007ffffffffffffffff0161')))
  })

  t.test('is not read from anything else', async (t) => {
    for (const other of [indexKeyOf(tea), metaKey('x'), unhex(''), unhex('6400000000000000000000')]) {
      t.equal(parseDataKey(other), undefined)
    }
  })
})

t.test('an index key', async (t) => {
  t.equal(hex(indexKey('ab', 'c')), '6b02616263')

  t.test('names bucket and key', async (t) => {
    fc.assert(
      fc.property(recordKey, (key) => {
        t.same(parseIndexKey(indexKey(key.bucket, key.key)), { bucket: key.bucket, key: key.key })
        t.same(indexKeyOf(key), indexKey(key.bucket, key.key))
      }),
      { numRuns: 200 },
    )
  })

  t.test('lies in the ranges of its bucket and of its prefixes, and in no other', async (t) => {
    const name = fc.string({ unit: fc.constantFrom('a', 'b', 'ÿ', '\u{10ffff}'), minLength: 1, maxLength: 3 })
    const prefix = fc.oneof(fc.constant(''), name)
    fc.assert(
      fc.property(
        name,
        prefix,
        fc.record({ start: prefix, end: prefix, after: prefix, reverse: fc.boolean() }),
        name,
        name,
        (bucket, prefix, bounds, otherBucket, key) => {
          const { start, end, after, reverse } = bounds
          const isListed =
            bucket === otherBucket &&
            key.startsWith(prefix) &&
            compareKeys(key, start) >= 0 &&
            (end === '' || compareKeys(key, end) < 0) &&
            (after === '' || (reverse ? compareKeys(key, after) < 0 : compareKeys(key, after) > 0))
          const asked = { bucket, prefix, ...bounds }
          t.equal(isIn(indexRange(asked), indexKey(otherBucket, key)), isListed)
          const recordKey = toRecordKey(otherBucket as never, key as never, hash)
          t.equal(isIn(hintIndexRange(ada, asked), hintIndexKey(ada, recordKey.bytes)), isListed, 'that of hints, too')
          t.notOk(isIn(hintIndexRange(bob, asked), hintIndexKey(ada, recordKey.bytes)))
        },
      ),
      { numRuns: 1000 },
    )
  })

  t.test('is not read from anything else', async (t) => {
    for (const other of [dataKey(1, tea), metaKey('x'), unhex(''), unhex('6b'), unhex('6b0161'), unhex('6b01ff61')]) {
      t.equal(parseIndexKey(other), undefined)
    }
  })
})

t.test('a metadata key names what it holds, apart from all others', async (t) => {
  t.equal(hex(metaKey('lease')), '6d6c65617365')
  t.equal(parseMetaKey(metaKey('lease')), 'lease')
  t.equal(parseMetaKey(dataKey(1, tea)), undefined)
  t.ok(isIn(metaRange('row/'), metaKey('row/1')))
  t.notOk(isIn(metaRange('row/'), metaKey('rows')))
})

t.test('the end of a prefix is the first key behind all that start with it', async (t) => {
  t.equal(hex(prefixEnd(unhex('64ffff'))), '65')
  t.equal(hex(prefixEnd(unhex('6401'))), '6402')
  t.equal(hex(keyAfter(unhex('64'))), '6400')
})

function isIn(range: KeyRange, key: Uint8Array): boolean {
  return compareBytes(range.from, key) <= 0 && compareBytes(key, range.to) < 0
}
