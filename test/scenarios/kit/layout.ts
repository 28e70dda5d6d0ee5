import { partitionOf } from '../../../lib/protocol/ring/partition.ts'
import type { Hash } from '../../../lib/vocabulary/hash.ts'
import { type Bucket, type Key, toRecordKey } from '../../../lib/vocabulary/key.ts'
import { eventually, json } from '../../node/fixtures/real-nodes.ts'
import type { Cluster, Member } from './cluster.ts'
import { bucket } from './http.ts'

export interface RingJson {
  readonly layoutNumber: number
  readonly partitionCount: number
  readonly replicaCount: number
  readonly nodes: readonly { readonly id: string; readonly name: string; readonly weight: number }[]
  /** Of each partition, positions in `nodes`. */
  readonly partitions: readonly (readonly number[])[]
}

export interface StatusJson {
  readonly converged: boolean
  readonly layout: { readonly number: number; readonly live: readonly number[]; readonly hash: string | null }
  readonly members: readonly { readonly id: string; readonly name: string; readonly state: string }[]
}

/** Who owns what, as one node says. */
export class RingMap {
  readonly number: number
  readonly partitionCount: number
  readonly #ring: RingJson
  readonly #hash: Hash

  constructor(ring: RingJson, hash: Hash) {
    this.number = ring.layoutNumber
    this.partitionCount = ring.partitionCount
    this.#ring = ring
    this.#hash = hash
  }

  /** As those know it who know the newest. */
  static async newest(nodes: readonly Member[], hash: Hash): Promise<RingMap> {
    const rings = await Promise.all(
      nodes.map(async (node) =>
        unlessEnded(node, async () => (await json(node, '/v1/cluster/ring')) as unknown as RingJson),
      ),
    )
    const known = rings.filter((ring) => ring !== undefined && ring !== 'ended').filter(({ partitions }) => partitions)
    const [newest] = known.toSorted((a, b) => b.layoutNumber - a.layoutNumber)
    if (newest === undefined) throw new Error('nobody tells who owns what')
    return new RingMap(newest, hash)
  }

  get names(): readonly string[] {
    return this.#ring.nodes.map(({ name }) => name)
  }

  partitionOf(key: string): number {
    return partitionOf(toRecordKey(bucket as Bucket, key as Key, this.#hash).token, this.partitionCount)
  }

  /** Names. */
  ownersOf(partition: number): readonly string[] {
    return (this.#ring.partitions[partition] ?? []).map((place) => this.#ring.nodes[place]?.name ?? '?')
  }

  ownersOfKey(key: string): readonly string[] {
    return this.ownersOf(this.partitionOf(key))
  }

  partitionsOf(name: string): number {
    return this.#ring.partitions.filter((_, partition) => this.ownersOf(partition).includes(name)).length
  }

  /**
   * The worst difference between what a node owns and what its weight asks for, as a fraction of the latter. No node can
   * own a partition twice: where there are no more nodes than replicas, everybody owns everything.
   */
  get imbalance(): number {
    const { nodes, replicaCount } = this.#ring
    const weights = nodes.reduce((sum, { weight }) => sum + weight, 0)
    const slots = this.partitionCount * Math.min(replicaCount, nodes.length)
    return Math.max(
      ...nodes.map(({ name, weight }) => {
        const target = Math.min(this.partitionCount, (slots * weight) / weights)
        return Math.abs(this.partitionsOf(name) - target) / target
      }),
    )
  }

  /** Whom each partition gains on the way from `before`. */
  gains(before: RingMap): ReadonlyMap<number, readonly string[]> {
    const gains = new Map<number, readonly string[]>()
    for (let partition = 0; partition < this.partitionCount; partition += 1) {
      const had = before.ownersOf(partition)
      const gaining = this.ownersOf(partition).filter((name) => !had.includes(name))
      if (gaining.length > 0) gains.set(partition, gaining)
    }
    return gains
  }
}

export async function statusOf(node: Member): Promise<StatusJson> {
  return (await json(node, '/v1/cluster/status')) as unknown as StatusJson
}

/** Until all that run know this layout, or a newer one, with only one version live, and agree. Who ends meanwhile is let go. */
export async function converged(cluster: Cluster, number: number, limitMs: number): Promise<void> {
  await Promise.all(
    cluster.running.map((node) =>
      eventually(
        `${node.name} says that layout ${number} is alone`,
        () => unlessEnded(node, () => statusOf(node)),
        (status) => status === 'ended' || (status?.converged === true && status.layout.number >= number),
        limitMs,
      ),
    ),
  )
}

/** Until no node that runs tells of a transfer. */
export async function atRest(nodes: readonly Member[], limitMs: number): Promise<void> {
  await Promise.all(
    nodes.map((node) =>
      eventually(
        `${node.name} moves nothing`,
        () =>
          unlessEnded(node, async () => (await json(node, '/v1/cluster/transfers')).transfers as readonly unknown[]),
        (transfers) => transfers === 'ended' || transfers?.length === 0,
        limitMs,
      ),
    ),
  )
}

/** Undefined: no answer for now. */
async function unlessEnded<Seen>(node: Member, look: () => Promise<Seen>): Promise<Seen | 'ended' | undefined> {
  if (!node.isRunning) return 'ended'
  try {
    return await look()
  } catch {
    return undefined
  }
}
