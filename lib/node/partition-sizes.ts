import type { NodeId } from '../vocabulary/ids.ts'
import type { DataHandlers } from './data-handlers.ts'
import type { RequestContext } from './request-context.ts'

/** Partitions whose size is looked at for one plan; the others are taken to be like them. */
const sizesAskedMax = 32
/** Read of a partition to tell its size; of a larger one the rest is taken to be like its beginning. */
const readBytesMax = 256 * 1024
const answerMsMax = 1_000

interface PartitionSize {
  readonly partition: number
  /** Of all records and their keys, in one copy. */
  readonly bytes: number
}

/** Tells others how large the partitions are that this node owns. */
export function sizeHandlers(context: RequestContext): Pick<DataHandlers, 'tell-sizes'> {
  return {
    'tell-sizes': ({ partitions }, respond) =>
      measure(context, partitions, (sizes) => respond({ type: 'sizes-told', sizes })),
  }
}

/**
 * About how many bytes one copy of each of these partitions has: a sample of them is looked at, here or at one owner
 * each, and the others are taken to be like it. 0 where nobody in reach could say anything.
 */
export function estimateSizes(
  context: RequestContext,
  partitions: readonly number[],
  done: (bytesOf: (partition: number) => number) => void,
): void {
  const { self, layout, peers, time } = context
  const known = new Map<number, number>()
  const byOwner = new Map<NodeId, number[]>()
  for (const partition of sampleOf(partitions)) {
    const owners = layout.inForce?.readersOf(partition) ?? []
    const asked = owners.includes(self) ? self : owners.find((owner) => peers.isReachable(owner))
    if (asked !== undefined) byOwner.set(asked, [...(byOwner.get(asked) ?? []), partition])
  }
  let left = byOwner.size
  const note = (sizes: readonly PartitionSize[]): void => {
    for (const { partition, bytes } of sizes) known.set(partition, bytes)
    left -= 1
    if (left === 0) end()
  }
  const end = (): void => {
    let sum = 0
    for (const bytes of known.values()) sum += bytes
    const mean = known.size === 0 ? 0 : Math.round(sum / known.size)
    done((partition) => known.get(partition) ?? mean)
  }
  if (left === 0) return time.soon(end)
  for (const [owner, asked] of byOwner) {
    if (owner === self) measure(context, asked, note)
    else {
      peers.ask(owner, { type: 'tell-sizes', partitions: asked }, answerMsMax, (outcome) =>
        note(outcome.type === 'answered' && outcome.message.type === 'sizes-told' ? outcome.message.sizes : []),
      )
    }
  }
}

/** One after the other; those that this node does not own, or cannot read, are left out. Never inside the call. */
function measure(
  context: RequestContext,
  partitions: readonly number[],
  done: (sizes: readonly PartitionSize[]) => void,
): void {
  const { self, store, layout, time } = context
  const sizes: PartitionSize[] = []
  const next = (index: number): void => {
    const partition = partitions[index]
    if (partition === undefined || index >= sizesAskedMax) return time.soon(() => done(sizes))
    if (layout.inForce?.owns(self, partition) !== true) return next(index + 1)
    store.scanPartition(partition, new Uint8Array(0), readBytesMax, (failure, entries, rest) => {
      if (failure === undefined) {
        const bytes = entries.reduce((sum, { key, bytes }) => sum + key.bytes.length + bytes.length, 0)
        const last = entries.at(-1)?.key.token
        const isAll = rest.length === 0 || last === undefined
        const share = isAll ? 1 : shareBefore(last, partition, layout.inForce?.partitionCount ?? 1)
        sizes.push({ partition, bytes: Math.round(bytes / share) })
      }
      next(index + 1)
    })
  }
  next(0)
}

/** How much of the partition lies up to `token`: tokens are spread evenly. */
function shareBefore(token: bigint, partition: number, partitionCount: number): number {
  const share = (Number(token) / 2 ** 64) * partitionCount - partition
  return Math.min(1, Math.max(1 / 2 ** 20, share))
}

/** Spread evenly over all of them. */
function sampleOf(partitions: readonly number[]): readonly number[] {
  const count = Math.min(sizesAskedMax, partitions.length)
  return Array.from(
    { length: count },
    (_, place) => partitions[Math.floor((place * partitions.length) / count)] as number,
  )
}
