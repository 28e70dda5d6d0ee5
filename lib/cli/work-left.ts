import type { Transfer } from '../http-client/repair-answers.ts'
import { formatBar, formatDuration } from './progress-line.ts'
import { formatCount } from './table.ts'
import { formatBytes } from './units.ts'

/** What several transfers have still to do. */
export interface WorkLeft {
  readonly partitions: number
  readonly bytes: number
  readonly bytesPerSecond: number
  /** Until the last of them ends; undefined: nobody can tell yet. */
  readonly etaSeconds: number | undefined
}

/** The most that was seen to be left: against that, what is left is progress. */
export interface Extent {
  readonly partitions: number
  readonly bytes: number
}

export const nothingYet: Extent = { partitions: 0, bytes: 0 }

export function workLeftOf(transfers: readonly Transfer[]): WorkLeft {
  let partitions = 0
  let bytes = 0
  let bytesPerSecond = 0
  let etaSeconds: number | undefined
  for (const transfer of transfers) {
    partitions += transfer.partitionsLeft ?? 0
    bytes += transfer.bytesLeft ?? 0
    bytesPerSecond += transfer.bytesPerSecond ?? 0
    if (typeof transfer.etaSeconds === 'number') etaSeconds = Math.max(etaSeconds ?? 0, transfer.etaSeconds)
  }
  return { partitions, bytes, bytesPerSecond, etaSeconds }
}

/** Begins anew when nothing is left. */
export function widened(extent: Extent, { partitions, bytes }: WorkLeft): Extent {
  if (partitions === 0 && bytes === 0) return nothingYet
  return { partitions: Math.max(extent.partitions, partitions), bytes: Math.max(extent.bytes, bytes) }
}

/** 0 to 1. */
export function fractionDone({ partitions, bytes }: WorkLeft, extent: Extent): number {
  if (extent.bytes > 0) return 1 - bytes / extent.bytes
  return extent.partitions > 0 ? 1 - partitions / extent.partitions : 1
}

/** Bar, what is left, rate and time to go: `[====...] 25 %  120 partitions, 1.2 GiB left  30.0 MiB/s  ETA 0:40`. */
export function formatWork(work: WorkLeft, fraction: number, what = ''): string {
  const { partitions, bytes, bytesPerSecond, etaSeconds } = work
  const left = [
    partitions > 0 ? [`${formatCount(partitions)} partitions`] : [],
    bytes > 0 ? [formatBytes(bytes)] : [],
  ].flat()
  return [
    `${formatBar(fraction)} ${Math.floor(fraction * 100)} %`,
    ...(what === '' ? [] : [what]),
    ...(left.length === 0 ? [] : [`${left.join(', ')} left`]),
    ...(bytesPerSecond > 0 ? [`${formatBytes(bytesPerSecond)}/s`] : []),
    ...(left.length === 0 || etaSeconds === undefined ? [] : [`ETA ${formatDuration(etaSeconds)}`]),
  ].join('  ')
}
