import { leafOf, XorTree } from '../../lib/protocol/anti-entropy/xor-tree.ts'
import { stateHash } from '../../lib/protocol/causality/state-hash.ts'
import type { SimulatedDisk } from '../../lib/simulator/simulated-disk.ts'
import type { Hash } from '../../lib/vocabulary/hash.ts'
import { parseRecordKey } from '../../lib/vocabulary/key.ts'
import { dataRange, metaKey, parseDataKey } from '../../lib/wire/store-keys.ts'
import { openValue } from '../../lib/wire/stored-record.ts'
import { decodeTree } from '../../lib/wire/tree-codec.ts'
import { recordIn } from './audit-copies.ts'

/** Partitions whose stored tree is believed and is not the tree of the records that are stored. */
export function wrongTreesOn(disk: SimulatedDisk, partitions: number, hash: Hash): readonly number[] {
  const wrong: number[] = []
  const epoch = epochOn(disk, hash)
  for (let partition = 0; partition < partitions; partition += 1) {
    const stored = disk.live.get(metaKey(`tree/${partition}`))
    const isMarked = disk.live.get(metaKey(`tree/dirty/${partition}`)) !== undefined
    if (stored === undefined || isMarked) continue
    const found = decodeTree(openValue(stored, hash))
    // Of a time before the store lost something: nobody looks at it (docs/rules.md A5).
    if (found.epoch !== epoch) continue
    const tree = new XorTree()
    for (const [leaf, hashOfLeaf] of found.leaves) tree.update(leaf, 0n, hashOfLeaf)
    if (tree.root !== treeOfRecords(disk, partition, partitions, hash).root) wrong.push(partition)
  }
  return wrong
}

function epochOn(disk: SimulatedDisk, hash: Hash): number {
  const stored = disk.live.get(metaKey('tree/epoch'))
  if (stored === undefined) return 0
  const bytes = openValue(stored, hash)
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getFloat64(0)
}

function treeOfRecords(disk: SimulatedDisk, partition: number, partitions: number, hash: Hash): XorTree {
  const tree = new XorTree()
  const { from, to } = dataRange(partition)
  for (let index = disk.live.lowerBound(from); index < disk.live.lowerBound(to); index += 1) {
    const entry = disk.live.at(index)
    const keyBytes = entry === undefined ? undefined : parseDataKey(entry.key)?.keyBytes
    const key = keyBytes === undefined ? undefined : parseRecordKey(keyBytes.slice(), hash)
    const record = recordIn(entry?.value, hash)
    if (key !== undefined && record !== undefined) {
      tree.update(leafOf(key.token, partitions), 0n, stateHash(key, record, hash))
    }
  }
  return tree
}
