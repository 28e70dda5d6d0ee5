import type { Socket } from 'node:net'
import { FrameCutter } from './frame-cutter.ts'
import type { ProxiedLink } from './proxied-link.ts'
import type { Timers } from './timers.ts'

/** Beyond this many bytes on their way the sender waits, as it does when a TCP window is full. */
const waitingBytesMax = 4 * 1024 * 1024

/** `end`: the sender has nothing more to say. `gone`: it hears nothing any more either. */
type Item = Buffer | 'end' | 'gone'

/** One direction of one connection: what one socket has said, on its way to another. */
export class Lane {
  readonly #link: ProxiedLink
  readonly #source: Socket
  readonly #timers: Timers
  readonly #onFrame: (bytes: Buffer, type: string) => void
  readonly #cutter = new FrameCutter()
  #sink: Socket | undefined
  #queue: { readonly item: Item; readonly dueMs: number }[] = []
  #queuedBytes = 0
  #lastDueMs = 0
  #stalledUntilMs = 0
  #isPumpPlanned = false
  #isDead = false
  readonly #onMended = (): void => {
    this.#stalledUntilMs = performance.now() + this.#link.drawMendDelayMs()
    this.#pump()
  }

  /** @param onFrame hears of every frame as it comes, before anything befalls it */
  constructor(
    parts: { readonly link: ProxiedLink; readonly source: Socket; readonly timers: Timers },
    onFrame: (bytes: Buffer, type: string) => void = () => undefined,
  ) {
    this.#link = parts.link
    this.#source = parts.source
    this.#timers = parts.timers
    this.#onFrame = onFrame
  }

  /** Where it leads, once that is known. */
  attach(sink: Socket): void {
    this.#sink = sink
    sink.on('drain', () => this.#pace())
    this.#pump()
  }

  take(chunk: Buffer): void {
    const sink = this.#sink
    sink?.cork()
    this.#cutter.cut(chunk, (bytes, type) => this.send(bytes, type))
    sink?.uncork()
    this.#pace()
  }

  send(bytes: Buffer, type: string): void {
    if (this.#isDead) return
    this.#onFrame(bytes, type)
    const fate = this.#link.drawFrame(type)
    if (fate === undefined) return
    if (this.#link.isCut) this.#link.noteHeld()
    const { delayMs, overtakenMs, againMs } = fate
    if (overtakenMs > 0) this.#timers.after(delayMs + overtakenMs, () => this.#enqueue(bytes, 0))
    else this.#enqueue(bytes, delayMs)
    if (againMs !== undefined) this.#timers.after(delayMs + againMs, () => this.#enqueue(bytes, 0))
  }

  end(): void {
    this.#enqueue('end', 0)
  }

  gone(): void {
    this.#enqueue('gone', 0)
  }

  /** Nobody is there to hear it. */
  kill(): void {
    this.#isDead = true
    this.#queue = []
    this.#queuedBytes = 0
    this.#link.forget(this.#onMended)
    this.#pace()
  }

  #enqueue(item: Item, delayMs: number): void {
    if (this.#isDead) return
    const dueMs = Math.max(this.#lastDueMs, performance.now() + delayMs)
    this.#lastDueMs = dueMs
    this.#queue.push({ item, dueMs })
    if (typeof item !== 'string') this.#queuedBytes += item.length
    this.#pump()
  }

  #pump(): void {
    if (this.#sink === undefined || this.#isDead) return
    if (this.#link.isCut) {
      if (this.#queue.length > 0) this.#link.whenMended(this.#onMended)
      return
    }
    const nowMs = performance.now()
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      const waitMs = Math.max(next.dueMs, this.#stalledUntilMs) - nowMs
      if (waitMs > 0) {
        this.#pumpLater(waitMs)
        break
      }
      this.#queue.shift()
      this.#deliver(this.#sink, next.item)
    }
    this.#pace()
  }

  #pumpLater(waitMs: number): void {
    if (this.#isPumpPlanned) return
    this.#isPumpPlanned = true
    this.#timers.after(waitMs, () => {
      this.#isPumpPlanned = false
      this.#pump()
    })
  }

  #deliver(sink: Socket, item: Item): void {
    if (item === 'end') sink.end()
    else if (item === 'gone') sink.destroySoon()
    else {
      this.#queuedBytes -= item.length
      if (sink.writable) sink.write(item)
    }
  }

  #pace(): void {
    const waitingBytes = this.#queuedBytes + (this.#sink?.writableLength ?? 0)
    if (waitingBytes > waitingBytesMax && !this.#isDead) this.#source.pause()
    else if (this.#source.isPaused()) this.#source.resume()
  }
}
