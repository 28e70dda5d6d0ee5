import type { LinkFaults } from './network.ts'

/** The end of a node's cable in the switch, and the address of the card at its other end. */
export interface Cable {
  readonly port: string
  readonly mac: string
}

/** What is wrong with one direction. Cut: nothing else matters. */
export interface RuledLink {
  readonly from: Cable
  readonly to: Cable
  readonly isCut: boolean
  readonly faults: LinkFaults
}

const fractions = 10_000

/** The tables of the switch before anything is wrong; counters and chains of a direction come with the nodes. */
export const emptyTables = `add table bridge jl
add chain bridge jl links { type filter hook forward priority 0; policy accept; }
add table netdev jl
`

/** For a node that comes: its chain, and a counter for what is lost and one for what is doubled, with each that is there. */
export function tablesFor(newcomer: Cable, others: readonly Cable[]): string {
  const lines = [
    `add chain netdev jl ${newcomer.port} { type filter hook ingress device "${newcomer.port}" priority 0; policy accept; }`,
  ]
  for (const other of others) {
    for (const [from, to] of [[newcomer, other] as const, [other, newcomer] as const]) {
      lines.push(
        `add counter bridge jl ${droppedCounter(from, to)}`,
        `add counter netdev jl ${doubledCounter(from, to)}`,
      )
    }
  }
  return `${lines.join('\n')}\n`
}

/**
 * All rules anew, which nft puts in force in one step; counters go on. Only IP is counted: what addresses itself to
 * nobody, such as ARP, proves nothing.
 */
export function rulesFor(ports: readonly Cable[], links: readonly RuledLink[]): string {
  const lines = ['flush chain bridge jl links', ...ports.map(({ port }) => `flush chain netdev jl ${port}`)]
  for (const { from, to, isCut, faults } of links) {
    const way = `add rule bridge jl links iifname "${from.port}" oifname "${to.port}"`
    const dropped = `counter name ${droppedCounter(from, to)} drop`
    if (isCut) {
      lines.push(`${way} ether type ip ${dropped}`, `${way} drop`)
      continue
    }
    const { lossChance = 0, duplicateChance = 0 } = faults
    if (lossChance > 0) lines.push(`${way} ether type ip ${byChance(lossChance)} ${dropped}`)
    if (duplicateChance > 0) {
      const doubled = `counter name ${doubledCounter(from, to)} dup to "${to.port}"`
      lines.push(
        `add rule netdev jl ${from.port} ether daddr ${to.mac} ether type ip ${byChance(duplicateChance)} ${doubled}`,
      )
    }
  }
  return `${lines.join('\n')}\n`
}

export function droppedCounter(from: Cable, to: Cable): string {
  return `dropped_${from.port}_${to.port}`
}

export function doubledCounter(from: Cable, to: Cable): string {
  return `doubled_${from.port}_${to.port}`
}

function byChance(chance: number): string {
  return `numgen random mod ${fractions} < ${Math.round(chance * fractions)}`
}
