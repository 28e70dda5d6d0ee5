import {
  close,
  closeSync,
  fstat,
  fstatSync,
  open,
  openSync,
  readSync,
  type Stats,
  stat,
  write,
  writeSync,
} from 'node:fs'
import type { LineFile, LineFileListener } from '../ports/line-file.ts'

/** As the owner's alone: it says who does what. A file that is there keeps its mode. */
const fileMode = 0o600
/** What waits for a disk that does not take it. Behind it lines are lost. */
const waitingBytesMax = 4 * 1024 * 1024
/** How often a file that grows is looked up by its name: it may have been moved away. */
const lookEveryMs = 1_000
const retryMs = 1_000
const closeMsMax = 2_000
const newline = 0x0a

/**
 * The file at `path`, made if there is none. Written to behind the calls, one piece at a time: a disk that hangs stops
 * nobody. Every line is in one file as a whole. (Of one that met a full disk a part stands at the end of a file that was
 * moved away then.)
 *
 * @throws Error of the system when the file cannot be opened
 */
export function openLineFile(path: string, listener: LineFileListener): LineFile {
  return new AppendedFile(path, openEnded(path), listener)
}

class AppendedFile implements LineFile {
  readonly #path: string
  readonly #listener: LineFileListener
  #file: number
  /** Whole lines, oldest first; of the first one `#writtenOfFirst` bytes are in the file. */
  #lines: Buffer[] = []
  #writtenOfFirst = 0
  #waitingBytes = 0
  #isFailing = false
  #isBusy = false
  #isToReopen = false
  #lookedAtMs = performance.now()
  #retry: NodeJS.Timeout | undefined
  #onIdle: (() => void) | undefined
  #isClosed = false

  constructor(path: string, file: number, listener: LineFileListener) {
    this.#path = path
    this.#file = file
    this.#listener = listener
  }

  get waitingBytes(): number {
    return this.#waitingBytes
  }

  get isFailing(): boolean {
    return this.#isFailing
  }

  append(line: string): void {
    const bytes = Buffer.from(`${line}\n`)
    if (this.#isClosed || this.#waitingBytes + bytes.length > waitingBytesMax) {
      this.#listener.onLost(1)
      return
    }
    this.#lines.push(bytes)
    this.#waitingBytes += bytes.length
    this.#go()
  }

  reopen(): void {
    this.#isToReopen = true
    this.#go()
  }

  close(done: () => void): void {
    if (this.#isClosed) return done()
    const end = (): void => {
      if (this.#isClosed) return
      this.#isClosed = true
      clearTimeout(limit)
      clearTimeout(this.#retry)
      if (this.#lines.length > 0) this.#listener.onLost(this.#lines.length)
      close(this.#file, () => done())
    }
    const limit = setTimeout(end, closeMsMax)
    if (this.#isBusy) this.#onIdle = end
    else end()
  }

  #go(): void {
    if (this.#isBusy || this.#isClosed || this.#retry !== undefined) return
    if (this.#isToReopen) return this.#begin(() => this.#openAnew())
    if (this.#lines.length === 0) return
    const nowMs = performance.now()
    if (nowMs - this.#lookedAtMs < lookEveryMs) return this.#begin(() => this.#write())
    this.#lookedAtMs = nowMs
    this.#begin(() => this.#look())
  }

  #begin(step: () => void): void {
    this.#isBusy = true
    step()
  }

  /** What was to be done now is done. */
  #end(failure?: Error): void {
    this.#isBusy = false
    this.#judge(failure)
    if (failure !== undefined) {
      this.#retry = setTimeout(() => {
        this.#retry = undefined
        // Also when nothing waits: whether it can be written is shown to whoever looks.
        this.#isToReopen = true
        this.#go()
      }, retryMs)
      this.#retry.unref()
    }
    const hasMore = this.#isToReopen || this.#lines.length > 0
    if (this.#onIdle !== undefined && (failure !== undefined || !hasMore)) this.#onIdle()
    else this.#go()
  }

  #judge(failure: Error | undefined): void {
    if (failure !== undefined && !this.#isFailing) {
      this.#isFailing = true
      this.#listener.onFailing(failure.message)
    } else if (failure === undefined && this.#isFailing) {
      this.#isFailing = false
      this.#listener.onMended()
    }
  }

  /** Whether the file still has its name. */
  #look(): void {
    stat(this.#path, (error, named) => {
      if (error !== null) {
        if (error.code !== 'ENOENT') return this.#write()
        return this.#openAnew()
      }
      fstat(this.#file, (failed, own) => {
        if (failed === null && isSame(named, own)) this.#write()
        else this.#openAnew()
      })
    })
  }

  /** Where that fails, the lines go to the file they went to so far: it may have been moved, but it is there. */
  #openAnew(): void {
    open(this.#path, 'a', fileMode, (error, file) => {
      this.#isToReopen = false
      if (error !== null) {
        this.#judge(error)
        return this.#write(error)
      }
      this.#isOwn(file, (isOwn) => {
        if (isOwn) return close(file, () => this.#write())
        const before = this.#file
        this.#file = file
        // The whole of it belongs into one file.
        this.#waitingBytes += this.#writtenOfFirst
        this.#writtenOfFirst = 0
        close(before, () => this.#write())
      })
    })
  }

  #isOwn(file: number, done: (isOwn: boolean) => void): void {
    fstat(file, (error, other) => {
      if (error !== null) return done(false)
      fstat(this.#file, (failed, own) => done(failed === null && isSame(own, other)))
    })
  }

  /** @param trouble of the step before: it is not over because the lines could be written */
  #write(trouble?: Error): void {
    const piece = Buffer.concat(this.#lines).subarray(this.#writtenOfFirst)
    if (piece.length === 0) return this.#end(trouble)
    write(this.#file, piece, 0, piece.length, null, (error, written) => {
      if (error === null) this.#drop(written)
      this.#end(error ?? trouble)
    })
  }

  #drop(written: number): void {
    this.#waitingBytes -= written
    let bytes = this.#writtenOfFirst + written
    let whole = 0
    for (const line of this.#lines) {
      if (bytes < line.length) break
      bytes -= line.length
      whole += 1
    }
    this.#lines.splice(0, whole)
    this.#writtenOfFirst = bytes
  }
}

function isSame(one: Stats, other: Stats): boolean {
  return one.ino === other.ino && one.dev === other.dev
}

/** A process that died in the middle of a line, or a disk that was full then, leaves no half of one in front of ours. */
function openEnded(path: string): number {
  const file = openSync(path, 'a+', fileMode)
  try {
    const { size } = fstatSync(file)
    const last = new Uint8Array(1)
    if (size > 0 && readSync(file, last, 0, 1, size - 1) === 1 && last[0] !== newline) writeSync(file, '\n')
    return file
  } catch (error) {
    closeSync(file)
    throw error
  }
}
