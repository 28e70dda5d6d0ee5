import { isDeepStrictEqual } from 'node:util'
import type { MembershipPacket } from '../../../lib/protocol/membership/packet.ts'
import { datagramBytesMax } from '../../../lib/vocabulary/limits.ts'
import { decodeDatagram, encodeDatagram } from '../../../lib/wire/datagram.ts'
import { hash } from '../../wire/fixtures/hash.ts'
import { packet } from '../../wire/fixtures/packet-arbitraries.ts'
import { must, type Target } from '../target.ts'
import { samplesOf } from './samples.ts'
import { withChecksum } from './trailing-checksum.ts'

const cluster = 'main'

/** Plain gossip, as an open port hears it. */
export const datagrams: Target = {
  name: 'datagrams',
  summary: 'plain gossip: a packet that can be sent again as it is, or the reason why it is none',
  seeds: () => samplesOf(packet).map((one) => encodeDatagram(ofOurCluster(one), hash)),
  words: [cluster, '\xd7\x01', '10.0.0.1:7071', '[::1]:7070'],
  repair: withChecksum,
  bytesMax: datagramBytesMax + 50,
  stepsMax: { base: 2_000, each: 50 },
  inputsInTests: 100_000,
  open: () => ({ run: read }),
}

function read(input: Uint8Array): void {
  const read = decodeDatagram(input, hash, { cluster })
  if (typeof read === 'string') return
  must(read.header.cluster === cluster, 'only packets of this cluster are read')
  const again = encodeDatagram(read, hash)
  must(again.length <= datagramBytesMax, 'what was read can be sent')
  must(isDeepStrictEqual(decodeDatagram(again, hash, { cluster }), read), 'a packet comes back as it was')
}

function ofOurCluster(one: MembershipPacket): MembershipPacket {
  return { ...one, header: { ...one.header, cluster } }
}
