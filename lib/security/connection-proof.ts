import type { Cryptography } from '../ports/cryptography.ts'
import type { Keyring, SecretKey } from './keyring.ts'

const keyIdBytes = 4

/**
 * Shows that whoever says `side` on the connection with this binding has the key: its id, and a code over both. It is good
 * for nothing else: on another connection the binding is another one, and in the other direction the side is.
 */
export function proveSecret(
  key: SecretKey,
  side: 'hello' | 'welcome',
  binding: Uint8Array,
  cryptography: Cryptography,
): Uint8Array {
  const code = codeOf(key, side, binding, cryptography)
  const proof = new Uint8Array(keyIdBytes + code.length)
  proof.set(Buffer.from(key.id, 'hex'))
  proof.set(code, keyIdBytes)
  return proof
}

export function provesSecret(
  keyring: Keyring,
  proof: Uint8Array,
  side: 'hello' | 'welcome',
  binding: Uint8Array,
  cryptography: Cryptography,
): boolean {
  const key = keyring.find(Buffer.from(proof.subarray(0, keyIdBytes)).toString('hex'))
  return key !== undefined && cryptography.isEqual(proof.subarray(keyIdBytes), codeOf(key, side, binding, cryptography))
}

function codeOf(key: SecretKey, side: string, binding: Uint8Array, cryptography: Cryptography): Uint8Array {
  const proving = cryptography.deriveKey(key.bytes, new Uint8Array(0), `starling proof in ${side}`, 32)
  return cryptography.hmacSha256(proving, binding)
}
