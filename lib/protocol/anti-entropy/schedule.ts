import type { NodeId } from '../../vocabulary/ids.ts'
import type { Random } from '../../vocabulary/random.ts'
import type { ExchangeSummary } from './exchange.ts'

/** How often an exchange begins when nothing asks for one sooner; more often when there are many co-owners. */
export const exchangeEveryMs = 10_000
/** No two co-owners go longer without one, as far as both can be reached and nothing fails. */
export const exchangeAgeMsMax = 600_000
/** A node that is back is given a moment. Then not all begin at the same time. */
const afterReturnMs = 1_000
const spreadMs = 1_000
/** Hints are cheaper than finding out what they hold: they come first, if they come within this time. */
export const hintsFirstMs = 20_000
const retryAfterMs = 10_000
/** Marked ranges are tried again after this long. */
const dirtyEveryMs = 10_000
/** What was repaired is looked at once more, and what was not finished goes on. */
const goOnAfterMs = 1_000

export interface PeerState {
  readonly node: NodeId
  readonly isReachable: boolean
  /** Some partitions are known to differ (docs/rules.md H2). */
  readonly isDirty: boolean
  /** This node keeps writes for it. */
  readonly hasHints: boolean
}

interface Pair {
  readonly knownSinceMs: number
  wasReachable: boolean
  returnedAtMs: number
  /** When an exchange should begin, whatever its turn; undefined: nothing asks for one. */
  dueAtMs: number | undefined
  endedAtMs: number | undefined
  beganAtMs: number
}

/**
 * With which co-owner to exchange next: at once with one that is back, that ranges are marked for, or that the last
 * exchange has more to do with; otherwise, every ten seconds, with the one whose last exchange is the oldest.
 */
export class Schedule {
  readonly #random: Random
  readonly #pairs = new Map<NodeId, Pair>()
  #lastTurnMs = Number.NEGATIVE_INFINITY

  constructor(random: Random) {
    this.#random = random
  }

  /**
   * The node to begin with now, if any; it counts as begun.
   * @param peers all co-owners, those apart with whom an exchange runs
   * @param isSuspended only what is overdue is begun
   */
  next(peers: readonly PeerState[], nowMs: number, isSuspended: boolean): NodeId | undefined {
    for (const peer of peers) this.#notice(peer, nowMs)
    const reachable = peers.filter((peer) => peer.isReachable && !this.#awaitsHints(peer, nowMs))
    const asked = reachable
      .filter(({ node }) => (this.#pair(node).dueAtMs ?? Number.POSITIVE_INFINITY) <= nowMs)
      .sort((a, b) => (this.#pair(a.node).dueAtMs as number) - (this.#pair(b.node).dueAtMs as number))
    const turnEveryMs = Math.min(exchangeEveryMs, exchangeAgeMsMax / Math.max(1, peers.length))
    const isTurn = nowMs - this.#lastTurnMs >= turnEveryMs
    const oldest = [...reachable].sort((a, b) => this.#ageOrder(a.node) - this.#ageOrder(b.node))
    const candidates = [...asked, ...(isTurn ? oldest : [])]
    const chosen = candidates.find(({ node }) => !isSuspended || this.#isOverdue(node, nowMs))
    if (chosen === undefined) return undefined
    const pair = this.#pair(chosen.node)
    if (!asked.includes(chosen)) this.#lastTurnMs = nowMs
    pair.dueAtMs = undefined
    pair.beganAtMs = nowMs
    return chosen.node
  }

  ended(node: NodeId, outcome: ExchangeSummary['outcome'], nowMs: number): void {
    const pair = this.#pair(node)
    switch (outcome) {
      case 'equal':
        pair.endedAtMs = nowMs
        return
      case 'repaired':
        pair.endedAtMs = nowMs
        pair.dueAtMs = nowMs + goOnAfterMs
        return
      case 'incomplete':
        pair.dueAtMs = nowMs + goOnAfterMs
        return
      case 'busy':
      case 'refused':
      case 'failed':
        pair.dueAtMs = nowMs + retryAfterMs
        return
    }
  }

  /** It is no co-owner any more; should it be one again, it is somebody new. */
  forget(node: NodeId): void {
    this.#pairs.delete(node)
  }

  /** Milliseconds since the last whole exchange; undefined: there was none. */
  ageMs(node: NodeId, nowMs: number): number | undefined {
    const endedAtMs = this.#pairs.get(node)?.endedAtMs
    return endedAtMs === undefined ? undefined : nowMs - endedAtMs
  }

  #notice({ node, isReachable, isDirty }: PeerState, nowMs: number): void {
    const pair = this.#pair(node, nowMs)
    if (isReachable && !pair.wasReachable) {
      pair.returnedAtMs = nowMs
      pair.dueAtMs = nowMs + afterReturnMs + this.#random.below(spreadMs)
    }
    if (isDirty && nowMs - pair.beganAtMs >= dirtyEveryMs) pair.dueAtMs ??= nowMs
    pair.wasReachable = isReachable
  }

  #awaitsHints({ node, hasHints }: PeerState, nowMs: number): boolean {
    return hasHints && nowMs - this.#pair(node).returnedAtMs < hintsFirstMs
  }

  #ageOrder(node: NodeId): number {
    const { endedAtMs, beganAtMs } = this.#pair(node)
    // One that fails again and again is not tried before all others.
    return Math.max(endedAtMs ?? Number.NEGATIVE_INFINITY, beganAtMs)
  }

  #isOverdue(node: NodeId, nowMs: number): boolean {
    const { endedAtMs, beganAtMs, knownSinceMs } = this.#pair(node)
    return nowMs - Math.max(endedAtMs ?? knownSinceMs, beganAtMs) > exchangeAgeMsMax
  }

  #pair(node: NodeId, nowMs = Number.NEGATIVE_INFINITY): Pair {
    const known = this.#pairs.get(node)
    if (known !== undefined) return known
    const pair: Pair = {
      knownSinceMs: nowMs,
      wasReachable: false,
      returnedAtMs: Number.NEGATIVE_INFINITY,
      dueAtMs: undefined,
      endedAtMs: undefined,
      beganAtMs: Number.NEGATIVE_INFINITY,
    }
    this.#pairs.set(node, pair)
    return pair
  }
}
