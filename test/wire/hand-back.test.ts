import t from 'tap'
import { decodeCursor, decodeOwned, encodeCursor, encodeOwned } from '../../lib/wire/hand-back.ts'
import { MalformedBytes, UnknownFormat } from '../../lib/wire/unreadable-bytes.ts'
import fc from '../fixtures/fast-check.ts'

const number = fc.nat()
const partition = fc.nat(65_535)

t.test('what an excluded node knows of what it held', async (t) => {
  t.test('is read as it was written', async () => {
    fc.assert(
      fc.property(fc.record({ number, partitions: fc.array(partition) }), (owned) => {
        t.same(decodeOwned(encodeOwned(owned)), owned)
      }),
      { numRuns: 50 },
    )
    fc.assert(
      fc.property(fc.record({ number, partition, after: fc.uint8Array() }), (cursor) => {
        t.same(decodeCursor(encodeCursor(cursor)), cursor)
      }),
      { numRuns: 50 },
    )
  })

  t.test('and refused when a newer Starling wrote it, or it is cut off', async (t) => {
    const owned = encodeOwned({ number: 7, partitions: [1, 513] })
    const cursor = encodeCursor({ number: 7, partition: 513, after: new Uint8Array([1, 2, 3]) })
    for (const [bytes, decode] of [
      [owned, decodeOwned],
      [cursor, decodeCursor],
    ] as const) {
      t.throws(() => decode(bytes.subarray(0, bytes.length - 1)), MalformedBytes)
      t.throws(() => decode(new Uint8Array([9, ...bytes.subarray(1)])), UnknownFormat)
    }
  })

  t.test('in bytes that stay what they are', async (t) => {
    t.equal(hex(encodeOwned({ number: 7, partitions: [1, 513] })), '01070200010201')
    t.equal(hex(encodeCursor({ number: 7, partition: 513, after: new Uint8Array([1, 2, 3]) })), '0107810403010203')
  })
})

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
