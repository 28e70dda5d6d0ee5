import { connect, type Socket } from 'node:net'
import type { KeySpace } from './key-space.ts'
import type { Driver, Lane, OperationOutcome } from './lane.ts'

const contextHeader = '\r\nStarling-Context: '
const lengthHeader = /\r\ncontent-length: *([0-9]+)/i
const headEnd = Buffer.from('\r\n\r\n')
const chunkedHeader = /\r\ntransfer-encoding: *chunked/i
const lastChunk = Buffer.from('\r\n0\r\n\r\n')

/**
 * One connection per lane, spread over the nodes, one request at a time on each; hand-written, because a general client
 * costs more than the servers it would measure. Values are checked; a causal context is sent back with the next write.
 *
 * @param path in front of the key
 * @param token shown with every request
 */
export async function openHttpDriver(
  keys: KeySpace,
  ports: readonly number[],
  path: string,
  token: string | undefined,
  laneCount: number,
): Promise<Driver> {
  const lanes = await Promise.all(
    Array.from({ length: laneCount }, (_, index) =>
      HttpLane.open(keys, ports[index % ports.length] as number, path, token),
    ),
  )
  return {
    lanes,
    close: async () => {
      for (const lane of lanes) lane.close()
    },
  }
}

class HttpLane implements Lane {
  readonly #keys: KeySpace
  readonly #port: number
  readonly #path: string
  /** Headers of every request. */
  readonly #fixed: string
  #socket: Socket
  #key = 0
  #isWrite = false
  #isScan = false
  #keepsContext = false
  #done: ((outcome: OperationOutcome) => void) | undefined
  #received: Buffer | undefined

  private constructor(keys: KeySpace, port: number, path: string, token: string | undefined) {
    this.#keys = keys
    this.#port = port
    this.#path = path
    this.#fixed = token === undefined ? '' : `Authorization: Bearer ${token}\r\n`
    this.#socket = this.#connect()
  }

  /** Resolves once it is connected. */
  static open(keys: KeySpace, port: number, path: string, token: string | undefined): Promise<HttpLane> {
    const lane = new HttpLane(keys, port, path, token)
    return new Promise((resolve, reject) => {
      lane.#socket.once('connect', () => resolve(lane))
      lane.#socket.once('error', reject)
    })
  }

  put(key: number, done: (outcome: OperationOutcome) => void): void {
    this.#key = key
    this.#isWrite = true
    this.#isScan = false
    this.#done = done
    const { valueBytes, contexts } = this.#keys
    const context = contexts[key]
    const contextLine = context === undefined ? '' : `Starling-Context: ${context}\r\n`
    const head = `PUT ${this.#path}${this.#keys.name(key)} HTTP/1.1\r\nHost: 127.0.0.1\r\n${this.#fixed}Content-Type: application/octet-stream\r\n${contextLine}Content-Length: ${valueBytes}\r\n\r\n`
    const request = Buffer.allocUnsafe(head.length + valueBytes)
    request.write(head, 'latin1')
    this.#keys.fillValue(key, request, head.length)
    this.#send(request)
  }

  get(key: number, done: (outcome: OperationOutcome) => void, keepsContext: boolean): void {
    this.#key = key
    this.#isWrite = false
    this.#isScan = false
    this.#keepsContext = keepsContext
    this.#done = done
    this.#send(`GET ${this.#path}${this.#keys.name(key)} HTTP/1.1\r\nHost: 127.0.0.1\r\n${this.#fixed}\r\n`)
  }

  scan(key: number, count: number, done: (outcome: OperationOutcome) => void): void {
    this.#key = key
    this.#isWrite = false
    this.#isScan = true
    this.#done = done
    const query = `start=${this.#keys.name(key)}&limit=${count}&values=true`
    this.#send(`GET ${this.#path.slice(0, -1)}?${query} HTTP/1.1\r\nHost: 127.0.0.1\r\n${this.#fixed}\r\n`)
  }

  close(): void {
    this.#socket.destroy()
  }

  #send(request: Buffer | string): void {
    // Servers close what was idle while the other systems had their turn. What is written first is sent once connected.
    if (this.#socket.destroyed) this.#socket = this.#connect()
    this.#socket.write(request, 'latin1')
  }

  #connect(): Socket {
    this.#received = undefined
    const socket = connect({ port: this.#port, host: '127.0.0.1', noDelay: true })
    socket.on('data', (bytes) => this.#read(bytes))
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      if (socket === this.#socket) this.#finish('failed')
    })
    return socket
  }

  #read(chunk: Buffer): void {
    const bytes = this.#received === undefined ? chunk : Buffer.concat([this.#received, chunk])
    this.#received = bytes
    const endOfHead = bytes.indexOf(headEnd)
    if (endOfHead === -1) return
    const head = bytes.toString('latin1', 0, endOfHead)
    const bodyAt = endOfHead + headEnd.length
    if (chunkedHeader.test(head)) {
      if (!bytes.subarray(-lastChunk.length).equals(lastChunk)) return
      this.#received = undefined
      return this.#finish(this.#judgeScan(head, bytes.toString('latin1', bodyAt)))
    }
    const length = Number(lengthHeader.exec(head)?.[1] ?? 0)
    if (bytes.length < bodyAt + length) return
    this.#received = undefined
    this.#finish(this.#judge(head, bytes, bodyAt, length))
  }

  #judge(head: string, bytes: Buffer, bodyAt: number, length: number): OperationOutcome {
    const status = head.slice(9, 12)
    if (this.#isWrite) {
      if (status !== '204') return 'failed'
      this.#keepContext(head)
      return 'done'
    }
    // Siblings show everything there is: the next write replaces all of it.
    if (this.#keepsContext || (status === '300' && !this.#keys.isBeingWritten(this.#key))) this.#keepContext(head)
    if (status === '300') return 'siblings'
    return status === '200' && this.#keys.isValueOf(this.#key, bytes, bodyAt, length) ? 'done' : 'failed'
  }

  /** Whole, and beginning with the key that was asked for, which is there: no key is ever deleted. */
  #judgeScan(head: string, body: string): OperationOutcome {
    const isGood = this.#isScan && head.slice(9, 12) === '200' && /"end":true,.*"complete":true/.test(body)
    return isGood && body.includes(`{"key":"${this.#keys.name(this.#key)}"`) ? 'done' : 'failed'
  }

  #keepContext(head: string): void {
    const at = head.indexOf(contextHeader)
    if (at === -1) return
    const from = at + contextHeader.length
    const end = head.indexOf('\r\n', from)
    this.#keys.contexts[this.#key] = head.slice(from, end === -1 ? undefined : end)
  }

  #finish(outcome: OperationOutcome): void {
    const done = this.#done
    this.#done = undefined
    done?.(outcome)
  }
}
