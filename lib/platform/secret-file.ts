import { realpathSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Cryptography } from '../ports/cryptography.ts'
import type { Log } from '../ports/log.ts'
import type { ClusterSecret } from '../security/cluster-secret.ts'
import { formatKeyring, Keyring, parseKeyring, type SecretKey } from '../security/keyring.ts'
import { replaceSharedFile } from './durable-files.ts'
import { type GuardedFile, readGuarded, warnOfReaders } from './guarded-file.ts'
import { watchFileChange } from './watch-file.ts'

/** Its owner's alone. */
const secretFileMode = 0o600

/** What may be said of the keys. */
export interface KeyIds {
  readonly sendsWith: string
  readonly keys: readonly string[]
}

/** The secret file of a node: read at its start, read anew when it changes, written when a rotation comes by. */
export class SecretFile implements ClusterSecret {
  readonly keyring: Keyring
  /** Absolute. */
  readonly place: string
  readonly #file: GuardedFile
  readonly #cryptography: Cryptography
  #endWatch: (() => void) | undefined
  #log: Log | undefined
  #onTaken: ((ids: KeyIds) => void) | undefined

  /** @throws {InvalidParameter} that says what is wrong with the file, and nothing of what stands there */
  constructor(path: string, cryptography: Cryptography) {
    this.place = resolve(path)
    const remedy = 'make one with `starling secret generate`, and give every node of the cluster the same'
    this.#file = { place: this.place, title: 'secret file', remedy }
    this.#cryptography = cryptography
    this.keyring = new Keyring(this.#read())
  }

  /** From now on changes of the file are taken, and told; and first, whether others may read it. */
  watch(log: Log, onTaken: (ids: KeyIds) => void = () => {}): void {
    this.#log = log
    this.#onTaken = onTaken
    warnOfReaders(this.#file, this.#log)
    this.#endWatch = watchFileChange(this.place, () => this.reload())
  }

  /** Reads the file again. What cannot be used is logged, and the keys stay as they are. */
  reload(): void {
    let keys: readonly SecretKey[]
    try {
      keys = this.#read()
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      this.#log?.error({ file: this.place, reason }, 'the secret file was not taken: the keys stay as they were')
      return
    }
    if (idsOf(keys) === idsOf(this.keyring.keys)) return
    warnOfReaders(this.#file, this.#log)
    this.#take(keys, 'the secret file has changed: its keys are in force')
  }

  keep(keys: readonly SecretKey[]): void {
    // Where it is a link, that stays one.
    replaceSharedFile(realpathSync(this.place), new TextEncoder().encode(formatKeyring(keys)), secretFileMode)
    this.#take(keys, 'the keys of the secret file were changed')
  }

  close(): void {
    this.#endWatch?.()
  }

  #take(keys: readonly SecretKey[], message: string): void {
    this.keyring.replace(keys)
    const ids = { sendsWith: this.keyring.sending.id, keys: keys.map(({ id }) => id) }
    this.#log?.info({ file: this.place, ...ids }, message)
    this.#onTaken?.(ids)
  }

  #read(): readonly SecretKey[] {
    return readGuarded(this.#file, (text) => parseKeyring(text, this.#cryptography))
  }
}

function idsOf(keys: readonly SecretKey[]): string {
  return keys.map(({ id }) => id).join()
}
