import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { plainly } from '../../fixtures/plain-program.ts'
import type { Lab } from './lab.ts'

const program = fileURLToPath(import.meta.resolve('../../../examples/payments/serve.js'))
const againAfterMs = 200

/** None outlives this process, however that ends. */
const children = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL')
})

/** A payment service in a process of its own, under a supervisor that starts it again when it cannot begin. */
export class ServiceProcess {
  readonly name: string
  readonly #lab: Lab
  readonly #flags: readonly string[]
  #child: ChildProcess | undefined
  #url: string | undefined
  /** What its processes complained of. */
  log = ''

  constructor(lab: Lab, name: string, flags: readonly string[]) {
    this.name = name
    this.#lab = lab
    this.#flags = flags
    lab.logs.set(name, () => this.log)
    lab.teardown(() => this.kill())
  }

  /** Undefined while it does not run. */
  get url(): string | undefined {
    return this.#url
  }

  /** Resolves when it takes requests. It cannot while no node answers: then it is tried again. */
  async start(): Promise<void> {
    while (!this.#lab.signal.aborted) {
      const child = spawn(...plainly(program, ['--port', '0', ...this.#flags]), {
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      this.#child = child
      child.stderr.on('data', (part: Buffer) => {
        this.log = (this.log + part.toString()).slice(-100_000)
      })
      children.add(child)
      child.once('close', () => children.delete(child))
      const ended = once(child, 'close')
      const line = new Promise<string>((resolve) => createInterface(child.stdout).once('line', resolve))
      const said = await Promise.race([line, ended])
      if (typeof said === 'string') {
        this.#url = (JSON.parse(said) as { readonly url: string }).url
        return
      }
      await sleep(againAfterMs)
    }
  }

  /** `kill -9`. */
  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    this.#url = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'close')
    child.kill('SIGKILL')
    await ended
  }
}
