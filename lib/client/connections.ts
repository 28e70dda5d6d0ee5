import type { LinkOwner, LinkParts, Outcome } from '../links/frame-link.ts'
import { LinkPool } from '../links/link-pool.ts'
import type { Endpoint } from '../vocabulary/ids.ts'
import type { TraceContext } from '../vocabulary/trace-context.ts'
import type { Request } from '../wire/messages.ts'

/** A few pipelined connections to each node, used in turn. */
export class Connections {
  readonly #pools: readonly LinkPool[]
  #turn = 0

  /** @param perNode 1 or more */
  constructor(parts: LinkParts, owner: LinkOwner, perNode: number) {
    this.#pools = Array.from({ length: perNode }, () => new LinkPool(parts, owner))
  }

  /** Asks, and hears exactly once what became of it; never inside this call. */
  request(
    to: Endpoint,
    message: Request,
    timeoutMs: number,
    done: (outcome: Outcome) => void,
    trace?: TraceContext,
  ): void {
    this.#turn = this.#turn + 1 < this.#pools.length ? this.#turn + 1 : 0
    const pool = this.#pools[this.#turn] as LinkPool
    pool.request(to, message, timeoutMs, done, trace)
  }

  /** The node behind `endpoint` may be back: the next request tries at once. */
  encourage(endpoint: Endpoint): void {
    for (const pool of this.#pools) pool.encourage(endpoint)
  }

  drop(endpoint: Endpoint, reason: string): void {
    for (const pool of this.#pools) pool.drop(endpoint, reason)
  }

  close(reason: string): void {
    for (const pool of this.#pools) pool.close(reason)
  }
}
