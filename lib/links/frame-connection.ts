import type { ByteStream, StreamHandlers } from '../ports/network.ts'
import type { Time } from '../ports/time.ts'
import type { Hash } from '../vocabulary/hash.ts'
import { encodeFrame } from '../wire/frame.ts'
import { FrameReader } from '../wire/frame-reader.ts'
import type { Frame } from '../wire/messages.ts'

export interface FrameConnectionHandlers {
  onFrame(frame: Frame): void
  /** Exactly once. `malformed` is why the bytes could not be read, if that ended it. */
  onClosed(reason: string, malformed: string | undefined): void
}

/** Bytes waiting to leave, beyond which nothing new is begun on a connection. */
export const unsentBytesFull = 32 * 1024 * 1024
/** Bytes waiting for a receiver that does not read; beyond this the connection ends. */
export const unsentBytesMax = 128 * 1024 * 1024

/**
 * Frames over one stream. All frames sent in one turn of the event loop leave in one write: this is worth more than any
 * codec (docs/benchmarks.md). Malformed bytes end the connection and nothing else.
 */
export class FrameConnection {
  readonly handlers: StreamHandlers
  readonly #time: Time
  readonly #hash: Hash
  readonly #reader: FrameReader
  readonly #on: FrameConnectionHandlers
  #stream: ByteStream | undefined
  #unflushed: Uint8Array[] = []
  #isFlushAsked = false
  #isClosed = false
  #malformed: string | undefined
  #heardAtMs: number

  constructor(parts: { readonly time: Time; readonly hash: Hash }, on: FrameConnectionHandlers) {
    this.#time = parts.time
    this.#on = on
    this.#hash = parts.hash
    this.#reader = new FrameReader(parts.hash)
    this.#heardAtMs = parts.time.nowMs()
    this.handlers = {
      onBytes: (bytes) => this.#read(bytes),
      onClosed: (reason) => this.#closed(reason),
    }
  }

  /** Gives the connection its stream; frames sent before wait for it. */
  attach(stream: ByteStream): void {
    this.#stream = stream
    if (this.#isClosed) stream.destroy()
    else if (this.#unflushed.length > 0) this.#askFlush()
  }

  /** When the other side was last heard of, on this process's monotonic clock. */
  get heardAtMs(): number {
    return this.#heardAtMs
  }

  /** So much waits to leave that new requests had better go elsewhere, or wait. */
  get isFull(): boolean {
    return (this.#stream?.unsentBytes ?? 0) > unsentBytesFull
  }

  send(frame: Frame): void {
    if (this.#isClosed) return
    for (const chunk of encodeFrame(frame, this.#hash)) this.#unflushed.push(chunk)
    this.#askFlush()
  }

  /** Sends what was written so far, then ends. */
  end(): void {
    this.#flush()
    this.#stream?.end()
  }

  /** Ends at once. */
  destroy(reason: string): void {
    this.#stream?.destroy()
    this.#closed(reason)
  }

  #askFlush(): void {
    if (this.#isFlushAsked || this.#stream === undefined) return
    this.#isFlushAsked = true
    this.#time.endOfTurn(() => this.#flush())
  }

  #flush(): void {
    this.#isFlushAsked = false
    if (this.#isClosed || this.#stream === undefined || this.#unflushed.length === 0) return
    const chunks = this.#unflushed
    this.#unflushed = []
    this.#stream.write(chunks)
    if (this.#stream.unsentBytes > unsentBytesMax) this.destroy('the other side does not read')
  }

  #read(bytes: Uint8Array): void {
    if (this.#isClosed) return
    this.#heardAtMs = this.#time.nowMs()
    const malformed = this.#reader.read(bytes, (frame) => {
      if (!this.#isClosed) this.#on.onFrame(frame)
    })
    if (malformed !== undefined) {
      this.#malformed = malformed
      this.destroy(`malformed frame: ${malformed}`)
    }
  }

  #closed(reason: string): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#unflushed = []
    this.#on.onClosed(reason, this.#malformed)
  }
}
