import type { NodeId } from '../../vocabulary/ids.ts'
import type { Member } from '../membership/member.ts'
import type { Starter } from './first-candidate.ts'

/** Why a node does not make the first layout now. */
export type StartersProblem =
  | 'joining'
  | 'too-few-starters'
  | 'more-starters'
  | 'another-expect'
  | 'cluster-exists'
  | 'starter-suspected'

export type Starters =
  | {
      readonly ok: true
      readonly starters: readonly Starter[] /** Whether they must be seen for a while. */
      readonly alone: boolean
    }
  | { readonly ok: false; readonly problem: StartersProblem; readonly message: string }

/**
 * Whether these members are the ones to start a cluster (rules.md L2): exactly `expect` fresh ones that all expect as
 * many, this node among them. `members` includes this node.
 */
export function startersAmong(
  members: readonly Member[],
  own: { readonly self: NodeId; readonly expect: number; readonly joins: boolean },
): Starters {
  const { self, expect, joins } = own
  const present = members.filter(({ state }) => state === 'alive' || state === 'suspect')
  const me = present.find(({ id }) => id === self)
  if (expect === 1 && !joins && me !== undefined) return { ok: true, starters: [starterOf(me)], alone: true }
  // One node that was told to join others must not become a cluster of its own because they are late.
  if (expect < 2) return refuse('joining', 'this node joins a cluster and waits for its layout')
  const settled = present.find(({ metadata }) => !metadata.isFresh)
  if (settled !== undefined)
    return refuse('cluster-exists', `${settled.metadata.name} belongs to a cluster already: waiting for its layout`)
  const odd = present.find(({ metadata }) => metadata.expect !== expect)
  if (odd !== undefined)
    return refuse(
      'another-expect',
      `${odd.metadata.name} was started with --expect ${odd.metadata.expect}, this node with --expect ${expect}: give every starter the same number`,
    )
  if (present.length > expect)
    return refuse(
      'more-starters',
      `${present.length} fresh nodes are here, --expect says ${expect}: stop some, or start all with the right number`,
    )
  if (present.length < expect || me === undefined)
    return refuse('too-few-starters', `${present.length} of ${expect} starters are here`)
  const suspect = present.find(({ state }) => state === 'suspect')
  if (suspect !== undefined) return refuse('starter-suspected', `${suspect.metadata.name} does not answer probes`)
  return { ok: true, starters: present.map(starterOf), alone: false }
}

function starterOf({ id, metadata }: Member): Starter {
  return { id, zone: metadata.zone, weight: metadata.weight }
}

function refuse(problem: StartersProblem, message: string): Starters {
  return { ok: false, problem, message }
}
