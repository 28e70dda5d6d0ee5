import type { Hash } from '../../vocabulary/hash.ts'
import { type ClusterId, toClusterId } from '../../vocabulary/ids.ts'
import { invariant } from '../../vocabulary/invariant.ts'
import { CanonicalBytes } from './canonical-bytes.ts'
import type { DecidedLayout, LayoutVersion } from './layout-version.ts'

/** 64 bits over everything a version says, as 16 hexadecimal digits: versions with one hash are one version. */
export function layoutHash(version: LayoutVersion, hash: Hash): string {
  const bytes = new CanonicalBytes()
    .integer(version.number)
    .text(version.parent)
    .integer(version.partitionCount)
    .integer(version.replicaCount)
    .integer(version.nodes.length)
  for (const node of version.nodes) bytes.text(node.id).integer(node.shortId).text(node.zone).fraction(node.weight)
  // Of version 1 it goes without saying: and its hash names the cluster for good.
  if (version.number > 1) bytes.integer(version.assignedAt)
  bytes.shorts(version.assignment).texts(version.excluded).texts(version.awaited).integer(version.forks)
  // Versions that forget nobody have the hash they had before there was such a thing.
  if (version.forgotten.length > 0) bytes.texts(version.forgotten)
  return hash.hash64(bytes.bytes()).toString(16).padStart(16, '0')
}

/** A version that has been decided. The hash of version 1 names the cluster for good (rules.md L1). */
export function toDecidedLayout(
  version: LayoutVersion,
  hash: Hash,
  clusterId: ClusterId | undefined = undefined,
): DecidedLayout {
  const versionHash = layoutHash(version, hash)
  invariant((version.number === 1) === (clusterId === undefined), 'version 1, and no other, names its cluster', {
    number: version.number,
  })
  return { version, hash: versionHash, clusterId: clusterId ?? toClusterId(versionHash) }
}
