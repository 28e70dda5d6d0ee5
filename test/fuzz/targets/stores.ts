import type { StorageEntry } from '../../../lib/ports/storage.ts'
import type { DiskSnapshot } from '../../../lib/simulator/simulated-disk.ts'
import { TestCluster } from '../../node/fixtures/test-cluster.ts'
import { must, type Target, type Trial } from '../target.ts'
import { withChecksum } from './trailing-checksum.ts'

/** What a node reads at its start, and what it then does in the background by itself. */
const livesMs = 1_500
/** What a damaged node said to the others may stay with them. */
const inputsOfOneCluster = 100
const headBytes = 3

/**
 * A node that finds one thing on its disk which is not what it wrote there. u16: which entry of the store; u8: whether its
 * value, its key, the identity or the votes are replaced by the rest.
 */
export const stores: Target = {
  name: 'stores',
  summary:
    'a node started on a store in which one value, key or file is another: it serves, or says why it does not start',
  seeds,
  repair: (input) => Uint8Array.of(...head(input), ...withChecksum(input.subarray(headBytes))),
  bytesMax: 4096,
  stepsMax: { base: 50_000_000, each: 100_000 },
  isOfNodes: true,
  inputsInTests: 500,
  open,
}

const modes = ['value', 'key', 'identity', 'votes'] as const

function head(input: Uint8Array): readonly number[] {
  return [input[0] ?? 0, input[1] ?? 0, input[2] ?? 0]
}

/** Everything as it stands there. */
function seeds(): readonly Uint8Array[] {
  const { snapshot } = stage()
  const ofEntry = (mode: number, index: number, bytes: Uint8Array): Uint8Array =>
    Uint8Array.of(index >> 8, index & 255, mode, ...bytes)
  const entries = entriesOf(snapshot)
  return [
    ...entries.map(({ value }, index) => ofEntry(0, index, value)),
    ...entries.map(({ key }, index) => ofEntry(1, index, key)).filter((_input, index) => index % 8 === 0),
    ofEntry(2, 0, snapshot.identity ?? new Uint8Array(0)),
    ofEntry(3, 0, snapshot.votes ?? new Uint8Array(0)),
  ]
}

function open(): Trial {
  let { cluster, snapshot } = stage()
  let inputs = 0
  return {
    run(input) {
      inputs += 1
      if (inputs % inputsOfOneCluster === 0) {
        const next = stage()
        cluster = next.cluster
        snapshot = next.snapshot
      }
      const { world } = cluster
      world.crash('ada', 'kill')
      world.machine('ada').disk.restore(spoilt(snapshot, input))
      cluster.start('ada')
      world.run(livesMs)
      const [ending] = cluster.ended.splice(0)
      must(ending === undefined || ending.problem.code.length > 0, 'whoever does not start says why')
      const bugs = cluster.metricSum('starling_internal_errors_total')
      if (bugs > 0) must(false, `no node meets a bug of its own: ${world.log.format(3)}`)
      if (ending === undefined && cluster.node('ada').self().state === 'serving') cluster.list('ada', { limit: 10 })
    },
  }
}

/** Three nodes with some of everything: values, siblings, tombstones, deadlines, properties, and hints for a node that is away. */
function stage(): { readonly cluster: TestCluster; readonly snapshot: DiskSnapshot } {
  const cluster = TestCluster.formed(['ada', 'bob', 'cyd'])
  for (const key of ['k0', 'k1', 'k2', 'k3']) cluster.put('ada', key, `of ${key}`)
  cluster.put('bob', 'k0', 'beside it')
  cluster.put('ada', 'k4', 'soon gone', { ttlSeconds: 3600 })
  cluster.delete('ada', 'k1')
  cluster.setProperties('ada', { siblingsMax: 50 })
  cluster.world.crash('cyd', 'kill')
  for (const key of ['k5', 'k6']) cluster.put('ada', key, `of ${key}`)
  const snapshot = cluster.world.machine('ada').disk.snapshot()
  cluster.start('cyd')
  return { cluster, snapshot }
}

function entriesOf({ entries }: DiskSnapshot): readonly StorageEntry[] {
  return Array.from({ length: entries.length }, (_, index) => entries.at(index) as StorageEntry)
}

function spoilt(snapshot: DiskSnapshot, input: Uint8Array): DiskSnapshot {
  const rest = input.slice(headBytes)
  const mode = modes[(input[2] ?? 0) % modes.length]
  if (mode === 'identity') return { ...snapshot, identity: rest }
  if (mode === 'votes') return { ...snapshot, votes: rest }
  const entries = snapshot.entries.copy()
  const index = ((input[0] ?? 0) * 256 + (input[1] ?? 0)) % entries.length
  const { key, value } = entries.at(index) as StorageEntry
  if (mode === 'value') entries.apply([{ type: 'put', key, value: rest }])
  else if (rest.length > 0) {
    entries.apply([
      { type: 'delete', key },
      { type: 'put', key: rest, value },
    ])
  }
  return { ...snapshot, entries }
}
