import type { Aead, Cryptography } from '../ports/cryptography.ts'
import { invariant } from '../vocabulary/invariant.ts'
import type { Keyring, SecretKey } from './keyring.ts'
import {
  clusterTag,
  datagramNumberMax,
  nonceOf,
  sealedHeaderBytes,
  senderBytes,
  senderKey,
  writeSealedHeader,
} from './sealed-header.ts'

/** Seals what one start of a node sends, always with the first key of the ring. */
export class DatagramSealer {
  readonly #keyring: Keyring
  readonly #cluster: string
  readonly #cryptography: Cryptography
  readonly #tag: Uint8Array
  /** Made anew for each start: numbers begin at 0 again, and no key of an earlier start may meet them. */
  readonly sender: Uint8Array
  #number = 0
  #key: SecretKey | undefined
  #aead: Aead | undefined

  constructor(keyring: Keyring, cluster: string, cryptography: Cryptography) {
    this.#keyring = keyring
    this.#cluster = cluster
    this.#cryptography = cryptography
    this.#tag = clusterTag(cluster, cryptography)
    this.sender = cryptography.randomBytes(senderBytes)
  }

  seal(plain: Uint8Array): Uint8Array {
    const key = this.#keyring.sending
    const aead = this.#aeadOf(key)
    const number = this.#number
    invariant(number < datagramNumberMax, 'a number serves once', { number })
    // One row of numbers for all keys: a key that sends again after another one meets none twice.
    this.#number += 1
    const header = writeSealedHeader({ keyId: key.id, sender: this.sender, number }, this.#tag)
    const sealed = aead.seal(nonceOf(number), header, plain)
    const bytes = new Uint8Array(sealedHeaderBytes + sealed.length)
    bytes.set(header)
    bytes.set(sealed, sealedHeaderBytes)
    return bytes
  }

  #aeadOf(key: SecretKey): Aead {
    if (this.#aead === undefined || this.#key?.id !== key.id) {
      this.#key = key
      this.#aead = this.#cryptography.aead(senderKey(key.bytes, this.sender, this.#cluster, this.#cryptography))
    }
    return this.#aead
  }
}
