import type { ChildProcess } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { spawnStarling } from './starling-command.ts'

const host = '127.0.0.1'
const readyMsMax = 60_000
/** Below the ports that systems hand out by themselves, so that a node that restarts finds its own free. */
const portMin = 12_000
const portMax = 19_990

interface Node {
  readonly name: string
  readonly endpoint: string
  readonly log: string
  readonly words: readonly string[]
  process: ChildProcess | undefined
}

/** Nodes of one cluster on this machine: real processes, each with a data directory of its own. */
export class Cluster {
  /** The data directories and logs; removed by `dispose`. */
  readonly directory: string
  readonly #nodes: readonly Node[]
  readonly #remove = (): void => rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 })

  private constructor(directory: string, nodes: readonly Node[]) {
    this.directory = directory
    this.#nodes = nodes
    process.once('exit', this.#remove)
  }

  /** Plans `count` nodes on free ports; nothing runs yet. */
  static async plan(count: number): Promise<Cluster> {
    const directory = mkdtempSync(join(tmpdir(), 'starling-cities-'))
    const ports = await freePorts(2 * count)
    const peers = ports.slice(count).map((port) => `${host}:${port}`)
    const nodes = peers.map((peer, index): Node => {
      const name = `n${index + 1}`
      const http = `${host}:${ports[index]}`
      const others = peers.filter((other) => other !== peer).join(',')
      const words = ['start', '--name', name, '--http', http, '--peer', peer, '--data', join(directory, name)]
      words.push('--join', others, '--expect', String(count), '--log-level', 'warn')
      return { name, endpoint: `http://${http}`, log: join(directory, `${name}.log`), words, process: undefined }
    })
    return new Cluster(directory, nodes)
  }

  get names(): readonly string[] {
    return this.#nodes.map(({ name }) => name)
  }

  /** For `--endpoint`. */
  get endpoints(): string {
    return this.#nodes.map(({ endpoint }) => endpoint).join(',')
  }

  pidOf(name: string): number | undefined {
    return this.#node(name).process?.pid
  }

  /** Starts the nodes named, and resolves when all of them are ready. @throws {Error} with the log of one that is not */
  async start(names: readonly string[] = this.names): Promise<void> {
    const nodes = names.map((name) => this.#node(name))
    for (const node of nodes) {
      const log = openSync(node.log, 'a')
      node.process = spawnStarling(node.words, log)
      node.process.stdin?.destroy()
      node.process.stdout?.resume()
      closeSync(log)
    }
    await Promise.all(nodes.map(waitUntilReady))
  }

  /** SIGKILL: the nodes named get no chance to finish anything. Resolves when their processes are gone. */
  async kill(names: readonly string[] = this.names): Promise<void> {
    await Promise.all(
      names.map(async (name) => {
        const node = this.#node(name)
        const child = node.process
        node.process = undefined
        if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
        const ended = once(child, 'exit')
        child.kill('SIGKILL')
        await ended
      }),
    )
  }

  /** Ends every process and removes every file. */
  async dispose(): Promise<void> {
    await this.kill()
    this.#remove()
    process.off('exit', this.#remove)
  }

  #node(name: string): Node {
    const node = this.#nodes.find((one) => one.name === name)
    if (node === undefined) throw new RangeError(`no node is called ${name}`)
    return node
  }
}

async function waitUntilReady({ name, endpoint, log, process: child }: Node): Promise<void> {
  const giveUpAtMs = Date.now() + readyMsMax
  for (;;) {
    const answer = await fetch(`${endpoint}/readyz`, { signal: AbortSignal.timeout(1_000) }).catch(() => undefined)
    await answer?.arrayBuffer().catch(() => {})
    if (answer?.ok) return
    const hasEnded = child === undefined || child.exitCode !== null || child.signalCode !== null
    if (hasEnded || Date.now() > giveUpAtMs) {
      const reason = hasEnded ? 'has ended' : `is not ready after ${readyMsMax / 1000} s`
      throw new Error(`${name} ${reason}; its log:\n${readFileSync(log, 'utf8')}`)
    }
    await sleep(50)
  }
}

/** Ports on which nothing listens, by TCP or UDP. Processes that look at the same time begin at different places. */
async function freePorts(count: number): Promise<readonly number[]> {
  const found: number[] = []
  const first = portMin + ((process.pid * 20) % (portMax - portMin))
  for (let port = first; found.length < count; port = port === portMax ? portMin : port + 1) {
    if ((await canListen(port)) && (await canBind(port))) found.push(port)
  }
  return found
}

function canListen(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)))
  })
}

function canBind(port: number): Promise<boolean> {
  const socket = createSocket('udp4')
  return new Promise((resolve) => {
    socket.once('error', () => resolve(false))
    socket.bind({ address: host, port, exclusive: true }, () => socket.close(() => resolve(true)))
  })
}
