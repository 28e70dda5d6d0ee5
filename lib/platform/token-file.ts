import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Cryptography } from '../ports/cryptography.ts'
import type { Log } from '../ports/log.ts'
import { type BootstrapToken, parseBootstrapTokens } from '../security/bootstrap-tokens.ts'
import { InvalidParameter } from '../vocabulary/errors.ts'
import { watchFileChange } from './watch-file.ts'

/** A group or others may read it. */
const foreignModeBits = 0o077

/** The token file of a node: read at its start, and anew when it changes. */
export class TokenFile {
  /** Absolute. */
  readonly place: string
  readonly #cryptography: Cryptography
  #tokens: readonly BootstrapToken[]
  #log: Log | undefined
  #onChanged: ((tokens: readonly BootstrapToken[]) => void) | undefined
  #endWatch: (() => void) | undefined

  /** @throws {InvalidParameter} that says what is wrong with the file, and nothing of what stands there */
  constructor(path: string, cryptography: Cryptography) {
    this.place = resolve(path)
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
    this.#endWatch = watchFileChange(this.place, () => this.reload())
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
      this.#log?.error({ file: this.place, reason }, 'the token file was not taken: its tokens stay as they were')
      return
    }
    this.#warnOfReaders()
    if (idsOf(tokens) === idsOf(this.#tokens)) return
    this.#tokens = tokens
    const ids = tokens.map(({ principal }) => principal.id)
    this.#log?.info({ file: this.place, tokens: ids }, 'the token file has changed: its tokens are in force')
    this.#onChanged?.(tokens)
  }

  close(): void {
    this.#endWatch?.()
  }

  #read(): readonly BootstrapToken[] {
    let text: string
    try {
      text = readFileSync(this.place, 'utf8')
    } catch (error) {
      const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
      throw new InvalidParameter(
        isMissing
          ? `the token file ${this.place} does not exist`
          : `the token file ${this.place} cannot be read: ${(error as Error).message}`,
        {
          hint: isMissing
            ? 'make one with `openssl rand -base64 32`; its token is an admin'
            : 'the user that runs the node must be able to read it',
        },
      )
    }
    try {
      return parseBootstrapTokens(text, this.#cryptography)
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
      this.#log?.warn({ file: this.place, mode: octal }, 'others than its owner can get at the token file: chmod 600')
    } catch {
      // Gone since it was read; the watch will say so.
    }
  }
}

function idsOf(tokens: readonly BootstrapToken[]): string {
  return tokens.map(({ principal }) => principal.id).join()
}
