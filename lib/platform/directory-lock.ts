import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads'

export type LockAnswer =
  | { readonly type: 'held' }
  | { readonly type: 'locked' }
  | { readonly type: 'failed'; readonly message: string }

/** What the thread that holds the lock is given. */
export interface LockRequest {
  readonly path: string
  /** 0 until the lock is taken or refused, 2 once it is released. */
  readonly state: SharedArrayBuffer
  readonly answers: MessagePort
}

export const answered = 1
export const released = 2

const answerMsMax = 10_000

/**
 * An exclusive lock between processes that ends with its holder however that ends: a lock of the system (fcntl) on a file
 * of a tiny LevelDB in the directory `path`, since Node itself offers none. LevelDB answers in its own time and the
 * directory's door must be shut before anything else is done: so a thread waits for LevelDB, and this one for the thread.
 */
export class DirectoryLock {
  readonly #path: string
  readonly #state = new Int32Array(new SharedArrayBuffer(4))
  #holder: Worker | undefined

  constructor(path: string) {
    this.#path = path
  }

  /** Blocks this thread, for some 60 ms. */
  take(): LockAnswer {
    const { port1: ours, port2: theirs } = new MessageChannel()
    const request: LockRequest = { path: this.#path, state: this.#state.buffer as SharedArrayBuffer, answers: theirs }
    const holder = new Worker(new URL('./directory-lock-holder.js', import.meta.url), {
      workerData: request,
      transferList: [theirs],
      resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 },
      // It is our own file: no flags or loaders of this process have any business there.
      execArgv: [],
    })
    // The process may end with the lock held.
    holder.unref()
    Atomics.wait(this.#state, 0, 0, answerMsMax)
    const answer = receiveMessageOnPort(ours)?.message as LockAnswer | undefined
    ours.close()
    if (answer?.type === 'held') this.#holder = holder
    else void holder.terminate()
    return answer ?? { type: 'failed', message: `${this.#path} did not answer within ${answerMsMax} ms` }
  }

  release(): void {
    if (this.#holder === undefined) return
    this.#holder.postMessage('release')
    this.#holder = undefined
    Atomics.wait(this.#state, 0, answered, answerMsMax)
  }
}
