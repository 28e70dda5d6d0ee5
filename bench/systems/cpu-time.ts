import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'

const hasProc = existsSync('/proc/self/stat')
/** Linux counts these fields in hundredths of a second on every architecture that Node runs on. */
const ticksPerSecond = 100
/** Places behind the command's closing bracket, where the state is 0. */
const userAt = 11
const systemAt = 12

/** User and system time of a living process so far, all its threads, in microseconds. */
export function cpuMicroseconds(pid: number): number {
  return hasProc ? readStat(readFileSync(`/proc/${pid}/stat`, 'latin1')) : readPs(ps(pid))
}

export function cpuMicrosecondsOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + cpuMicroseconds(pid), 0)
}

/** Of /proc/PID/stat. The command may hold spaces and brackets of its own. */
export function readStat(text: string): number {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return ((Number(fields[userAt]) + Number(fields[systemAt])) * 1_000_000) / ticksPerSecond
}

/** Of `ps -o time=`: [days-][hours:]minutes:seconds, on macOS with hundredths. */
export function readPs(text: string): number {
  const [, days = '0', clock = ''] = /^(?:(\d+)-)?([\d:.]+)$/.exec(text.trim()) ?? []
  const seconds = clock.split(':').reduce((total, part) => total * 60 + Number(part), 0)
  return Math.round((Number(days) * 86_400 + seconds) * 1_000_000)
}

function ps(pid: number): string {
  return execFileSync('ps', ['-o', 'time=', '-p', String(pid)], { encoding: 'utf8' })
}
