import t from 'tap'
import {
  estimateOverheadBytes,
  estimateUpdateBytes,
  type MembershipPacket,
  type MemberUpdate,
} from '../../lib/protocol/membership/packet.ts'
import { toClusterId, toEndpoint, toNodeId } from '../../lib/vocabulary/ids.ts'
import { InvariantViolation } from '../../lib/vocabulary/invariant.ts'
import { datagramBytesMax } from '../../lib/vocabulary/limits.ts'
import { decodeDatagram, encodeDatagram } from '../../lib/wire/datagram.ts'
import fc from '../fixtures/fast-check.ts'
import { flipped, hex, thrownBy, truncations, unhex } from './fixtures/bytes.ts'
import { hash } from './fixtures/hash.ts'
import { packet } from './fixtures/packet-arbitraries.ts'

const ada = toNodeId('ada0ada0ada0ada0ada0ada0ada0ada0')
const bob = toNodeId('b0bb0bb0b0bb0bb0b0bb0bb0b0bb0bb0')
const main = { cluster: 'main' }

const update: MemberUpdate = {
  from: ada,
  member: {
    id: bob,
    startNumber: 4,
    incarnation: 300,
    state: 'suspect',
    metadata: {
      name: 'bob',
      peer: toEndpoint('10.0.0.2:7071'),
      http: toEndpoint('[::1]:7070'),
      zone: 'a',
      weight: 1,
      version: '0.1.0',
      isFresh: false,
      expect: 3,
      storeGeneration: 0xb0b1b2b3,
    },
  },
}

const header = {
  cluster: 'main',
  clusterId: toClusterId('0123456789abcdef'),
  from: ada,
  startNumber: 7,
  incarnation: 2,
  digest: { number: 3, documentHash: 0xd16e57ed },
}

/** Version 1, frozen: nodes of two releases gossip in these. */
const golden: readonly (readonly [MembershipPacket, string])[] = [
  [
    { header, message: { type: 'probe', sequence: 9, target: bob }, updates: [update] },
    'd701046d61696e0123456789abcdefada0ada0ada0ada0ada0ada0ada0ada0070203d16e57ed0000000009b0bb0bb0b0bb0bb0b0bb0bb0b0bb0bb001b0bb0bb0b0bb0bb0b0bb0bb0b0bb0bb004ac020103626f620d31302e302e302e323a37303731010a5b3a3a315d3a3730373001613ff000000000000005302e312e300003b0b1b2b3ada0ada0ada0ada0ada0ada0ada0ada03e6759f3',
  ],
  [
    { header: { ...header, clusterId: '' }, message: { type: 'ack', sequence: 9, wallMs: 1.76e12 }, updates: [] },
    'd701046d61696e0000000000000000ada0ada0ada0ada0ada0ada0ada0ada0070203d16e57ed010000000942799c82cc00000000e248e135',
  ],
  [
    {
      header,
      message: { type: 'indirect-probe', sequence: 9, target: bob, targetEndpoint: toEndpoint('10.0.0.2:7071') },
      updates: [],
    },
    'd701046d61696e0123456789abcdefada0ada0ada0ada0ada0ada0ada0ada0070203d16e57ed0200000009b0bb0bb0b0bb0bb0b0bb0bb0b0bb0bb00d31302e302e302e323a37303731007df3baa9',
  ],
  [
    { header, message: { type: 'nack', sequence: 9 }, updates: [] },
    'd701046d61696e0123456789abcdefada0ada0ada0ada0ada0ada0ada0ada0070203d16e57ed030000000900d102d3fc',
  ],
  [
    { header, message: { type: 'gossip' }, updates: [update] },
    'd701046d61696e0123456789abcdefada0ada0ada0ada0ada0ada0ada0ada0070203d16e57ed0401b0bb0bb0b0bb0bb0b0bb0bb0b0bb0bb004ac020103626f620d31302e302e302e323a37303731010a5b3a3a315d3a3730373001613ff000000000000005302e312e300003b0b1b2b3ada0ada0ada0ada0ada0ada0ada0ada0a43e2554',
  ],
]

t.test('a datagram', async (t) => {
  t.test('brings the packet back', async (t) => {
    fc.assert(
      fc.property(packet, (packet) => {
        t.same(decodeDatagram(encodeDatagram(packet, hash), hash, packet.header), packet)
      }),
      { numRuns: 300 },
    )
  })

  t.test('has the bytes of version 1', async (t) => {
    for (const [packet, bytes] of golden) {
      t.equal(hex(encodeDatagram(packet, hash)), bytes, packet.message.type)
      t.same(decodeDatagram(unhex(bytes), hash, main), packet)
    }
  })

  t.test('costs no more than the sender of updates reckons with', async (t) => {
    fc.assert(
      fc.property(packet, (packet) => {
        const { header, message, updates } = packet
        const bare = encodeDatagram({ header, message, updates: [] }, hash).length
        t.ok(bare <= estimateOverheadBytes(header.cluster, message))
        for (const update of updates) {
          const bytes = encodeDatagram({ header, message, updates: [update] }, hash).length - bare
          t.ok(bytes <= estimateUpdateBytes(update))
        }
      }),
      { numRuns: 300 },
    )
  })

  t.test('that would be too large is a bug of ours', async (t) => {
    const updates = Array.from({ length: 20 }, () => update)
    t.match(
      thrownBy(() => encodeDatagram({ header, message: { type: 'gossip' }, updates }, hash)),
      InvariantViolation,
    )
  })

  t.test('of another cluster, of another version, or of somebody else is named as such', async (t) => {
    const bytes = unhex((golden[0] as (typeof golden)[number])[1])
    t.equal(decodeDatagram(bytes, hash, { cluster: 'mail' }), 'wrong-cluster')
    t.equal(decodeDatagram(bytes, hash, { cluster: '' }), 'wrong-cluster')
    t.equal(decodeDatagram(Uint8Array.of(0xd7, 2, ...bytes.subarray(2)), hash, main), 'sealed')
    t.equal(decodeDatagram(Uint8Array.of(0xd7, 3, ...bytes.subarray(2)), hash, main), 'unknown-version')
    t.equal(decodeDatagram(Buffer.from('GET / HTTP/1.1'), hash, main), 'foreign')
    t.equal(decodeDatagram(unhex(''), hash, main), 'foreign')
    t.equal(decodeDatagram(unhex('d701'), hash, main), 'malformed')
    t.equal(decodeDatagram(Uint8Array.of(...bytes, ...new Uint8Array(datagramBytesMax)), hash, main), 'malformed')
    t.equal(decodeDatagram(flipped(bytes, bytes.length * 8 - 1), hash, main), 'checksum')
  })

  t.test('with any one bit turned over, or cut off anywhere, is not read', async (t) => {
    for (const [, bytes] of golden) {
      const whole = unhex(bytes)
      for (let bit = 0; bit < whole.length * 8; bit += 1) {
        if (typeof decodeDatagram(flipped(whole, bit), hash, main) !== 'string') t.fail(`bit ${bit} went unnoticed`)
      }
      for (const cut of truncations(whole)) {
        if (typeof decodeDatagram(cut, hash, main) !== 'string') t.fail(`${cut.length} bytes were enough`)
      }
    }
    t.pass()
  })

  t.test('with the right checksum around the wrong content is malformed', async (t) => {
    fc.assert(
      fc.property(packet, fc.nat(), fc.nat(255), fc.boolean(), (packet, seed, byte, isCut) => {
        const whole = encodeDatagram(packet, hash)
        const nameEnd = 3 + Buffer.byteLength(packet.header.cluster)
        const at = nameEnd + (seed % (whole.length - 4 - nameEnd))
        const content = whole.slice(0, isCut ? at : whole.length - 4)
        if (!isCut) content[at] = byte
        const forged = sealed(content)
        const read = decodeDatagram(forged, hash, packet.header)
        // Some changes make another packet that could have been sent; then it is that packet, in its own form.
        if (typeof read === 'string') t.equal(read, 'malformed')
        else t.equal(hex(encodeDatagram(read, hash)), hex(forged))
      }),
      { numRuns: 1000 },
    )
  })

  t.test('of random bytes is not read, and nothing is thrown', async (t) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
        t.type(decodeDatagram(noise, hash, main), 'string')
        t.type(
          decodeDatagram(sealed(Uint8Array.of(0xd7, 1, 4, ...Buffer.from('main'), ...noise)), hash, main),
          'string',
        )
      }),
      { numRuns: 500 },
    )
  })
})

function sealed(content: Uint8Array): Uint8Array {
  const checksum = Buffer.alloc(4)
  checksum.writeUInt32BE(hash.hash32(content))
  return new Uint8Array(Buffer.concat([content, checksum]))
}
