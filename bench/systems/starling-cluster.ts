import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Target } from '../load/orders.ts'
import { Child } from './child.ts'
import { freePorts } from './free-ports.ts'
import { programAt } from './system.ts'

const bucket = 'bench'
const host = '127.0.0.1'
/** Patient: whoever asks how long it took measures that. */
const readyMsMax = 600_000
/** A stop that is cut off is no clean one. */
const stopMsMax = 120_000

export interface ClusterOptions {
  /** For data and logs; one that holds the data of an earlier run is taken over. */
  readonly directory: string
  readonly nodeCount: number
  readonly partitions?: number | undefined
  /** Further words for `node`: a profiler's flags. */
  readonly nodeFlags?: readonly string[]
  /** Further words for `starling start`. */
  readonly words?: readonly string[]
  /** Nodes have a secret, and clients show a token. */
  readonly isClosed?: boolean
  /** Another compiled copy of this repository, whose servers are to run. */
  readonly build?: string | undefined
}

/** Any number of `starling start` on loopback, each of which can be ended and started again on its data. */
export class StarlingCluster {
  readonly nodeCount: number
  readonly #options: ClusterOptions
  readonly #http: readonly number[]
  readonly #peer: readonly number[]
  readonly #children: Child[] = []
  readonly #onStarted: (child: Child) => void
  readonly #keys: { readonly secret: string; readonly token: string } | undefined

  private constructor(options: ClusterOptions, ports: readonly number[], onStarted: (child: Child) => void) {
    this.nodeCount = options.nodeCount
    this.#options = options
    this.#http = ports.slice(0, options.nodeCount)
    this.#peer = ports.slice(options.nodeCount)
    this.#onStarted = onStarted
    if (options.isClosed !== true) return
    this.#keys = { secret: randomBytes(32).toString('base64url'), token: randomBytes(32).toString('base64url') }
    for (const [name, key] of Object.entries(this.#keys)) {
      writeFileSync(join(options.directory, name), `${key}\n`, { mode: 0o600 })
    }
  }

  /** @param onStarted told of every process, so that a start which fails half-way leaves none behind */
  static async prepare(options: ClusterOptions, onStarted: (child: Child) => void): Promise<StarlingCluster> {
    mkdirSync(options.directory, { recursive: true })
    return new StarlingCluster(options, await freePorts(options.nodeCount * 2), onStarted)
  }

  /** Whether an earlier run left data of as many nodes in this directory. */
  static hasData(directory: string, nodeCount: number): boolean {
    return (
      existsSync(join(directory, `n${nodeCount}`, 'node.json')) && !existsSync(join(directory, `n${nodeCount + 1}`))
    )
  }

  get pids(): readonly number[] {
    return this.#children.map(({ pid }) => pid)
  }

  /** By HTTP to all nodes in turn. */
  get http(): Target {
    return { type: 'http', ports: this.#http, path: `/v1/kv/${bucket}/`, token: this.#keys?.token }
  }

  /** By the embedded client. */
  get embedded(): Extract<Target, { type: 'embedded' }> {
    const library = programAt('lib/index.js', this.#options.build)
    return { type: 'embedded', ports: this.#peer, bucket, library, ...this.#keys }
  }

  endpoint(index: number): string {
    return `http://${host}:${this.#http[index]}`
  }

  pid(index: number): number {
    return this.#child(index).pid
  }

  async startAll(): Promise<void> {
    for (let index = 0; index < this.nodeCount; index += 1) this.launch(index)
    // All at once: the others wait in vain for one that has ended.
    await Promise.all(this.#children.map((_, index) => this.untilSettled(index)))
  }

  /** Starts the process of a node, and does not wait for it. */
  launch(index: number): void {
    const { directory, nodeCount, partitions, nodeFlags, words } = this.#options
    const name = `n${index + 1}`
    const own = this.#peer[index]
    const join = this.#peer.filter((port) => port !== own).map((port) => `${host}:${port}`)
    const start = ['start', '--name', name, '--http', `${host}:${this.#http[index]}`, '--peer', `${host}:${own}`]
    start.push('--data', `${directory}/${name}`, '--expect', String(nodeCount), '--log-format', 'json')
    if (join.length > 0) start.push('--join', join.join(','))
    if (nodeCount < replicasDefault) start.push('--replicas', String(nodeCount))
    if (partitions !== undefined) start.push('--partitions', String(partitions))
    if (this.#keys !== undefined)
      start.push('--secret-file', `${directory}/secret`, '--token-file', `${directory}/token`)
    const child = new Child(
      [...(nodeFlags ?? []), programAt('bin/starling.js', this.#options.build), ...start, ...(words ?? [])],
      `${directory}/${name}.log`,
    )
    this.#children[index] = child
    this.#onStarted(child)
  }

  /** Sets properties of the bucket under load; all nodes know them a moment later. */
  async setBucket(properties: Readonly<Record<string, unknown>>): Promise<void> {
    const answer = await fetch(`${this.endpoint(0)}/v1/buckets/${bucket}`, {
      method: 'PUT',
      headers: { ...this.#headers, 'Content-Type': 'application/json' },
      body: JSON.stringify(properties),
    })
    if (!answer.ok) throw new Error(`the bucket's properties were refused: ${await answer.text()}`)
    await Promise.all(this.#http.map((_, index) => this.#untilBucketIs(index, properties)))
  }

  /** As an operator stops it. */
  async stop(index: number): Promise<void> {
    await this.#child(index).stop(stopMsMax)
  }

  async stopAll(): Promise<void> {
    await Promise.all(this.#children.map((child) => child.stop(stopMsMax)))
  }

  /** SIGKILL; resolves when the process is gone. */
  async kill(index: number): Promise<void> {
    const child = this.#child(index)
    child.kill()
    await child.stop()
  }

  isRunning(index: number): boolean {
    return this.#children[index]?.isRunning === true
  }

  /** Answers for data. */
  untilReady(index: number): Promise<void> {
    return this.#child(index).until(() => isReady(this.endpoint(index)), readyMsMax)
  }

  /** Answers for data and sees everybody. */
  untilSettled(index: number): Promise<void> {
    return this.#child(index).until(() => isSettled(this.endpoint(index), this.nodeCount, this.#headers), readyMsMax)
  }

  async #untilBucketIs(index: number, properties: Readonly<Record<string, unknown>>): Promise<void> {
    await this.#child(index).until(async () => {
      const answer = await fetch(`${this.endpoint(index)}/v1/buckets/${bucket}`, { headers: this.#headers })
      const found = (await answer.json()) as Readonly<Record<string, unknown>>
      return Object.entries(properties).every(([name, value]) => found[name] === value)
    })
  }

  get #headers(): Headers {
    return this.#keys === undefined ? {} : { Authorization: `Bearer ${this.#keys.token}` }
  }

  #child(index: number): Child {
    const child = this.#children[index]
    if (child === undefined) throw new Error(`node ${index + 1} was never started`)
    return child
  }
}

const replicasDefault = 3

type Headers = Readonly<Record<string, string>>

interface ClusterStatus {
  readonly converged: boolean
  readonly members: readonly { readonly state: string }[]
}

async function isReady(endpoint: string): Promise<boolean> {
  try {
    const answer = await fetch(`${endpoint}/readyz`)
    await answer.arrayBuffer()
    return answer.ok
  } catch {
    return false
  }
}

async function isSettled(endpoint: string, nodeCount: number, headers: Headers): Promise<boolean> {
  if (!(await isReady(endpoint))) return false
  try {
    const status = (await (await fetch(`${endpoint}/v1/cluster/status`, { headers })).json()) as ClusterStatus
    return status.converged && status.members.filter(({ state }) => state === 'alive').length === nodeCount
  } catch {
    return false
  }
}
