import { formatCount } from '../table.ts'

export interface Progress {
  readonly records: number
  readonly bytes: number
  /** Undefined when the end is not known, as of a pipe. */
  readonly bytesTotal: number | undefined
  readonly elapsedMs: number
}

const barWidth = 24
const repaintMs = 200

/** Repaints one line of stderr while something long runs; silent where stderr is not a terminal. */
export function showProgress(read: () => Progress): { stop(): void } {
  if (!process.stderr.isTTY) return { stop() {} }
  const timer = setInterval(() => process.stderr.write(`\r\x1b[2K${formatProgress(read())}`), repaintMs)
  timer.unref()
  return {
    stop() {
      clearInterval(timer)
      process.stderr.write('\r\x1b[2K')
    },
  }
}

export function formatProgress({ records, bytes, bytesTotal, elapsedMs }: Progress): string {
  const perSecond = elapsedMs === 0 ? 0 : Math.round((records * 1000) / elapsedMs)
  const done = `${formatCount(records)} records  ${formatCount(perSecond)}/s`
  if (bytesTotal === undefined || bytesTotal === 0) return done
  const fraction = Math.min(1, bytes / bytesTotal)
  const filled = Math.round(fraction * barWidth)
  const bar = `[${'='.repeat(filled)}${' '.repeat(barWidth - filled)}]`
  const leftSeconds = fraction === 0 ? undefined : Math.round((elapsedMs * (1 / fraction - 1)) / 1000)
  return `${bar} ${Math.floor(fraction * 100)} %  ${done}  ETA ${leftSeconds === undefined ? '-' : formatDuration(leftSeconds)}`
}

function formatDuration(seconds: number): string {
  const minutes = Math.floor(seconds / 60)
  const hours = Math.floor(minutes / 60)
  const parts = hours > 0 ? [hours, minutes % 60, seconds % 60] : [minutes, seconds % 60]
  return parts.map((part, index) => (index === 0 ? String(part) : String(part).padStart(2, '0'))).join(':')
}
