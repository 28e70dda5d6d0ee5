import { resolve } from 'node:path'
import type { Cryptography } from '../ports/cryptography.ts'
import type { Log } from '../ports/log.ts'
import { type BootstrapToken, parseBootstrapTokens } from '../security/bootstrap-tokens.ts'
import { type GuardedFile, readGuarded, warnOfReaders } from './guarded-file.ts'
import { watchFileChange } from './watch-file.ts'

/** The token file of a node: read at its start, and anew when it changes. */
export class TokenFile {
  readonly #file: GuardedFile
  readonly #cryptography: Cryptography
  #tokens: readonly BootstrapToken[]
  #log: Log | undefined
  #onChanged: ((tokens: readonly BootstrapToken[]) => void) | undefined
  #endWatch: (() => void) | undefined

  /** @throws {InvalidParameter} that says what is wrong with the file, and nothing of what stands there */
  constructor(path: string, cryptography: Cryptography) {
    const remedy = 'make one with `openssl rand -base64 32`; its token is an admin'
    this.#file = { place: resolve(path), title: 'token file', remedy }
    this.#cryptography = cryptography
    this.#tokens = this.#read()
  }

  get tokens(): readonly BootstrapToken[] {
    return this.#tokens
  }

  /** From now on changes of the file are told; and first, whether others may read it. */
  watch(log: Log, onChanged: (tokens: readonly BootstrapToken[]) => void): void {
    this.#log = log
    this.#onChanged = onChanged
    this.#endWatch = watchFileChange(this.#file.place, () => this.reload())
    // It may have changed since it was read.
    this.reload()
  }

  /** Reads the file again. What cannot be used is logged, and the tokens stay as they are. */
  reload(): void {
    let tokens: readonly BootstrapToken[]
    try {
      tokens = this.#read()
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      this.#log?.error({ file: this.#file.place, reason }, 'the token file was not taken: its tokens stay as they were')
      return
    }
    warnOfReaders(this.#file, this.#log)
    if (idsOf(tokens) === idsOf(this.#tokens)) return
    this.#tokens = tokens
    const ids = tokens.map(({ principal }) => principal.id)
    this.#log?.info({ file: this.#file.place, tokens: ids }, 'the token file has changed: its tokens are in force')
    this.#onChanged?.(tokens)
  }

  close(): void {
    this.#endWatch?.()
  }

  #read(): readonly BootstrapToken[] {
    return readGuarded(this.#file, (text) => parseBootstrapTokens(text, this.#cryptography))
  }
}

function idsOf(tokens: readonly BootstrapToken[]): string {
  return tokens.map(({ principal }) => principal.id).join()
}
