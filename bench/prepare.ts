import type { Prepared } from './measure.ts'
import { startFloor, startSingle } from './systems/start-floor.ts'
import { startStarling } from './systems/start-starling.ts'
import type { Starter, SystemName } from './systems/system.ts'
import type { Workplace } from './systems/workplace.ts'
import { type Setting, settingId } from './workloads.ts'

/** However large the values are. */
const keyCountMin = 1000
const usualValueBytes = 1024

const starters: Readonly<Record<SystemName, Starter>> = {
  starling: startStarling,
  against: startStarling,
  floor: startFloor,
  single: startSingle,
}

export interface Preparation {
  /** Of values of 1 KiB; of larger ones as many as have the same bytes. */
  readonly keyCount: number
  readonly inFlight: number
  readonly seed: number
  readonly against: string | undefined
  /** For `starling start`: of this build's servers, and of the other ones. */
  readonly flags: readonly string[]
  readonly againstFlags: readonly string[]
  readonly nodeFlags: readonly string[]
}

/**
 * Starts a system and writes every key once.
 *
 * @throws Error for a system that does not start, or does not store a key however often it is asked
 */
export async function prepare(
  name: SystemName,
  setting: Setting,
  { keyCount, inFlight, seed, against, flags, againstFlags, nodeFlags }: Preparation,
  workplace: Workplace,
): Promise<Prepared> {
  const { valueBytes, durability, nodeCount } = setting
  const build = name === 'against' && against !== undefined ? { build: against } : {}
  const words = name === 'against' ? againstFlags : flags
  const place = { directory: workplace.newDirectory(name), nodeCount, durability, nodeFlags, words, ...build }
  const system = await starters[name](place, workplace.started)
  const generator = workplace.startGenerator()
  const count = keysOf(keyCount, valueBytes)
  await generator.prepare({ keyCount: count, valueBytes, seed })
  const target = system.targets.http
  if (target === undefined) throw new Error(`${name} does not speak HTTP`)
  const { failed, elapsedMs } = await generator.make({ type: 'fill', target, inFlight })
  if (failed > 0) throw new Error(`${name} did not store ${failed} of ${count} keys: is the machine too busy?`)
  note(`${name}: ${count} keys in ${(elapsedMs / 1000).toFixed(1)} s (${settingId(setting)})`)
  return { system, generator, warmed: new Set() }
}

export function keysOf(keyCount: number, valueBytes: number): number {
  if (valueBytes <= usualValueBytes) return keyCount
  return Math.min(keyCount, Math.max(keyCountMin, Math.floor((keyCount * usualValueBytes) / valueBytes)))
}

/** Progress goes to the standard error: the standard output is the report. */
export function note(line: string): void {
  process.stderr.write(`${line}\n`)
}
