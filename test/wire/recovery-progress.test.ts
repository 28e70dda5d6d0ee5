import t from 'tap'
import { decodeRecoveryProgress, encodeRecoveryProgress } from '../../lib/wire/recovery-progress.ts'
import { UnreadableBytes } from '../../lib/wire/unreadable-bytes.ts'
import fc from '../fixtures/fast-check.ts'
import { hlc } from './fixtures/arbitraries.ts'
import { thrownBy, truncations } from './fixtures/bytes.ts'
import { nodeId } from './fixtures/frame-arbitraries.ts'

const progress = fc.record({
  reason: fc.constantFrom('lossy' as const, 'restored' as const, 'wiped' as const),
  copiedFrom: hlc,
  copiedUpTo: hlc,
  owed: fc.array(fc.record({ partition: fc.nat(65535), owners: fc.array(nodeId, { maxLength: 3 }) }), { maxLength: 5 }),
})

t.test('the progress of a recovery', async (t) => {
  t.test('comes back as it was', async () => {
    fc.assert(
      fc.property(progress, (one) => {
        t.same(decodeRecoveryProgress(encodeRecoveryProgress(one)), one)
      }),
      { numRuns: 50 },
    )
  })

  t.test('is refused when it is cut off, or of a later version', async (t) => {
    const bytes = encodeRecoveryProgress(fc.sample(progress, { numRuns: 1, seed: 3 })[0] as never)
    for (const part of truncations(bytes)) t.ok(thrownBy(() => decodeRecoveryProgress(part)) instanceof UnreadableBytes)
    t.ok(thrownBy(() => decodeRecoveryProgress(Uint8Array.of(9, ...bytes.slice(1)))) instanceof UnreadableBytes)
  })
})
