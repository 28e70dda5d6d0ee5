import { BytesReader } from './bytes-reader.ts'
import { BytesWriter } from './bytes-writer.ts'
import { MalformedBytes, UnknownFormat } from './unreadable-bytes.ts'

const treeVersion = 1
const leavesMax = 4096
/** Distance to the leaf before, hash. */
const leafBytesMin = 9

/** One tree of anti-entropy as it is kept on disk. */
export interface StoredTree {
  /** Trees of another epoch are not trusted any more. */
  readonly epoch: number
  readonly partitionCount: number
  /** Wall-clock milliseconds at which it was last made from the records themselves. */
  readonly verifiedAtMs: number
  /** Ascending; leaves that are 0 are left out. */
  readonly leaves: Iterable<readonly [leaf: number, hash: bigint]>
}

/** version u8 | epoch varint | partitions varint | verified f64 | leaves: distance varint, hash u64 | root u64. */
export function encodeTree(tree: StoredTree): Uint8Array {
  const writer = new BytesWriter(1024)
  writer.u8(treeVersion)
  writer.varint(tree.epoch)
  writer.varint(tree.partitionCount)
  writer.f64(tree.verifiedAtMs)
  const leaves = [...tree.leaves]
  writer.varint(leaves.length)
  let previous = 0
  let root = 0n
  for (const [leaf, hash] of leaves) {
    writer.varint(leaf - previous)
    writer.u64(hash)
    previous = leaf
    root ^= hash
  }
  writer.u64(root)
  return writer.finish()
}

/**
 * @throws {UnknownFormat} when a newer Starling wrote it
 * @throws {MalformedBytes} when it is not one, or its root is not that of its leaves
 */
export function decodeTree(
  bytes: Uint8Array,
): StoredTree & { readonly leaves: readonly (readonly [leaf: number, hash: bigint])[] } {
  const reader = new BytesReader(bytes)
  const version = reader.u8()
  if (version !== treeVersion) throw new UnknownFormat(`a stored tree of version ${version}`)
  const epoch = reader.varint()
  const partitionCount = reader.varint()
  const verifiedAtMs = reader.f64()
  const leaves: [number, bigint][] = []
  let leaf = 0
  let root = 0n
  for (let left = reader.count(leafBytesMin); left > 0; left -= 1) {
    leaf += reader.varint(leavesMax)
    if (leaf >= leavesMax) throw new MalformedBytes('a tree has no such leaf')
    const hash = reader.u64()
    leaves.push([leaf, hash])
    root ^= hash
  }
  if (reader.u64() !== root) throw new MalformedBytes('the root of a stored tree is not that of its leaves')
  reader.end()
  return { epoch, partitionCount, verifiedAtMs, leaves }
}
