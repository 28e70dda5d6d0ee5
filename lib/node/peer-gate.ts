import type { HandshakeFailure, StreamGate } from '../ports/network.ts'
import { StrangerTable } from '../security/stranger-table.ts'
import { type Endpoint, parseEndpoint } from '../vocabulary/ids.ts'
import type { NodeMetrics } from './node-metrics.ts'
import type { OccasionalLog } from './occasional-log.ts'

/**
 * Who may knock. Whoever knocks again and again and is never welcome, from one address, is cut off for a while, each time
 * for longer: then its connections end before anything is read of them. Those that exist go on.
 */
export class PeerGate implements StreamGate {
  readonly #metrics: NodeMetrics
  readonly #log: OccasionalLog
  readonly #strangers: StrangerTable
  readonly #isMember: (host: string) => boolean

  /** @param isMember whether a member is said to be there: it is not kept out because others, elsewhere, lay siege */
  constructor(
    parts: { readonly metrics: NodeMetrics; readonly log: OccasionalLog; readonly nowMs: () => number },
    isMember: (host: string) => boolean,
  ) {
    this.#metrics = parts.metrics
    this.#log = parts.log
    this.#strangers = new StrangerTable(parts.nowMs)
    this.#isMember = isMember
  }

  admits(from: Endpoint): boolean {
    const host = hostOf(from)
    if (this.#strangers.size === 0 || (!this.#strangers.isCutOff(host) && this.#isMember(host))) return true
    if (this.#strangers.mayTry(host)) return true
    this.#metrics.connectionsCutOff.add(1)
    return false
  }

  onFailedHandshake(kind: HandshakeFailure, reason: string, from: Endpoint): void {
    this.#metrics.refusedHandshakes(kind).add(1)
    this.#log.warn(`handshake ${kind}`, { from, reason: kind }, `a connection was refused: ${reason}`)
    this.turnedAway(from)
  }

  /** A connection from there has ended that was never welcome. */
  turnedAway(from: Endpoint): void {
    const forMs = this.#strangers.failed(hostOf(from))
    if (forMs === undefined) return
    this.#log.warn(
      'connections cut-off',
      { from, forMs },
      'an address makes connections that are not welcome, again and again: most of them are ended at once now',
    )
  }
}

function hostOf(from: Endpoint): string {
  return parseEndpoint(from)?.host ?? from
}
