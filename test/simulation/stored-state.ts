import type { KeyRecord } from '../../lib/protocol/causality/record.ts'
import { stateHash } from '../../lib/protocol/causality/state-hash.ts'
import type { SimulatedDisk } from '../../lib/simulator/simulated-disk.ts'
import type { Hash } from '../../lib/vocabulary/hash.ts'
import type { NodeId } from '../../lib/vocabulary/ids.ts'
import { type Key, toRecordKey } from '../../lib/vocabulary/key.ts'
import { decodeFormer } from '../../lib/wire/former-partition.ts'
import { dataKey, hintRange, type KeyRange, metaKey, metaRange } from '../../lib/wire/store-keys.ts'
import { openValue } from '../../lib/wire/stored-record.ts'
import { recordIn } from './audit-copies.ts'
import { bucket, keyName } from './clients.ts'
import type { SimulatedCluster } from './cluster.ts'

/** What one owner's store has of one key. */
export interface StoredCopy {
  readonly node: string
  readonly key: string
  readonly record: KeyRecord | undefined
  /** Undefined: nothing there. */
  readonly state: string | undefined
  /** Some node has marked the key's partition for comparison with this one. */
  readonly isMarked: boolean
}

/** What the owners of all keys of a run have of them, read from their disks: nobody is asked, nothing is set off. */
export function ownedCopies(cluster: SimulatedCluster, keys: number, hash: Hash): readonly StoredCopy[] {
  const copies: StoredCopy[] = []
  for (let number = 0; number < keys; number += 1) {
    const key = keyName(number)
    const place = placeOf(cluster, key)
    if (place === undefined) continue
    const recordKey = toRecordKey(bucket, key as Key, hash)
    for (const owner of place.owners) {
      const node = cluster.nameOf(owner)
      if (node === undefined) continue
      const mark = metaKey(`dirty-range/${owner}/${place.partition}`)
      const isMarked = cluster.names.some((name) => cluster.world.machine(name).disk.live.get(mark) !== undefined)
      const record = recordIn(cluster.world.machine(node).disk.live.get(dataKey(place.partition, recordKey)), hash)
      const state = record === undefined ? undefined : stateHash(recordKey, record, hash).toString(16).padStart(16, '0')
      copies.push({ node, key, record, state, isMarked })
    }
  }
  return copies
}

/** Keys of which the owners have different states. */
export function divergedKeys(copies: readonly StoredCopy[]): readonly string[] {
  const first = new Map<string, string | undefined>()
  const diverged = new Set<string>()
  for (const { key, state } of copies) {
    if (!first.has(key)) first.set(key, state)
    else if (first.get(key) !== state) diverged.add(key)
  }
  return [...diverged]
}

export function isTombstoneCopy({ record }: StoredCopy): boolean {
  return record !== undefined && record.siblings.length === 0
}

/** Hints that wait on that disk. */
export function hintsOn(disk: SimulatedDisk): number {
  return countIn(disk, hintRange())
}

/** Ranges that are marked for comparison there. */
export function dirtyRangesOn(disk: SimulatedDisk): number {
  return countIn(disk, metaRange('dirty-range/'))
}

/** Whether that node has given what stands there of a partition that it owns no more. */
export function isGivenOn(disk: SimulatedDisk, partition: number, hash: Hash): boolean {
  const former = disk.live.get(metaKey(`former/${partition}`))
  return former !== undefined && decodeFormer(openValue(former, hash)).isGiven
}

/** Any node that knows. */
function placeOf(
  cluster: SimulatedCluster,
  key: string,
): { readonly partition: number; readonly owners: readonly NodeId[] } | undefined {
  for (const name of cluster.names) {
    const place = cluster.node(name)?.ownersOf(bucket, key as Key)
    if (place !== undefined) return place
  }
  return undefined
}

function countIn(disk: SimulatedDisk, { from, to }: KeyRange): number {
  return disk.live.lowerBound(to) - disk.live.lowerBound(from)
}
