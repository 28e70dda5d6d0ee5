import type { Guest, Standing } from '../vocabulary/crowd.ts'
import type { StarlingError } from '../vocabulary/errors.ts'
import type { Incoming } from './exchange.ts'

type Socket = Incoming['socket']

/** A body that is still coming. */
export interface Upload {
  readonly sinceMs: number
  /** Of the whole connection when it began. */
  readonly readBytesBefore: number
  /** Answers the request with this, and lets go what has come. */
  readonly refuse: (error: StarlingError) => void
}

/** One connection of a client, and what is known of how it does. */
export class HttpConnection implements Guest {
  readonly address: string
  /** Under TLS the one that carries what is said in it, once there is one. */
  socket: Socket
  upload: Upload | undefined
  /** Requests that stand behind another one of this connection. */
  pipelined = 0
  /** There were too many of them: it ends behind their answers, and whatever else comes on it is not looked at. */
  isEnding = false
  /** Bytes in and out that its clients have been charged for. */
  chargedBytes = 0
  /** Since when, without a pause, there is something that the other side has not taken. */
  unreadSinceMs: number | undefined
  /** What it had taken when a window of time began. */
  #takenBytesAt = 0
  #windowBeganMs = 0

  constructor(socket: Socket, address: string) {
    this.socket = socket
    this.address = address
  }

  get movedBytes(): number {
    return this.socket.bytesRead + this.socket.bytesWritten
  }

  /** Bytes that wait in this process until the other side takes some. */
  get unreadBytes(): number {
    return this.socket.writableLength
  }

  /** Of the body that is coming, bytes in a second. */
  uploadedPerSecond({ sinceMs, readBytesBefore }: Upload, nowMs: number): number {
    return (1000 * (this.socket.bytesRead - readBytesBefore)) / Math.max(1, nowMs - sinceMs)
  }

  /** What has been taken in a second since the window began; undefined: nothing waits. */
  takenPerSecond(nowMs: number): number | undefined {
    if (this.unreadSinceMs === undefined) return undefined
    return (1000 * (takenBytes(this.socket) - this.#takenBytesAt)) / Math.max(1, nowMs - this.#windowBeganMs)
  }

  windowMs(nowMs: number): number {
    return nowMs - this.#windowBeganMs
  }

  /** Looked at from time to time: something waits now, or nothing does. */
  look(nowMs: number): void {
    if (this.unreadBytes === 0) this.unreadSinceMs = undefined
    else if (this.unreadSinceMs === undefined) {
      this.unreadSinceMs = nowMs
      this.beginWindow(nowMs)
    }
  }

  beginWindow(nowMs: number): void {
    this.#takenBytesAt = takenBytes(this.socket)
    this.#windowBeganMs = nowMs
  }

  get standing(): Standing {
    if (this.upload !== undefined || this.unreadSinceMs !== undefined) return 'slow'
    return isBusy(this.socket) ? 'busy' : 'idle'
  }
}

/** Node keeps the response that is due on the socket. A request whose head has not come whole has none. */
function isBusy(socket: object): boolean {
  return (socket as { readonly _httpMessage?: object | null })._httpMessage != null
}

/** Bytes that the system has taken. What Node itself looks at to know whether a write goes on (its `_onTimeout`). */
function takenBytes(socket: Socket): number {
  const { _bytesDispatched: dispatched, _handle: handle } = socket as Socket & {
    readonly _bytesDispatched?: number
    readonly _handle?: { readonly writeQueueSize?: number } | null
  }
  if (dispatched === undefined) return socket.bytesWritten - socket.writableLength
  return dispatched - (handle?.writeQueueSize ?? 0)
}
