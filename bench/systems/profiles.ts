import { existsSync, mkdirSync, renameSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { programAt } from './system.ts'

const writtenMsMax = 30_000

/** CPU profiles of server processes, one per process and run, in a directory. */
export class Profiles {
  readonly #directory: string

  constructor(directory: string) {
    this.#directory = resolve(directory)
    mkdirSync(this.#directory, { recursive: true })
  }

  /** What a process must be started with. */
  get nodeFlags(): readonly string[] {
    const probe = pathToFileURL(programAt('bench/systems/profile-probe.js'))
    probe.searchParams.set('directory', this.#directory)
    return ['--import', probe.href]
  }

  start(pids: readonly number[]): void {
    for (const pid of pids) process.kill(pid, 'SIGUSR2')
  }

  /** Leaves `title-1.cpuprofile` and so on. */
  async stop(pids: readonly number[], title: string): Promise<void> {
    for (const pid of pids) process.kill(pid, 'SIGUSR2')
    for (const [index, pid] of pids.entries()) {
      const path = join(this.#directory, `${pid}.cpuprofile`)
      const deadlineMs = performance.now() + writtenMsMax
      while (!existsSync(path)) {
        if (performance.now() > deadlineMs) throw new Error(`process ${pid} wrote no profile`)
        await sleep(50)
      }
      renameSync(path, join(this.#directory, `${title.replaceAll(/[^\w-]+/g, '-')}-${index + 1}.cpuprofile`))
    }
  }
}
