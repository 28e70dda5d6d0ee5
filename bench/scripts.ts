import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { note } from './prepare.ts'
import type { Judged } from './report/judged.ts'
import { programAt } from './systems/system.ts'

export interface ScriptResult {
  /** As one would call it. */
  readonly command: string
  readonly judged: readonly Judged[]
}

/** Programs of their own, for what a workload does not show. Each leaves its figures where `--json` says. */
const scripts: readonly (readonly string[])[] = [
  ['idle.js', '--nodes', '5', '--seconds', '45', '--starts', '0'],
  ['idle.js', '--nodes', '3', '--seconds', '15', '--settle', '15'],
  ['anti-entropy-cost.js', '12', '3'],
]

/** One after the other. One that fails leaves no figures, and is said. */
export async function runScripts(): Promise<readonly ScriptResult[]> {
  const directory = mkdtempSync(join(tmpdir(), 'starling-bench-'))
  const results: ScriptResult[] = []
  for (const [index, words] of scripts.entries()) {
    const command = `node dist/bench/${words.join(' ')}`
    note(command)
    const file = join(directory, `${index}.json`)
    const [program = '', ...rest] = words
    await ended([programAt(`bench/${program}`), ...rest, '--json', file])
    try {
      results.push({ command, judged: JSON.parse(readFileSync(file, 'utf8')) as Judged[] })
    } catch {
      console.log(`\n${command} left NO FIGURES`)
    }
  }
  rmSync(directory, { recursive: true, force: true })
  return results
}

/** What it prints is the report of another run: only how it goes on is shown. */
function ended(words: readonly string[]): Promise<void> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'ignore', 'inherit'] })
    const stop = (): void => {
      child.kill('SIGTERM')
    }
    process.once('exit', stop)
    child.once('exit', () => {
      process.removeListener('exit', stop)
      resolve()
    })
  })
}
