import type { FastifyInstance } from 'fastify'
import { StrangerTable } from '../security/stranger-table.ts'
import { addressGroup } from '../vocabulary/address-group.ts'
import { Crowd } from '../vocabulary/crowd.ts'
import { DeadlineExceeded, Overloaded } from '../vocabulary/errors.ts'
import type { Incoming } from './exchange.ts'
import { HttpConnection } from './http-connection.ts'
import type { HttpLimits } from './http-limits.ts'
import type { HttpMetrics } from './http-metrics.ts'

type Server = FastifyInstance['server']
type Socket = Incoming['socket']

/** Node closes what is beyond its own bound without a word to us: it is only there for what is being cut at the moment. */
const beingCutMax = 1_024
/** Room is made by looking at every connection: not more often than this. */
const relieveEveryMs = 100

/**
 * The connections of one server. When there are as many as there may be, the address with the most gives up one that is idle
 * or slow; and whoever is so slow that others, or this process, pay for it is cut off.
 */
export class HttpConnections {
  readonly #limits: HttpLimits
  readonly #crowd = new Crowd<HttpConnection>(({ standing }) => standing)
  readonly #bySocket = new WeakMap<Socket, HttpConnection>()
  readonly #strangers = new StrangerTable(() => performance.now())
  #metrics: HttpMetrics | undefined
  #relievedAtMs = Number.NEGATIVE_INFINITY
  #sweeper: NodeJS.Timeout | undefined

  constructor(limits: HttpLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#crowd.size
  }

  *[Symbol.iterator](): IterableIterator<HttpConnection> {
    yield* this.#crowd
  }

  /** From here on it hears of every connection of `server`. */
  watch(server: Server, metrics: HttpMetrics): void {
    this.#metrics = metrics
    server.maxConnections = this.#limits.connectionsMax + beingCutMax
    server.on('connection', (socket: Socket) => this.#arrive(socket))
    // The socket that requests come from stands in front of the one that was accepted.
    server.on('secureConnection', (socket: Socket & { readonly _parent?: Socket }) => {
      const connection = socket._parent === undefined ? undefined : this.#bySocket.get(socket._parent)
      if (connection === undefined) return
      connection.socket = socket
      this.#bySocket.set(socket, connection)
    })
    server.on('drop', () => metrics.connectionsRefused.add(1))
    this.#sweeper = setInterval(() => this.#sweep(performance.now()), this.#limits.connectionsCheckMs)
    this.#sweeper.unref()
  }

  close(): void {
    clearInterval(this.#sweeper)
  }

  of(socket: Socket): HttpConnection | undefined {
    return this.#bySocket.get(socket)
  }

  /**
   * What came on it was not HTTP, or never came to an end, or was far too much of it. Where that happens again and again
   * from one address its new connections are closed unread for a while, each time for longer; those that exist go on.
   * @param weight milliseconds that it cost, about: a line that is no HTTP costs 1
   */
  misbehaved(socket: object, weight = 1): void {
    const connection = this.#bySocket.get(socket as Socket)
    if (connection !== undefined) this.#strangers.failed(connection.address, weight)
  }

  /** Bytes that wait for clients that have not taken them. */
  get unreadBytes(): number {
    let bytes = 0
    for (const { unreadBytes } of this.#crowd) bytes += unreadBytes
    return bytes
  }

  /** There is hardly room left for bodies: those who send slowly make some. */
  relieveUploads(): void {
    const nowMs = performance.now()
    if (!this.#mayRelieve(nowMs)) return
    for (const connection of this.#crowd) {
      if (!connection.isUploadSlow(nowMs)) continue
      this.#count('slow-upload')
      connection.upload?.refuse(
        new Overloaded('the body comes slowly, and others wait for the room it takes', {
          hint: `Room is needed where bodies of more than ${this.#limits.bodiesBytesMax} bytes are held (bodiesBytesMax).`,
        }),
      )
    }
  }

  /** There is hardly room left for answers that nobody takes: those who read slowly make some. */
  relieveReaders(): void {
    const nowMs = performance.now()
    if (!this.#mayRelieve(nowMs)) return
    for (const connection of this.#crowd) {
      connection.look(nowMs)
      if (connection.isReadingSlow(nowMs)) this.#cut(connection, 'slow-reader')
    }
  }

  #mayRelieve(nowMs: number): boolean {
    if (nowMs - this.#relievedAtMs < relieveEveryMs) return false
    this.#relievedAtMs = nowMs
    return true
  }

  #arrive(socket: Socket): void {
    const connection = new HttpConnection(socket, addressGroup(socket.remoteAddress ?? ''))
    const { connectionsMax, connectionsPerAddressMax } = this.#limits
    const crowd = this.#crowd
    if (this.#strangers.isCutOff(connection.address) && !this.#strangers.mayTry(connection.address)) {
      this.#count('misbehaved')
      socket.destroy()
      return
    }
    if (connectionsPerAddressMax > 0 && crowd.from(connection.address) >= connectionsPerAddressMax) {
      const gone = crowd.leastNeededFrom(connection.address)
      if (gone === undefined) return this.#refuse(socket)
      this.#cut(gone, 'address-full')
    } else if (crowd.size >= connectionsMax) {
      const gone = crowd.whoGoesFor(connection.address)
      if (gone === undefined) return this.#refuse(socket)
      this.#cut(gone, 'full')
    }
    crowd.add(connection)
    this.#bySocket.set(socket, connection)
    socket.once('close', () => crowd.delete(connection))
  }

  #refuse(socket: Socket): void {
    this.#metrics?.connectionsRefused.add(1)
    socket.destroy()
  }

  #cut(connection: HttpConnection, reason: CutReason): void {
    this.#count(reason)
    this.#crowd.delete(connection)
    connection.socket.destroy()
  }

  #count(reason: CutReason): void {
    this.#metrics?.connectionsCut(reason)
  }

  /** Once in a while every connection is looked at: nothing of this costs a request anything. */
  #sweep(nowMs: number): void {
    const { slowMs, uploadBytesPerSecondMin, readBytesPerSecondMin, unreadBytesMax } = this.#limits
    let unreadBytes = 0
    for (const connection of this.#crowd) {
      const { upload } = connection
      if (upload !== undefined && nowMs - upload.sinceMs > slowMs) {
        if (connection.uploadedPerSecond(upload, nowMs) < uploadBytesPerSecondMin) {
          this.#count('slow-upload')
          upload.refuse(
            new DeadlineExceeded('the body comes too slowly', {
              hint: `It has to come at ${uploadBytesPerSecondMin} bytes a second or faster (uploadBytesPerSecondMin).`,
            }),
          )
        }
      }
      connection.look(nowMs)
      if (connection.unreadSinceMs !== undefined && connection.windowMs(nowMs) > slowMs) {
        if ((connection.takenPerSecond(nowMs) ?? 0) < readBytesPerSecondMin) this.#cut(connection, 'slow-reader')
        else connection.beginWindow(nowMs)
      }
      unreadBytes += connection.unreadBytes
    }
    if (unreadBytes > unreadBytesMax) this.relieveReaders()
  }
}

/**
 * Why a connection was ended from here: it was idle or slow when another one needed its place, it was the slowest in
 * sending a body or in taking an answer, or its address has sent what is no HTTP again and again.
 */
export type CutReason = 'full' | 'address-full' | 'slow-upload' | 'slow-reader' | 'misbehaved'
