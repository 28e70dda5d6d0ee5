import type { Timer } from '../ports/time.ts'
import type { Endpoint } from '../vocabulary/ids.ts'
import type { TraceContext } from '../vocabulary/trace-context.ts'
import type { Request } from '../wire/messages.ts'
import { FrameLink, type LinkOwner, type LinkParts, type Outcome } from './frame-link.ts'

/** How often deadlines are looked at while there are any: an answer is given up at most this much late. */
const sweepEveryMs = 20
/** While nobody waits for anything there are only heartbeats to look at, and a node that has nothing to do should sleep. */
const restMs = 1000
/** A link that nobody has used for this long is closed. */
const idleMsMax = 120_000

/** One link per endpoint, and one sweep for all of them. */
export class LinkPool {
  readonly #parts: LinkParts
  readonly #owner: LinkOwner
  readonly #links = new Map<Endpoint, FrameLink>()
  #sweeper: Timer | undefined
  #isResting = false
  #isClosed = false

  constructor(parts: LinkParts, owner: LinkOwner) {
    this.#parts = parts
    this.#owner = owner
  }

  request(
    to: Endpoint,
    message: Request,
    timeoutMs: number,
    done: (outcome: Outcome) => void,
    trace?: TraceContext,
  ): void {
    this.link(to).request(message, timeoutMs, done, trace)
  }

  link(to: Endpoint): FrameLink {
    const known = this.#links.get(to)
    if (known !== undefined) return known
    const link = new FrameLink(to, this.#parts, this.#owner, (timeoutMs) => this.#asked(timeoutMs))
    if (this.#isClosed) link.close('closed')
    else this.#links.set(to, link)
    this.#schedule()
    return link
  }

  isReady(to: Endpoint): boolean {
    return this.#links.get(to)?.isReady ?? false
  }

  isBackingOff(to: Endpoint): boolean {
    return this.#links.get(to)?.isBackingOff ?? false
  }

  get inFlight(): number {
    let sum = 0
    for (const link of this.#links.values()) sum += link.inFlight
    return sum
  }

  get size(): number {
    return this.#links.size
  }

  /** The node behind `endpoint` is said to be back: the next request may try at once. */
  encourage(endpoint: Endpoint): void {
    this.#links.get(endpoint)?.encourage()
  }

  /** Who is at `endpoint` has been learnt: a connection to somebody else ends. */
  judgeAgain(endpoint: Endpoint): void {
    this.#links.get(endpoint)?.judgeAgain()
  }

  drop(endpoint: Endpoint, reason: string): void {
    this.#links.get(endpoint)?.close(reason)
    this.#links.delete(endpoint)
  }

  close(reason: string): void {
    this.#isClosed = true
    this.#sweeper?.cancel()
    for (const link of this.#links.values()) link.close(reason)
    this.#links.clear()
  }

  /** The end of the rest is early enough for a deadline that comes later. */
  #asked(timeoutMs: number): void {
    if (!this.#isResting || timeoutMs >= restMs) return
    this.#sweeper?.cancel()
    this.#sweeper = undefined
    this.#schedule()
  }

  #schedule(rests = false): void {
    if (this.#sweeper !== undefined || this.#isClosed) return
    this.#isResting = rests
    this.#sweeper = this.#parts.time.after(rests ? restMs : sweepEveryMs, () => this.#sweep())
  }

  #sweep(): void {
    this.#sweeper = undefined
    const nowMs = this.#parts.time.nowMs()
    for (const [endpoint, link] of this.#links) {
      link.sweep(nowMs)
      if (link.inFlight === 0 && nowMs - link.usedAtMs > idleMsMax) this.drop(endpoint, 'idle')
    }
    // Counted now: whoever was told of a deadline may have asked another link, which had been looked at before.
    if (this.#links.size > 0) this.#schedule(this.inFlight === 0)
  }
}
