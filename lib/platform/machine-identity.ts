import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { hostname, uptime } from 'node:os'

/** Which machine this is: what the system calls it for life, or else its host name. */
export function machineId(): string {
  return firstLineOf('/etc/machine-id') ?? firstLineOf('/var/lib/dbus/machine-id') ?? hostname()
}

/**
 * Which boot of the machine this is: what Linux or macOS call it, or else when it was. That last one moves with the wall
 * clock, so it may name one boot twice: then a start is taken for lossy that was not, never the other way round.
 */
export function bootId(): string {
  return firstLineOf('/proc/sys/kernel/random/boot_id') ?? bootSessionOfMacos() ?? `booted-${bootedAtSeconds()}`
}

function firstLineOf(path: string): string | undefined {
  try {
    const line = readFileSync(path, 'utf8').trim()
    return line === '' ? undefined : line
  } catch {
    return undefined
  }
}

function bootSessionOfMacos(): string | undefined {
  if (process.platform !== 'darwin') return undefined
  try {
    return execFileSync('sysctl', ['-n', 'kern.bootsessionuuid'], { encoding: 'utf8' }).trim()
  } catch {
    return undefined
  }
}

function bootedAtSeconds(): number {
  return Math.round((Date.now() / 1000 - uptime()) / 10) * 10
}
