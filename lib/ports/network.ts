import type { Endpoint } from '../vocabulary/ids.ts'

/**
 * Why the network refused: `in-use` when another process listens there; `untrusted` when somebody answers who cannot show
 * to be one of ours, or to whom we cannot.
 */
export interface NetworkFailure {
  readonly kind: 'in-use' | 'refused' | 'unreachable' | 'untrusted' | 'failed'
  readonly message: string
}

/** Unreliable packets. Loss, duplication, reordering and delay are normal. */
export interface DatagramSocket {
  readonly local: Endpoint
  /** Never reports an error: a datagram may be lost anyway. */
  send(to: Endpoint, bytes: Uint8Array): void
  close(done: () => void): void
}

export interface Datagrams {
  /** What fits into one of them; a larger one never leaves. */
  readonly bytesMax: number
  bind(
    at: Endpoint,
    onDatagram: (bytes: Uint8Array, from: Endpoint) => void,
    done: (failure: NetworkFailure | undefined, socket: DatagramSocket | undefined) => void,
  ): void
}

export interface StreamHandlers {
  /** Bytes in the order they were written; the chunks are arbitrary. The array is the receiver's to keep. */
  onBytes(bytes: Uint8Array): void
  /** Exactly once, whichever side ended it; nothing arrives after it. */
  onClosed(reason: string): void
  /** Everything written so far has been handed to the system. */
  onDrained?(): void
}

/** What the other side of a connection has shown of itself before its first byte. */
export type StreamIdentity =
  /** Nothing; and what is said can be read and changed on the way. */
  | { readonly type: 'plain' }
  /** That it has this key of the secret file, in a handshake that ends in keys of its own. */
  | { readonly type: 'secret'; readonly keyId: string }
  | {
      readonly type: 'tls'
      /** Undefined: it has shown none, or none that is good now. */
      readonly certificate: PeerCertificate | undefined
      /** What is wrong with the one it has shown. */
      readonly problem: string | undefined
      /** 32 bytes that the two sides of this connection have in common, and nobody else (RFC 5705). */
      readonly binding: Uint8Array
    }

/** Signed by an authority that this process trusts, in force, and its bearer has the key. */
export interface PeerCertificate {
  /** SHA-256 of it, in hexadecimal. */
  readonly id: string
  /** Its common name, or the first name it was made for. */
  readonly name: string
  /** Whether it says itself that servers may show it: those of clients do not. */
  readonly isForServers: boolean
  /** Wall clock. */
  readonly expiresAtMs: number
  /** Whether it was made for this host name, address or name of a node. */
  isFor(host: string): boolean
}

export const plainIdentity: StreamIdentity = { type: 'plain' }

/** One reliable, ordered connection. A black hole on the way gives no error by itself: users of it send heartbeats. */
export interface ByteStream {
  readonly remote: Endpoint
  readonly identity: StreamIdentity
  /** Bytes written and not yet handed to the system. */
  readonly unsentBytes: number
  /** The chunks leave together, in one write. They must not be changed afterwards. */
  write(chunks: readonly Uint8Array[]): void
  /** Sends what was written, then ends. */
  end(): void
  /** Ends at once; `onClosed` follows, not inside this call. */
  destroy(): void
}

export interface StreamListener {
  readonly local: Endpoint
  /** Stops accepting; streams that exist go on. */
  close(done: () => void): void
}

/** Asked before anything is read of a connection, and told of those that came to nothing. */
export interface StreamGate {
  /** False: the connection ends at once. */
  admits(from: Endpoint): boolean
  /** It ended before it was a stream. `kind` is one of a few words, `reason` a sentence. */
  onFailedHandshake(kind: HandshakeFailure, reason: string, from: Endpoint): void
}

export type HandshakeFailure = 'unknown-key' | 'wrong-key' | 'no-key' | 'tls' | 'timeout' | 'too-many'

export interface Streams {
  /**
   * Asks for a connection; `handlers.onClosed` is not called when `done` reports a failure.
   * @param names what else than its host the one behind `to` may show a certificate for
   */
  connect(
    to: Endpoint,
    handlers: StreamHandlers,
    done: (failure: NetworkFailure | undefined, stream: ByteStream | undefined) => void,
    names?: readonly string[],
  ): void
  listen(
    at: Endpoint,
    onStream: (stream: ByteStream) => StreamHandlers,
    done: (failure: NetworkFailure | undefined, listener: StreamListener | undefined) => void,
    gate?: StreamGate,
  ): void
}

export interface Names {
  /** The addresses behind `endpoint`'s host, with its port; empty when the name does not resolve now. */
  resolve(endpoint: Endpoint, done: (addresses: readonly Endpoint[]) => void): void
}
