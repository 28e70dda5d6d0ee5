import t from 'tap'
import { decodeTree, encodeTree } from '../../lib/wire/tree-codec.ts'
import { MalformedBytes, UnknownFormat } from '../../lib/wire/unreadable-bytes.ts'
import fc from '../fixtures/fast-check.ts'
import { hex, unhex } from './fixtures/bytes.ts'

const leaves = fc
  .uniqueArray(fc.tuple(fc.nat(4095), fc.bigInt({ min: 1n, max: 2n ** 64n - 1n })), {
    maxLength: 200,
    selector: ([leaf]) => leaf,
  })
  .map((pairs) => pairs.toSorted(([a], [b]) => a - b))
const tree = fc.record({
  epoch: fc.maxSafeNat(),
  partitionCount: fc.nat(65_536),
  verifiedAtMs: fc.maxSafeNat(),
  leaves,
})

t.test('a stored tree', async (t) => {
  t.test('comes back as it was', async (t) => {
    fc.assert(
      fc.property(tree, (tree) => t.same(decodeTree(encodeTree(tree)), tree)),
      { numRuns: 200 },
    )
  })

  t.test('has the bytes of version 1', async (t) => {
    const tree = { epoch: 5, partitionCount: 1024, verifiedAtMs: 2, leaves: [[200, 0x1122334455667788n]] as const }
    const bytes = '010580084000000000000000' + '01c801' + '1122334455667788' + '1122334455667788'
    t.equal(hex(encodeTree(tree)), bytes)
    t.same(decodeTree(unhex(bytes)), tree)
  })

  t.test('is small when little is in it', async (t) => {
    t.ok(encodeTree({ epoch: 1, partitionCount: 1024, verifiedAtMs: 2, leaves: [] }).length < 30)
  })

  t.test('that another version wrote, or that is none, is refused', async (t) => {
    t.throws(() => decodeTree(unhex('02')), UnknownFormat)
    fc.assert(
      fc.property(tree, fc.nat(), (tree, at) => {
        const bytes = encodeTree(tree)
        t.throws(() => decodeTree(bytes.subarray(0, at % bytes.length)), MalformedBytes)
      }),
    )
  })

  t.test('with a hash that is not the one of its root is refused', async (t) => {
    const bytes = encodeTree({ epoch: 1, partitionCount: 4, verifiedAtMs: 2, leaves: [[7, 5n]] })
    bytes[bytes.length - 9] = 4
    t.throws(() => decodeTree(bytes), MalformedBytes)
  })
})
