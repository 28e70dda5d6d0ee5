import type { Endpoint } from '../vocabulary/ids.ts'

/** Why the network refused: `in-use` when another process listens there. */
export interface NetworkFailure {
  readonly kind: 'in-use' | 'refused' | 'unreachable' | 'failed'
  readonly message: string
}

/** Unreliable packets of up to datagramBytesMax. Loss, duplication, reordering and delay are normal. */
export interface DatagramSocket {
  readonly local: Endpoint
  /** Never reports an error: a datagram may be lost anyway. */
  send(to: Endpoint, bytes: Uint8Array): void
  close(done: () => void): void
}

export interface Datagrams {
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

/** One reliable, ordered connection. A black hole on the way gives no error by itself: users of it send heartbeats. */
export interface ByteStream {
  readonly remote: Endpoint
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

export interface Streams {
  /** Asks for a connection; `handlers.onClosed` is not called when `done` reports a failure. */
  connect(
    to: Endpoint,
    handlers: StreamHandlers,
    done: (failure: NetworkFailure | undefined, stream: ByteStream | undefined) => void,
  ): void
  listen(
    at: Endpoint,
    onStream: (stream: ByteStream) => StreamHandlers,
    done: (failure: NetworkFailure | undefined, listener: StreamListener | undefined) => void,
  ): void
}

export interface Names {
  /** The addresses behind `endpoint`'s host, with its port; empty when the name does not resolve now. */
  resolve(endpoint: Endpoint, done: (addresses: readonly Endpoint[]) => void): void
}
