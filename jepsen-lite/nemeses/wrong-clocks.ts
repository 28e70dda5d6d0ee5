import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { faketimeLibrary } from '../faketime-library.ts'
import type { Preparation, Stage, StageNode } from '../nemesis.ts'
import { between, minorityOf, runningNodes, shuffled } from './chance.ts'
import { perStage } from './per-stage.ts'
import { ask } from './wholeness.ts'

/** Whose wall clocks are wrong, by how much. Their timers and what they measure by stay right. */
class WrongClocks {
  readonly preparation: Preparation
  readonly #directory: string

  constructor({ directory }: Stage) {
    const library = faketimeLibrary()
    if (library === undefined) throw new Error('libfaketime is not installed')
    this.#directory = join(directory, 'clocks')
    mkdirSync(this.#directory)
    this.preparation = {
      surroundings: (name) => {
        this.set(name, 0)
        return {
          env: {
            LD_PRELOAD: library,
            FAKETIME_TIMESTAMP_FILE: this.#file(name),
            FAKETIME_NO_CACHE: '1',
            FAKETIME_DONT_FAKE_MONOTONIC: '1',
          },
        }
      },
    }
  }

  /** At once. Replaces the file as a whole: a node reads it each time it looks at its clock. */
  set(name: string, offsetMs: number): void {
    const file = this.#file(name)
    writeFileSync(`${file}.next`, `${offsetMs < 0 ? '' : '+'}${(offsetMs / 1000).toFixed(3)}\n`)
    renameSync(`${file}.next`, file)
  }

  #file(name: string): string {
    return join(this.#directory, name)
  }
}

export const wrongClocks = perStage((stage) => new WrongClocks(stage))

/** Fewer than half, so that the median of the clocks is right. */
export function liars(stage: Stage): readonly StageNode[] {
  const count = between(stage, 1, Math.max(1, minorityOf(stage.nodes.length)))
  return shuffled(stage, runningNodes(stage)).slice(0, count)
}

/** By how much the clock in a node's answers, whole seconds kept for a second, is ahead of ours. */
export async function aheadMs(node: Pick<StageNode, 'http'>): Promise<number | undefined> {
  const answer = await ask(node, '/livez')
  await answer?.body?.cancel()
  const date = Date.parse(answer?.headers.get('date') ?? '')
  return Number.isNaN(date) ? undefined : date - Date.now()
}

/** What `aheadMs` is off by at most, whatever the clock is. */
export const readingErrorMs = 2_500

export function spoken(ms: number): string {
  const seconds = Math.abs(ms) / 1000
  const size = seconds < 1 ? `${Math.abs(ms).toFixed(0)} ms` : `${seconds.toFixed(1)} s`
  return `${size} ${ms < 0 ? 'behind' : 'ahead'}`
}
