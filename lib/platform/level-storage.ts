import { Level } from 'level'
import {
  type OpenedStorage,
  type Storage,
  type StorageEntry,
  StorageError,
  type StorageFailure,
  type StorageOpener,
  type StorageOperation,
  type StorageRange,
} from '../ports/storage.ts'
import { markDamageReported, readDamage } from './level-damage.ts'
import { toStorageFailure } from './level-failure.ts'
import { storePlaceProblem } from './level-files.ts'

export interface LevelSettings {
  /** Written data kept in memory before it becomes a table, once being filled and once being written. Default 16 MiB. */
  readonly writeBufferBytes?: number | undefined
  /** Size of a table. Default 16 MiB. */
  readonly fileBytesMax?: number | undefined
  /** Uncompressed blocks kept in memory for reads. Default 64 MiB. */
  readonly cacheBytes?: number | undefined
  /** Whether tables are compressed (Snappy). Default true; values that do not shrink cost some 4 us more for it. */
  readonly isCompressed?: boolean | undefined
}

type Bytes = Level<Uint8Array, Uint8Array>
type LevelOperation = { type: 'put'; key: Uint8Array; value: Uint8Array } | { type: 'del'; key: Uint8Array }

interface WaitingWrite {
  readonly operations: readonly StorageOperation[]
  readonly isSync: boolean
  readonly done: (failure: StorageFailure | undefined) => void
}

const mebibyte = 1024 * 1024

/** Waiting writes are joined to one batch up to about this size: LevelDB copies a batch and writes it in one piece. */
const batchBytesMax = 4 * mebibyte

/**
 * Operations of up to this many bytes, on average, go to LevelDB one by one (`batch().put()`) and not as an array: of 1 KiB
 * that takes 3.5 instead of 15 us of this thread. But such a batch keeps its copy until garbage is collected: with
 * large values that came to 300 MiB more, so those go as an array, whose copy is gone when it is written.
 */
const chainedBytesMax = 4096

/** What one turn of a scan fetches from LevelDB's thread. */
const scanChunkBytes = mebibyte

/**
 * The storage port on LevelDB, in the directory `path` (made when missing). A place that holds other people's files is
 * refused as `foreign`, untouched; a store whose index file is missing as `corrupt`.
 */
export function createLevelStorage(
  path: string,
  settings: LevelSettings = {},
  kind: 'alone' | 'with-value-log' = 'alone',
): StorageOpener {
  return {
    open(done) {
      openLevel(path, settings, kind).then(
        (opened) => done(undefined, opened),
        (error) => done(toStorageFailure(error), undefined),
      )
    },
  }
}

async function openLevel(
  path: string,
  settings: LevelSettings,
  kind: 'alone' | 'with-value-log',
): Promise<OpenedStorage> {
  const problem = storePlaceProblem(path, kind)
  if (problem !== undefined) throw new StorageError(problem)
  const damageBefore = readDamage(path)
  const level: Bytes = new Level(path, {
    keyEncoding: 'view',
    valueEncoding: 'view',
    writeBufferSize: settings.writeBufferBytes ?? 16 * mebibyte,
    maxFileSize: settings.fileBytesMax ?? 16 * mebibyte,
    cacheSize: settings.cacheBytes ?? 64 * mebibyte,
    compression: settings.isCompressed ?? true,
  })
  await level.open()
  try {
    const damage = [...new Set([...damageBefore, ...readDamage(path)])]
    const isEmpty = (await level.keys({ limit: 1 }).all()).length === 0
    return { storage: new LevelStorage(path, level, damage), damage, empty: isEmpty }
  } catch (error) {
    await level.close()
    throw error
  }
}

/**
 * One open store. LevelDB works on the threads of libuv's pool, and two of its batches in flight may overtake each other
 * there: so one is under way at a time and the next collects what is asked meanwhile, which is a group commit as well.
 */
class LevelStorage implements Storage {
  readonly #path: string
  readonly #level: Bytes
  readonly #reportedDamage: readonly string[]
  #waiting: WaitingWrite[] = []
  #isWriting = false
  #scansUnderWay = 0
  /** Why nothing is done any more: the store was closed, or a write failed. */
  #refusal: StorageFailure | undefined
  #onIdle: (() => void) | undefined
  #closed: Promise<void> | undefined

  constructor(path: string, level: Bytes, reportedDamage: readonly string[]) {
    this.#path = path
    this.#level = level
    this.#reportedDamage = reportedDamage
  }

  get(key: Uint8Array): Uint8Array | undefined {
    if (this.#refusal !== undefined) throw new StorageError(this.#refusal)
    try {
      const value = this.#level.getSync(key)
      return value === undefined ? undefined : plainBytes(value)
    } catch (error) {
      throw new StorageError(toStorageFailure(error))
    }
  }

  write(
    operations: readonly StorageOperation[],
    options: { readonly sync: boolean },
    done: (failure: StorageFailure | undefined) => void,
  ): void {
    if (this.#refusal !== undefined) {
      queueMicrotask(done.bind(undefined, this.#refusal))
      return
    }
    this.#waiting.push({ operations, isSync: options.sync, done })
    if (!this.#isWriting) this.#writeNext()
  }

  scan(
    range: StorageRange,
    done: (failure: StorageFailure | undefined, entries: readonly StorageEntry[]) => void,
  ): void {
    if (this.#refusal !== undefined) {
      queueMicrotask(done.bind(undefined, this.#refusal, []))
      return
    }
    const iterator = this.#level.iterator({
      gte: range.from,
      lt: range.to,
      limit: range.entriesMax,
      reverse: range.reverse ?? false,
      highWaterMarkBytes: scanChunkBytes,
    })
    this.#scansUnderWay += 1
    iterator.all().then(
      (entries) => {
        this.#scanEnded()
        done(undefined, entries.map(toEntry))
      },
      (error) => {
        this.#scanEnded()
        done(toStorageFailure(error), [])
      },
    )
  }

  /** What was asked before is done first; what is asked from now on is refused. */
  close(done: () => void): void {
    this.#closed ??= this.#close()
    this.#closed.then(done)
  }

  async #close(): Promise<void> {
    this.#refusal ??= { kind: 'closed', message: 'the store is closed' }
    if (this.#isBusy()) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve
      })
    }
    try {
      await this.#level.close()
      if (this.#refusal.kind !== 'poisoned' && !this.#hasNews()) markDamageReported(this.#path)
    } catch {
      // The disk gave out at the last moment: whatever it holds is what a crash would have left, and the next open judges it.
    }
  }

  /** What came up since the open has not been told to anybody: the next open shall say it. */
  #hasNews(): boolean {
    return readDamage(this.#path).some((line) => !this.#reportedDamage.includes(line))
  }

  #writeNext(): void {
    const batch = this.#takeBatch()
    this.#isWriting = true
    this.#commit(batch).then(
      () => this.#written(batch),
      (error) => this.#writeFailed(batch, toStorageFailure(error)),
    )
  }

  async #commit(writes: readonly WaitingWrite[]): Promise<void> {
    const options = { sync: writes.some((write) => write.isSync) }
    if (meanBytes(writes) > chainedBytesMax) return this.#level.batch(writes.flatMap(toLevelOperations), options)
    const chained = this.#level.batch()
    for (const { operations } of writes) {
      for (const operation of operations) {
        if (operation.type === 'put') chained.put(operation.key, operation.value)
        else chained.del(operation.key)
      }
    }
    return chained.write(options)
  }

  /** The oldest waiting writes, as many as make a batch. They commit together, so one sync serves them all. */
  #takeBatch(): readonly WaitingWrite[] {
    let count = 0
    let bytes = 0
    while (count < this.#waiting.length && bytes < batchBytesMax) {
      bytes += bytesIn(this.#waiting[count]?.operations ?? [])
      count += 1
    }
    return this.#waiting.splice(0, count)
  }

  #written(batch: readonly WaitingWrite[]): void {
    this.#isWriting = false
    if (this.#waiting.length > 0) this.#writeNext()
    for (const write of batch) write.done(undefined)
    this.#noteIdle()
  }

  /**
   * LevelDB would go on, and acknowledge writes behind a torn piece of its log that are gone at the next start. So this
   * handle has done its last: the writes of the batch hear why, all that wait or come later hear `poisoned`.
   */
  #writeFailed(batch: readonly WaitingWrite[], failure: StorageFailure): void {
    const poisoned: StorageFailure = { kind: 'poisoned', message: `an earlier write failed: ${failure.message}` }
    const waiting = this.#waiting
    this.#refusal = poisoned
    this.#waiting = []
    this.#isWriting = false
    for (const write of batch) write.done(failure)
    for (const write of waiting) write.done(poisoned)
    this.#noteIdle()
  }

  #scanEnded(): void {
    this.#scansUnderWay -= 1
    this.#noteIdle()
  }

  #isBusy(): boolean {
    return this.#isWriting || this.#scansUnderWay > 0
  }

  #noteIdle(): void {
    if (!this.#isBusy()) this.#onIdle?.()
  }
}

function toLevelOperations(write: WaitingWrite): LevelOperation[] {
  return write.operations.map((operation) =>
    operation.type === 'put'
      ? { type: 'put', key: operation.key, value: operation.value }
      : { type: 'del', key: operation.key },
  )
}

function meanBytes(writes: readonly WaitingWrite[]): number {
  let bytes = 0
  let count = 0
  for (const { operations } of writes) {
    bytes += bytesIn(operations)
    count += operations.length
  }
  return count === 0 ? 0 : bytes / count
}

function bytesIn(operations: readonly StorageOperation[]): number {
  let bytes = 0
  for (const operation of operations) {
    bytes += operation.key.length + (operation.type === 'put' ? operation.value.length : 0)
  }
  return bytes
}

function toEntry([key, value]: readonly [Uint8Array, Uint8Array]): StorageEntry {
  return { key: plainBytes(key), value: plainBytes(value) }
}

/** LevelDB's binding gives a Buffer, whose `slice` does not copy as that of a Uint8Array does: nobody outside shall meet one. */
function plainBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
