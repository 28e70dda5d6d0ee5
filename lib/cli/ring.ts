import type { ExplainedOwner, Explanation, RingView } from '../http-client/answers.ts'
import { type ClientOptions, connect, requestOptions } from './client-options.ts'
import { writeJson, writeLine } from './output.ts'
import { formatShare, formatTable } from './table.ts'
import { showOrWatch, type WatchOptions } from './watch.ts'

export async function ringShow(options: ClientOptions): Promise<void> {
  const ring = await connect(options).ring(requestOptions(options))
  if (options.json) return writeJson('Ring', ring)
  const rows = ring.partitions.map((owners, partition) => [
    partition,
    owners.map((owner) => nameOf(ring, owner)).join(', '),
  ])
  await writeLine(formatTable(['partition', 'owners'], rows))
}

/** Where a key lies; while its owners change: in which layouts, and by which it is read. */
export function placeOf({ partition, token, layoutNumber, readLayout }: Explanation): string {
  const isMoving = readLayout !== undefined && readLayout !== layoutNumber
  const reads = isMoving ? `, read by layout ${readLayout}` : ''
  return `partition ${partition}, token ${token}, layout ${layoutNumber}${reads}`
}

/** An owner that reads do not go to is on its way in, or out. */
export function nameInMove({ name, isRead }: ExplainedOwner): string {
  return isRead === false ? `${name} (not read)` : name
}

export async function ringOwners(bucket: string, key: string, options: ClientOptions): Promise<void> {
  const explanation = await connect(options).explain(bucket, key, requestOptions(options))
  const { partition, token, layoutNumber, owners } = explanation
  if (options.json) {
    const shown = owners.map(({ node, name, memberState, ownsIn, isRead }) => ({
      node,
      name,
      memberState,
      ownsIn,
      isRead,
    }))
    return writeJson('Owners', { bucket, key, partition, token, layoutNumber, owners: shown })
  }
  const rows = owners.map((owner) => [nameInMove(owner), owner.node.slice(0, 8), owner.memberState])
  await writeLine(placeOf(explanation))
  await writeLine(formatTable(['owner', 'id', 'state'], rows))
}

export async function ringBalance(options: ClientOptions & WatchOptions): Promise<void> {
  const client = connect(options)
  await showOrWatch(options, async () => {
    const ring = await client.ring(requestOptions(options))
    const balance = balanceOf(ring)
    if (options.json) return writeJson('RingBalance', balance)
    const rows = balance.nodes.map(({ name, zone, weight, partitions, share, target, toTarget }) => [
      name,
      zone,
      weight,
      partitions,
      formatShare(share),
      target.toFixed(1),
      toTarget.toFixed(3),
    ])
    const { partitionCount, replicaCount, maxToTarget } = balance
    await writeLine(
      `${partitionCount} partitions, ${replicaCount} replicas; the fullest node has ${maxToTarget.toFixed(3)} x its target`,
    )
    await writeLine(formatTable(['node', 'zone', 'weight', 'partitions', 'share', 'target', 'to target'], rows))
  })
}

/** What each node holds against what weight and zone say it should. */
function balanceOf(ring: RingView) {
  const held = ring.nodes.map(() => 0)
  for (const owners of ring.partitions) for (const owner of owners) held[owner] = (held[owner] ?? 0) + 1
  const copies = held.reduce((sum, count) => sum + count, 0)
  const nodes = ring.nodes.map((node, index) => {
    const partitions = held[index] ?? 0
    return {
      ...node,
      partitions,
      share: copies === 0 ? 0 : partitions / copies,
      toTarget: node.target === 0 ? 0 : partitions / node.target,
    }
  })
  const { layoutNumber, partitionCount, replicaCount } = ring
  return {
    layoutNumber,
    partitionCount,
    replicaCount,
    maxToTarget: Math.max(0, ...nodes.map((node) => node.toTarget)),
    nodes,
  }
}

function nameOf(ring: RingView, index: number): string {
  return ring.nodes[index]?.name ?? `#${index}`
}
