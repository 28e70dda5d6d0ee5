import type { ClusterStatus, Transition } from '../../http-client/answers.ts'
import type { Transfer } from '../../http-client/repair-answers.ts'
import { type Extent, formatWork, fractionDone, type WorkLeft, workLeftOf } from '../work-left.ts'

/** How far a change of owners has come, all nodes together. */
export interface Movement {
  /** Of the newest decided version. */
  readonly number: number
  readonly transition: Transition | undefined
  /** Copies of partitions that are not yet where they belong. */
  readonly work: WorkLeft
  /** Nothing moves any more, and everybody alive says so. */
  readonly isOver: boolean
  /** Who is waited for and does not answer, in sentences. */
  readonly obstacles: readonly string[]
}

/** @param transfers of all nodes that can be asked */
export function movementOf(status: ClusterStatus, transfers: readonly Transfer[]): Movement {
  const work = workLeftOf(transfers.filter(({ kind }) => kind === 'partitions'))
  const { layout, converged } = status
  const transition = status.transition ?? undefined
  return {
    number: layout.number,
    transition,
    work,
    isOver: layout.live.length === 1 && transition === undefined && converged && work.partitions === 0,
    obstacles: obstaclesOf(status),
  }
}

/** One line for a terminal. */
export function formatMovement(movement: Movement, extent: Extent): string {
  // Before everybody knows of the change, nobody has told yet what there is to copy.
  const fraction = movement.transition?.stage === 'acknowledging' ? 0 : fractionDone(movement.work, extent)
  return formatWork(movement.work, fraction, stageInWords(movement))
}

/** What the cluster is doing now. */
export function stageInWords({ transition, number, work }: Movement): string {
  if (transition === undefined)
    return `layout ${number}: ${work.partitions > 0 ? 'copying' : 'the last members hear that it is done'}`
  const { to, stage } = transition
  switch (stage) {
    case 'acknowledging':
      return `layout ${to}: every member learns of it`
    case 'copying':
      return `layout ${to}: the new owners get what they own`
    case 'switching':
      return `layout ${to}: reads move to the new owners`
    case 'returning':
      return `layout ${to}: back to the old owners`
  }
}

/** A transition waits for its members, dead ones too: somebody has to decide what is to become of them. */
function obstaclesOf({ transition, members }: ClusterStatus): readonly string[] {
  if (transition === null || transition === undefined) return []
  return transition.waitingFor.flatMap(({ id, name }) => {
    const state = members.find((member) => member.id === id)?.state ?? 'unknown'
    if (state === 'alive' || state === 'suspect') return []
    return [`${name} is ${state} and waited for: start it, or starling cluster exclude ${name}, then commit`]
  })
}
