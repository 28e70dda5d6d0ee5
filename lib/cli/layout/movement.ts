import type { ClusterStatus, Transition } from '../../http-client/answers.ts'
import type { Transfers } from '../../http-client/repair-answers.ts'
import { formatBar, formatDuration } from '../progress-line.ts'
import { formatCount } from '../table.ts'
import { formatBytes } from '../units.ts'

/** How far a change of owners has come, all nodes together. */
export interface Movement {
  readonly number: number
  readonly transition: Transition | undefined
  /** Copies of partitions that are not yet where they belong. */
  readonly partitionsLeft: number
  readonly bytesLeft: number
  readonly bytesPerSecond: number
  /** Nothing moves any more, and everybody alive says so. */
  readonly isOver: boolean
  /** Who is waited for and does not answer, in sentences. */
  readonly obstacles: readonly string[]
}

/** The most that was left to move at any look: against that, what is left is progress. */
export interface Extent {
  readonly partitions: number
  readonly bytes: number
}

export const nothingYet: Extent = { partitions: 0, bytes: 0 }

export function movementOf(status: ClusterStatus, transfers: readonly Transfers[]): Movement {
  let partitionsLeft = 0
  let bytesLeft = 0
  let bytesPerSecond = 0
  for (const { transfers: moving } of transfers) {
    for (const transfer of moving) {
      if (transfer.kind !== 'partitions') continue
      partitionsLeft += transfer.partitionsLeft ?? 0
      bytesLeft += transfer.bytesLeft ?? 0
      bytesPerSecond += transfer.bytesPerSecond ?? 0
    }
  }
  const { layout, converged } = status
  const transition = status.transition ?? undefined
  return {
    number: layout.number,
    transition,
    partitionsLeft,
    bytesLeft,
    bytesPerSecond,
    isOver: layout.live.length === 1 && transition === undefined && converged && partitionsLeft === 0,
    obstacles: obstaclesOf(status),
  }
}

export function widened(extent: Extent, { partitionsLeft, bytesLeft }: Movement): Extent {
  return {
    partitions: Math.max(extent.partitions, partitionsLeft),
    bytes: Math.max(extent.bytes, bytesLeft),
  }
}

/** One line for a terminal: bar, what is left, rate, time to go. */
export function formatMovement(movement: Movement, extent: Extent): string {
  const { partitionsLeft, bytesLeft, bytesPerSecond } = movement
  const fraction = fractionOf(movement, extent)
  const parts = [
    `${formatBar(fraction)} ${Math.floor(fraction * 100)} %`,
    stageInWords(movement),
    `${formatCount(partitionsLeft)} copies, ${formatBytes(bytesLeft)} left`,
  ]
  if (bytesPerSecond > 0) {
    parts.push(`${formatBytes(bytesPerSecond)}/s`, `ETA ${formatDuration(bytesLeft / bytesPerSecond)}`)
  }
  return parts.join('  ')
}

/** 0 to 1; what has been copied is all of it only when the stage is over. */
function fractionOf({ transition, partitionsLeft, bytesLeft }: Movement, extent: Extent): number {
  if (transition?.stage === 'acknowledging') return 0
  if (extent.bytes > 0) return 1 - bytesLeft / extent.bytes
  return extent.partitions > 0 ? 1 - partitionsLeft / extent.partitions : 1
}

/** What the cluster is doing now. */
export function stageInWords({ transition, number, partitionsLeft }: Movement): string {
  if (transition === undefined) {
    return partitionsLeft > 0 ? `layout ${number}: copying` : `layout ${number}: agreeing`
  }
  const { to, stage } = transition
  switch (stage) {
    case 'acknowledging':
      return `layout ${to}: every member learns of it`
    case 'copying':
      return `layout ${to}: copying to the new owners`
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
    return [`${name} is ${state}, and is waited for: start it, or \`starling cluster exclude ${name}\` and commit`]
  })
}
