import type { KeyRecord } from '../../lib/protocol/causality/record.ts'
import { covers } from '../../lib/protocol/causality/version-vector.ts'
import type { Durability } from '../../lib/protocol/quorum/client-request.ts'
import type { World } from '../../lib/simulator/world.ts'
import type { Hash } from '../../lib/vocabulary/hash.ts'
import { type Key, toRecordKey } from '../../lib/vocabulary/key.ts'
import { decodeRecord } from '../../lib/wire/record.ts'
import { dataKey } from '../../lib/wire/store-keys.ts'
import { decodeStored } from '../../lib/wire/stored-record.ts'
import { UnreadableBytes } from '../../lib/wire/unreadable-bytes.ts'
import { bucket, vidOf } from './clients.ts'

/**
 * How many disks hold a value now, or something that supersedes it, as durably as was asked: what no client could see,
 * and what an acknowledgement by W owners says. Undefined when nobody holds the value itself any more: it may have been
 * superseded everywhere, and its dot with it.
 */
export function countCopies(
  world: World,
  hash: Hash,
  value: { readonly key: string; readonly partition: number; readonly vid: string; readonly durability: Durability },
): number | undefined {
  const storeKey = dataKey(value.partition, toRecordKey(bucket, value.key as Key, hash))
  const disks = [...world.machines.values()].map((machine) => machine.disk)
  const visible = recordsIn(
    disks.map((disk) => disk.live.get(storeKey)),
    hash,
  )
  const sibling = visible.flatMap((record) => record.siblings).find((one) => vidOf(one) === value.vid)
  if (sibling === undefined) return undefined
  const kept =
    value.durability === 'os'
      ? visible
      : recordsIn(
          disks.map((disk) => disk.durableValue(storeKey)),
          hash,
        )
  return kept.filter((record) => covers(record.vv, sibling.dot)).length
}

/** Those that can be read. */
function recordsIn(stored: readonly (Uint8Array | undefined)[], hash: Hash): readonly KeyRecord[] {
  const records: KeyRecord[] = []
  for (const bytes of stored) {
    if (bytes === undefined) continue
    try {
      records.push(decodeRecord(decodeStored(bytes, hash).recordBytes, hash))
    } catch (error) {
      if (!(error instanceof UnreadableBytes)) throw error
    }
  }
  return records
}
