import type { NodeId } from '../../vocabulary/ids.ts'

/**
 * Highest-random-weight score of `node` for `partition`: u32. Everybody computes the same one, so all coordinators
 * choose the same stand-in without talking, and the loss of one node changes nobody else's order.
 * (Thaler and Ravishankar, Using Name-Based Mappings to Increase Hit Rates, 1998.)
 */
export function rendezvousScore(partition: number, node: NodeId): number {
  let state = mix(partition + 1)
  for (let digit = 0; digit < 32; digit += 8) {
    state = mix(state ^ Number.parseInt(node.slice(digit, digit + 8), 16))
  }
  return state
}

/** `nodes` with the highest score first; equal scores by id. A new array. */
export function rendezvousOrder(partition: number, nodes: readonly NodeId[]): readonly NodeId[] {
  return nodes
    .map((node) => ({ node, score: rendezvousScore(partition, node) }))
    .sort((a, b) => b.score - a.score || (a.node < b.node ? -1 : 1))
    .map(({ node }) => node)
}

/** The finalizer of MurmurHash3, after an odd multiplication: every input bit reaches every output bit. */
function mix(word: number): number {
  let value = Math.imul(word ^ 0x9e3779b9, 0x9e3779b1)
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35)
  return (value ^ (value >>> 16)) >>> 0
}
