import type { NodeId } from '../../vocabulary/ids.ts'
import type { Member, MemberState } from '../membership/member.ts'

/** What a node with an empty directory knows when it has met a layout that it is no member of. */
export interface IdentityQuestion {
  readonly ownName: string
  /** The id it made up for itself. */
  readonly freshNodeId: NodeId
  /** The nodes of every live layout, without those that the newest excludes. */
  readonly layoutNodes: readonly NodeId[]
  /** Its own member table. */
  readonly members: readonly Pick<Member, 'id' | 'state' | 'metadata'>[]
  /** What other layout members, asked one by one, say of the namesake. */
  readonly opinions: ReadonlyMap<NodeId, MemberState>
  /** Whether the namesake answered a direct probe at its last address; undefined: not asked yet, or asked just now. */
  readonly answersProbe: boolean | undefined
}

export type IdentityVerdict =
  /** Nobody in the layout has this name: the node keeps its own id and is staged. */
  | { readonly type: 'none' }
  | { readonly type: 'wait'; readonly namesake: NodeId; readonly for: 'probe' | 'majority' }
  /** Become that node, with a new store generation, recovering (rules.md A4, A5). */
  | { readonly type: 'resume'; readonly id: NodeId }
  | { readonly type: 'name-in-use'; readonly namesake: NodeId }

/**
 * Whether a node with an empty directory takes up the identity of the layout member that has its name (rules.md L2).
 *
 * Silence towards this node is not enough, it may be this node that is cut off: a majority of the layout's members must
 * call the namesake dead or left. An answer, whatever the others believe, means that the name is in use.
 */
export function resumeIdentity(question: IdentityQuestion): IdentityVerdict {
  const { ownName, freshNodeId, layoutNodes, members, opinions, answersProbe } = question
  const namesake = members.find(
    ({ id, metadata }) => metadata.name === ownName && id !== freshNodeId && layoutNodes.includes(id),
  )?.id
  if (namesake === undefined) return { type: 'none' }
  if (answersProbe === undefined) return { type: 'wait', namesake, for: 'probe' }
  if (answersProbe) return { type: 'name-in-use', namesake }
  const others = layoutNodes.filter((id) => id !== namesake)
  const mourners = others.filter((id) => {
    const opinion = opinions.get(id)
    return opinion === 'dead' || opinion === 'left'
  })
  // In a layout of two the only other member must do; in a layout of one there is nobody to ask.
  const needed = Math.min(Math.floor(layoutNodes.length / 2) + 1, others.length)
  return mourners.length >= needed ? { type: 'resume', id: namesake } : { type: 'wait', namesake, for: 'majority' }
}
