import type { NodeApi } from '../node/node-api.ts'
import type { KeyRecord } from '../protocol/causality/record.ts'
import { stateHash } from '../protocol/causality/state-hash.ts'
import type { SimulatedDisk } from '../simulator/simulated-disk.ts'
import type { Hash } from '../vocabulary/hash.ts'
import { parseRecordKey, type RecordKey } from '../vocabulary/key.ts'
import { decodeRecord } from '../wire/record.ts'
import { dataKey, dataRangeFrom, parseDataKey } from '../wire/store-keys.ts'
import { decodeStored } from '../wire/stored-record.ts'

/** A node that runs, and the disk under it. */
export interface Holder {
  readonly name: string
  readonly node: NodeApi
  readonly disk: SimulatedDisk
}

/** What that disk has of a key; undefined: nothing. Nobody is asked, and nothing is set off. */
export function recordOn(disk: SimulatedDisk, partition: number, key: RecordKey, hash: Hash): KeyRecord | undefined {
  const stored = disk.live.get(dataKey(partition, key))
  return stored === undefined ? undefined : decodeRecord(decodeStored(stored, hash).recordBytes, hash)
}

/** The first key of which two of `holders` that own it have different states, as `bucket/key`; undefined: none. */
export function divergedKey(holders: readonly Holder[], hash: Hash): string | undefined {
  const ring = holders.find(({ node }) => node.ring() !== undefined)?.node.ring()
  if (ring === undefined) return undefined
  const seen = new Set<string>()
  for (const { disk } of holders) {
    const { live } = disk
    const { from, to } = dataRangeFrom(0)
    for (let at = live.lowerBound(from), end = live.lowerBound(to); at < end; at += 1) {
      const place = parseDataKey((live.at(at) as { readonly key: Uint8Array }).key)
      const key = place === undefined ? undefined : parseRecordKey(place.keyBytes, hash)
      if (place === undefined || key === undefined || seen.has(key.id)) continue
      seen.add(key.id)
      const owners = new Set(ring.partitions[place.partition]?.map((index) => ring.nodes[index]?.name))
      const states = holders
        .filter(({ name }) => owners.has(name))
        .map((holder) => recordOn(holder.disk, place.partition, key, hash))
        .map((record) => (record === undefined ? undefined : stateHash(key, record, hash)))
      if (new Set(states).size > 1) return `${key.bucket}/${key.key}`
    }
  }
  return undefined
}
