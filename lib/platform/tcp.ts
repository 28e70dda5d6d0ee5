import { connect, createServer, type Server, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import {
  type ByteStream,
  type NetworkFailure,
  plainIdentity,
  type StreamHandlers,
  type StreamIdentity,
  type StreamListener,
  type Streams,
} from '../ports/network.ts'
import type { Endpoint } from '../vocabulary/ids.ts'
import { hostAndPort, toObservedEndpoint } from './addresses.ts'
import { toNetworkFailure } from './network-failure.ts'
import { StreamDoor } from './tls/stream-door.ts'
import { certificateIdentity } from './tls/stream-identity.ts'
import { type Dialled, dialWithCertificate, dialWithSecret, type StreamSecurity } from './tls/stream-security.ts'
import { whyUntrusted } from './tls/tls-words.ts'

export interface StreamSettings {
  /** How long a connection may take to come about. Default 3 000: the system itself would ask for more than two minutes. */
  readonly connectTimeoutMs?: number | undefined
  /** Undefined: everything is said in the open, to and by anybody. */
  readonly security?: StreamSecurity | undefined
}

/** Streams over TCP. A host that is gone answers nothing and is `unreachable` after the time to connect. */
export function createStreams(settings: StreamSettings = {}): Streams {
  const connectTimeoutMs = settings.connectTimeoutMs ?? 3000
  const { security } = settings
  return {
    connect(to, handlers, done, names = []) {
      const address = hostAndPort(to)
      const dialled = security === undefined ? undefined : dial(security, address, names)
      const socket = dialled?.socket ?? connect({ ...address, noDelay: true })
      new ConnectAttempt(socket, dialled, to, connectTimeoutMs, handlers, done)
    },
    listen(at, onStream, done, gate) {
      const { host, port } = hostAndPort(at)
      const begin = (socket: Socket, remote: Endpoint, identity: StreamIdentity): void => {
        const stream = new TcpStream(socket, remote, identity)
        stream.start(onStream(stream))
      }
      const door = security === undefined ? undefined : new StreamDoor(security, gate, begin)
      const server = createServer({ noDelay: true }, (socket) => {
        const remote = remoteOf(socket)
        if (gate?.admits(remote) === false) socket.destroy()
        else if (door === undefined) begin(socket, remote, plainIdentity)
        else door.accept(socket, remote)
      })
      server.once('error', (error) => done(toNetworkFailure(error), undefined))
      server.listen({ host, port, exclusive: true }, () => {
        server.removeAllListeners('error')
        // Of a listening server this is about one connection that could not be accepted: its client will notice.
        server.on('error', () => undefined)
        done(undefined, new TcpListener(server, door))
      })
    },
  }
}

/** Ends in exactly one call of `done`. */
class ConnectAttempt {
  readonly #socket: Socket
  readonly #done: (failure: NetworkFailure | undefined, stream: ByteStream | undefined) => void
  readonly #timeout: NodeJS.Timeout
  /** Undefined: nothing has to be shown. */
  readonly #dialled: Dialled | undefined
  /** The other side has answered; what is missing is the handshake. */
  #isAnswered = false
  readonly #onError = (error: Error): void =>
    this.#fail(this.#isAnswered ? whyUntrusted(error, this.#dialled?.keyId) : toNetworkFailure(error))

  constructor(
    socket: Socket,
    dialled: Dialled | undefined,
    to: Endpoint,
    timeoutMs: number,
    handlers: StreamHandlers,
    done: (failure: NetworkFailure | undefined, stream: ByteStream | undefined) => void,
  ) {
    this.#socket = socket
    this.#dialled = dialled
    this.#done = done
    this.#timeout = setTimeout(() => {
      this.#fail({ kind: 'unreachable', message: `${to} did not answer within ${timeoutMs} ms` })
    }, timeoutMs)
    socket.once('error', this.#onError)
    if (dialled === undefined) {
      socket.once('connect', () => this.#succeed(new TcpStream(socket, to, plainIdentity), handlers))
      return
    }
    dialled.socket.setNoDelay(true)
    dialled.socket.once('connect', () => {
      this.#isAnswered = true
    })
    dialled.socket.once('secureConnect', () => {
      const problem = dialled.check()
      if (problem !== undefined) return this.#fail({ kind: 'untrusted', message: problem })
      this.#succeed(new TcpStream(socket, to, identityOf(dialled)), handlers)
    })
  }

  #succeed(stream: TcpStream, handlers: StreamHandlers): void {
    clearTimeout(this.#timeout)
    this.#socket.removeListener('error', this.#onError)
    stream.start(handlers)
    this.#done(undefined, stream)
  }

  #fail(failure: NetworkFailure): void {
    clearTimeout(this.#timeout)
    this.#socket.removeAllListeners()
    // What still goes wrong with it concerns nobody any more.
    this.#socket.on('error', () => undefined)
    this.#socket.destroy()
    this.#done(failure, undefined)
  }
}

function dial(
  { keyring, certificates, dialsWith, ...rest }: StreamSecurity,
  to: { readonly host: string; readonly port: number },
  names: readonly string[],
): Dialled | undefined {
  if (dialsWith === 'secret' && keyring !== undefined) return dialWithSecret({ keyring, ...rest }, to)
  if (dialsWith === 'certificate' && certificates !== undefined) {
    return dialWithCertificate({ certificates, ...rest }, to, names)
  }
  return undefined
}

function identityOf({ socket, keyId }: Dialled & { readonly socket: TLSSocket }): StreamIdentity {
  return keyId === undefined ? certificateIdentity(socket) : { type: 'secret', keyId }
}

class TcpStream implements ByteStream {
  readonly remote: Endpoint
  readonly identity: StreamIdentity
  readonly #socket: Socket
  #handlers: StreamHandlers | undefined
  /** The first thing that ended it, in words. */
  #reason: string | undefined
  #owesDrained = false
  readonly #onHandedOver = (): void => {
    // A destroyed socket calls back too, for what it never sent.
    if (!this.#owesDrained || this.#socket.writableLength > 0 || this.#socket.destroyed) return
    this.#owesDrained = false
    this.#handlers?.onDrained?.()
  }

  constructor(socket: Socket, remote: Endpoint, identity: StreamIdentity) {
    this.#socket = socket
    this.remote = remote
    this.identity = identity
    socket.on('error', (error) => {
      this.#reason ??= error.message
    })
    socket.on('end', () => {
      this.#reason ??= 'ended by the other side'
    })
    socket.on('close', () => this.#handlers?.onClosed(this.#reason ?? 'ended'))
  }

  /** From here on bytes flow. */
  start(handlers: StreamHandlers): void {
    this.#handlers = handlers
    this.#socket.on('data', (bytes) => {
      handlers.onBytes(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength))
    })
  }

  get unsentBytes(): number {
    return this.#socket.writableLength
  }

  write(chunks: readonly Uint8Array[]): void {
    const socket = this.#socket
    // The other side may have ended it a moment ago: then `onClosed` tells, and not an error here.
    if (!socket.writable || chunks.length === 0) return
    const joined = joinSmall(chunks)
    const last = joined.length - 1
    if (last > 0) socket.cork()
    for (let index = 0; index < last; index += 1) socket.write(joined[index] as Uint8Array)
    socket.write(joined[last] as Uint8Array, this.#onHandedOver)
    if (last > 0) socket.uncork()
    if (socket.writableLength > 0) this.#owesDrained = true
  }

  end(): void {
    this.#reason ??= 'ended here'
    this.#socket.end()
  }

  destroy(): void {
    this.#reason ??= 'destroyed here'
    this.#socket.destroy()
  }
}

/** Copying this much costs less than what Node's streams do for a chunk of its own. */
const smallBytesMax = 16 * 1024

/** The same bytes in fewer chunks: neighbours that are small are copied together, large ones stay as they are. */
function joinSmall(chunks: readonly Uint8Array[]): readonly Uint8Array[] {
  if (chunks.length === 1) return chunks
  const joined: Uint8Array[] = []
  let from = 0
  let bytes = 0
  for (let index = 0; index <= chunks.length; index += 1) {
    const chunk = chunks[index]
    if (chunk !== undefined && chunk.length <= smallBytesMax) {
      bytes += chunk.length
      continue
    }
    if (index > from)
      joined.push(index === from + 1 ? (chunks[from] as Uint8Array) : copyOf(chunks, from, index, bytes))
    if (chunk !== undefined) joined.push(chunk)
    from = index + 1
    bytes = 0
  }
  return joined
}

function copyOf(chunks: readonly Uint8Array[], from: number, to: number, bytes: number): Uint8Array {
  const copy = Buffer.allocUnsafe(bytes)
  let at = 0
  for (let index = from; index < to; index += 1) {
    const chunk = chunks[index] as Uint8Array
    copy.set(chunk, at)
    at += chunk.length
  }
  return copy
}

class TcpListener implements StreamListener {
  readonly local: Endpoint
  readonly #server: Server
  readonly #door: StreamDoor | undefined

  constructor(server: Server, door: StreamDoor | undefined) {
    this.#server = server
    this.#door = door
    const address = server.address()
    if (address === null || typeof address === 'string') throw new TypeError('a TCP server has an address and a port')
    this.local = toObservedEndpoint(address.address, address.port)
  }

  close(done: () => void): void {
    // The server's own callback waits for all connections to end as well; the port is free at once.
    if (this.#server.listening) this.#server.close()
    this.#door?.close()
    setImmediate(done)
  }
}

/** A client that is gone before it was accepted has no address any more; its stream closes at once. */
function remoteOf(socket: Socket): Endpoint {
  return toObservedEndpoint(socket.remoteAddress ?? '0.0.0.0', socket.remotePort ?? 0)
}
