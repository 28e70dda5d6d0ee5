import type { Log } from '../ports/log.ts'
import type { Time, Timer } from '../ports/time.ts'
import { Recovery } from '../protocol/continuity/recovery.ts'
import type { RecoveryReason } from '../protocol/continuity/start-kind.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { LayoutInForce } from './layout-driver.ts'
import { exchangePartition } from './partition-exchange.ts'
import type { RequestContext } from './request-context.ts'

/** Partition exchanges at a time, and how long to wait when no owner that is still owed can be reached. */
const exchangesMax = 4
const retryEveryMs = 1000

/**
 * Brings back what this node's store lost (docs/rules.md A5): exchanges each partition, both ways, with every other
 * owner; until then the partition's answers do not count.
 */
export class RecoveryDriver {
  readonly #time: Time
  readonly #log: Log
  readonly #onRecovered: () => void
  #recovery: Recovery | undefined
  #context: RequestContext | undefined
  readonly #running = new Set<string>()
  #retry: Timer | undefined
  #isStopped = false

  constructor(parts: { readonly time: Time; readonly log: Log }, onRecovered: () => void) {
    this.#time = parts.time
    this.#log = parts.log
    this.#onRecovered = onRecovered
  }

  /** Every partition that has another owner is recovering from now on. */
  begin(reason: RecoveryReason, layout: LayoutInForce, self: NodeId, context: RequestContext): void {
    const { ring } = layout
    const partitions = ring.partitionsOf(self).map((partition) => ({
      partition,
      owners: ring.ownersOf(partition).filter((owner) => owner !== self),
    }))
    this.#recovery = new Recovery(reason, partitions)
    this.#context = context
    this.#log.warn(
      { reason, partitions: this.#recovery.partitionsLeft },
      'the store lost something: it is read again from the other owners, and until then its answers do not count',
    )
    this.#next()
  }

  isRecovering(partition: number): boolean {
    return this.#recovery?.isRecovering(partition) ?? false
  }

  get partitionsLeft(): number {
    return this.#recovery?.partitionsLeft ?? 0
  }

  /**
   * Ends the recovery by hand: what no other owner holds is given up.
   * @returns how many partitions had not recovered
   */
  acceptLoss(): number {
    const partitions = this.partitionsLeft
    if (partitions === 0) return 0
    this.#log.warn({ partitions }, 'the recovery was ended by hand: what only this node held in them is lost')
    this.#recovery = undefined
    this.#onRecovered()
    return partitions
  }

  stop(): void {
    this.#isStopped = true
    this.#retry?.cancel()
  }

  #next(): void {
    const recovery = this.#recovery
    const context = this.#context
    if (recovery === undefined || context === undefined || this.#isStopped) return
    if (recovery.partitionsLeft === 0) {
      this.#recovery = undefined
      this.#log.info({}, 'everything the store lost has been read again from the other owners')
      return this.#onRecovered()
    }
    for (const { partition, owner } of recovery.next(exchangesMax, (node) => context.peers.isReachable(node))) {
      const name = `${partition} ${owner}`
      if (this.#running.size >= exchangesMax) break
      if (this.#running.has(name)) continue
      this.#running.add(name)
      exchangePartition(context, partition, owner, (isDone) => {
        this.#running.delete(name)
        if (isDone) recovery.exchanged(partition, owner)
        if (isDone) this.#next()
        else this.#retryLater()
      })
    }
    if (this.#running.size === 0) this.#retryLater()
  }

  #retryLater(): void {
    if (this.#retry !== undefined || this.#isStopped) return
    this.#retry = this.#time.after(retryEveryMs, () => {
      this.#retry = undefined
      this.#next()
    })
  }
}
