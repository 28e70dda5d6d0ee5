import { aeadNonceBytes, aeadTagBytes, type Cryptography } from '../ports/cryptography.ts'
import { datagramMagic, plainDatagramVersion, sealedDatagramVersion } from '../wire/datagram.ts'

/**
 * What stands in front of a sealed datagram, readable and authenticated:
 * magic u8 | version u8 | cluster tag 4 | key id 4 | sender 16 | number u48
 * Then the encrypted bytes, then the tag of 16. The number is the nonce: it never repeats under a sender's key.
 */
export const sealedHeaderBytes = 32
export const sealBytes = sealedHeaderBytes + aeadTagBytes
export const senderBytes = 16
/** At a million datagrams a second it lasts for nine years. */
export const datagramNumberMax = 2 ** 48 - 1

const tagAt = 2
const keyIdAt = 6
const senderAt = 10
const numberAt = 26
const nonceNumberAt = aeadNonceBytes - 6

/** Why nobody needs to try a key: `plain` is a datagram of Starling's that was never sealed. */
export type HeaderProblem = 'foreign' | 'plain' | 'unknown-version' | 'wrong-cluster'

export interface SealedHeader {
  readonly keyId: string
  readonly sender: Uint8Array
  readonly number: number
}

/** Tells clusters apart that share a network: four bytes of a hash of the name, no secret. */
export function clusterTag(cluster: string, cryptography: Cryptography): Uint8Array {
  return cryptography.sha256(new TextEncoder().encode(`starling cluster ${cluster}`)).slice(0, 4)
}

export function writeSealedHeader(header: SealedHeader, tag: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(sealedHeaderBytes)
  bytes[0] = datagramMagic
  bytes[1] = sealedDatagramVersion
  bytes.set(tag, tagAt)
  for (let at = 0; at < 4; at += 1) bytes[keyIdAt + at] = Number.parseInt(header.keyId.slice(2 * at, 2 * at + 2), 16)
  bytes.set(header.sender, senderAt)
  writeNumber(bytes, numberAt, header.number)
  return bytes
}

/** @returns the header, if the datagram may be one of the cluster with this tag; the sender in it is a view of `bytes` */
export function readSealedHeader(bytes: Uint8Array, tag: Uint8Array): SealedHeader | HeaderProblem {
  if (bytes[0] !== datagramMagic) return 'foreign'
  if (bytes[1] === plainDatagramVersion) return 'plain'
  if (bytes[1] !== sealedDatagramVersion) return 'unknown-version'
  if (bytes.length < sealBytes) return 'foreign'
  for (let at = 0; at < tag.length; at += 1) if (bytes[tagAt + at] !== tag[at]) return 'wrong-cluster'
  let keyId = ''
  for (let at = keyIdAt; at < senderAt; at += 1) keyId += (bytes[at] as number).toString(16).padStart(2, '0')
  return { keyId, sender: bytes.subarray(senderAt, senderAt + senderBytes), number: readNumber(bytes, numberAt) }
}

export function nonceOf(number: number): Uint8Array {
  const nonce = new Uint8Array(aeadNonceBytes)
  writeNumber(nonce, nonceNumberAt, number)
  return nonce
}

/** A key of a sender's own, so that no two of them can use a nonce twice. */
export function senderKey(
  secret: Uint8Array,
  sender: Uint8Array,
  cluster: string,
  cryptography: Cryptography,
): Uint8Array {
  return cryptography.deriveKey(secret, sender, `starling datagrams ${cluster}`, 32)
}

function writeNumber(bytes: Uint8Array, at: number, number: number): void {
  let rest = number
  for (let index = at + 5; index >= at; index -= 1) {
    bytes[index] = rest % 256
    rest = Math.floor(rest / 256)
  }
}

function readNumber(bytes: Uint8Array, at: number): number {
  let number = 0
  for (let index = at; index < at + 6; index += 1) number = number * 256 + (bytes[index] as number)
  return number
}
