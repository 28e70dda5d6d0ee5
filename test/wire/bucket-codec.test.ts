import { deepEqual, equal } from 'node:assert/strict'
import t from 'tap'
import { mergeBucketMaps } from '../../lib/protocol/bucket/bucket-map.ts'
import { propertiesDefault } from '../../lib/protocol/bucket/properties.ts'
import type { Hlc } from '../../lib/protocol/clock/hlc.ts'
import { decodeBucketMap, encodeBucketMap } from '../../lib/wire/bucket-codec.ts'
import { MalformedBytes, UnknownFormat, UnreadableBytes } from '../../lib/wire/unreadable-bytes.ts'
import fc from '../fixtures/fast-check.ts'
import { bucketMap } from './fixtures/bucket-arbitraries.ts'
import { hex, thrownBy, unhex } from './fixtures/bytes.ts'

const golden = '010205636172747390800101040103000101010101901c0580800406746f6d61746f81010001010303000000006480808004'

t.test('the properties of all buckets', async (t) => {
  t.test('come back as they were, and equal ones have equal bytes', async (t) => {
    fc.assert(
      fc.property(bucketMap, bucketMap, (a, b) => {
        deepEqual(sorted(decodeBucketMap(encodeBucketMap(a))), sorted(a))
        equal(hex(encodeBucketMap(mergeBucketMaps(a, b))), hex(encodeBucketMap(mergeBucketMaps(b, a))))
      }),
    )
    t.pass()
  })

  t.test('have the bytes of version 1', async (t) => {
    const map = new Map([
      ['tomato', { properties: propertiesDefault, hlc: 129 as Hlc }],
      [
        'carts',
        {
          properties: {
            ...propertiesDefault,
            r: 1,
            pw: 'one' as const,
            conflict: 'lww' as const,
            durability: 'disk' as const,
            readRepair: 'async' as const,
            ttlSeconds: 3600,
            siblingsMax: 5,
            valueBytesMax: 65_536,
            version: 1,
          },
          hlc: 16_400 as Hlc,
        },
      ],
    ])
    t.equal(hex(encodeBucketMap(map)), golden)
    t.same(sorted(decodeBucketMap(unhex(golden))), sorted(map))
  })

  t.test('of a newer Starling are refused by name, and so is whatever is no map', async (t) => {
    t.ok(thrownBy(() => decodeBucketMap(unhex('0200'))) instanceof UnknownFormat)
    t.ok(thrownBy(() => decodeBucketMap(unhex('01'))) instanceof MalformedBytes)
    t.ok(thrownBy(() => decodeBucketMap(unhex(`${golden}00`))) instanceof MalformedBytes)
    // $tarling for carts of the same length: the database's own buckets have no properties.
    t.ok(thrownBy(() => decodeBucketMap(unhex(golden.replace('056361', '052461')))) instanceof MalformedBytes)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          equal(hex(encodeBucketMap(decodeBucketMap(bytes))), hex(bytes))
        } catch (error) {
          if (!(error instanceof UnreadableBytes)) throw error
        }
      }),
    )
  })
})

function sorted(of: ReturnType<typeof decodeBucketMap>) {
  return [...of].sort(([one], [other]) => (one < other ? -1 : 1))
}
