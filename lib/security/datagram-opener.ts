import type { Aead, Cryptography } from '../ports/cryptography.ts'
import type { Endpoint } from '../vocabulary/ids.ts'
import type { Keyring, SecretKey } from './keyring.ts'
import { type KnownSender, KnownSenders } from './known-senders.ts'
import {
  clusterTag,
  type HeaderProblem,
  nonceOf,
  readSealedHeader,
  type SealedHeader,
  sealedHeaderBytes,
  senderKey,
} from './sealed-header.ts'
import { StrangerTable } from './stranger-table.ts'

/**
 * Why a datagram was dropped. `unknown-key`: sealed with a key that the ring does not have; `replayed`: it came before, or is
 * too old to tell; `damaged`: not the bytes that were sealed with that key; `cut-off`: from an address that sends such things
 * all the time, and from nobody known.
 */
export type SealProblem = HeaderProblem | 'unknown-key' | 'replayed' | 'damaged' | 'cut-off'

export interface Dropped {
  readonly reason: SealProblem
  /** Of a datagram that was sealed with a key that is not in the ring. */
  readonly keyId?: string | undefined
  /** Because of it the address is cut off, for so long. */
  readonly cutOffMs?: number | undefined
}

/**
 * Opens what comes from anybody. What is cheap comes first: another cluster, a key nobody here has and a number that came
 * before are told without any decryption. Whoever has been heard is always opened; for others an effort is made as long as
 * their address does not send too much that no member sends.
 */
export class DatagramOpener {
  readonly #keyring: Keyring
  readonly #cluster: string
  readonly #cryptography: Cryptography
  readonly #tag: Uint8Array
  readonly #own: Uint8Array
  readonly #senders = new KnownSenders()
  readonly #strangers: StrangerTable

  /** @param world.own the sender of this node itself: what it said comes back to it from nobody but those who repeat it */
  constructor(
    keyring: Keyring,
    cluster: string,
    cryptography: Cryptography,
    world: { readonly own: Uint8Array; nowMs(): number },
  ) {
    this.#keyring = keyring
    this.#cluster = cluster
    this.#cryptography = cryptography
    this.#tag = clusterTag(cluster, cryptography)
    this.#own = world.own
    this.#strangers = new StrangerTable(() => world.nowMs())
  }

  open(bytes: Uint8Array, from: Endpoint): Uint8Array | Dropped {
    const header = readSealedHeader(bytes, this.#tag)
    if (typeof header === 'string') return this.#failed(header, from)
    const key = this.#keyring.find(header.keyId)
    if (key === undefined) return this.#failed('unknown-key', from, header.keyId)
    if (this.#cryptography.isEqual(header.sender, this.#own)) return { reason: 'replayed' }
    const known = this.#senders.get(header.sender)
    if (known !== undefined) {
      const opened = this.#openFrom(known, bytes, header, key, from)
      if (opened instanceof Uint8Array) this.#senders.touch(header.sender, known)
      return opened
    }
    if (!this.#strangers.mayTry(hostOf(from))) return { reason: 'cut-off' }
    const newcomer = KnownSenders.newcomer()
    const opened = this.#openFrom(newcomer, bytes, header, key, from)
    if (opened instanceof Uint8Array) this.#senders.add(header.sender, newcomer)
    return opened
  }

  #openFrom(
    known: KnownSender,
    bytes: Uint8Array,
    header: SealedHeader,
    key: SecretKey,
    from: Endpoint,
  ): Uint8Array | Dropped {
    if (!known.window.isFresh(header.number)) return { reason: 'replayed' }
    const aead = this.#aeadOf(header, key, known)
    const opened = aead.open(
      nonceOf(header.number),
      bytes.subarray(0, sealedHeaderBytes),
      bytes.subarray(sealedHeaderBytes),
    )
    if (opened === undefined) return this.#failed('damaged', from)
    known.window.take(header.number)
    // Plain bytes, whatever the primitives make.
    return new Uint8Array(opened.buffer, opened.byteOffset, opened.length)
  }

  #aeadOf(header: SealedHeader, key: SecretKey, known: KnownSender): Aead {
    const found = known.aeads.get(key.id)
    if (found !== undefined) return found
    const bytes = senderKey(key.bytes, header.sender, this.#cluster, this.#cryptography)
    const aead = this.#cryptography.aead(bytes)
    // Keys come and go; those that have gone are derived anew if they return.
    if (known.aeads.size >= this.#keyring.keys.length) known.aeads.clear()
    known.aeads.set(key.id, aead)
    return aead
  }

  #failed(reason: SealProblem, from: Endpoint, keyId?: string): Dropped {
    const host = hostOf(from)
    const isCutOff = this.#strangers.isCutOff(host)
    const cutOffMs = this.#strangers.failed(host)
    return isCutOff && reason !== 'damaged' ? { reason: 'cut-off' } : { reason, keyId, cutOffMs }
  }
}

/** The port of a stranger says nothing: they have all of them. */
function hostOf(from: Endpoint): string {
  return from.slice(0, from.lastIndexOf(':'))
}
