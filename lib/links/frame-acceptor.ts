import type {
  ByteStream,
  NetworkFailure,
  StreamGate,
  StreamHandlers,
  StreamIdentity,
  StreamListener,
  Streams,
} from '../ports/network.ts'
import type { Time, Timer } from '../ports/time.ts'
import type { LayoutDigest } from '../protocol/layout/layout-version.ts'
import { addressGroup } from '../vocabulary/address-group.ts'
import { Crowd, type Guest, type Standing } from '../vocabulary/crowd.ts'
import type { Hash } from '../vocabulary/hash.ts'
import { type Endpoint, parseEndpoint } from '../vocabulary/ids.ts'
import { frameBytesMax } from '../vocabulary/limits.ts'
import type { TraceContext } from '../vocabulary/trace-context.ts'
import type { Frame, Goodbye, Hello, Refusal, Request, Response, Welcome } from '../wire/messages.ts'
import { spokenSince } from '../wire/spoken-since.ts'
import { FrameTooLarge } from '../wire/unreadable-bytes.ts'
import { FrameConnection } from './frame-connection.ts'
import { PaceWatch } from './pace-watch.ts'

/** Who is on the other side of an accepted connection, as it said itself. */
export interface Caller {
  readonly role: 'peer' | 'client'
  readonly nodeId: string
  readonly remote: Endpoint
  /** What it has shown. */
  readonly identity: StreamIdentity
  /** What it showed in its Hello. */
  readonly token: string | undefined
  /** Bytes that have moved on its connection so far. */
  readonly movedBytes?: () => number
}

export interface AcceptorOwner {
  /** Whether to speak with whoever said this. */
  greet(hello: Hello, from: Endpoint, identity: StreamIdentity): Welcome | Goodbye
  /** Answers once, at any time; an answer after the connection ended goes nowhere. */
  serve(
    message: Request,
    caller: Caller,
    respond: (answer: Response | Refusal) => void,
    trace: TraceContext | undefined,
  ): void
  digest(): LayoutDigest
  onDigest(digest: LayoutDigest, caller: Caller): void
  /** A connection was ended because of what it sent. */
  onMalformed(reason: string, from: Endpoint): void
  /** A connection has ended that was never welcomed. */
  onStranger?(from: Endpoint): void
  /** Whether what it has shown when it came would still do. */
  isStillTrusted?(identity: StreamIdentity): boolean
  readonly gate?: StreamGate | undefined
  /** A connection was cut off for the sake of others. */
  onCut?(reason: CutReason): void
}

/**
 * `full`, `handshakes`, `address-full`: the place of one that had nothing under way was needed; `slow`: it sent, or took, a
 * frame too slowly; `held`: clients together held too much of what is unfinished, and it held most.
 */
export type CutReason = 'full' | 'handshakes' | 'address-full' | 'slow' | 'held'

export interface AcceptorSettings {
  /** When there are as many, one that is idle or slow of the address with most goes for the next; never a member's. */
  readonly connectionsMax: number
  /** The same of those that have not said hello. */
  readonly handshakesMax: number
  /** Of clients of one address; 0: as many as there may be. */
  readonly clientsPerAddressMax: number
  /** Bytes of unfinished frames, in and out, of all clients; beyond, who holds most is cut off. */
  readonly clientsHeldBytesMax: number
  readonly inFlightPerConnectionMax: number
  readonly handshakeMsMax: number
  readonly idleMsMax: number
}

export const acceptorSettingsDefault: AcceptorSettings = {
  connectionsMax: 4096,
  handshakesMax: 512,
  clientsPerAddressMax: 0,
  clientsHeldBytesMax: 256 * 1024 * 1024,
  inFlightPerConnectionMax: 4096,
  handshakeMsMax: 3000,
  idleMsMax: 30_000,
}

interface Accepted extends Guest {
  readonly connection: FrameConnection
  readonly remote: Endpoint
  readonly identity: StreamIdentity
  readonly sinceMs: number
  readonly pace: PaceWatch
  isWelcomed: boolean
  caller: Caller | undefined
  /** The wire version that was agreed on. */
  spoken: number
  inFlight: number
  /** Said to it when all that it asked was answered; undefined: nothing, unless everybody is dismissed. */
  farewell: Goodbye | undefined
  /** Told to go: whatever else it has sent does not count. */
  isDismissed: boolean
}

const sweepEveryMs = 1000
/** Nobody needs more to say who they are. */
const helloBytesMax = 16 * 1024
const dismissalLookMs = 10

/** The listening side of the frame protocol: greets, hands requests on, sends answers back in whatever order they come. */
export class FrameAcceptor {
  readonly #parts: { readonly time: Time; readonly streams: Streams; readonly hash: Hash }
  readonly #owner: AcceptorOwner
  readonly #settings: AcceptorSettings
  readonly #accepted = new Crowd<Accepted>(standingOf)
  /** Those of them that have not said hello. */
  readonly #strangers = new Crowd<Accepted>(() => 'idle')
  /** Those of them that have, and are no members. */
  readonly #clients = new Crowd<Accepted>(standingOf)
  #listener: StreamListener | undefined
  #sweeper: Timer | undefined
  /** Said to everybody from then on. */
  #farewell: Goodbye | undefined

  constructor(
    parts: { readonly time: Time; readonly streams: Streams; readonly hash: Hash },
    owner: AcceptorOwner,
    settings: AcceptorSettings = acceptorSettingsDefault,
  ) {
    this.#parts = parts
    this.#owner = owner
    this.#settings = settings
  }

  listen(at: Endpoint, done: (failure: NetworkFailure | undefined, local: Endpoint | undefined) => void): void {
    this.#parts.streams.listen(
      at,
      (stream) => this.#accept(stream),
      (failure, listener) => {
        this.#listener = listener
        if (listener !== undefined) this.#scheduleSweep()
        done(failure, listener?.local)
      },
      this.#owner.gate,
    )
  }

  get connections(): number {
    return this.#accepted.size
  }

  /**
   * Ends every connection with a goodbye as soon as all it asked was answered, so that the other side knows: what has no
   * answer then was not carried out. `done` when all have gone, or after `msMax`.
   */
  dismissAll(message: string, msMax: number, done: () => void): void {
    this.#farewell = { type: 'goodbye', reason: 'draining', message }
    for (const accepted of [...this.#accepted]) this.#dismissIfIdle(accepted)
    const { time } = this.#parts
    const endMs = time.nowMs() + msMax
    const look = (): void => {
      if (this.#accepted.size === 0 || time.nowMs() >= endMs) done()
      else time.after(dismissalLookMs, look)
    }
    look()
  }

  /** Stops accepting, and ends what exists. */
  close(done: () => void): void {
    this.#sweeper?.cancel()
    const listener = this.#listener
    this.#listener = undefined
    for (const accepted of [...this.#accepted]) this.#forget(accepted).connection.destroy('closed')
    if (listener === undefined) this.#parts.time.soon(done)
    else listener.close(done)
  }

  #accept(stream: ByteStream): StreamHandlers {
    const accepted: Accepted = {
      connection: new FrameConnection(this.#parts, {
        onFrame: (frame) => this.#hear(accepted, frame),
        onClosed: (_reason, malformed) => {
          this.#forget(accepted)
          if (malformed !== undefined) this.#owner.onMalformed(malformed, stream.remote)
          if (!accepted.isWelcomed && this.#farewell === undefined) this.#owner.onStranger?.(stream.remote)
        },
      }),
      address: addressGroup(parseEndpoint(stream.remote)?.host ?? ''),
      remote: stream.remote,
      identity: stream.identity,
      isWelcomed: false,
      sinceMs: this.#parts.time.nowMs(),
      pace: new PaceWatch(),
      caller: undefined,
      spoken: 0,
      inFlight: 0,
      farewell: undefined,
      isDismissed: false,
    }
    accepted.connection.frameBytesMax = helloBytesMax
    accepted.connection.attach(stream)
    const { connectionsMax, handshakesMax } = this.#settings
    const isFull = this.#accepted.size >= connectionsMax
    const gone = isFull ? this.#accepted.whoGoesFor(accepted.address) : undefined
    const stranger = this.#strangers.size >= handshakesMax ? this.#strangers.whoGoesFor(accepted.address) : undefined
    this.#accepted.add(accepted)
    this.#strangers.add(accepted)
    if (isFull && gone === undefined) this.#dismiss(accepted, tooManyConnections)
    if (gone !== undefined) this.#cut(gone, 'full')
    else if (stranger !== undefined) this.#cut(stranger, 'handshakes')
    return accepted.connection.handlers
  }

  #cut(accepted: Accepted, reason: CutReason): void {
    this.#owner.onCut?.(reason)
    this.#forget(accepted).connection.destroy(reason)
  }

  #forget(accepted: Accepted): Accepted {
    for (const crowd of [this.#accepted, this.#strangers, this.#clients]) crowd.delete(accepted)
    return accepted
  }

  #hear(accepted: Accepted, frame: Frame): void {
    if (accepted.isDismissed) return
    switch (frame.kind) {
      case 'hello':
        return this.#greet(accepted, frame.message)
      case 'request':
        return this.#serve(accepted, frame)
      case 'ping':
        return accepted.connection.send({ kind: 'pong' })
      case 'pong':
        return
      case 'goodbye':
        return accepted.connection.destroy('goodbye')
      default:
        return this.#blame(accepted, `a frame of kind ${frame.kind} is not for the side that listens`)
    }
  }

  #greet(accepted: Accepted, hello: Hello): void {
    if (accepted.caller !== undefined) return this.#blame(accepted, 'a second hello')
    if (this.#farewell !== undefined) return this.#dismiss(accepted, this.#farewell)
    const { remote, identity } = accepted
    const answer = this.#owner.greet(hello, remote, identity)
    if (answer.type === 'goodbye') return this.#dismiss(accepted, answer)
    if (hello.role === 'client' && !this.#hasPlaceFor(accepted)) return this.#dismiss(accepted, tooManyConnections)
    this.#strangers.delete(accepted)
    if (hello.role === 'client') this.#clients.add(accepted)
    accepted.isWelcomed = true
    accepted.spoken = answer.wireVersion
    const { connection } = accepted
    connection.frameBytesMax = frameBytesMax
    const movedBytes = (): number => connection.movedBytes
    accepted.caller = { role: hello.role, nodeId: hello.nodeId, remote, identity, token: hello.token, movedBytes }
    accepted.connection.send({ kind: 'welcome', message: answer })
  }

  /** Of one more client of its address. */
  #hasPlaceFor({ address }: Accepted): boolean {
    const { clientsPerAddressMax } = this.#settings
    if (clientsPerAddressMax === 0 || this.#clients.from(address) < clientsPerAddressMax) return true
    const gone = this.#clients.leastNeededFrom(address)
    if (gone === undefined) return false
    this.#cut(gone, 'address-full')
    return true
  }

  #serve(accepted: Accepted, { id, digest, message, trace }: Frame & { readonly kind: 'request' }): void {
    const { caller, connection } = accepted
    if (caller === undefined) return this.#blame(accepted, 'a request before hello')
    if (spokenSince(message.type) > accepted.spoken) {
      return this.#blame(accepted, `${message.type} is not in version ${accepted.spoken}, which was agreed on`)
    }
    if (digest.documentHash !== this.#owner.digest().documentHash) this.#owner.onDigest(digest, caller)
    let isAnswered = false
    const respond = (answer: Response | Refusal): void => {
      if (isAnswered) return
      isAnswered = true
      accepted.inFlight -= 1
      this.#answer(accepted, id, answer)
      // What it showed is good no more: it may come again and show something else.
      if (answer.type === 'refused' && answer.code === 'unauthenticated') accepted.farewell = unknownNow
      if (this.#farewell !== undefined || accepted.farewell !== undefined) this.#dismissIfIdle(accepted)
    }
    accepted.inFlight += 1
    // It came before the goodbye was read; answered, so that nobody wonders.
    if (this.#farewell !== undefined) return respond(leaving(this.#farewell.message))
    if (accepted.farewell === keyRemoved) return respond(leaving(keyRemoved.message))
    const isFull = accepted.inFlight > this.#settings.inFlightPerConnectionMax || connection.isFull
    if (isFull) return respond(busy)
    this.#owner.serve(message, caller, respond, trace)
  }

  /** What no frame can carry must not be waited for till the deadline, nor end the process. */
  #answer({ connection }: Accepted, id: number, answer: Response | Refusal): void {
    const digest = this.#owner.digest()
    try {
      connection.send({ kind: 'response', id, digest, message: answer })
    } catch (error) {
      if (!(error instanceof FrameTooLarge)) throw error
      connection.send({ kind: 'response', id, digest, message: tooLarge(error.message) })
    }
  }

  #blame(accepted: Accepted, reason: string): void {
    this.#owner.onMalformed(reason, accepted.remote)
    this.#dismiss(accepted, { type: 'goodbye', reason: 'malformed', message: reason })
  }

  #dismissIfIdle(accepted: Accepted): void {
    const farewell = accepted.farewell ?? this.#farewell
    if (farewell !== undefined && accepted.inFlight === 0) this.#dismiss(accepted, farewell)
  }

  #dismiss(accepted: Accepted, goodbye: Goodbye): void {
    if (accepted.isDismissed) return
    accepted.connection.send({ kind: 'goodbye', message: goodbye })
    accepted.connection.end()
    accepted.isDismissed = true
    // Whoever does not take the hint is cut off by the sweep.
    accepted.caller = undefined
  }

  #scheduleSweep(): void {
    this.#sweeper = this.#parts.time.after(sweepEveryMs, () => {
      const nowMs = this.#parts.time.nowMs()
      this.#cutSlow(nowMs)
      for (const accepted of [...this.#accepted]) {
        const isGreeted = accepted.caller !== undefined
        if (!isGreeted && nowMs - accepted.sinceMs > this.#settings.handshakeMsMax) {
          accepted.connection.destroy('no hello in time')
        } else if (
          isGreeted &&
          accepted.inFlight === 0 &&
          nowMs - accepted.connection.heardAtMs > this.#settings.idleMsMax
        ) {
          accepted.connection.destroy('idle')
        } else if (isGreeted && this.#owner.isStillTrusted?.(accepted.identity) === false) {
          accepted.farewell = keyRemoved
          this.#dismissIfIdle(accepted)
        }
      }
      this.#scheduleSweep()
    })
  }

  /** Members are not cut off for being slow: those who speak with them look after that, and work around it. */
  #cutSlow(nowMs: number): void {
    let heldBytes = 0
    const holders: Accepted[] = []
    for (const accepted of [...this.#accepted]) {
      if (accepted.caller?.role === 'peer') continue
      const { connection } = accepted
      if (accepted.pace.isTooSlow(connection, nowMs)) {
        this.#cut(accepted, 'slow')
      } else if (connection.heldBytes > 0) {
        heldBytes += connection.heldBytes
        holders.push(accepted)
      }
    }
    if (heldBytes <= this.#settings.clientsHeldBytesMax) return
    holders.sort((one, other) => other.connection.heldBytes - one.connection.heldBytes)
    for (const accepted of holders) {
      if (heldBytes <= this.#settings.clientsHeldBytesMax) return
      heldBytes -= accepted.connection.heldBytes
      this.#cut(accepted, 'held')
    }
  }
}

/** Members stay, and whoever waits for an answer. */
function standingOf({ caller, inFlight, connection }: Accepted): Standing {
  if (caller === undefined) return 'idle'
  if (caller.role === 'peer') return 'busy'
  if (connection.heldBytes > 0) return 'slow'
  return inFlight === 0 ? 'idle' : 'busy'
}

const tooManyConnections: Goodbye = { type: 'goodbye', reason: 'overloaded', message: 'too many connections' }

const unknownNow: Goodbye = {
  type: 'goodbye',
  reason: 'unauthenticated',
  message: 'what this connection showed when it began is not good any more',
}

const keyRemoved: Goodbye = {
  type: 'goodbye',
  reason: 'draining',
  message: 'the key that this connection began with is not one of the secret any more',
}

const busy: Refusal = {
  type: 'refused',
  code: 'busy',
  message: 'too many requests in flight on this connection',
  aftermath: 'nothing-changed',
  hint: 'ask again in a moment',
}

function tooLarge(message: string): Refusal {
  const hint = 'ask for less at a time'
  return { type: 'refused', code: 'value-too-large', message, aftermath: 'may-have-changed', hint }
}

function leaving(message: string): Refusal {
  return { type: 'refused', code: 'draining', message, aftermath: 'nothing-changed', hint: 'ask another node' }
}
