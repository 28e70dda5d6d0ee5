import { connect, type Socket } from 'node:net'
import type { KeySpace } from '../load/key-space.ts'
import type { Asked, Client, Done } from './client.ts'

const headEnd = Buffer.from('\r\n\r\n')
const lengthHeader = /\r\ncontent-length: *([0-9]+)/i
const retryAfterHeader = /\r\nretry-after: *[0-9]+/i
const connectedAtOnce = 32
const contextHeader = '\r\nStarling-Context: '

/**
 * Connections to each node, one request at a time on each, and one more whenever all are busy: requests are sent when
 * they are due, whatever became of those before. Hand-written, so that one core can offer several times what another serves.
 */
export class HttpPool implements Client {
  readonly #keys: KeySpace
  readonly #ports: readonly number[]
  readonly #path: string
  readonly #connectionsMax: number
  readonly #idle: HttpConnection[][]
  readonly #open = new Set<HttpConnection>()
  #next = 0

  constructor(keys: KeySpace, ports: readonly number[], path: string, connectionsMax: number) {
    this.#keys = keys
    this.#ports = ports
    this.#path = path
    this.#connectionsMax = connectionsMax
    this.#idle = ports.map(() => [])
  }

  ask({ key, isWrite }: Asked, done: Done): void {
    const node = this.#next
    this.#next = (node + 1) % this.#ports.length
    const idle = this.#idle[node] as HttpConnection[]
    const connection = idle.pop() ?? this.#connect(node)
    if (connection === undefined) return done('unsent')
    connection.ask(this.#request(key, isWrite), (head, outcome) => {
      if (isWrite && head !== undefined) this.#keepContext(key, head)
      if (!connection.isClosed) idle.push(connection)
      done(outcome)
    })
  }

  /** A server of Node accepts one connection in each turn of its event loop: what waited for that would not be a request. */
  async connectAll(): Promise<void> {
    const each = Math.floor(this.#connectionsMax / this.#ports.length)
    await Promise.all(this.#ports.map((_, node) => this.#connectMany(node, each)))
  }

  async #connectMany(node: number, count: number): Promise<void> {
    const idle = this.#idle[node] as HttpConnection[]
    while (idle.length < count) {
      const before = idle.length
      await Promise.all(Array.from({ length: connectedAtOnce }, () => this.#connectOne(node)))
      if (idle.length === before) return
    }
  }

  #connectOne(node: number): Promise<void> {
    return new Promise((resolve) => {
      const connection = this.#connect(node)
      if (connection === undefined) return resolve()
      connection.ask('GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n', () => {
        if (!connection.isClosed) (this.#idle[node] as HttpConnection[]).push(connection)
        resolve()
      })
    })
  }

  async close(): Promise<void> {
    for (const connection of this.#open) connection.close()
  }

  #connect(node: number): HttpConnection | undefined {
    if (this.#open.size >= this.#connectionsMax) return undefined
    const connection = new HttpConnection(this.#ports[node] as number, () => {
      this.#open.delete(connection)
      const idle = this.#idle[node] as HttpConnection[]
      const at = idle.indexOf(connection)
      if (at !== -1) idle.splice(at, 1)
    })
    this.#open.add(connection)
    return connection
  }

  #request(key: number, isWrite: boolean): Buffer | string {
    const name = this.#path + this.#keys.name(key)
    if (!isWrite) return `GET ${name} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`
    const { valueBytes, contexts } = this.#keys
    const context = contexts[key]
    const contextLine = context === undefined ? '' : `Starling-Context: ${context}\r\n`
    const head = `PUT ${name} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/octet-stream\r\n${contextLine}Content-Length: ${valueBytes}\r\n\r\n`
    const request = Buffer.allocUnsafe(head.length + valueBytes)
    request.write(head, 'latin1')
    this.#keys.fillValue(key, request, head.length)
    return request
  }

  #keepContext(key: number, head: string): void {
    const at = head.indexOf(contextHeader)
    if (at === -1) return
    const from = at + contextHeader.length
    const end = head.indexOf('\r\n', from)
    this.#keys.contexts[key] = head.slice(from, end === -1 ? undefined : end)
  }
}

type HeadDone = (head: string | undefined, outcome: Parameters<Done>[0]) => void

class HttpConnection {
  readonly #socket: Socket
  #done: HeadDone | undefined
  #received: Buffer | undefined
  isClosed = false

  constructor(port: number, onClosed: () => void) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.#socket.on('data', (bytes) => this.#read(bytes))
    this.#socket.on('error', () => this.#socket.destroy())
    this.#socket.on('close', () => {
      this.isClosed = true
      onClosed()
      this.#finish(undefined, 'failed')
    })
  }

  ask(request: Buffer | string, done: HeadDone): void {
    this.#done = done
    this.#socket.write(request, 'latin1')
  }

  close(): void {
    this.#socket.destroy()
  }

  #read(chunk: Buffer): void {
    const bytes = this.#received === undefined ? chunk : Buffer.concat([this.#received, chunk])
    this.#received = bytes
    const endOfHead = bytes.indexOf(headEnd)
    if (endOfHead === -1) return
    const head = bytes.toString('latin1', 0, endOfHead)
    const length = Number(lengthHeader.exec(head)?.[1] ?? 0)
    if (bytes.length < endOfHead + headEnd.length + length) return
    this.#received = undefined
    this.#finish(head, outcomeOf(head))
  }

  #finish(head: string | undefined, outcome: Parameters<Done>[0]): void {
    const done = this.#done
    this.#done = undefined
    done?.(head, outcome)
  }
}

function outcomeOf(head: string): Parameters<Done>[0] {
  switch (head.slice(9, 12)) {
    case '200':
    case '204':
    case '300':
      return 'done'
    case '429':
      // Without it a client would not know when to come again.
      return retryAfterHeader.test(head) ? 'refused' : 'failed'
    default:
      return 'failed'
  }
}
