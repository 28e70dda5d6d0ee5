import { execFileSync } from 'node:child_process'
import { cpus, loadavg, release, totalmem, type } from 'node:os'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What a figure depends on besides the code. */
export interface Environment {
  readonly cores: number
  readonly cpu: string
  readonly kernel: string
  readonly node: string
  readonly memoryBytes: number
  /** The system's load average of the last minute, when the run began. */
  readonly load: number
  /** Of the code that was measured, with `+` when files were changed since; undefined outside of a repository. */
  readonly commit: string | undefined
}

export function readEnvironment(): Environment {
  return {
    cores: cpus().length,
    cpu: cpus()[0]?.model ?? 'unknown',
    kernel: `${type()} ${release()}`,
    node: process.version,
    memoryBytes: totalmem(),
    load: loadavg()[0] ?? 0,
    commit: readCommit(),
  }
}

function readCommit(): string | undefined {
  const git = (...words: string[]): string => {
    const options = { cwd: dirname(fileURLToPath(import.meta.url)), encoding: 'utf8', stdio: 'pipe' } as const
    return execFileSync('git', words, options).trim()
  }
  try {
    const isChanged = git('status', '--porcelain', '--untracked-files=no') !== ''
    return git('rev-parse', '--short=12', 'HEAD') + (isChanged ? '+' : '')
  } catch {
    return undefined
  }
}
