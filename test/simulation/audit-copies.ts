import type { KeyRecord, Sibling } from '../../lib/protocol/causality/record.ts'
import { covers } from '../../lib/protocol/causality/version-vector.ts'
import type { Durability } from '../../lib/protocol/quorum/client-request.ts'
import type { SimulatedDisk } from '../../lib/simulator/simulated-disk.ts'
import { compareBytes } from '../../lib/simulator/sorted-entries.ts'
import type { Hash } from '../../lib/vocabulary/hash.ts'
import type { NodeId } from '../../lib/vocabulary/ids.ts'
import { type Key, toRecordKey } from '../../lib/vocabulary/key.ts'
import { decodeRecord } from '../../lib/wire/record.ts'
import { dataKey, hintKey, hintRange } from '../../lib/wire/store-keys.ts'
import { decodeStored } from '../../lib/wire/stored-record.ts'
import { UnreadableBytes } from '../../lib/wire/unreadable-bytes.ts'
import { bucket, valueBytes, vidOf } from './clients.ts'
import type { SimulatedCluster } from './cluster.ts'
import type { FoundCopy } from './dot-ledger.ts'

export interface Copies {
  /** Owners that have it, or for which some node keeps it. */
  readonly slots: number
  /** Owners that have it themselves. */
  readonly owners: number
  /** Disks it is on. */
  readonly disks: number
  /** What its owners have of the key themselves, durably or not. */
  readonly found: readonly FoundCopy[]
}

/**
 * How many disks hold a value now, or something that supersedes it, as durably as was asked, and for which owners: what
 * no client could see, and what an acknowledgement says. Undefined when nobody holds the value itself any more: it may
 * have been superseded everywhere, and its dot with it.
 *
 * Where as many records as `isEnough` wants name the value, nothing is decoded, and nothing found.
 */
export function countCopies(
  cluster: SimulatedCluster,
  hash: Hash,
  value: {
    readonly key: string
    readonly partition: number
    readonly owners: readonly NodeId[]
    readonly vid: string
    readonly durability: Durability
  },
  isEnough?: (copies: Copies) => boolean,
): Copies | undefined {
  const recordKey = toRecordKey(bucket, value.key as Key, hash)
  const own = dataKey(value.partition, recordKey)
  const hints = value.owners.map((owner) => ({ owner, storeKey: hintKey(owner, value.partition, recordKey) }))
  const places: Place[] = []
  for (const name of cluster.names) {
    const { disk } = cluster.world.machine(name)
    const id = cluster.idOf(name)
    if (id !== undefined && value.owners.includes(id)) places.push({ name, disk, forOwner: id, storeKey: own })
    if (hasHints(disk)) for (const { owner, storeKey } of hints) places.push({ name, disk, forOwner: owner, storeKey })
  }
  const named = valueBytes(value.vid, 0)
  if (isEnough !== undefined) {
    const naming = places.filter(({ disk, storeKey }) => {
      const stored = value.durability === 'os' ? disk.live.get(storeKey) : disk.durableValue(storeKey)
      return stored !== undefined && bufferOf(stored).indexOf(named) >= 0
    })
    const copies = tally(naming, own, [])
    if (isEnough(copies)) return copies
  }
  const visible = places.map(({ disk, storeKey }) => recordIn(disk.live.get(storeKey), hash))
  const siblings = visible.flatMap((record) => record?.siblings ?? []).filter((one) => isNamed(one, value.vid, named))
  if (siblings.length === 0) return undefined
  const holding = places.filter(({ disk, storeKey }, index) => {
    const record = value.durability === 'os' ? visible[index] : recordIn(disk.durableValue(storeKey), hash)
    if (record === undefined) return false
    // A write that was tried twice may have two dots. One of them is enough, and who has seen it superseded remembers it.
    const isRemembered = record.done.some(({ requestId }) => requestId.startsWith(`${value.vid} `))
    return isRemembered || siblings.some(({ dot }) => covers(record.vv, dot))
  })
  const found = places.flatMap(({ name, storeKey }, index) => {
    const record = visible[index]
    return storeKey === own && record !== undefined ? [{ name, record }] : []
  })
  return tally(holding, own, found)
}

interface Place {
  readonly name: string
  readonly disk: SimulatedDisk
  readonly forOwner: NodeId
  readonly storeKey: Uint8Array
}

function tally(holding: readonly Place[], own: Uint8Array, found: readonly FoundCopy[]): Copies {
  return {
    found,
    slots: new Set(holding.map(({ forOwner }) => forOwner)).size,
    owners: new Set(holding.filter(({ storeKey }) => storeKey === own).map(({ forOwner }) => forOwner)).size,
    disks: new Set(holding.map(({ disk }) => disk)).size,
  }
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Simulated disks replace values and never change one: what was decoded once is known. */
const decoded = new WeakMap<Uint8Array, KeyRecord>()

/** Undefined: nothing there, or nothing that can be read. */
export function recordIn(stored: Uint8Array | undefined, hash: Hash): KeyRecord | undefined {
  if (stored === undefined) return undefined
  const known = decoded.get(stored)
  if (known !== undefined) return known
  try {
    const record = decodeRecord(decodeStored(stored, hash).recordBytes, hash)
    decoded.set(stored, record)
    return record
  } catch (error) {
    if (!(error instanceof UnreadableBytes)) throw error
    return undefined
  }
}

function isNamed(sibling: Sibling, vid: string, named: Uint8Array): boolean {
  return sibling.metadata.length > 0 ? vidOf(sibling) === vid : beginsWith(sibling.value, named)
}

function beginsWith(bytes: Uint8Array, head: Uint8Array): boolean {
  if (bytes.length < head.length) return false
  for (let index = head.length - 1; index >= 0; index -= 1) if (bytes[index] !== head[index]) return false
  return true
}

const hintKeys = hintRange()

function hasHints({ live }: SimulatedDisk): boolean {
  const first = live.at(live.lowerBound(hintKeys.from))
  return first !== undefined && compareBytes(first.key, hintKeys.to) < 0
}
