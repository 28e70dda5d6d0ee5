import type { Guest, Standing } from '../vocabulary/crowd.ts'
import type { StarlingError } from '../vocabulary/errors.ts'
import type { Incoming } from './exchange.ts'
import { RecentPace } from './recent-pace.ts'

type Socket = Incoming['socket']

/** When there is no room left: slower than this is slow... */
const slowBytesPerSecond = 64 * 1024
/** ...and so is whoever would hold what it holds for longer than this. */
const heldSecondsMax = 30

/** A body that is still coming. */
export interface Upload {
  readonly sinceMs: number
  /** Of the whole connection when it began. */
  readonly readBytesBefore: number
  /** Answers the request with this, and lets go what has come. */
  readonly refuse: (error: StarlingError) => void
  /** Undefined: it was not looked at yet. */
  pace?: RecentPace
}

/** One connection of a client, and what is known of how it does. */
export class HttpConnection implements Guest {
  readonly address: string
  /** Under TLS the one that carries what is said in it, once there is one. */
  socket: Socket
  upload: Upload | undefined
  /** Requests that stand behind another one of this connection. */
  pipelined = 0
  #isEnding = false
  /** Bytes in and out that its clients have been charged for. */
  chargedBytes = 0
  /** Of answers that it has not taken yet, also of those that stand behind another one. */
  heldBytes = 0
  /** Since when, without a pause, there is something that the other side has not taken. */
  unreadSinceMs: number | undefined
  #readPace: RecentPace | undefined
  /** What it had taken when a window of time began. */
  #takenBytesAt = 0
  #windowBeganMs = 0

  constructor(socket: Socket, address: string) {
    this.socket = socket
    this.address = address
  }

  /** There were too many of them: it ends behind their answers, and whatever else comes on it is not looked at. */
  get isEnding(): boolean {
    return this.#isEnding
  }

  /**
   * Also what was read already. Node's parser would make a request of each that stands in it, a thousand or more; it stops where one
   * of them takes the connection over, which is what 2 says. Without that they are made, and ignored.
   */
  endBehindAnswers(): void {
    this.#isEnding = true
    // While the parser takes from the system itself, pausing the socket alone stops nothing.
    this.socket.pause()
    const { parser, _handle: handle } = this.socket as Socket & {
      readonly parser?: { onIncoming?: () => number } | null
      readonly _handle?: { readonly readStop?: () => number } | null
    }
    handle?.readStop?.()
    if (parser != null) parser.onIncoming = () => 2
  }

  get movedBytes(): number {
    return this.socket.bytesRead + this.socket.bytesWritten
  }

  /** Bytes that wait in this process until the other side takes some. */
  get unreadBytes(): number {
    return this.socket.writableLength
  }

  /** A body is coming, and for a second or longer so slowly that it should make room where there is none. */
  isUploadSlow(nowMs: number): boolean {
    const { upload } = this
    if (upload === undefined || nowMs - upload.sinceMs < 1_000) return false
    const perSecond = upload.pace?.perSecond(this.socket.bytesRead, nowMs) ?? this.uploadedPerSecond(upload, nowMs)
    return isSlow(perSecond, this.socket.bytesRead - upload.readBytesBefore)
  }

  /** The same of what it has been answered. */
  isReadingSlow(nowMs: number): boolean {
    if (this.unreadBytes === 0) return false
    const perSecond = this.#readPace?.perSecond(takenBytes(this.socket), nowMs)
    return perSecond !== undefined && isSlow(perSecond, this.heldBytes)
  }

  /** Of the body that is coming, bytes in a second since it began. */
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
    const { upload, socket } = this
    if (upload !== undefined) {
      upload.pace ??= new RecentPace(socket.bytesRead, nowMs)
      upload.pace.look(socket.bytesRead, nowMs)
    }
    if (this.unreadBytes === 0) {
      this.unreadSinceMs = undefined
      this.#readPace = undefined
    } else if (this.unreadSinceMs === undefined) {
      this.unreadSinceMs = nowMs
      this.#readPace = new RecentPace(takenBytes(socket), nowMs)
      this.beginWindow(nowMs)
    } else this.#readPace?.look(takenBytes(socket), nowMs)
  }

  beginWindow(nowMs: number): void {
    this.#takenBytesAt = takenBytes(this.socket)
    this.#windowBeganMs = nowMs
  }

  get standing(): Standing {
    const nowMs = performance.now()
    if (this.isUploadSlow(nowMs) || this.isReadingSlow(nowMs)) return 'slow'
    return isBusy(this.socket) ? 'busy' : 'idle'
  }
}

function isSlow(perSecond: number, heldBytes: number): boolean {
  return perSecond < Math.max(slowBytesPerSecond, heldBytes / heldSecondsMax)
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
