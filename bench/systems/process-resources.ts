import { readdirSync, readFileSync } from 'node:fs'

/** What a living process holds, as Linux accounts for it. */
export interface ProcessResources {
  /** Memory of its own: mapped files, which the system takes back when it needs room, do not count. */
  readonly anonBytes: number
  readonly residentBytes: number
  /** Open files, sockets and the like. */
  readonly descriptors: number
  readonly threads: number
}

/** @throws where there is no /proc */
export function readResources(pid: number): ProcessResources {
  return {
    ...readStatus(readFileSync(`/proc/${pid}/status`, 'latin1')),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
  }
}

/** Of /proc/PID/status. */
export function readStatus(text: string): Omit<ProcessResources, 'descriptors'> {
  return {
    anonBytes: field(text, 'RssAnon') * 1024,
    residentBytes: field(text, 'VmRSS') * 1024,
    threads: field(text, 'Threads'),
  }
}

function field(text: string, name: string): number {
  const found = new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)
  if (found === null) throw new Error(`/proc/PID/status does not have ${name}`)
  return Number(found[1])
}
