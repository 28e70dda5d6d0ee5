import { toNodeId } from '../../../lib/vocabulary/ids.ts'
import { request } from '../../wire/fixtures/frame-arbitraries.ts'
import type { Target, Trial } from '../target.ts'
import { withFraming } from './frame-bytes.ts'
import { LivingCluster } from './living-cluster.ts'
import { asked, ordinary } from './requests.ts'
import { samplesOf } from './samples.ts'

/** What a member says is believed: soon such a cluster is none any more. */
const inputsOfOneCluster = 100
const askedOf = ['ada', 'bob'] as const

/**
 * What a member that has gone mad may ask of real nodes: it can do what it likes to the data, but not end a process. The
 * first byte says whom it asks, and whether it has the name of a member or none that is known.
 */
export const peers: Target = {
  name: 'peers',
  summary: 'what a mad member asks of real nodes: answered or refused in time, and never a bug',
  seeds: () => [...ordinary(), ...samplesOf(request, 300)].map((message, index) => asked(index, message)),
  repair: (input) => Uint8Array.of(input[0] ?? 0, ...withFraming(input.subarray(1))),
  bytesMax: 4096,
  stepsMax: { base: 20_000_000, each: 100_000 },
  isOfNodes: true,
  inputsInTests: 1_000,
  open,
}

function open(): Trial {
  const living = new LivingCluster(inputsOfOneCluster)
  return {
    run(input) {
      living.begin()
      const first = input[0] ?? 0
      const nodeId = first % 4 < 2 ? (living.cluster.node('cyd').id ?? '') : toNodeId('e'.repeat(32))
      living.ask(askedOf[first % 2] as string, { role: 'peer', nodeId }, input.subarray(1))
    },
  }
}
