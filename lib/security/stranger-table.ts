/** What one address may send in a second that no member sends, before it is cut off. */
export const failuresPerSecondMax = 50
/** The same of all addresses together: whoever can make up addresses has as many as they like. */
export const failuresInAllPerSecondMax = 500
/** How long an address is cut off, at first and at most: each time twice as long, until it was quiet for the longest. */
export const cutOffMsMin = 1_000
export const cutOffMsMax = 60_000
/** Of an address that is cut off one datagram in so long is tried all the same; of all of them together, one in so long. */
export const tryEveryMs = 20
export const tryAnyEveryMs = 5
const strangersMax = 1_024

interface Stranger {
  windowEndsMs: number
  failures: number
  cutOffUntilMs: number
  cutOffMs: number
  nextTryMs: number
}

/**
 * Who lately sent what no member sends, by address, and whether what else comes from there is worth an effort.
 *
 * An address is a claim: of a datagram anybody can make it up. So nobody is judged by it who can show who they are, and
 * also from an address that is cut off something is tried now and then: a member that has to introduce itself gets through,
 * if late, and is then known. The table is bounded; whoever has been in it longest is forgotten.
 */
export class StrangerTable {
  readonly #nowMs: () => number
  readonly #strangers = new Map<string, Stranger>()
  #windowEndsMs = 0
  #failures = 0
  #siegeUntilMs = 0
  #nextTryMs = 0

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  get size(): number {
    return this.#strangers.size
  }

  isCutOff(address: string): boolean {
    const stranger = this.#strangers.get(address)
    return stranger !== undefined && stranger.cutOffUntilMs > this.#nowMs()
  }

  /** Whether an effort may be made for somebody unknown from there. Each call that says yes is one. */
  mayTry(address: string): boolean {
    const nowMs = this.#nowMs()
    const stranger = this.#strangers.get(address)
    const isCutOff = stranger !== undefined && stranger.cutOffUntilMs > nowMs
    if (!isCutOff && this.#siegeUntilMs <= nowMs) return true
    if (nowMs < this.#nextTryMs || (isCutOff && nowMs < stranger.nextTryMs)) return false
    this.#nextTryMs = nowMs + tryAnyEveryMs
    if (isCutOff) stranger.nextTryMs = nowMs + tryEveryMs
    return true
  }

  /**
   * From there came what no member sends.
   * @param weight what it cost, where a datagram or a line costs 1: what comes next is tried so much later
   * @returns for how long the address is cut off because of it, if it is
   */
  failed(address: string, weight = 1): number | undefined {
    const nowMs = this.#nowMs()
    this.#countInAll(nowMs)
    const stranger = this.#strangers.get(address) ?? this.#add(address)
    if (nowMs >= stranger.windowEndsMs) {
      stranger.windowEndsMs = nowMs + 1_000
      stranger.failures = 0
    }
    stranger.failures += weight
    if (stranger.cutOffUntilMs > nowMs) {
      stranger.nextTryMs = Math.max(stranger.nextTryMs, nowMs) + (weight - 1) * tryEveryMs
      return undefined
    }
    if (stranger.failures <= failuresPerSecondMax) return undefined
    const wasQuiet = nowMs - stranger.cutOffUntilMs > cutOffMsMax
    stranger.cutOffMs = wasQuiet ? cutOffMsMin : Math.min(2 * stranger.cutOffMs, cutOffMsMax)
    stranger.cutOffUntilMs = nowMs + stranger.cutOffMs
    stranger.failures = 0
    return stranger.cutOffMs
  }

  #countInAll(nowMs: number): void {
    if (nowMs >= this.#windowEndsMs) {
      this.#windowEndsMs = nowMs + 1_000
      this.#failures = 0
    }
    this.#failures += 1
    if (this.#failures > failuresInAllPerSecondMax) this.#siegeUntilMs = nowMs + cutOffMsMin
  }

  #add(address: string): Stranger {
    if (this.#strangers.size >= strangersMax) {
      const [oldest] = this.#strangers.keys()
      if (oldest !== undefined) this.#strangers.delete(oldest)
    }
    const stranger = {
      windowEndsMs: 0,
      failures: 0,
      cutOffUntilMs: Number.NEGATIVE_INFINITY,
      cutOffMs: 0,
      nextTryMs: Number.NEGATIVE_INFINITY,
    }
    this.#strangers.set(address, stranger)
    return stranger
  }
}
