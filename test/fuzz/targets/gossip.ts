import { toNodeId } from '../../../lib/vocabulary/ids.ts'
import { datagramBytesMax } from '../../../lib/vocabulary/limits.ts'
import { encodeDatagram } from '../../../lib/wire/datagram.ts'
import { hash } from '../../wire/fixtures/hash.ts'
import { packet } from '../../wire/fixtures/packet-arbitraries.ts'
import type { Target, Trial } from '../target.ts'
import { LivingCluster } from './living-cluster.ts'
import { samplesOf } from './samples.ts'
import { withChecksum } from './trailing-checksum.ts'

/** Whoever is believed dead or elsewhere takes a while to come back: soon such a cluster is none any more. */
const inputsOfOneCluster = 200

/** What a member that has gone mad gossips to real nodes: it can hide members from each other, but not end a process. */
export const gossip: Target = {
  name: 'gossip',
  summary: 'what a mad member gossips to real nodes: never a bug',
  seeds,
  repair: withChecksum,
  bytesMax: datagramBytesMax,
  stepsMax: { base: 20_000_000, each: 100_000 },
  isOfNodes: true,
  inputsInTests: 2_000,
  open,
}

/** Of the members that are there, about themselves and each other, and about others. */
function seeds(): readonly Uint8Array[] {
  const { cluster } = new LivingCluster(1)
  const { members, clusterId } = cluster.node('ada').status()
  const ids = [...members.map(({ id }) => toNodeId(id)), toNodeId('e'.repeat(32))]
  const some = <Item>(items: readonly Item[], index: number): Item => items[index % items.length] as Item
  return samplesOf(packet, 80).map(({ header, message, updates }, index) => {
    const [from, about] = [some(ids, index), some(ids, index >> 2)]
    const told = updates.map(({ member }) => ({ member: { ...member, id: about }, from }))
    const aimed = 'target' in message ? { ...message, target: about } : message
    const ours = { ...header, cluster: 'test', from, clusterId: clusterId as typeof header.clusterId }
    return encodeDatagram({ header: ours, message: aimed, updates: told }, hash)
  })
}

function open(): Trial {
  const living = new LivingCluster(inputsOfOneCluster)
  return {
    run(input) {
      living.begin()
      living.tell('ada', Uint8Array.from(input))
    },
  }
}
