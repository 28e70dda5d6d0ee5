import type { LayoutDocument } from '../../lib/protocol/layout/layout-document.ts'
import { layoutHash } from '../../lib/protocol/layout/layout-hash.ts'
import type { LayoutNode, LayoutVersion } from '../../lib/protocol/layout/layout-version.ts'
import { barrierOf, hasSwitched, newestLive } from '../../lib/protocol/layout/transition.ts'
import { ownersPerPartition } from '../../lib/protocol/ring/placement.ts'
import type { SimulatedDisk } from '../../lib/simulator/simulated-disk.ts'
import type { Hash } from '../../lib/vocabulary/hash.ts'
import type { NodeId } from '../../lib/vocabulary/ids.ts'
import { decodeLayoutDocument } from '../../lib/wire/layout-document.ts'
import { metaKey } from '../../lib/wire/store-keys.ts'
import { openValue } from '../../lib/wire/stored-record.ts'
import { UnreadableBytes } from '../../lib/wire/unreadable-bytes.ts'
import type { SimulatedCluster } from './cluster.ts'

/** How far one node is in a transition, step by step (docs/rules.md T2 to T5). */
export const moments = ['decided', 'acknowledged', 'copying', 'synced', 'switched'] as const
export type Moment = (typeof moments)[number]

const layoutKey = metaKey('layout')
/** Simulated disks replace values and never change one: what was decoded once is known. */
const decoded = new WeakMap<Uint8Array, LayoutDocument>()

/** What the layout documents on the disks of a run say, decoded once for each that was written. */
export class StoredLayouts {
  readonly #hash: Hash
  readonly #versions = new Map<number, LayoutVersion>()

  constructor(hash: Hash) {
    this.#hash = hash
  }

  /** Undefined: none there, or none that can be read. */
  documentOn(disk: SimulatedDisk): LayoutDocument | undefined {
    const stored = disk.live.get(layoutKey)
    if (stored === undefined) return undefined
    const known = decoded.get(stored)
    if (known !== undefined) return known
    try {
      const document = decodeLayoutDocument(openValue(stored, this.#hash), layoutHash, this.#hash)
      decoded.set(stored, document)
      return document
    } catch (error) {
      if (!(error instanceof UnreadableBytes)) throw error
      return undefined
    }
  }

  /** The decided version of that number, once any disk has had it. */
  versionOf(number: number, cluster: SimulatedCluster): LayoutVersion | undefined {
    if (!this.#versions.has(number)) {
      for (const name of cluster.names) {
        const live = this.documentOn(cluster.world.machine(name).disk)?.live ?? []
        for (const { version } of live) this.#versions.set(version.number, version)
      }
    }
    return this.#versions.get(number)
  }

  /** Whether some node knows later versions and no longer this one. */
  isGivenUp(number: number, cluster: SimulatedCluster): boolean {
    return cluster.names.some((name) => {
      const live = this.documentOn(cluster.world.machine(name).disk)?.live ?? []
      return (
        live.some(({ version }) => version.number > number) && !live.some(({ version }) => version.number === number)
      )
    })
  }

  /** Undefined: nothing moves as far as this node knows. */
  momentOf(disk: SimulatedDisk, node: NodeId | undefined): Moment | undefined {
    const document = this.documentOn(disk)
    if (document === undefined || node === undefined || document.live.length < 2) return undefined
    const newest = newestLive(document)?.version as LayoutVersion
    const tracker = document.trackers.get(node)
    if ((tracker?.ack ?? 0) < newest.number) return 'decided'
    if (barrierOf(document) < newest.assignedAt) return 'acknowledged'
    if ((tracker?.sync ?? 0) < newest.assignedAt) return 'copying'
    return hasSwitched(document) ? 'switched' : 'synced'
  }
}

export function ownersIn(version: LayoutVersion, partition: number): readonly NodeId[] {
  const owners = ownersPerPartition(version)
  const cells = version.assignment.subarray(partition * owners, (partition + 1) * owners)
  return Array.from(cells, (index) => (version.nodes[index] as LayoutNode).id)
}
