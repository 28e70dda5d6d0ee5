import type { Cryptography } from '../ports/cryptography.ts'
import type { DatagramSocket, Datagrams, NetworkFailure } from '../ports/network.ts'
import type { Endpoint } from '../vocabulary/ids.ts'
import { DatagramOpener, type Dropped } from './datagram-opener.ts'
import { DatagramSealer } from './datagram-sealer.ts'
import type { Keyring } from './keyring.ts'
import { sealBytes } from './sealed-header.ts'

export interface Sealing {
  readonly keyring: Keyring
  /** The name; datagrams of others are dropped unopened. */
  readonly cluster: string
  readonly cryptography: Cryptography
  nowMs(): number
  /** A datagram came that is not for this node, or that nobody sent who knows the secret. */
  onDropped(dropped: Dropped, from: Endpoint): void
}

/**
 * The same port, in which whatever leaves is encrypted and authenticated with the secret of the cluster and only what was
 * sealed so comes in, each datagram once. Who uses it does not know; there is just less room in a datagram.
 */
export class SealedDatagrams implements Datagrams {
  readonly bytesMax: number
  readonly #inner: Datagrams
  readonly #sealing: Sealing

  constructor(inner: Datagrams, sealing: Sealing) {
    this.bytesMax = inner.bytesMax - sealBytes
    this.#inner = inner
    this.#sealing = sealing
  }

  bind(
    at: Endpoint,
    onDatagram: (bytes: Uint8Array, from: Endpoint) => void,
    done: (failure: NetworkFailure | undefined, socket: DatagramSocket | undefined) => void,
  ): void {
    const { keyring, cluster, cryptography, onDropped } = this.#sealing
    const sealer = new DatagramSealer(keyring, cluster, cryptography)
    const opener = new DatagramOpener(keyring, cluster, cryptography, {
      own: sealer.sender,
      nowMs: () => this.#sealing.nowMs(),
    })
    this.#inner.bind(
      at,
      (bytes, from) => {
        const opened = opener.open(bytes, from)
        if (opened instanceof Uint8Array) onDatagram(opened, from)
        else onDropped(opened, from)
      },
      (failure, socket) => {
        done(failure, socket === undefined ? undefined : new SealedSocket(socket, sealer))
      },
    )
  }
}

class SealedSocket implements DatagramSocket {
  readonly local: Endpoint
  readonly #inner: DatagramSocket
  readonly #sealer: DatagramSealer

  constructor(inner: DatagramSocket, sealer: DatagramSealer) {
    this.local = inner.local
    this.#inner = inner
    this.#sealer = sealer
  }

  send(to: Endpoint, bytes: Uint8Array): void {
    // One that is too large is so when it is sealed, too: dropped and counted where all of them are.
    this.#inner.send(to, this.#sealer.seal(bytes))
  }

  close(done: () => void): void {
    this.#inner.close(done)
  }
}
