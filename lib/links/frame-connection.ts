import type { ByteStream, StreamHandlers } from '../ports/network.ts'
import type { Time } from '../ports/time.ts'
import type { Hash } from '../vocabulary/hash.ts'
import { FrameReader } from '../wire/frame-reader.ts'
import { FrameWriter } from '../wire/frame-writer.ts'
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
  readonly #reader: FrameReader
  readonly #writer: FrameWriter
  readonly #on: FrameConnectionHandlers
  #stream: ByteStream | undefined
  #isFlushAsked = false
  readonly #flushNow = (): void => this.#flush()
  readonly #onFrame = (frame: Frame): void => {
    if (!this.#isClosed) this.#on.onFrame(frame)
  }
  #isClosed = false
  #malformed: string | undefined
  #heardAtMs: number
  #readBytes = 0
  #writtenBytes = 0

  constructor(parts: { readonly time: Time; readonly hash: Hash }, on: FrameConnectionHandlers) {
    this.#time = parts.time
    this.#on = on
    this.#reader = new FrameReader(parts.hash)
    this.#writer = new FrameWriter(parts.hash)
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
    else if (!this.#writer.isEmpty) this.#askFlush()
  }

  /** When the other side was last heard of, on this process's monotonic clock. */
  get heardAtMs(): number {
    return this.#heardAtMs
  }

  /** Of a frame whose end has not come, and of those that the other side has not taken. */
  get heldBytes(): number {
    return this.#reader.heldBytes + this.unsentBytes
  }

  get unsentBytes(): number {
    return this.#stream?.unsentBytes ?? 0
  }

  /** In both directions, since it began. */
  get movedBytes(): number {
    return this.#readBytes + this.#writtenBytes - this.unsentBytes
  }

  /** Larger frames are malformed from now on. */
  set frameBytesMax(bytes: number) {
    this.#reader.bytesMax = bytes
  }

  /** So much waits to leave that new requests had better go elsewhere, or wait. */
  get isFull(): boolean {
    return this.unsentBytes > unsentBytesFull
  }

  send(frame: Frame): void {
    if (this.#isClosed) return
    this.#writer.add(frame)
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
    this.#time.endOfTurn(this.#flushNow)
  }

  #flush(): void {
    this.#isFlushAsked = false
    if (this.#isClosed || this.#stream === undefined || this.#writer.isEmpty) return
    const chunks = this.#writer.take()
    for (const chunk of chunks) this.#writtenBytes += chunk.length
    this.#stream.write(chunks)
    if (this.#stream.unsentBytes > unsentBytesMax) this.destroy('the other side does not read')
  }

  #read(bytes: Uint8Array): void {
    if (this.#isClosed) return
    this.#heardAtMs = this.#time.nowMs()
    this.#readBytes += bytes.length
    const malformed = this.#reader.read(bytes, this.#onFrame)
    if (malformed !== undefined) {
      this.#malformed = malformed
      this.destroy(`malformed frame: ${malformed}`)
    }
  }

  #closed(reason: string): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#writer.take()
    this.#on.onClosed(reason, this.#malformed)
  }
}
