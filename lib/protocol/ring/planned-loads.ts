import { invariant } from '../../vocabulary/invariant.ts'
import type { PlacedNode } from './placement.ts'
import { roundShares, type Sharer, waterFill } from './shares.ts'
import type { Zones } from './zones.ts'

/** How much each node is to hold, in partitions. */
export interface PlannedLoads {
  /** The fair share by weight and zone. */
  readonly targets: readonly number[]
  /** The same in whole partitions. */
  readonly loads: readonly number[]
}

/**
 * Shares by weight: first of the zones, each within what distinct zones allow and demand, then of the nodes in each
 * zone, none more than one replica of everything. `before`: what each node holds now.
 */
export function planLoads(
  nodes: readonly PlacedNode[],
  zones: Zones,
  size: { readonly partitionCount: number; readonly ownerCount: number },
  before: readonly number[],
): PlannedLoads {
  const { partitionCount, ownerCount } = size
  const total = partitionCount * ownerCount
  const membersOf = zones.names.map((_, zone) =>
    nodes.flatMap((node, index) => (zones.ofNode[index] === zone ? [{ index, weight: node.weight }] : [])),
  )
  const zoneSharers = membersOf.map(
    (members): Sharer => ({
      weight: members.reduce((sum, member) => sum + member.weight, 0),
      // With no more zones than owners every partition has an owner in each zone.
      atLeast: zones.names.length <= ownerCount ? partitionCount : 0,
      atMost: Math.min(zones.ownersMax, members.length) * partitionCount,
      held: members.reduce((sum, member) => sum + (before[member.index] as number), 0),
    }),
  )
  const zoneShares = waterFill(total, zoneSharers)
  const zoneLoads = roundShares(total, zoneShares, zoneSharers)
  const targets = nodes.map(() => 0)
  const loads = nodes.map(() => 0)
  for (const [zone, members] of membersOf.entries()) {
    const sharers = members.map(
      (member): Sharer => ({
        weight: member.weight,
        atLeast: 0,
        atMost: partitionCount,
        held: before[member.index] as number,
      }),
    )
    const zoneLoad = zoneLoads[zone] as number
    const fair = waterFill(zoneShares[zone] as number, sharers)
    const rounded = roundShares(zoneLoad, waterFill(zoneLoad, sharers), sharers)
    for (const [place, member] of members.entries()) {
      targets[member.index] = fair[place] as number
      loads[member.index] = rounded[place] as number
    }
  }
  const sum = loads.reduce((all, load) => all + load, 0)
  invariant(sum === total, 'the loads add up to all replicas', { sum, total })
  return { targets, loads }
}
