import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto'
import { type Aead, aeadTagBytes, type Cryptography } from '../ports/cryptography.ts'

/**
 * OpenSSL's primitives.
 * @param random where chance comes from; the system's, unless the run must be repeatable
 */
export function createCryptography(random: (count: number) => Uint8Array = randomBytes): Cryptography {
  return {
    deriveKey: (secret, salt, info, bytes) => new Uint8Array(hkdfSync('sha256', secret, salt, info, bytes)),
    sha256: (bytes) => createHash('sha256').update(bytes).digest(),
    hmacSha256: (key, bytes) => createHmac('sha256', key).update(bytes).digest(),
    isEqual: (one, other) => one.length === other.length && timingSafeEqual(one, other),
    randomBytes: random,
    aead,
  }
}

function aead(key: Uint8Array): Aead {
  return {
    seal(nonce, header, plain) {
      const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: aeadTagBytes })
      cipher.setAAD(header)
      const encrypted = cipher.update(plain)
      // GCM is a stream: nothing is left for the end.
      cipher.final()
      return Buffer.concat([encrypted, cipher.getAuthTag()])
    },
    open(nonce, header, sealed) {
      const end = sealed.length - aeadTagBytes
      if (end < 0) return undefined
      const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: aeadTagBytes })
      decipher.setAAD(header)
      decipher.setAuthTag(sealed.subarray(end))
      const plain = decipher.update(sealed.subarray(0, end))
      try {
        decipher.final()
      } catch {
        return undefined
      }
      return plain
    },
  }
}
