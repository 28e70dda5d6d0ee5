import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const stopMsMax = 10_000
const readyMsMax = 60_000

/** A server process of ours: started, watched and ended by its own handle. */
export class Child {
  readonly #process: ChildProcess
  readonly #log: string
  readonly #ended: Promise<void>

  /** @param log where its output goes */
  constructor(words: readonly string[], log: string) {
    this.#log = log
    mkdirSync(dirname(log), { recursive: true })
    const output = openSync(log, 'a')
    // Its standard input closes with this process, however that ends.
    this.#process = spawn(process.execPath, words, { stdio: ['pipe', output, output], env: plainEnvironment() })
    closeSync(output)
    this.#ended = new Promise((resolve) => {
      this.#process.once('exit', () => resolve())
      this.#process.once('error', () => resolve())
    })
  }

  get pid(): number {
    const { pid } = this.#process
    if (pid === undefined) throw new Error(`a server could not be started; see ${this.#log}`)
    return pid
  }

  /** Asks again and again. @throws when the process ends first, or after `msMax`, a minute */
  async until(isReady: (output: string) => boolean | Promise<boolean>, msMax = readyMsMax): Promise<void> {
    const deadlineMs = performance.now() + msMax
    while (!(await isReady(readFileSync(this.#log, 'utf8')))) {
      if (!this.isRunning) throw new Error(`a server ended early:\n${readFileSync(this.#log, 'utf8')}`)
      if (performance.now() > deadlineMs) throw new Error(`a server is not ready; see ${this.#log}`)
      await sleep(50)
    }
  }

  get isRunning(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null
  }

  /** By SIGTERM; who has not ended after `msMax`, ten seconds, is killed. */
  async stop(msMax = stopMsMax): Promise<void> {
    if (!this.isRunning) return
    this.#process.kill('SIGTERM')
    const cut = setTimeout(() => this.#process.kill('SIGKILL'), msMax)
    await this.#ended
    clearTimeout(cut)
  }

  /** For the exit of this process: nothing is awaited. */
  kill(): void {
    if (this.isRunning) this.#process.kill('SIGKILL')
  }
}

/** No setting of whoever runs the bench reaches the servers. */
function plainEnvironment(): NodeJS.ProcessEnv {
  const names = Object.keys(process.env).filter((name) => !/^(STARLING_|NODE_)/.test(name))
  return Object.fromEntries(names.map((name) => [name, process.env[name]]))
}
