import type { Timer } from '../ports/time.ts'
import type { Endpoint } from '../vocabulary/ids.ts'
import type { Random } from '../vocabulary/random.ts'
import type { ClusterView } from './cluster-view.ts'
import { DiscoveryRound, type RoundParts, type RoundResult } from './discovery-round.ts'

/** Without any reason, the members are asked for anew this often. */
const refreshEveryMs = 30_000
/** Between the end of one round and a round because a node knows a newer layout, or because a request failed. */
const newerLayoutEveryMs = 50
const failureEveryMs = 250
/** A document of the same layout version changes for reasons that are no client's business. */
const sameVersionEveryMs = 1_000
/** While nobody answers. */
const backoffMsMin = 100
const backoffMsMax = 5_000
/** So many members are asked before the seeds are. */
const membersAskedMax = 3

export interface DiscoverySettings {
  readonly seeds: readonly Endpoint[]
  readonly onResult: (problem: ReadonlyMap<Endpoint, string> | undefined) => void
}

/** Keeps the view of the cluster fresh: on a schedule, and soon when something says that it is stale. One round at a time. */
export class Discovery {
  readonly #parts: RoundParts & { readonly random: Random; readonly view: ClusterView }
  readonly #settings: DiscoverySettings
  #round: DiscoveryRound | undefined
  #timer: Timer | undefined
  #dueAtMs = Number.POSITIVE_INFINITY
  #endedAtMs = Number.NEGATIVE_INFINITY
  #failures = 0
  #isClosed = false

  constructor(
    parts: RoundParts & { readonly random: Random; readonly view: ClusterView },
    settings: DiscoverySettings,
  ) {
    this.#parts = parts
    this.#settings = settings
  }

  /** Something failed that a newer view may explain: looks again, unless it just did. */
  refreshSoon(): void {
    this.#scheduleAt(this.#endedAtMs + (this.#failures === 0 ? failureEveryMs : this.#backoffMs()))
  }

  /** A node said in passing what layout it knows. */
  heard(layoutNumber: number): void {
    const own = this.#parts.view.digest.number
    // Who lags behind will catch up by itself.
    if (layoutNumber < own) return
    this.#scheduleAt(this.#endedAtMs + (layoutNumber > own ? newerLayoutEveryMs : sameVersionEveryMs))
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
    this.#round?.cancel()
  }

  #scheduleAt(atMs: number): void {
    if (this.#isClosed || this.#round !== undefined || atMs >= this.#dueAtMs) return
    const { time } = this.#parts
    this.#timer?.cancel()
    this.#dueAtMs = atMs
    this.#timer = time.after(Math.max(0, atMs - time.nowMs()), () => this.#begin())
  }

  #begin(): void {
    const { view, random, time } = this.#parts
    this.#dueAtMs = Number.POSITIVE_INFINITY
    const nowMs = time.nowMs()
    const fit = view.members.filter((node) => !node.isDoubtful(nowMs) && node.breaker.state(nowMs) === 'closed')
    // From a random one on: the clients of a cluster do not all ask the same member.
    const first = random.below(Math.max(1, fit.length))
    const known = [...fit.slice(first), ...fit.slice(0, first)].slice(0, membersAskedMax)
    this.#round = new DiscoveryRound(
      this.#parts,
      known.map(({ endpoint }) => endpoint),
      this.#settings.seeds,
      (addresses) => view.learnSeeds(addresses),
      (result) => this.#end(result),
    )
    this.#round.begin()
  }

  #end(result: RoundResult): void {
    const { view, time, random } = this.#parts
    this.#round = undefined
    this.#endedAtMs = time.nowMs()
    const problem = result.type === 'nobody' ? result.reasons : this.#learn(result)
    this.#failures = problem === undefined ? 0 : this.#failures + 1
    const waitMs = problem === undefined && view.hasLayout ? refreshEveryMs : this.#backoffMs()
    this.#scheduleAt(this.#endedAtMs + waitMs * (0.9 + random.fraction() / 5))
    this.#settings.onResult(problem)
  }

  #learn({
    from,
    discovered,
  }: Extract<RoundResult, { type: 'discovered' }>): ReadonlyMap<Endpoint, string> | undefined {
    const { view, connections } = this.#parts
    const problem = view.learn(discovered)
    if (problem !== undefined) return new Map([[from, problem]])
    const member = view.members.find(({ endpoint }) => endpoint === from)
    member?.breaker.close()
    for (const { endpoint, state } of view.members) if (state === 'alive') connections.encourage(endpoint)
    return undefined
  }

  #backoffMs(): number {
    return Math.min(backoffMsMax, backoffMsMin * 2 ** Math.min(this.#failures, 10))
  }
}
