import t from 'tap'
import type { Hlc } from '../../lib/protocol/clock/hlc.ts'
import { decodeBarrier, encodeBarrier } from '../../lib/wire/deletion-barrier.ts'
import {
  compareBytes,
  expiryKey,
  expiryRange,
  indexValue,
  parseExpiryKey,
  parseIndexValue,
  parseTombstoneKey,
  tombstoneKey,
  tombstoneRange,
} from '../../lib/wire/store-keys.ts'
import { decodeTombstoneEntry, encodeTombstoneEntry } from '../../lib/wire/tombstone-entry.ts'
import fc from '../fixtures/fast-check.ts'
import { hex, unhex } from './fixtures/bytes.ts'
import { named } from './fixtures/names.ts'

const hlc = fc.maxSafeNat().map((value) => value as Hlc)
const key = named('carts', 'tea')

t.test('a barrier comes back as it was, and what is none is none', async (t) => {
  fc.assert(
    fc.property(hlc, hlc, (gcBarrier, gcDeleted) => {
      t.same(decodeBarrier(encodeBarrier({ gcBarrier, gcDeleted })), { gcBarrier, gcDeleted })
    }),
    { numRuns: 100 },
  )
  t.equal(hex(encodeBarrier({ gcBarrier: 300 as Hlc, gcDeleted: 7 as Hlc })), '01ac0207', 'version 1')
  for (const bytes of ['', '01', '01ac02', '01ac020700', '02ac0207'])
    t.equal(decodeBarrier(unhex(bytes)), undefined, bytes)
})

t.test('an entry of a tombstone comes back as it was, and what is none is none', async (t) => {
  fc.assert(
    fc.property(hlc, hlc, (a, b) => {
      const entry = { deletedHlc: Math.min(a, b) as Hlc, seenHlc: Math.max(a, b) as Hlc }
      t.same(decodeTombstoneEntry(encodeTombstoneEntry(entry)), entry)
    }),
    { numRuns: 100 },
  )
  t.equal(hex(encodeTombstoneEntry({ deletedHlc: 300 as Hlc, seenHlc: 307 as Hlc })), '01ac0207', 'version 1')
  for (const bytes of ['', '01', '01ac02', '02ac0207']) t.equal(decodeTombstoneEntry(unhex(bytes)), undefined, bytes)
})

t.test('tombstones of a partition are one range', async (t) => {
  const stored = tombstoneKey(513, key)
  t.match(hex(stored), /^740201/)
  t.same(parseTombstoneKey(stored), key.bytes)
  t.equal(parseTombstoneKey(expiryKey(1, key)), undefined)
  t.ok(isWithin(stored, tombstoneRange(513)))
  t.notOk(isWithin(stored, tombstoneRange(513, stored)), 'behind itself')
  t.notOk(isWithin(stored, tombstoneRange(512)) || isWithin(stored, tombstoneRange(514)))
})

t.test('deadlines are one range, in their order', async (t) => {
  const late = 253_402_300_799_000
  t.same(parseExpiryKey(expiryKey(late, key)), key.bytes)
  t.equal(parseExpiryKey(tombstoneKey(1, key)), undefined)
  t.ok(isWithin(expiryKey(1000, key), expiryRange(1000)), 'up to and including')
  t.notOk(isWithin(expiryKey(1001, key), expiryRange(1000)))
  t.ok(compareBytes(expiryKey(255, key), expiryKey(256, key)) < 0)
})

t.test('an index entry says until when it is shown', async (t) => {
  t.equal(parseIndexValue(indexValue(undefined)), undefined)
  t.equal(parseIndexValue(indexValue(1_760_000_000_000)), 1_760_000_000_000)
})

function isWithin(bytes: Uint8Array, range: { readonly from: Uint8Array; readonly to: Uint8Array }): boolean {
  return compareBytes(bytes, range.from) >= 0 && compareBytes(bytes, range.to) < 0
}
