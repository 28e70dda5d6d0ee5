import {
  close,
  closeSync,
  fdatasync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  write,
} from 'node:fs'
import { dirname, join } from 'node:path'
import type { SegmentFile, Segments } from '../ports/segments.ts'
import { StorageError, type StorageFailure } from '../ports/storage.ts'
import { syncDirectory } from './durable-files.ts'
import { toStorageFailure } from './level-failure.ts'

const segmentName = /^(\d{8,})\.values$/
/** Files that are kept open; more are opened when they are read. */
const openFilesMax = 128

type Done = (failure: StorageFailure | undefined) => void

/** Segments as files of the directory `path`, which is made if need be. @throws StorageError */
export function openSegmentFiles(path: string): Segments {
  return asStorage(() => {
    mkdirSync(path, { recursive: true })
    syncDirectory(dirname(path))
    return new SegmentFiles(path)
  })
}

class SegmentFiles implements Segments {
  readonly #path: string
  /** In the order of opening. */
  readonly #files = new Map<number, number>()
  readonly #sizes = new Map<number, number>()
  /** Made since the directory was synced. */
  readonly #unnamed = new Set<number>()
  #busy = 0
  #isClosing = false

  constructor(path: string) {
    this.#path = path
    for (const name of readdirSync(path)) {
      const number = segmentName.exec(name)?.[1]
      if (number === undefined)
        throw new StorageError({ kind: 'foreign', message: `${path} holds ${name}, which is no segment` })
      this.#sizes.set(Number(number), statSync(join(path, name)).size)
    }
  }

  list(): readonly SegmentFile[] {
    return [...this.#sizes].map(([number, bytes]) => ({ number, bytes })).sort((a, b) => a.number - b.number)
  }

  append(number: number, bytes: Uint8Array, done: Done): void {
    let file: number
    try {
      if (!this.#sizes.has(number)) this.#unnamed.add(number)
      file = this.#open(number)
    } catch (error) {
      return queueMicrotask(() => done(toStorageFailure(error)))
    }
    const from = this.#sizes.get(number) ?? 0
    this.#busy += 1
    const next = (at: number): void => {
      write(file, bytes, at, bytes.length - at, from + at, (error, written) => {
        if (error === null && at + written < bytes.length) return next(at + written)
        if (error === null) this.#sizes.set(number, from + bytes.length)
        this.#ended()
        done(error === null ? undefined : toStorageFailure(error))
      })
    }
    next(0)
  }

  sync(number: number, done: Done): void {
    // Nothing was ever appended, or it is removed.
    if (!this.#sizes.has(number)) return queueMicrotask(() => done(undefined))
    let file: number
    try {
      file = this.#open(number)
    } catch (error) {
      return queueMicrotask(() => done(toStorageFailure(error)))
    }
    this.#busy += 1
    fdatasync(file, (error) => {
      this.#ended()
      try {
        if (error === null && this.#unnamed.delete(number)) syncDirectory(this.#path)
      } catch (failed) {
        return done(toStorageFailure(failed))
      }
      done(error === null ? undefined : toStorageFailure(error))
    })
  }

  read(number: number, from: number, bytes: number): Uint8Array {
    return asStorage(() => {
      const size = this.#sizes.get(number) ?? 0
      const wanted = Math.max(0, Math.min(bytes, size - from))
      const buffer = new Uint8Array(Buffer.allocUnsafeSlow(wanted).buffer)
      let read = 0
      while (read < wanted) {
        const count = readSync(this.#open(number), buffer, read, wanted - read, from + read)
        if (count === 0) return buffer.subarray(0, read)
        read += count
      }
      return buffer
    })
  }

  remove(number: number, done: Done): void {
    let failure: StorageFailure | undefined
    try {
      const file = this.#files.get(number)
      this.#files.delete(number)
      this.#sizes.delete(number)
      if (file !== undefined) closeSync(file)
      rmSync(this.#nameOf(number), { force: true })
    } catch (error) {
      failure = toStorageFailure(error)
    }
    queueMicrotask(() => done(failure))
  }

  destroy(): void {
    asStorage(() => {
      this.#closeFiles()
      rmSync(this.#path, { recursive: true })
      syncDirectory(dirname(this.#path))
    })
  }

  close(): void {
    this.#isClosing = true
    if (this.#busy === 0) this.#closeFiles()
  }

  #ended(): void {
    this.#busy -= 1
    if (this.#busy === 0 && this.#isClosing) this.#closeFiles()
  }

  #closeFiles(): void {
    for (const file of this.#files.values()) close(file)
    this.#files.clear()
  }

  #open(number: number): number {
    const known = this.#files.get(number)
    if (known !== undefined) return known
    if (this.#files.size >= openFilesMax && this.#busy === 0) {
      const [oldest] = this.#files
      if (oldest !== undefined) {
        this.#files.delete(oldest[0])
        closeSync(oldest[1])
      }
    }
    const file = openSync(this.#nameOf(number), this.#sizes.has(number) ? 'r+' : 'wx+')
    if (!this.#sizes.has(number)) this.#sizes.set(number, 0)
    this.#files.set(number, file)
    return file
  }

  #nameOf(number: number): string {
    return join(this.#path, `${String(number).padStart(8, '0')}.values`)
  }
}

function asStorage<T>(action: () => T): T {
  try {
    return action()
  } catch (error) {
    throw error instanceof StorageError ? error : new StorageError(toStorageFailure(error))
  }
}
