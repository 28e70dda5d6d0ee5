import { Worker } from 'node:worker_threads'
import type { Target } from './target.ts'

/** Words in front of the input: how many were given, bytes of this one. */
export const headWords = 2

/** What the watching thread is told. */
export interface Watched {
  readonly target: string
  readonly memory: SharedArrayBuffer
}

/**
 * Looks from a thread of its own whether inputs end. One that does not is written down, and the process ends: nobody else
 * could stop it.
 */
export class Watchdog {
  readonly #words: Int32Array
  readonly #bytes: Uint8Array
  readonly #worker: Worker

  constructor({ name: target, bytesMax }: Target) {
    const memory = new SharedArrayBuffer(headWords * 4 + bytesMax)
    this.#words = new Int32Array(memory, 0, headWords)
    this.#bytes = new Uint8Array(memory, headWords * 4)
    const watched: Watched = { target, memory }
    this.#worker = new Worker(new URL('./watchdog-worker.js', import.meta.url), { workerData: watched })
    this.#worker.unref()
  }

  begin(input: Uint8Array): void {
    const length = Math.min(input.length, this.#bytes.length)
    this.#bytes.set(input.subarray(0, length))
    this.#words[1] = length
    Atomics.add(this.#words, 0, 1)
  }

  /** What was begun last. */
  get input(): Uint8Array {
    return Uint8Array.from(this.#bytes.subarray(0, this.#words[1]))
  }

  async stop(): Promise<void> {
    await this.#worker.terminate()
  }
}
