import { formatBar, formatDuration, repaintLine } from '../progress-line.ts'
import { formatCount } from '../table.ts'

export interface Progress {
  readonly records: number
  readonly bytes: number
  /** Undefined when the end is not known, as of a pipe. */
  readonly bytesTotal: number | undefined
  readonly elapsedMs: number
}

const repaintMs = 200

/** Repaints one line of stderr while something long runs; silent where stderr is not a terminal. */
export function showProgress(read: () => Progress): { stop(): void } {
  if (!process.stderr.isTTY) return { stop() {} }
  const timer = setInterval(() => repaintLine(formatProgress(read())), repaintMs)
  timer.unref()
  return {
    stop() {
      clearInterval(timer)
      repaintLine('')
    },
  }
}

export function formatProgress({ records, bytes, bytesTotal, elapsedMs }: Progress): string {
  const perSecond = elapsedMs === 0 ? 0 : Math.round((records * 1000) / elapsedMs)
  const done = `${formatCount(records)} records  ${formatCount(perSecond)}/s`
  if (bytesTotal === undefined || bytesTotal === 0) return done
  const fraction = Math.min(1, bytes / bytesTotal)
  const leftSeconds = fraction === 0 ? undefined : Math.round((elapsedMs * (1 / fraction - 1)) / 1000)
  return `${formatBar(fraction)} ${Math.floor(fraction * 100)} %  ${done}  ETA ${leftSeconds === undefined ? '-' : formatDuration(leftSeconds)}`
}
