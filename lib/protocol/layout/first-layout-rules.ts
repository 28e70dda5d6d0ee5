import type { NodeId } from '../../vocabulary/ids.ts'
import type { FirstLayoutVote, LayoutDocument } from './layout-document.ts'
import type { LayoutVersion } from './layout-version.ts'

/**
 * When a candidate for layout 1 is decided, and when it never can be (rules.md L2). Two layouts with a node in common
 * are never both decided, because for every node:
 *
 * - Its round never falls. In one round it stays with one set of nodes, and moves only to a smaller hash, so whoever
 *   made the smallest candidate of a round and set never acknowledged another one of them.
 * - It leaves a round and set only when that is dead: some member of it has gone past it without acknowledging it, and,
 *   as its round never falls, never will; or every member has withdrawn, none having decided.
 *
 * The round is what makes "gone past it" final. With sets alone a node could come back to one that others, having seen
 * it elsewhere, had left for dead, and find their old acknowledgements still lying there.
 */
export interface FirstLayoutRules {
  /** All members of the vote's candidate acknowledge it in the vote's round. */
  isDecided(document: LayoutDocument, vote: FirstLayoutVote): boolean
  /** Whoever cast this vote may move on: no candidate with these nodes was or will be decided in this round. */
  mayLeave(document: LayoutDocument, vote: FirstLayoutVote): boolean
  /** A node free to leave `from` (undefined: it never voted) may acknowledge, or refuse, what `vote` acknowledges. */
  mayEnter(document: LayoutDocument, from: FirstLayoutVote | undefined, vote: FirstLayoutVote): boolean
}

export const firstLayoutRules: FirstLayoutRules = {
  isDecided(document, vote) {
    const candidate = document.candidates.get(vote.candidate)
    if (candidate === undefined) return false
    return candidate.nodes.every(({ id }) => {
      const other = document.votes.get(id)
      return other?.stance === 'acknowledged' && other.round === vote.round && other.candidate === vote.candidate
    })
  },
  mayLeave: isDead,
  mayEnter(document, from, vote) {
    return vote.round > (from?.round ?? 0) && !isDead(document, vote)
  },
}

/** No candidate with the nodes of this one was or will be decided in the vote's round. */
function isDead(document: LayoutDocument, { round, candidate }: FirstLayoutVote): boolean {
  const version = document.candidates.get(candidate)
  if (version === undefined) return false
  let withdrawn = 0
  for (const { id } of version.nodes) {
    const vote = document.votes.get(id)
    if (vote === undefined || vote.round < round) continue
    if (vote.round > round || vote.stance === 'refused') return true
    const other = document.candidates.get(vote.candidate)
    if (other !== undefined && !haveSameNodes(other, version)) return true
    if (vote.stance === 'withdrawn') withdrawn += 1
  }
  return withdrawn === version.nodes.length
}

export function haveSameNodes(a: LayoutVersion, b: LayoutVersion): boolean {
  return a.nodes.length === b.nodes.length && a.nodes.every((node, index) => node.id === b.nodes[index]?.id)
}

export function hasNode(version: LayoutVersion, node: NodeId): boolean {
  return version.nodes.some(({ id }) => id === node)
}
