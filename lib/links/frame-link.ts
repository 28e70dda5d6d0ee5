import {
  type ByteStream,
  type NetworkFailure,
  plainIdentity,
  type StreamIdentity,
  type Streams,
} from '../ports/network.ts'
import type { Time } from '../ports/time.ts'
import type { LayoutDigest } from '../protocol/layout/layout-version.ts'
import type { Hash } from '../vocabulary/hash.ts'
import type { Endpoint } from '../vocabulary/ids.ts'
import { isLoopback } from '../vocabulary/loopback.ts'
import type { Random } from '../vocabulary/random.ts'
import type { TraceContext } from '../vocabulary/trace-context.ts'
import {
  type Frame,
  type Goodbye,
  type Hello,
  type Refusal,
  type Request,
  type Response,
  type Welcome,
  wireVersion,
} from '../wire/messages.ts'
import { spokenSince } from '../wire/spoken-since.ts'
import { traceSpokenSince } from '../wire/trace-codec.ts'
import { FrameTooLarge } from '../wire/unreadable-bytes.ts'
import { FrameConnection } from './frame-connection.ts'
import { type Numbered, PendingTable } from './pending-table.ts'

/**
 * What became of a request. `not-sent`: it never left, nothing can have happened. `unknown`: it left and no answer came,
 * so it may have been carried out.
 */
export type Outcome =
  | { readonly type: 'answered'; readonly message: Response }
  | { readonly type: 'refused'; readonly refusal: Refusal }
  | { readonly type: 'not-sent'; readonly reason: string }
  | { readonly type: 'unknown'; readonly reason: string }

export interface LinkSettings {
  readonly inFlightMax: number
  /** A connection that is in use, and that has been silent for this long, is asked whether somebody is there. */
  readonly heartbeatEveryMs: number
  /** Where nobody waits for anything, and nobody did lately, there is no hurry to know. */
  readonly restingHeartbeatEveryMs: number
  /** A heartbeat that is not answered for this long ends the connection: a black hole gives no error by itself. */
  readonly silenceMsMax: number
  readonly handshakeMsMax: number
  readonly backoffMsMin: number
  readonly backoffMsMax: number
}

export const linkSettingsDefault: LinkSettings = {
  inFlightMax: 4096,
  heartbeatEveryMs: 1000,
  restingHeartbeatEveryMs: 5000,
  silenceMsMax: 2000,
  handshakeMsMax: 3000,
  backoffMsMin: 50,
  backoffMsMax: 5000,
}

/** Who a link belongs to. */
export interface LinkOwner {
  /** What to say first to somebody who has shown this. */
  hello(identity: StreamIdentity): Hello
  /** What else than its host the one there may show a certificate for. */
  namesOf?(endpoint: Endpoint): readonly string[]
  /** Why whoever has shown this, and says this, is not to be spoken with as the one there; undefined: it is. */
  distrusts?(welcome: Welcome, identity: StreamIdentity, endpoint: Endpoint): string | undefined
  /** Whether a connection whose other side has shown this had better be made anew, when nobody waits for anything on it. */
  isOutdated?(identity: StreamIdentity): boolean
  /** The one there has not shown to be one of ours, or does not take us for one of its own. */
  onUntrusted?(reason: string, from: Endpoint): void
  /** The own layout digest, sent with every request. */
  digest(): LayoutDigest
  /** The answerer's digest, whenever it differs from the own. */
  onDigest(digest: LayoutDigest, from: Endpoint): void
  onWelcome?(welcome: Welcome, from: Endpoint): void
  onGoodbye?(goodbye: Goodbye, from: Endpoint): void
  onMalformed?(reason: string, from: Endpoint): void
}

export interface LinkParts {
  readonly time: Time
  readonly streams: Streams
  readonly hash: Hash
  readonly random: Random
  readonly settings: LinkSettings
}

/** A client that shows what is not good is held up for less than a second. */
const unknownBackoffsMax = 3

interface Pending extends Numbered {
  /** Of the frame, once it is sent. */
  id: number
  readonly deadlineMs: number
  readonly done: (outcome: Outcome) => void
  /** Of which trace the request is a part. */
  readonly trace: TraceContext | undefined
}

/**
 * One outgoing connection to one endpoint, made when it is needed and made again with backoff and jitter. One pending
 * table; deadlines are found by `sweep`, which the pool calls, so that a request costs no timer.
 */
export class FrameLink {
  readonly endpoint: Endpoint
  readonly #parts: LinkParts
  readonly #owner: LinkOwner
  readonly #onAsked: (timeoutMs: number) => void
  #state: 'idle' | 'connecting' | 'ready' | 'closed' = 'idle'
  #connection: FrameConnection | undefined
  /** What the other side of it has shown. */
  #identity: StreamIdentity = plainIdentity
  /** What it has said of itself, once the connection is ready. */
  #welcome: Welcome | undefined
  #connectingSinceMs = 0
  #pingedAtMs = 0
  /** The wire version that was agreed on for the connection that is ready. */
  #spoken = 0
  #failures = 0
  #retryAtMs = 0
  /** In the Hello of the connection. */
  #shownToken: string | undefined
  /** What the other side said when it did not know who asks. */
  #unknown: Refusal | undefined
  readonly #pending = new PendingTable<Pending>()
  /** Asked for while the connection is being made. */
  #waiting: { readonly message: Request; readonly pending: Pending }[] = []
  #usedAtMs: number

  /** `onAsked` is told of every request whose deadline `sweep` must find, when it is asked. */
  constructor(endpoint: Endpoint, parts: LinkParts, owner: LinkOwner, onAsked: (timeoutMs: number) => void) {
    this.endpoint = endpoint
    this.#parts = parts
    this.#owner = owner
    this.#onAsked = onAsked
    this.#usedAtMs = parts.time.nowMs()
  }

  get isReady(): boolean {
    return this.#state === 'ready'
  }

  get isClosed(): boolean {
    return this.#state === 'closed'
  }

  /** The last attempt to connect failed, and the next is not due yet: a request would not be sent. */
  get isBackingOff(): boolean {
    return this.#state === 'idle' && this.#parts.time.nowMs() < this.#retryAtMs
  }

  get inFlight(): number {
    return this.#pending.size + this.#waiting.length
  }

  get usedAtMs(): number {
    return this.#usedAtMs
  }

  /** Asks, and hears exactly once what became of it; never inside this call. */
  request(message: Request, timeoutMs: number, done: (outcome: Outcome) => void, trace?: TraceContext): void {
    const nowMs = this.#parts.time.nowMs()
    this.#usedAtMs = nowMs
    const pending: Pending = { id: 0, deadlineMs: nowMs + timeoutMs, done, trace }
    if (this.inFlight >= this.#parts.settings.inFlightMax) return this.#refuse(pending, 'too many requests in flight')
    if (this.#state === 'closed') return this.#refuse(pending, 'the link is closed')
    if (this.#connection?.isFull === true) return this.#refuse(pending, 'too many bytes wait to be sent')
    this.#onAsked(timeoutMs)
    if (this.#state === 'ready') return this.#send(message, pending)
    if (this.#state === 'idle') {
      if (nowMs < this.#retryAtMs) return this.#refuseAgain(pending)
      this.#connect(nowMs)
    }
    this.#waiting.push({ message, pending })
  }

  /** Forgets the backoff: something says that the other side is back. */
  encourage(): void {
    this.#retryAtMs = 0
    this.#failures = 0
  }

  /** More is known now of who should be there: ends the connection if it is not they who have answered. */
  judgeAgain(): void {
    if (this.#state !== 'ready' || this.#welcome === undefined || this.#trusts(this.#welcome)) return
    this.#connection?.destroy('somebody else is there')
  }

  /** Ends what is overdue: requests, handshakes, silent connections. Called a few dozen times a second while it is waited for. */
  sweep(nowMs: number): void {
    for (const pending of this.#pending.takeAll(({ deadlineMs }) => deadlineMs <= nowMs)) {
      pending.done({ type: 'unknown', reason: 'no answer before the deadline' })
    }
    if (this.#waiting.some(({ pending }) => pending.deadlineMs <= nowMs)) {
      const overdue = this.#waiting.filter(({ pending }) => pending.deadlineMs <= nowMs)
      this.#waiting = this.#waiting.filter(({ pending }) => pending.deadlineMs > nowMs)
      for (const { pending } of overdue) pending.done({ type: 'not-sent', reason: 'no connection before the deadline' })
    }
    const { settings } = this.#parts
    if (this.#state === 'connecting' && nowMs - this.#connectingSinceMs > settings.handshakeMsMax) {
      this.#connection?.destroy('no welcome in time')
    } else if (this.#state === 'ready' && this.#connection !== undefined) {
      this.#sweepReady(this.#connection, nowMs)
    }
  }

  close(reason: string): void {
    this.#state = 'closed'
    this.#connection?.destroy(reason)
    this.#failAll(reason)
  }

  #sweepReady(connection: FrameConnection, nowMs: number): void {
    const { heartbeatEveryMs, restingHeartbeatEveryMs, silenceMsMax } = this.#parts.settings
    const { heardAtMs } = connection
    if (this.#pingedAtMs > heardAtMs) {
      if (nowMs - this.#pingedAtMs > silenceMsMax) connection.destroy('silent')
      return
    }
    if (this.inFlight === 0 && this.#owner.isOutdated?.(this.#identity) === true) return this.#renew(connection)
    const isResting = this.inFlight === 0 && nowMs - this.#usedAtMs > restingHeartbeatEveryMs
    if (nowMs - heardAtMs <= (isResting ? restingHeartbeatEveryMs : heartbeatEveryMs)) return
    this.#pingedAtMs = nowMs
    connection.send({ kind: 'ping' })
  }

  #connect(nowMs: number): void {
    this.#state = 'connecting'
    this.#connectingSinceMs = nowMs
    this.#unknown = undefined
    const connection: FrameConnection = new FrameConnection(this.#parts, {
      onFrame: (frame) => this.#hear(connection, frame),
      onClosed: (reason, malformed) => {
        if (malformed !== undefined) this.#owner.onMalformed?.(malformed, this.endpoint)
        this.#lost(connection, reason)
      },
    })
    this.#connection = connection
    const connected = (failure: NetworkFailure | undefined, stream: ByteStream | undefined): void => {
      if (stream !== undefined) {
        if (connection === this.#connection) this.#identity = stream.identity
        const hello = this.#owner.hello(stream.identity)
        if (connection === this.#connection) this.#shownToken = hello.token
        connection.send({ kind: 'hello', message: hello })
        return connection.attach(stream)
      }
      if (failure?.kind === 'untrusted') this.#owner.onUntrusted?.(failure.message, this.endpoint)
      connection.destroy(failure?.message ?? 'cannot connect')
    }
    this.#parts.streams.connect(this.endpoint, connection.handlers, connected, this.#owner.namesOf?.(this.endpoint))
  }

  #hear(connection: FrameConnection, frame: Frame): void {
    if (connection !== this.#connection) return
    switch (frame.kind) {
      case 'welcome':
        if (this.#state !== 'connecting') return connection.destroy('a second welcome')
        if (!this.#trusts(frame.message)) return connection.destroy('it has not shown that it is one of ours')
        this.#state = 'ready'
        this.#welcome = frame.message
        this.#spoken = frame.message.wireVersion
        this.#failures = 0
        this.#owner.onWelcome?.(frame.message, this.endpoint)
        return this.#sendWaiting()
      case 'goodbye':
        this.#owner.onGoodbye?.(frame.message, this.endpoint)
        // Whoever drains has answered all it will: the rest it never looked at.
        if (frame.message.reason === 'draining') this.#refusePending(frame.message.message)
        // The same, and it would say so again.
        else if (frame.message.reason === 'unauthenticated') this.#refuseUnknown(frame.message.message)
        return connection.destroy(`${frame.message.reason}: ${frame.message.message}`)
      case 'response': {
        const pending = this.#pending.take(frame.id)
        // Late, or answered twice: whoever asked has been told already.
        if (pending === undefined) return
        const own = this.#owner.digest()
        if (own.documentHash !== frame.digest.documentHash) this.#owner.onDigest(frame.digest, this.endpoint)
        const { message } = frame
        if (message.type === 'refused' && message.code === 'unauthenticated' && this.#hasOtherToken()) {
          return pending.done({ type: 'not-sent', reason: 'the connection showed a token that is not the newest' })
        }
        return pending.done(
          message.type === 'refused' ? { type: 'refused', refusal: message } : { type: 'answered', message },
        )
      }
      case 'ping':
        return connection.send({ kind: 'pong' })
      case 'pong':
        return
      default:
        return connection.destroy(`a frame of kind ${frame.kind} is not for the side that connected`)
    }
  }

  #trusts(welcome: Welcome): boolean {
    const reason = this.#owner.distrusts?.(welcome, this.#identity, this.endpoint)
    if (reason !== undefined) this.#owner.onUntrusted?.(reason, this.endpoint)
    return reason === undefined
  }

  #sendWaiting(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const { message, pending } of waiting) this.#send(message, pending)
  }

  #send(message: Request, pending: Pending): void {
    if (message.type === 'change-secret' && this.#identity.type === 'plain' && !isLoopback(this.endpoint)) {
      return this.#refuse(pending, 'keys do not travel over a connection that others can read')
    }
    // Whoever is older must not see what it cannot read: it would end the connection for all.
    if (this.#spoken < wireVersion && spokenSince(message.type) > this.#spoken) {
      return this.#refuse(pending, `the other side speaks version ${this.#spoken}, which has no ${message.type}`)
    }
    const id = this.#pending.nextId()
    pending.id = id
    // An older node would take what it does not know for damage.
    const trace = this.#spoken < traceSpokenSince ? undefined : pending.trace
    try {
      this.#connection?.send({ kind: 'request', id, digest: this.#owner.digest(), message, trace })
    } catch (error) {
      if (!(error instanceof FrameTooLarge)) throw error
      return this.#refuse(pending, error.message)
    }
    this.#pending.add(pending)
  }

  /** The next request makes another one, at once: nothing has failed. */
  #renew(connection: FrameConnection): void {
    this.#connection = undefined
    this.#state = 'idle'
    connection.destroy('made anew')
  }

  #lost(connection: FrameConnection, reason: string): void {
    if (connection !== this.#connection) return
    this.#connection = undefined
    const { settings, random, time } = this.#parts
    if (this.#state !== 'closed') {
      this.#state = 'idle'
      const backoffMs = Math.min(settings.backoffMsMax, settings.backoffMsMin * 2 ** Math.min(this.#failures, 10))
      this.#failures += 1
      // Full jitter above one half: peers of a node that returns do not all knock at once.
      this.#retryAtMs = time.nowMs() + backoffMs * (0.5 + random.fraction() / 2)
    }
    this.#failAll(reason)
  }

  #refusePending(reason: string): void {
    for (const entry of this.#pending.takeAll(isAny)) this.#refuse(entry, reason)
  }

  #refuseUnknown(message: string): void {
    // Whoever has something else to show by then need not wait long.
    this.#failures = Math.min(this.#failures, unknownBackoffsMax)
    const refusal: Refusal = {
      type: 'refused',
      code: 'unauthenticated',
      message,
      aftermath: 'nothing-changed',
      hint: '',
    }
    this.#unknown = refusal
    const asked = [...this.#pending.takeAll(isAny), ...this.#waiting.map(({ pending }) => pending)]
    this.#waiting = []
    for (const pending of asked) this.#later(() => pending.done({ type: 'refused', refusal }))
  }

  /** The next connection shows another one than this, and may be known. */
  #hasOtherToken(): boolean {
    return this.#owner.hello(this.#identity).token !== this.#shownToken
  }

  /** It is too soon to try once more. */
  #refuseAgain(pending: Pending): void {
    const refusal = this.#unknown
    if (refusal === undefined) return this.#refuse(pending, 'the last attempt to connect failed a moment ago')
    this.#later(() => pending.done({ type: 'refused', refusal }))
  }

  #failAll(reason: string): void {
    const waiting = this.#waiting
    const pending = this.#pending.takeAll(isAny)
    this.#waiting = []
    for (const entry of waiting) this.#refuse(entry.pending, reason)
    for (const entry of pending) this.#later(() => entry.done({ type: 'unknown', reason }))
  }

  #refuse(pending: Pending, reason: string): void {
    this.#later(() => pending.done({ type: 'not-sent', reason }))
  }

  #later(callback: () => void): void {
    this.#parts.time.soon(callback)
  }
}

function isAny(): boolean {
  return true
}
