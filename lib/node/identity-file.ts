import type { DataDirectory, DirectoryFingerprint } from '../ports/data-directory.ts'
import { isClusterId, isNodeId, type NodeId } from '../vocabulary/ids.ts'

/**
 * The formats of a data directory, `node.json` and the store under it, that this release reads. 1: of a release whose
 * layout never changes; what such a one makes of a later layout would lose data. 2: the layout has changed.
 */
const formatMin = 1
export const formatOfFirstLayout = 1
export const formatOfChangedLayouts = 2
const formatMax = 2

/** What `node.json` says: who this directory is, and how it was last left. */
export interface Identity {
  /** Of the whole directory. As old as it can be, so that an upgrade can be taken back as long as possible. */
  readonly format: number
  readonly id: NodeId
  readonly startNumber: number
  readonly storeGeneration: number
  readonly cluster: string
  /** Empty: the node has not been part of a layout yet. */
  readonly clusterId: string
  readonly name: string
  /** The clean-stop marker: written after the last write of a start, taken away before the first of the next (docs/rules.md A3). */
  readonly isCleanlyStopped: boolean
  /** The id was taken over from a dead member of the same name, and what its store held has not been brought back yet. */
  readonly isResumed: boolean
  /** It has left the cluster: it has handed over everything, and comes back only when it is invited. */
  readonly hasLeft: boolean
  /** It was excluded since it was last a member, and may hold what nobody else has (docs/rules.md L5). */
  readonly wasExcluded: boolean
  /** Where the directory was at the last start that was ready; undefined before the first. */
  readonly fingerprint: DirectoryFingerprint | undefined
}

/** `node.json` is there and is not one of ours, or of a version we do not know. */
export class UnreadableIdentity extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'UnreadableIdentity'
  }
}

/** A newer release wrote it: what this one would make of it nobody knows. */
export class NewerFormat extends UnreadableIdentity {
  constructor(format: number) {
    super(`the data directory has format ${format}; this release reads ${formatMin} to ${formatMax}`)
    this.name = 'NewerFormat'
  }
}

/**
 * The identity in a data directory; undefined in a new one.
 * @throws {UnreadableIdentity} and leaves the file as it is
 */
export function readIdentity(directory: DataDirectory): Identity | undefined {
  const bytes = directory.readIdentity()
  if (bytes === undefined) return undefined
  let parsed: unknown
  try {
    parsed = JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    throw new UnreadableIdentity('node.json is not JSON')
  }
  if (typeof parsed !== 'object' || parsed === null) throw new UnreadableIdentity('node.json is not an object')
  const fields = parsed as Readonly<Record<string, unknown>>
  const { format } = fields
  if (!isCount(format) || format < formatMin) throw new UnreadableIdentity('node.json says no format that ever was one')
  if (format > formatMax) throw new NewerFormat(format)
  const { id, startNumber, storeGeneration, cluster, clusterId, name, isCleanlyStopped, isResumed, fingerprint } =
    fields
  // Files from before nodes could leave lack these.
  const { hasLeft = false, wasExcluded = false } = fields
  const isValid =
    typeof id === 'string' &&
    isNodeId(id) &&
    isCount(startNumber) &&
    isCount(storeGeneration) &&
    typeof cluster === 'string' &&
    typeof clusterId === 'string' &&
    (clusterId === '' || isClusterId(clusterId)) &&
    typeof name === 'string' &&
    typeof isCleanlyStopped === 'boolean' &&
    typeof isResumed === 'boolean' &&
    typeof hasLeft === 'boolean' &&
    typeof wasExcluded === 'boolean' &&
    (fingerprint === undefined || isFingerprint(fingerprint))
  if (!isValid) throw new UnreadableIdentity('node.json lacks fields or has wrong ones')
  return {
    format,
    id,
    startNumber,
    storeGeneration,
    cluster,
    clusterId,
    name,
    isCleanlyStopped,
    isResumed,
    hasLeft,
    wasExcluded,
    fingerprint,
  }
}

export function writeIdentity(directory: DataDirectory, identity: Identity): void {
  const text = `${JSON.stringify(identity, undefined, 2)}\n`
  directory.writeIdentity(new TextEncoder().encode(text))
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function isFingerprint(value: unknown): value is DirectoryFingerprint {
  if (typeof value !== 'object' || value === null) return false
  const { inode, filesystem, machine, boot } = value as Readonly<Record<string, unknown>>
  return [inode, filesystem, machine, boot].every((field) => typeof field === 'string')
}
