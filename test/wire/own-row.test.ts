import t from 'tap'
import type { Hlc } from '../../lib/protocol/clock/hlc.ts'
import type { OwnRow } from '../../lib/protocol/continuity/start-kind.ts'
import { decodeOwnRow, encodeOwnRow } from '../../lib/wire/own-row.ts'
import { MalformedBytes, UnknownFormat, UnreadableBytes } from '../../lib/wire/unreadable-bytes.ts'
import fc from '../fixtures/fast-check.ts'
import { hex, thrownBy, truncations, unhex } from './fixtures/bytes.ts'
import { row } from './fixtures/frame-arbitraries.ts'

const example: OwnRow = {
  row: { seq: 5, generation: 0xa0a1a2a3, leaseUpTo: 131_072, hlcUpTo: 3_600_000_000_000_001 as Hlc },
  recovering: 'restored',
}
/** Format 1, frozen: these bytes stand on disks. */
const exampleBytes = '0105a0a1a2a38080088180c489e5c5b2060101'

t.test('a row on disk', async (t) => {
  const ownRow: fc.Arbitrary<OwnRow> = fc.record({
    row,
    recovering: fc.constantFrom(undefined, 'lossy', 'restored', 'wiped'),
  })
  fc.assert(
    fc.property(ownRow, (own) => {
      t.same(decodeOwnRow(encodeOwnRow(own)), own)
    }),
  )
  t.equal(hex(encodeOwnRow(example)), exampleBytes, 'has the bytes of format 1')
  t.same(decodeOwnRow(unhex(exampleBytes)), example)
  for (const cut of truncations(unhex(exampleBytes)))
    t.match(
      thrownBy(() => decodeOwnRow(cut)),
      MalformedBytes,
    )
  t.match(
    thrownBy(() => decodeOwnRow(unhex(`${exampleBytes}00`))),
    MalformedBytes,
  )
  t.match(
    thrownBy(() => decodeOwnRow(unhex(`02${exampleBytes.slice(2)}`))),
    UnknownFormat,
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (noise) => {
      const error = thrownBy(() => decodeOwnRow(Uint8Array.of(1, ...noise)))
      t.ok(error === undefined || error instanceof UnreadableBytes)
    }),
  )
})
