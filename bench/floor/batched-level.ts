import { Level } from 'level'

/** What Starling's own store is opened with: the comparison is about what stands around LevelDB. */
export const levelSettings = {
  keyEncoding: 'utf8',
  valueEncoding: 'view',
  writeBufferSize: 16 * 1024 * 1024,
  maxFileSize: 16 * 1024 * 1024,
  cacheSize: 64 * 1024 * 1024,
} as const

interface Put {
  readonly type: 'put'
  readonly key: string
  readonly value: Uint8Array
}

/** LevelDB with one batch in flight: the next collects what is written meanwhile. */
export class BatchedLevel {
  readonly #level: Level<string, Uint8Array>
  readonly #isSynced: boolean
  #puts: Put[] = []
  #written: (() => void)[] = []
  #isFlushAsked = false
  #isWriting = false

  private constructor(level: Level<string, Uint8Array>, isSynced: boolean) {
    this.#level = level
    this.#isSynced = isSynced
  }

  /** @param isSynced whether the disk has a batch before it counts as written: one fsync for the whole batch */
  static async open(path: string, isSynced: boolean): Promise<BatchedLevel> {
    const level = new Level<string, Uint8Array>(path, levelSettings)
    await level.open()
    return new BatchedLevel(level, isSynced)
  }

  get(key: string): Uint8Array | undefined {
    return this.#level.getSync(key)
  }

  /** `written` is called once LevelDB has it. */
  put(key: string, value: Uint8Array, written: () => void): void {
    this.#puts.push({ type: 'put', key, value })
    this.#written.push(written)
    if (this.#isFlushAsked || this.#isWriting) return
    this.#isFlushAsked = true
    setImmediate(() => this.#flush())
  }

  close(): Promise<void> {
    return this.#level.close()
  }

  #flush(): void {
    this.#isFlushAsked = false
    const puts = this.#puts
    const written = this.#written
    this.#puts = []
    this.#written = []
    this.#isWriting = true
    // A failed write ends the process: nothing may be acknowledged after it.
    void this.#level.batch(puts, { sync: this.#isSynced }).then(() => {
      this.#isWriting = false
      if (this.#puts.length > 0) this.#flush()
      for (const callback of written) callback()
    })
  }
}
