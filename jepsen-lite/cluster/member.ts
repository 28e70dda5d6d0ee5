import { writeFileSync } from 'node:fs'
import { call, json, NodeProcess, type Reachable, type Surroundings } from '../../test/node/fixtures/real-nodes.ts'
import type { StageNode } from '../nemesis.ts'
import type { Place } from '../network/network.ts'
import type { RunScope } from '../run-scope.ts'
import { asChild } from './as-child.ts'

/** What every node of a cluster is started with, its own words aside. */
export interface MemberParts {
  readonly name: string
  readonly place: Place
  readonly data: string
  readonly flags: readonly string[]
  readonly surroundings: Surroundings
  /** Where its log is written when it ends. */
  readonly logFile: string
}

/** A node as clients and the nemesis have it: a name, a directory, addresses, and a process that may run or not. */
export class Member implements StageNode, Reachable {
  readonly name: string
  readonly data: string
  readonly http: string
  readonly peer: string
  readonly joinAddress: string
  readonly #scope: RunScope
  readonly #parts: MemberParts
  #surroundings: Surroundings
  #process: NodeProcess | undefined
  /** Logs of earlier processes. */
  #earlierLog = ''
  /** Of the process that runs, or ran last: whether somebody asked it to end. */
  #isEndMeant = false

  constructor(scope: RunScope, parts: MemberParts) {
    this.#scope = scope
    this.#parts = parts
    this.#surroundings = parts.surroundings
    this.name = parts.name
    this.data = parts.data
    this.http = parts.place.http
    this.peer = parts.place.peer
    this.joinAddress = parts.place.joinAddress
  }

  get pid(): number {
    if (this.#process === undefined) throw new Error(`${this.name} does not run`)
    return this.#process.pid
  }

  get isRunning(): boolean {
    return this.#process?.isRunning === true
  }

  /** It ran, runs no more, and nobody had asked for that. */
  get hasEndedByItself(): boolean {
    return this.#process !== undefined && !this.#process.isRunning && !this.#isEndMeant
  }

  /** The log of all its processes, oldest first. */
  get log(): string {
    return this.#earlierLog + (this.#process?.log ?? '')
  }

  /** Resolves when the process listens; what the node is by then, `/readyz` says. @param extra flags of this start alone */
  async start(surroundings: Surroundings = this.#surroundings, extra: readonly string[] = []): Promise<void> {
    if (this.isRunning) throw new Error(`${this.name} runs already`)
    this.#earlierLog = this.log
    this.#process = undefined
    this.#surroundings = surroundings
    this.#isEndMeant = false
    const { name, place, data, flags } = this.#parts
    const words = ['--log-level', 'info', '--name', name, '--data', data, ...place.flags, ...flags, ...extra]
    // Into its place first, and there into what else it finds.
    const before = [...asChild(), ...place.before, ...(surroundings.before ?? [])]
    try {
      this.#process = await NodeProcess.start(this.#scope, words, { ...surroundings, before })
    } catch (error) {
      this.#earlierLog += `${String(error)}\n`
      throw error
    }
  }

  async kill(): Promise<void> {
    if (this.#process === undefined || !this.isRunning) return
    this.#isEndMeant = true
    await this.#process.kill()
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGTERM'): void {
    if (signal === 'SIGTERM') this.#isEndMeant = true
    this.#process?.signal(signal)
  }

  /** SIGTERM: it finishes what runs. One that does not end in time is killed. */
  async stop(): Promise<void> {
    if (this.#process === undefined || !this.isRunning) return
    this.#isEndMeant = true
    this.#process.signal('SIGCONT')
    this.#process.signal('SIGTERM')
    try {
      await this.#process.ended
    } catch {
      await this.#process.kill()
    }
  }

  async isReady(): Promise<boolean> {
    return this.isRunning && (await call(this, 'GET', '/readyz')).status === 200
  }

  /** @throws Error while it does not answer */
  json(path: string): Promise<Record<string, unknown>> {
    return json(this, path)
  }

  writeLog(): void {
    writeFileSync(this.#parts.logFile, this.log)
  }
}
