import type { Socket } from 'node:net'
import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls'
import { type HandshakeFailure, plainIdentity, type StreamGate, type StreamIdentity } from '../../ports/network.ts'
import { addressGroup } from '../../vocabulary/address-group.ts'
import { Crowd, type Guest } from '../../vocabulary/crowd.ts'
import type { Endpoint } from '../../vocabulary/ids.ts'
import { toObservedEndpoint } from '../addresses.ts'
import { certificateIdentity } from './stream-identity.ts'
import { contextOptionsOf, peerTls, type StreamSecurity, tlsKeyOf } from './stream-security.ts'
import { whyRefused } from './tls-words.ts'

/** How long a connection may take until it has said what it is. */
const handshakeMsMax = 3_000
/** Handshakes at one time; each may cost a signature. The oldest one of the address with most makes room for another. */
export const handshakesMax = 256
/** The first byte of every TLS connection, and of no frame: one of that length would be too large. */
const tlsHandshakeByte = 0x16

/** A connection that has not shown yet what it is. */
interface Shaking extends Guest {
  readonly socket: Socket
  readonly remote: Endpoint
}

/** Shuts out nobody itself: a plain connection is handed on as one, for whoever knows what to say to it. */
export class StreamDoor {
  readonly #security: StreamSecurity
  readonly #gate: StreamGate | undefined
  readonly #onStream: (socket: Socket, remote: Endpoint, identity: StreamIdentity) => void
  readonly #tls: Server
  readonly #endListening: (() => void) | undefined
  /** By address and port. */
  readonly #shaking = new Map<Endpoint, Shaking>()
  /** The same: whoever takes all places must not keep members out. */
  readonly #crowd = new Crowd<Shaking>(() => 'idle')
  readonly #offeredKeys = new WeakMap<TLSSocket, { readonly id: string; readonly isKnown: boolean }>()

  constructor(
    security: StreamSecurity,
    gate: StreamGate | undefined,
    onStream: (socket: Socket, remote: Endpoint, identity: StreamIdentity) => void,
  ) {
    this.#security = security
    this.#gate = gate
    this.#onStream = onStream
    const { certificates, keyring } = security
    const asksForCertificates = certificates?.current.ca !== undefined
    this.#tls = createServer({
      ...this.#contextOptions(),
      requestCert: asksForCertificates,
      // Whoever shows none that is good is told so, in words, by whoever greets it.
      rejectUnauthorized: false,
      handshakeTimeout: handshakeMsMax,
      ...(keyring === undefined ? {} : { pskCallback: (socket: TLSSocket, id: string) => this.#keyOf(socket, id) }),
    })
    this.#tls.on('secureConnection', (socket) => this.#established(socket))
    this.#tls.on('tlsClientError', (error, socket) => this.#failed(error, socket))
    this.#endListening = certificates?.onChanged(() => this.#tls.setSecureContext(this.#contextOptions()))
  }

  accept(socket: Socket, remote: Endpoint): void {
    // Its client may be gone already; what it was is told when it closes.
    socket.on('error', ignore)
    this.#add({ socket, remote, address: addressGroup(socket.remoteAddress ?? '') })
    socket.once('close', () => this.#ended(remote, 'tls', 'it ended before it had said what it is'))
    socket.setTimeout(handshakeMsMax, () => {
      this.#ended(remote, 'timeout', 'it has not said in time what it is')
      socket.destroy()
    })
    socket.once('readable', () => {
      const first = socket.read() as Buffer | null
      // It has ended.
      if (first === null) return
      socket.setTimeout(0)
      socket.unshift(first)
      if (first[0] === tlsHandshakeByte) this.#tls.emit('connection', socket)
      else this.#plain(socket, remote)
    })
  }

  /** Ends what is not a stream yet. */
  close(): void {
    this.#endListening?.()
    for (const { socket, remote } of [...this.#shaking.values()]) {
      this.#take(remote)
      socket.destroy()
    }
  }

  #add(shaking: Shaking): void {
    const gone = this.#shaking.size < handshakesMax ? undefined : this.#crowd.whoGoesFor(shaking.address)
    if (gone !== undefined) {
      this.#ended(gone.remote, 'too-many', 'too many handshakes at one time')
      gone.socket.destroy()
    }
    this.#take(shaking.remote)
    this.#shaking.set(shaking.remote, shaking)
    this.#crowd.add(shaking)
  }

  /** Its handshake is over, well or not. @returns whether it was under way */
  #take(remote: Endpoint): boolean {
    const shaking = this.#shaking.get(remote)
    if (shaking === undefined) return false
    this.#crowd.delete(shaking)
    return this.#shaking.delete(remote)
  }

  #plain(socket: Socket, remote: Endpoint): void {
    if (!this.#take(remote)) return
    socket.removeListener('error', ignore)
    this.#onStream(socket, remote, plainIdentity)
    // Looking at the first byte has stopped the flow.
    socket.resume()
  }

  #established(socket: TLSSocket): void {
    const remote = remoteOf(socket)
    if (!this.#take(remote)) {
      socket.destroy()
      return
    }
    const offered = this.#offeredKeys.get(socket)
    const hasShownKey =
      offered?.isKnown === true && socket.isSessionReused() && socket.getPeerX509Certificate() === undefined
    this.#onStream(socket, remote, hasShownKey ? { type: 'secret', keyId: offered.id } : certificateIdentity(socket))
  }

  #failed(error: Error, socket: TLSSocket): void {
    const offered = this.#offeredKeys.get(socket)
    const { kind, reason } = whyRefused(error, offered?.isKnown === false ? offered.id : undefined)
    // Where the address is forgotten already the end of the connection below tells.
    this.#ended(remoteOf(socket), kind, reason)
    socket.destroy()
  }

  /** Tells once of each that came to nothing. */
  #ended(remote: Endpoint, kind: HandshakeFailure, reason: string): void {
    if (this.#take(remote)) this.#gate?.onFailedHandshake(kind, reason, remote)
  }

  #keyOf(socket: TLSSocket, id: string): Uint8Array | null {
    const key = this.#security.keyring?.find(id)
    this.#offeredKeys.set(socket, { id, isKnown: key !== undefined })
    return key === undefined ? null : tlsKeyOf(key, this.#security.cryptography)
  }

  #contextOptions(): TlsOptions {
    const { certificates } = this.#security
    return { ...peerTls, ...(certificates === undefined ? {} : contextOptionsOf(certificates.current)) }
  }
}

function ignore(): void {}

function remoteOf(socket: Socket): Endpoint {
  return toObservedEndpoint(socket.remoteAddress ?? '0.0.0.0', socket.remotePort ?? 0)
}
