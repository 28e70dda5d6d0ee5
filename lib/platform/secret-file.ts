import { readFileSync, realpathSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Cryptography } from '../ports/cryptography.ts'
import type { Log } from '../ports/log.ts'
import type { ClusterSecret } from '../security/cluster-secret.ts'
import { formatKeyring, Keyring, parseKeyring, type SecretKey } from '../security/keyring.ts'
import { InvalidParameter } from '../vocabulary/errors.ts'
import { replaceFile } from './durable-files.ts'
import { watchFileChange } from './watch-file.ts'

/** Its owner's alone. */
const secretFileMode = 0o600
/** A group or others may read it. */
const foreignModeBits = 0o077

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
  readonly #cryptography: Cryptography
  #endWatch: (() => void) | undefined
  #log: Log | undefined
  #onTaken: ((ids: KeyIds) => void) | undefined

  /** @throws {InvalidParameter} that says what is wrong with the file, and nothing of what stands there */
  constructor(path: string, cryptography: Cryptography) {
    this.place = resolve(path)
    this.#cryptography = cryptography
    this.keyring = new Keyring(this.#read())
  }

  /** From now on changes of the file are taken, and told; and first, whether others may read it. */
  watch(log: Log, onTaken: (ids: KeyIds) => void = () => {}): void {
    this.#log = log
    this.#onTaken = onTaken
    this.#warnOfReaders()
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
    this.#warnOfReaders()
    if (idsOf(keys) !== idsOf(this.keyring.keys)) this.#take(keys, 'the secret file has changed: its keys are in force')
  }

  keep(keys: readonly SecretKey[]): void {
    // Where it is a link, that stays one.
    replaceFile(realpathSync(this.place), new TextEncoder().encode(formatKeyring(keys)), secretFileMode)
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
    let text: string
    try {
      text = readFileSync(this.place, 'utf8')
    } catch (error) {
      const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
      throw new InvalidParameter(
        isMissing
          ? `the secret file ${this.place} does not exist`
          : `the secret file ${this.place} cannot be read: ${(error as Error).message}`,
        {
          hint: isMissing
            ? 'make one with `starling secret generate`, and give every node of the cluster the same'
            : 'the user that runs the node must be able to read it',
        },
      )
    }
    try {
      return parseKeyring(text, this.#cryptography)
    } catch (error) {
      if (!(error instanceof InvalidParameter)) throw error
      throw new InvalidParameter(`${this.place}: ${error.message}`, { hint: error.hint })
    }
  }

  #warnOfReaders(): void {
    try {
      const { mode } = statSync(this.place)
      if ((mode & foreignModeBits) === 0) return
      const octal = (mode & 0o777).toString(8).padStart(4, '0')
      this.#log?.warn({ file: this.place, mode: octal }, 'others than its owner can get at the secret file: chmod 600')
    } catch {
      // Gone since it was read; the watch will say so.
    }
  }
}

function idsOf(keys: readonly SecretKey[]): string {
  return keys.map(({ id }) => id).join()
}
