/** The primitives of lib/security, by name. All of them are pure but for `randomBytes`. */
export interface Cryptography {
  /** HKDF with SHA-256 (RFC 5869). */
  deriveKey(secret: Uint8Array, salt: Uint8Array, info: string, bytes: number): Uint8Array
  sha256(bytes: Uint8Array): Uint8Array
  hmacSha256(key: Uint8Array, bytes: Uint8Array): Uint8Array
  /** In a time that says nothing of where they differ. Arrays of different lengths are not equal. */
  isEqual(one: Uint8Array, other: Uint8Array): boolean
  /** Nobody can guess them; in the simulator, nobody but its seed. */
  randomBytes(count: number): Uint8Array
  /** AES-256-GCM (NIST SP 800-38D) under one key of 32 bytes. */
  aead(key: Uint8Array): Aead
}

export const aeadNonceBytes = 12
export const aeadTagBytes = 16

/** Encrypts and authenticates. A nonce must never serve twice under one key. */
export interface Aead {
  /** The encrypted bytes, then the tag. `header` is authenticated and stays as it is. */
  seal(nonce: Uint8Array, header: Uint8Array, plain: Uint8Array): Uint8Array
  /** Undefined: the bytes, the header, the nonce or the key are not the ones they were sealed with. */
  open(nonce: Uint8Array, header: Uint8Array, sealed: Uint8Array): Uint8Array | undefined
}
