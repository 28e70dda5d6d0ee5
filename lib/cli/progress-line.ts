const barWidth = 24

/** `[======                  ]`; `fraction` is 0 to 1. */
export function formatBar(fraction: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, fraction)) * barWidth)
  return `[${'='.repeat(filled)}${' '.repeat(barWidth - filled)}]`
}

/** `0:07`, `12:30`, `3:05:09`. */
export function formatDuration(seconds: number): string {
  const whole = Math.ceil(seconds)
  const minutes = Math.floor(whole / 60)
  const hours = Math.floor(minutes / 60)
  const parts = hours > 0 ? [hours, minutes % 60, whole % 60] : [minutes, whole % 60]
  return parts.map((part, index) => (index === 0 ? String(part) : String(part).padStart(2, '0'))).join(':')
}

/** Writes over the last line of stderr; does nothing where stderr is not a terminal. */
export function repaintLine(line: string): void {
  // One that wraps could not be written over.
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K${line.slice(0, process.stderr.columns - 1)}`)
}
