import t from 'tap'
import { decodeFormer, encodeFormer } from '../../lib/wire/former-partition.ts'
import { decodeGained, encodeGained } from '../../lib/wire/gained-partition.ts'
import { UnreadableBytes } from '../../lib/wire/unreadable-bytes.ts'
import fc from '../fixtures/fast-check.ts'
import { bytes, hlc, u53 } from './fixtures/arbitraries.ts'
import { hex, thrownBy, truncations } from './fixtures/bytes.ts'

const gained = fc.record({ assignedAt: u53, isCopied: fc.boolean(), after: bytes })
const former = fc.record({ stoppedAt: hlc, isGiven: fc.boolean() })

t.test('what is kept of a partition that moves comes back as it was', async (t) => {
  fc.assert(
    fc.property(gained, (one) => t.same(decodeGained(encodeGained(one)), one)),
    { numRuns: 50 },
  )
  fc.assert(
    fc.property(former, (one) => t.same(decodeFormer(encodeFormer(one)), one)),
    { numRuns: 50 },
  )
})

t.test('its bytes are those of version 1', async (t) => {
  t.equal(hex(encodeGained({ assignedAt: 300, isCopied: false, after: Uint8Array.of(0x64, 2) })), '01ac0200026402')
  t.equal(hex(encodeFormer({ stoppedAt: 300 as never, isGiven: true })), '01ac0201')
})

t.test('it is refused when it is cut off, or of a later version', async (t) => {
  const values = [
    { encoded: encodeGained({ assignedAt: 300, isCopied: true, after: Uint8Array.of(1) }), decode: decodeGained },
    { encoded: encodeFormer({ stoppedAt: 300 as never, isGiven: true }), decode: decodeFormer },
  ]
  for (const { encoded, decode } of values) {
    for (const part of truncations(encoded)) t.ok(thrownBy(() => decode(part)) instanceof UnreadableBytes)
    t.ok(thrownBy(() => decode(Uint8Array.of(9, ...encoded.slice(1)))) instanceof UnreadableBytes)
  }
})
