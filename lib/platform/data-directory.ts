import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { DataDirectory, DirectoryFingerprint } from '../ports/data-directory.ts'
import { invariant } from '../vocabulary/invariant.ts'
import { DirectoryLock } from './directory-lock.ts'
import { replaceFile, syncDirectory } from './durable-files.ts'
import { bootId, machineId } from './machine-identity.ts'

/** What lies in a data directory. */
const identityName = 'node.json'
const votesName = 'votes'
const errorsName = 'errors'
const lockName = 'lock'
const storeName = 'db'

/** All that may be there without an identity: what a first start left that was interrupted, and what a new disk has. */
const harmlessNames: ReadonlySet<string> = new Set([
  `${identityName}.next`,
  errorsName,
  lockName,
  storeName,
  'lost+found',
])

const errorByteSet = '1'.charCodeAt(0)
const errorByteClear = '0'.charCodeAt(0)

/** Where the store of the data directory `path` is. */
export function storePathOf(path: string): string {
  return join(resolve(path), storeName)
}

/**
 * A node's directory: `node.json` (who it is), `votes` (on the next layout), `errors` (the error byte), `lock/` (held while a process has the
 * directory; docs/decisions/0008-data-directory-lock.md) and `db/` (the store).
 */
export function createDataDirectory(path: string): DataDirectory {
  return new PlatformDirectory(resolve(path))
}

type OpenAnswer = ReturnType<DataDirectory['open']>

class PlatformDirectory implements DataDirectory {
  readonly path: string
  readonly #identityPath: string
  readonly #votesPath: string
  #lock: DirectoryLock | undefined
  /** Held open from the start: when files run out, or the disk is full, the byte can still be written. */
  #errorsFile: number | undefined

  constructor(path: string) {
    this.path = path
    this.#identityPath = join(path, identityName)
    this.#votesPath = join(path, votesName)
  }

  open(): OpenAnswer {
    invariant(this.#lock === undefined, 'a directory is opened once', { path: this.path })
    try {
      const stranger = findStranger(this.path)
      if (stranger !== undefined) return { ok: false, kind: 'foreign', message: stranger }
      makeDirectory(this.path)
      const lock = new DirectoryLock(join(this.path, lockName))
      const answer = lock.take()
      if (answer.type === 'locked') {
        return { ok: false, kind: 'locked', message: `${this.path} is in use by another process` }
      }
      if (answer.type === 'failed') return { ok: false, kind: 'failed', message: answer.message }
      this.#lock = lock
      this.#errorsFile = openErrors(join(this.path, errorsName))
      return { ok: true }
    } catch (error) {
      this.close()
      return { ok: false, kind: 'failed', message: error instanceof Error ? error.message : String(error) }
    }
  }

  fingerprint(): DirectoryFingerprint {
    const { ino, dev } = statSync(this.path, { bigint: true })
    const { type } = statfsSync(this.path, { bigint: true })
    return { inode: String(ino), filesystem: `${type.toString(16)}:${dev}`, machine: machineId(), boot: bootId() }
  }

  readIdentity(): Uint8Array | undefined {
    return readIfThere(this.#identityPath)
  }

  writeIdentity(bytes: Uint8Array): void {
    invariant(this.#lock !== undefined, 'only the holder of a directory writes there', { path: this.path })
    replaceFile(this.#identityPath, bytes)
  }

  readVotes(): Uint8Array | undefined {
    return readIfThere(this.#votesPath)
  }

  writeVotes(bytes: Uint8Array): void {
    invariant(this.#lock !== undefined, 'only the holder of a directory writes there', { path: this.path })
    replaceFile(this.#votesPath, bytes)
  }

  readErrorByte(): boolean {
    const byte = new Uint8Array(1)
    readSync(this.#openErrorsFile(), byte, 0, 1, 0)
    return byte[0] === errorByteSet
  }

  writeErrorByte(isSet: boolean): void {
    const file = this.#openErrorsFile()
    writeSync(file, Uint8Array.of(isSet ? errorByteSet : errorByteClear), 0, 1, 0)
    fsyncSync(file)
  }

  freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.path)
    return bavail * bsize
  }

  setAside(): string {
    invariant(this.#lock !== undefined, 'only the holder of a directory puts it aside', { path: this.path })
    const now = new Date().toISOString().replaceAll(/[:.]/g, '-')
    const aside = `${this.path}.damaged-${now}`
    // Renamed under the lock: who comes in between finds either this directory, held, or none.
    renameSync(this.path, aside)
    syncDirectory(dirname(this.path))
    this.close()
    return aside
  }

  close(): void {
    if (this.#errorsFile !== undefined) closeSync(this.#errorsFile)
    this.#errorsFile = undefined
    this.#lock?.release()
    this.#lock = undefined
  }

  #openErrorsFile(): number {
    invariant(this.#errorsFile !== undefined, 'the directory is open', { path: this.path })
    return this.#errorsFile
  }
}

/** Why the directory is somebody else's, or undefined. One that is not there, or empty, is nobody's. */
function findStranger(path: string): string | undefined {
  const names = namesIn(path)
  if (names === undefined) return undefined
  if (names === 'not-a-directory') return `${path} is not a directory`
  if (!names.includes(identityName)) {
    const stranger = names.find((name) => !harmlessNames.has(name))
    return stranger === undefined ? undefined : `${path} has no ${identityName}, but holds ${stranger}`
  }
  return isIdentity(readFileSync(join(path, identityName)))
    ? undefined
    : `the ${identityName} in ${path} is not one of a node`
}

/** Many programs have a `node.json`. What exactly is in ours is for its reader to say. */
function isIdentity(bytes: Uint8Array): boolean {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes))
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}

function namesIn(path: string): readonly string[] | 'not-a-directory' | undefined {
  try {
    return readdirSync(path)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    if (hasCode(error, 'ENOTDIR')) return 'not-a-directory'
    throw error
  }
}

/**
 * Makes the directory and what is missing above it, so that they are there after a power cut as well. Node's own
 * `recursive` never returns where the parent exists and refuses, as in /proc.
 */
function makeDirectory(path: string): void {
  if (existsSync(path)) return
  const parent = dirname(path)
  makeDirectory(parent)
  try {
    mkdirSync(path)
  } catch (error) {
    // Another process was faster; which of the two gets in is for the lock to say.
    if (!hasCode(error, 'EEXIST')) throw error
  }
  syncDirectory(parent)
}

/** The file of the error byte, made with its byte if it is not there: later it is only overwritten. */
function openErrors(path: string): number {
  if (readIfThere(path)?.length !== 1) {
    replaceFile(path, Uint8Array.of(errorByteClear))
  }
  return openSync(path, 'r+')
}

function readIfThere(path: string): Uint8Array | undefined {
  try {
    return new Uint8Array(readFileSync(path))
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
