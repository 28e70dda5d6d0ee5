import t from 'tap'
import { createHash } from '../../../lib/platform/xxhash.ts'
import { emptyContext } from '../../../lib/protocol/causality/context.ts'
import { mintDot } from '../../../lib/protocol/causality/mint.ts'
import { putRecord } from '../../../lib/protocol/causality/put.ts'
import type { KeyRecord, Metadata } from '../../../lib/protocol/causality/record.ts'
import { formatStateHash, siblingChecksum, stateHash } from '../../../lib/protocol/causality/state-hash.ts'
import type { Hlc } from '../../../lib/protocol/clock/hlc.ts'
import { type Bucket, type Key, toRecordKey } from '../../../lib/vocabulary/key.ts'
import { contentOf } from './replica-model.ts'

const hash = await createHash()
const ada = toRecordKey('carts' as Bucket, 'ada' as Key, hash)
const bob = toRecordKey('carts' as Bucket, 'bob' as Key, hash)

t.test('A9: the state hash', async (t) => {
  const record = recordOf(1)
  const same = stateHash(ada, record, hash)

  t.test('is of the key, the vector, the dots and the checksums', async (t) => {
    const [only] = record.siblings
    const [entry] = record.vv
    if (only === undefined || entry === undefined) throw new Error('one value was put')
    const others: readonly KeyRecord[] = [
      { ...record, vv: [] },
      { ...record, vv: [{ ...entry, counter: 2 }] },
      { ...record, vv: [{ ...entry, born: 2 }] },
      { ...record, vv: [{ ...entry, born: 2 ** 52 + 1 }] },
      { ...record, siblings: [] },
      { ...record, siblings: [{ ...only, dot: { ...only.dot, generation: 11 } }] },
      { ...record, siblings: [{ ...only, checksum: 2 }] },
      { ...record, siblings: [only, only] },
    ]
    const hashes = new Set([same, stateHash(bob, record, hash), ...others.map((other) => stateHash(ada, other, hash))])
    t.equal(hashes.size, 2 + others.length, 'every one of them differs')
  })

  t.test('is not of clocks and requests', async (t) => {
    const siblings = record.siblings.map((sibling) => ({ ...sibling, hlc: 99 as Hlc, requestId: 'r' }))
    t.equal(stateHash(ada, { ...record, siblings, deletedHlc: 7 as Hlc }, hash), same)
  })

  t.test('is written as sixteen digits', async (t) => {
    t.equal(formatStateHash(0n), '0000000000000000')
    t.equal(formatStateHash(0xffff_ffff_ffff_ffffn), 'ffffffffffffffff')
  })
})

t.test('the checksum of a sibling', async (t) => {
  const bytes = new TextEncoder().encode('value')
  const text: Metadata = [['a', 'bc']]

  t.test('differs with every part of it', async (t) => {
    const checksums = [
      siblingChecksum(bytes, 'text/plain', text, 5, hash),
      siblingChecksum(bytes.slice(1), 'text/plain', text, 5, hash),
      siblingChecksum(bytes, 'text/html', text, 5, hash),
      siblingChecksum(bytes, 'text/plain', [['ab', 'c']], 5, hash),
      siblingChecksum(bytes, 'text/plain', [], 5, hash),
      siblingChecksum(bytes, 'text/plain', text, 6, hash),
      siblingChecksum(bytes, 'text/plain', text, undefined, hash),
    ]
    t.equal(new Set(checksums).size, checksums.length)
  })

  t.test('takes metadata of any size and script', async (t) => {
    const long: Metadata = [['name', 'ß漢😀'.repeat(2_000)]]
    const checksum = siblingChecksum(bytes, 'text/plain', long, undefined, hash)
    t.equal(siblingChecksum(bytes, 'text/plain', long, undefined, hash), checksum)
    t.not(siblingChecksum(bytes, 'text/plain', [['name', 'ß漢😀'.repeat(1_999)]], undefined, hash), checksum)
  })
})

function recordOf(id: number): KeyRecord {
  const mint = { ...mintDot(undefined, [], { shortId: 1, generation: 10 }, id), hlc: id as Hlc }
  return putRecord(undefined, emptyContext, mint, 'siblings', contentOf(id)).record
}
