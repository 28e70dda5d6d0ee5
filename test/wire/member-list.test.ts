import t from 'tap'
import type { Member } from '../../lib/protocol/membership/member.ts'
import { toEndpoint, toNodeId } from '../../lib/vocabulary/ids.ts'
import { decodeMemberList, encodeMemberList } from '../../lib/wire/member-list.ts'
import { MalformedBytes, UnknownFormat, UnreadableBytes } from '../../lib/wire/unreadable-bytes.ts'
import fc from '../fixtures/fast-check.ts'
import { hex, thrownBy, truncations, unhex } from './fixtures/bytes.ts'
import { member } from './fixtures/frame-arbitraries.ts'

/** Format 1, frozen: these bytes stand on disks. */
const exampleBytes =
  '0101aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa030402036164610e3132372e302e302e313a3730373100017a400000000000000005302e312e300003a0a1a2a3'
const example: Member = {
  id: toNodeId('a'.repeat(32)),
  startNumber: 3,
  incarnation: 4,
  state: 'dead',
  metadata: {
    name: 'ada',
    peer: toEndpoint('127.0.0.1:7071'),
    http: undefined,
    zone: 'z',
    weight: 2,
    version: '0.1.0',
    isFresh: false,
    expect: 3,
    storeGeneration: 0xa0a1a2a3,
  },
}

t.test('the members a node keeps on its disk', async (t) => {
  fc.assert(
    fc.property(fc.array(member, { maxLength: 5 }), (members) => {
      t.same(decodeMemberList(encodeMemberList(members)), members)
    }),
  )
  const bytes = encodeMemberList([example])
  t.equal(hex(bytes), exampleBytes, 'have the bytes of format 1')
  t.same(decodeMemberList(unhex(exampleBytes)), [example])
  for (const cut of truncations(bytes)) {
    t.match(
      thrownBy(() => decodeMemberList(cut)),
      MalformedBytes,
    )
  }
  t.match(
    thrownBy(() => decodeMemberList(unhex(`02${exampleBytes.slice(2)}`))),
    UnknownFormat,
    'of a newer version',
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (noise) => {
      const error = thrownBy(() => decodeMemberList(noise))
      t.ok(error === undefined || error instanceof UnreadableBytes)
    }),
  )
})
