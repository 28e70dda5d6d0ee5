import { type ChildProcess, execFileSync, fork } from 'node:child_process'
import { programAt } from '../systems/system.ts'
import type { LoadOrder, LoadReport } from './load.ts'

/** Keeps all threads of a process of ours on one core. @throws where there is no taskset */
export function pin(pid: number, core: number): void {
  execFileSync('taskset', ['-acp', String(core), String(pid)], { stdio: 'ignore' })
}

/** The process that makes the load, on its own core. */
export class PinnedLoad {
  readonly #process: ChildProcess = fork(programAt('bench/overload/load.js'), { stdio: 'inherit' })

  constructor(core: number) {
    pin(this.#process.pid as number, core)
  }

  make(order: LoadOrder): Promise<LoadReport> {
    return new Promise((resolve, reject) => {
      const ended = (): void => reject(new Error('the load generator ended early'))
      this.#process.once('exit', ended)
      this.#process.once('message', (answer: LoadReport | { readonly problem: string }) => {
        this.#process.removeListener('exit', ended)
        if ('problem' in answer) reject(new Error(answer.problem))
        else resolve(answer)
      })
      this.#process.send(order)
    })
  }

  stop(): void {
    if (this.#process.connected) this.#process.disconnect()
  }
}
