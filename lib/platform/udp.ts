import { createSocket, type Socket } from 'node:dgram'
import { type LookupOneOptions, lookup } from 'node:dns'
import { isIPv6 } from 'node:net'
import type { DatagramSocket, Datagrams } from '../ports/network.ts'
import type { Endpoint } from '../vocabulary/ids.ts'
import { datagramBytesMax } from '../vocabulary/limits.ts'
import { AddressBook } from './address-book.ts'
import { hostAndPort, isAddress, toMappedAddress, toObservedEndpoint } from './addresses.ts'
import { toNetworkFailure } from './network-failure.ts'

/** Why a datagram never left: larger than datagramBytesMax, to a name without an address, or not taken by the system. */
export type UnsentReason = 'oversize' | 'unresolved' | 'refused-by-system'

/**
 * Datagrams over UDP. A socket bound to `::` serves both families.
 *
 * @param onUnsent told of each datagram that did not leave; nobody else hears of it
 */
export function createDatagrams(onUnsent: (reason: UnsentReason) => void = () => undefined): Datagrams {
  return {
    bytesMax: datagramBytesMax,
    bind(at, onDatagram, done) {
      const { host, port } = hostAndPort(at)
      const family = isIPv6(host) ? 'udp6' : 'udp4'
      const socket = createSocket({ type: family, lookup: addressItself })
      socket.once('error', (error) => {
        socket.close()
        queueMicrotask(() => done(toNetworkFailure(error), undefined))
      })
      socket.bind({ address: host, port, exclusive: true }, () => {
        socket.removeAllListeners('error')
        // Of a bound socket this is about some datagram that got lost on the way, as datagrams do.
        socket.on('error', () => onUnsent('refused-by-system'))
        socket.on('message', (bytes, from) => {
          const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
          onDatagram(plain, toObservedEndpoint(from.address, from.port))
        })
        const bound = new UdpSocket(socket, family === 'udp6', onUnsent)
        queueMicrotask(() => done(undefined, bound))
      })
    },
  }
}

class UdpSocket implements DatagramSocket {
  readonly local: Endpoint
  readonly #socket: Socket
  readonly #takesBothFamilies: boolean
  readonly #addresses = new AddressBook()
  readonly #onUnsent: (reason: UnsentReason) => void
  readonly #onSent: (error: Error | null) => void
  #isClosed = false

  constructor(socket: Socket, takesBothFamilies: boolean, onUnsent: (reason: UnsentReason) => void) {
    const { address, port } = socket.address()
    this.local = toObservedEndpoint(address, port)
    this.#socket = socket
    this.#takesBothFamilies = takesBothFamilies
    this.#onUnsent = onUnsent
    this.#onSent = (error) => {
      if (error !== null) onUnsent('refused-by-system')
    }
  }

  send(to: Endpoint, bytes: Uint8Array): void {
    if (bytes.length > datagramBytesMax) return this.#onUnsent('oversize')
    const { host, port } = hostAndPort(to)
    this.#addresses.lookUp(host, this.#takesBothFamilies ? undefined : 4, (address) => {
      if (address === undefined) this.#onUnsent('unresolved')
      else this.#sendTo(address, port, bytes)
    })
  }

  close(done: () => void): void {
    if (this.#isClosed) {
      queueMicrotask(done)
      return
    }
    this.#isClosed = true
    this.#socket.close(done)
  }

  #sendTo(address: string, port: number, bytes: Uint8Array): void {
    if (this.#isClosed) return
    // Nobody has port 0, and Node throws at it.
    if (port === 0) return this.#onUnsent('refused-by-system')
    this.#socket.send(bytes, port, this.#takesBothFamilies ? toMappedAddress(address) : address, this.#onSent)
  }
}

/** Node asks for every datagram, also when it has an address already; its own answer to that takes a turn longer. */
function addressItself(
  host: string,
  options: LookupOneOptions,
  callback: (error: NodeJS.ErrnoException | null, address: string, family: number) => void,
): void {
  if (isAddress(host)) callback(null, host, isIPv6(host) ? 6 : 4)
  else lookup(host, options, callback)
}
