import type { FrameLink, Outcome } from '../links/frame-link.ts'
import type { LinkPool } from '../links/link-pool.ts'
import type { HistogramCell } from '../ports/metrics.ts'
import type { Time } from '../ports/time.ts'
import type { Span } from '../ports/tracer.ts'
import type { Member } from '../protocol/membership/member.ts'
import type { Endpoint, NodeId } from '../vocabulary/ids.ts'
import type { Request } from '../wire/messages.ts'
import type { FlightRecorder } from './flight-recorder.ts'
import type { NodeMetrics } from './node-metrics.ts'
import { beginAsking, endAsking } from './node-spans.ts'
import type { PlansInFlight } from './plans-in-flight.ts'
import type { Trail } from './trail.ts'

/** A read asks one more owner when the slowest is later than this allows, within these bounds. */
const speculateAfterMsMin = 5
const speculateAfterMsMax = 50
/** An owner is not taken for silent before the one, and always after the other. */
const silentAfterMsMin = 20
const silentAfterMsMax = 200
const smoothing = 0.1
/** A peer that owes answers and has given none at all for this long, and twice what it usually takes, is asked last until it does. */
const stalledAfterMs = 100

interface PeerTimes {
  latencyMs: number
  /** Mean deviation of it, as TCP keeps one (Jacobson, SIGCOMM 1988). */
  deviationMs: number
  readonly seconds: HistogramCell
  /** Requests that it has not answered. */
  owed: number
  /** Since when it owes an answer and has given none. */
  silentSinceMs: number
}

interface KnownPeer {
  readonly isUp: boolean
  readonly isAlive: boolean
  readonly link: FrameLink
}

/** The other nodes by id: where they are, whether to expect an answer, and how fast they have been lately. */
export class Peers {
  readonly #time: Time
  readonly #links: LinkPool
  readonly #metrics: NodeMetrics
  readonly #memberOf: (id: NodeId) => Member | undefined
  readonly #plans: PlansInFlight
  readonly #recorder: FlightRecorder
  readonly #isExcluded: (id: NodeId) => boolean
  readonly #times = new Map<NodeId, PeerTimes>()
  /** What every request looks up, until the member changes. */
  readonly #known = new Map<NodeId, KnownPeer>()

  constructor(
    parts: {
      readonly time: Time
      readonly links: LinkPool
      readonly metrics: NodeMetrics
      /** Told of every message that was planned with a layout, for as long as it is on its way (docs/rules.md T2). */
      readonly plans: PlansInFlight
      readonly recorder: FlightRecorder
    },
    memberOf: (id: NodeId) => Member | undefined,
    /** By the layout in force (docs/rules.md L4). */
    isExcluded: (id: NodeId) => boolean,
  ) {
    this.#time = parts.time
    this.#links = parts.links
    this.#metrics = parts.metrics
    this.#memberOf = memberOf
    this.#plans = parts.plans
    this.#recorder = parts.recorder
    this.#isExcluded = isExcluded
  }

  /** A suspect may still answer; the dead, the left, the excluded and the unknown are not asked. */
  isReachable(id: NodeId): boolean {
    const peer = this.#peer(id)
    return peer?.isUp === true && !peer.link.isBackingOff && !this.#isExcluded(id)
  }

  /** It is alive as far as anybody knows, and a connection to it stands: what is sent now arrives, as far as we can tell. */
  isConnected(id: NodeId): boolean {
    const peer = this.#peer(id)
    return peer?.isAlive === true && peer.link.isReady
  }

  endpointOf(id: NodeId): Endpoint | undefined {
    return this.#memberOf(id)?.metadata.peer
  }

  nameOf(id: NodeId): string {
    return this.#memberOf(id)?.metadata.name ?? id.slice(0, 8)
  }

  /**
   * Asks `id`, and hears once what became of it; never inside the call.
   * @param trail of the client's request that it is asked for
   */
  ask(id: NodeId, message: Request, timeoutMs: number, done: (outcome: Outcome) => void, trail?: Trail): void {
    const peer = this.#peer(id)
    if (peer === undefined) {
      return this.#time.soon(() => done({ type: 'not-sent', reason: 'nobody knows where this node is' }))
    }
    const askedAtMs = this.#time.nowMs()
    const times = this.#times.get(id)
    if (times !== undefined) {
      if (times.owed === 0) times.silentSinceMs = askedAtMs
      times.owed += 1
    }
    const plannedWith = planOf(message)
    if (plannedWith !== undefined) this.#plans.begin(plannedWith)
    const serial = trail === undefined ? 0 : trail.serial
    const place = serial === 0 ? 0 : this.#recorder.asked(serial, id, message.type, askedAtMs)
    const span = trail?.span === undefined ? undefined : this.#beginSpan(trail.span, id, message)
    const heard = (outcome: Outcome): void => {
      const nowMs = this.#time.nowMs()
      if (plannedWith !== undefined) this.#plans.end(plannedWith)
      if (times !== undefined) {
        times.owed -= 1
        if (outcome.type === 'answered' || outcome.type === 'refused') times.silentSinceMs = nowMs
      }
      if (outcome.type === 'answered') this.#note(id, nowMs - askedAtMs)
      if (serial !== 0) this.#recorder.ended(place, serial, wordOf(outcome), nowMs)
      if (span !== undefined) endAsking(span, outcome)
      done(outcome)
    }
    peer.link.request(message, timeoutMs, heard, span?.context)
  }

  #beginSpan(parent: Span, id: NodeId, message: Request): Span | undefined {
    return beginAsking(parent, message, { name: this.nameOf(id), endpoint: this.endpointOf(id) })
  }

  /** Smoothed; 0 for a node never asked, so that it is tried. Of one that has fallen silent: for how long it has been. */
  latencyMsOf(id: NodeId): number {
    const times = this.#times.get(id)
    return times === undefined ? 0 : Math.max(times.latencyMs, this.#stalledMs(times))
  }

  /** It owes answers, and has given none for a while: not one slow request, but silence. */
  isStalled(id: NodeId): boolean {
    const times = this.#times.get(id)
    return times !== undefined && this.#stalledMs(times) > 0
  }

  #stalledMs({ owed, silentSinceMs, latencyMs, deviationMs }: PeerTimes): number {
    if (owed === 0) return 0
    const silentMs = this.#time.nowMs() - silentSinceMs
    // Whoever is far away is silent for that long before every answer.
    const patienceMs = Math.max(stalledAfterMs, 2 * latencyMs + 4 * deviationMs)
    // A process that was late itself has not read yet what came meanwhile: then everybody seems silent.
    return silentMs > patienceMs && silentMs > patienceMs + this.#time.eventLoopDelayMs() ? silentMs : 0
  }

  /** When an answer of the slowest of `ids` is so late that one more owner should be asked. */
  speculateAfterMs(ids: readonly NodeId[]): number {
    let slowest = speculateAfterMsMin
    for (const id of ids) {
      const times = this.#times.get(id)
      if (times !== undefined) slowest = Math.max(slowest, times.latencyMs + 4 * times.deviationMs)
    }
    return Math.min(speculateAfterMsMax, slowest)
  }

  /** When an owner that has not acknowledged a write is taken for absent: twice what the slowest usually needs at most. */
  silentAfterMs(ids: readonly NodeId[]): number {
    let slowestMs = 0
    for (const id of ids) {
      const times = this.#times.get(id)
      if (times !== undefined) slowestMs = Math.max(slowestMs, times.latencyMs + 4 * times.deviationMs)
    }
    // Of somebody never asked nothing is known.
    return slowestMs === 0 ? silentAfterMsMax : Math.min(silentAfterMsMax, Math.max(silentAfterMsMin, 2 * slowestMs))
  }

  /** The member is another than it was: found dead or alive, moved, or forgotten. */
  changed(id: NodeId, after: Member | undefined): void {
    this.#known.delete(id)
    if (after === undefined) this.#times.delete(id)
  }

  #peer(id: NodeId): KnownPeer | undefined {
    const known = this.#known.get(id)
    if (known !== undefined && !known.link.isClosed) return known
    const member = this.#memberOf(id)
    if (member === undefined) return undefined
    const isUp = member.state === 'alive' || member.state === 'suspect'
    const peer: KnownPeer = { isUp, isAlive: member.state === 'alive', link: this.#links.link(member.metadata.peer) }
    this.#known.set(id, peer)
    return peer
  }

  #note(id: NodeId, tookMs: number): void {
    let times = this.#times.get(id)
    if (times === undefined) {
      times = {
        latencyMs: tookMs,
        deviationMs: tookMs / 2,
        seconds: this.#metrics.replicaRequestSeconds(this.nameOf(id)),
        owed: 0,
        silentSinceMs: 0,
      }
      this.#times.set(id, times)
    } else {
      times.deviationMs += smoothing * (Math.abs(tookMs - times.latencyMs) - times.deviationMs)
      times.latencyMs += smoothing * (tookMs - times.latencyMs)
    }
    times.seconds.observe(tookMs / 1000)
  }
}

/** How the flight recorder calls it. */
function wordOf(outcome: Outcome): string {
  return outcome.type === 'refused' ? outcome.refusal.code : outcome.type === 'unknown' ? 'no answer' : outcome.type
}

/** With which layout the message was planned, if it may change something where it arrives. */
function planOf(message: Request): number | undefined {
  switch (message.type) {
    case 'write-record':
    case 'store-hint':
    case 'merge-records':
      return message.layoutNumber
    default:
      return undefined
  }
}
