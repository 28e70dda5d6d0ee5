import type { Outcome } from '../links/frame-link.ts'
import type { Names } from '../ports/network.ts'
import type { Time, Timer } from '../ports/time.ts'
import type { Endpoint } from '../vocabulary/ids.ts'
import type { Discovered } from './cluster-view.ts'
import type { Connections } from './connections.ts'

/** When the one asked last has not answered for this long, the next one is asked too. */
const staggerMs = 200
const answerMsMax = 2_000

export interface RoundParts {
  readonly time: Time
  readonly names: Names
  readonly connections: Connections
}

/** What came of a round: the first answer and who gave it, or why each one that was asked did not answer. */
export type RoundResult =
  | { readonly type: 'discovered'; readonly from: Endpoint; readonly discovered: Discovered }
  | { readonly type: 'nobody'; readonly reasons: ReadonlyMap<Endpoint, string> }

/**
 * Asks one node after the other what the cluster looks like, overlapping where an answer is slow, until one answers:
 * first those that are known, then whatever the seeds stand for now.
 */
export class DiscoveryRound {
  readonly #parts: RoundParts
  readonly #seeds: readonly Endpoint[]
  readonly #done: (result: RoundResult) => void
  readonly #onSeeds: (addresses: readonly Endpoint[]) => void
  readonly #reasons = new Map<Endpoint, string>()
  #waiting: Endpoint[]
  #asked = new Set<Endpoint>()
  #unanswered = 0
  #areSeedsAsked = false
  #unresolved = 0
  #resolved: Endpoint[] = []
  #timer: Timer | undefined
  #isOver = false

  /**
   * @param known asked first, in this order
   * @param onSeeds hears what the seeds stand for, if it came to that
   */
  constructor(
    parts: RoundParts,
    known: readonly Endpoint[],
    seeds: readonly Endpoint[],
    onSeeds: (addresses: readonly Endpoint[]) => void,
    done: (result: RoundResult) => void,
  ) {
    this.#parts = parts
    this.#waiting = [...known]
    this.#seeds = seeds
    this.#onSeeds = onSeeds
    this.#done = done
  }

  begin(): void {
    this.#next()
  }

  cancel(): void {
    this.#isOver = true
    this.#timer?.cancel()
  }

  #next(): void {
    if (this.#isOver) return
    this.#timer?.cancel()
    const endpoint = this.#waiting.shift()
    if (endpoint === undefined) return this.#askSeeds()
    if (this.#asked.has(endpoint)) return this.#next()
    this.#asked.add(endpoint)
    this.#unanswered += 1
    const { connections, time } = this.#parts
    // A round has its own patience: that the last attempt to connect failed a moment ago is no reason not to try.
    connections.encourage(endpoint)
    connections.request(endpoint, { type: 'discover' }, answerMsMax, (outcome) => this.#heard(endpoint, outcome))
    this.#timer = time.after(staggerMs, () => this.#next())
  }

  #heard(from: Endpoint, outcome: Outcome): void {
    this.#unanswered -= 1
    if (this.#isOver) return
    if (outcome.type === 'answered' && outcome.message.type === 'discovered') {
      this.cancel()
      return this.#done({ type: 'discovered', from, discovered: outcome.message })
    }
    this.#reasons.set(from, reasonOf(outcome))
    this.#next()
  }

  #askSeeds(): void {
    if (this.#areSeedsAsked) return this.#endIfExhausted()
    this.#areSeedsAsked = true
    this.#unresolved = this.#seeds.length
    for (const seed of this.#seeds) {
      this.#parts.names.resolve(seed, (addresses) => {
        this.#unresolved -= 1
        this.#resolved.push(...addresses)
        if (addresses.length === 0) this.#reasons.set(seed, 'the name does not resolve')
        if (this.#unresolved === 0) this.#onSeeds(this.#resolved)
        if (this.#isOver) return
        this.#waiting.push(...addresses)
        this.#next()
      })
    }
    if (this.#unresolved === 0) this.#endIfExhausted()
  }

  #endIfExhausted(): void {
    if (this.#unanswered > 0 || this.#unresolved > 0 || this.#waiting.length > 0) return
    this.cancel()
    this.#done({ type: 'nobody', reasons: this.#reasons })
  }
}

function reasonOf(outcome: Outcome): string {
  switch (outcome.type) {
    case 'answered':
      return 'it gave an answer of the wrong kind'
    case 'refused':
      return outcome.refusal.message
    case 'not-sent':
    case 'unknown':
      return outcome.reason
  }
}
