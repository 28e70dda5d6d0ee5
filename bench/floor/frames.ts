import type { Socket } from 'node:net'

/** What the three processes and the floor's binary client say to each other. */
export const frameType = {
  /** Replica: keep this version. Answered by `kept`. */
  keep: 1,
  /** Replica: what have you? Answered by `found` or `absent`, with the whole record, as Starling's reads are. */
  fetch: 2,
  /** Coordinator: write this value. Answered by `kept`. */
  put: 3,
  /** Coordinator: read at a quorum. Answered by `found` or `absent`. */
  get: 4,
  kept: 5,
  found: 6,
  absent: 7,
} as const

export interface Frame {
  readonly type: number
  readonly id: number
  readonly key: string
  /** A view into what was read. */
  readonly body: Uint8Array
}

const headBytes = 11
const noBytes = new Uint8Array(0)

/**
 * Frames over one socket: length of the rest u32 | type u8 | id u32 | key length u16 | key | body.
 * All frames sent in one turn of the event loop leave in one write.
 */
export class FrameSocket {
  readonly #socket: Socket
  readonly #onFrame: (frame: Frame) => void
  #unsent: Uint8Array[] = []
  #unsentBytes = 0
  #isFlushAsked = false
  #partial: Buffer | undefined

  constructor(socket: Socket, onFrame: (frame: Frame) => void) {
    this.#socket = socket
    this.#onFrame = onFrame
    socket.setNoDelay(true)
    socket.on('data', (bytes) => this.#read(bytes))
    socket.on('error', () => socket.destroy())
  }

  send(type: number, id: number, key: string, body: Uint8Array = noBytes): void {
    const head = Buffer.allocUnsafe(headBytes + key.length)
    head.writeUInt32BE(headBytes - 4 + key.length + body.length, 0)
    head.writeUInt8(type, 4)
    head.writeUInt32BE(id, 5)
    head.writeUInt16BE(key.length, 9)
    head.write(key, headBytes, 'latin1')
    this.#unsent.push(head)
    if (body.length > 0) this.#unsent.push(body)
    this.#unsentBytes += head.length + body.length
    if (this.#isFlushAsked) return
    this.#isFlushAsked = true
    setImmediate(() => this.#flush())
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #flush(): void {
    this.#isFlushAsked = false
    // One copy of everything is cheaper than handing the pieces to the system one by one.
    this.#socket.write(Buffer.concat(this.#unsent, this.#unsentBytes))
    this.#unsent = []
    this.#unsentBytes = 0
  }

  #read(chunk: Buffer): void {
    const bytes = this.#partial === undefined ? chunk : Buffer.concat([this.#partial, chunk])
    let at = 0
    while (bytes.length - at >= headBytes) {
      const end = at + 4 + bytes.readUInt32BE(at)
      if (end > bytes.length) break
      const bodyAt = at + headBytes + bytes.readUInt16BE(at + 9)
      this.#onFrame({
        type: bytes.readUInt8(at + 4),
        id: bytes.readUInt32BE(at + 5),
        key: bytes.toString('latin1', at + headBytes, bodyAt),
        body: bytes.subarray(bodyAt, end),
      })
      at = end
    }
    this.#partial = at === bytes.length ? undefined : bytes.subarray(at)
  }
}
