import type { Cryptography } from '../ports/cryptography.ts'
import { InvalidParameter } from '../vocabulary/errors.ts'

export const secretKeyBytes = 32
/** Rotation needs two; more than a handful means that nobody removes the old ones. */
export const keyringKeysMax = 8

/** One of the secrets that the nodes of a cluster share. */
export interface SecretKey {
  /** What people and packets call it: eight hexadecimal digits, derived from the key, which they do not betray. */
  readonly id: string
  readonly bytes: Uint8Array
}

/**
 * The keys of a cluster: what is sent is sealed with the first, what is received may be sealed with any. So a key is
 * changed in three steps, each of which must have reached every node before the next: add, use, remove. (memberlist's
 * keyring; docs/security.md.)
 */
export class Keyring {
  #keys: readonly SecretKey[]

  constructor(keys: readonly SecretKey[]) {
    this.#keys = keys
  }

  /** Never empty. The first one sends. */
  get keys(): readonly SecretKey[] {
    return this.#keys
  }

  get sending(): SecretKey {
    return this.#keys[0] as SecretKey
  }

  find(id: string): SecretKey | undefined {
    return this.#keys.find((key) => key.id === id)
  }

  /** From now on these are the keys. Whoever holds the ring sees it with its next packet or connection. */
  replace(keys: readonly SecretKey[]): void {
    this.#keys = keys
  }
}

/** A key as its file and `starling secret generate` write it is 43 characters of base64url. */
export function formatSecretKey(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url')
}

/** A secret file with these keys. */
export function formatKeyring(keys: readonly SecretKey[]): string {
  const lines = keys.map((key) => `# ${key.id}\n${formatSecretKey(key.bytes)}\n`)
  return `# The keys of the cluster: the first one sends, each of them receives.\n${lines.join('')}`
}

export function toSecretKey(bytes: Uint8Array, cryptography: Cryptography): SecretKey {
  const id = cryptography.deriveKey(bytes, nothing, 'starling key id', 4)
  return { id: Buffer.from(id).toString('hex'), bytes }
}

/**
 * Reads a secret file: one key a line, the first one sends; empty lines and lines that begin with `#` are skipped.
 * @throws {InvalidParameter} that says which line and what is wrong with it, but nothing of what stands there
 */
export function parseKeyring(text: string, cryptography: Cryptography): readonly SecretKey[] {
  const keys: SecretKey[] = []
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const word = line.trim()
    if (word === '' || word.startsWith('#')) continue
    const bytes = /^[A-Za-z0-9_-]{43}$/.test(word) ? new Uint8Array(Buffer.from(word, 'base64url')) : undefined
    if (bytes?.length !== secretKeyBytes || formatSecretKey(bytes) !== word) {
      throw new InvalidParameter(`line ${index + 1} of the secret file is no key`, {
        hint: `a key is 43 characters of base64url, as \`starling secret generate\` prints it`,
      })
    }
    const key = toSecretKey(bytes, cryptography)
    if (keys.some(({ id }) => id === key.id)) {
      throw new InvalidParameter(`line ${index + 1} of the secret file repeats a key`, { hint: 'remove the line' })
    }
    keys.push(key)
  }
  if (keys.length === 0) {
    throw new InvalidParameter('the secret file holds no key', { hint: 'write one with `starling secret generate`' })
  }
  if (keys.length > keyringKeysMax) {
    throw new InvalidParameter(`the secret file holds ${keys.length} keys`, {
      hint: `keep at most ${keyringKeysMax}: remove those that no node sends with any more`,
    })
  }
  return keys
}

const nothing = new Uint8Array(0)
