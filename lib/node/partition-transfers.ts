import type { LayoutInForce } from '../protocol/layout/layout-in-force.ts'
import type { AntiEntropy } from './anti-entropy.ts'
import type { BatchWriter } from './batch-writer.ts'
import type { DataHandlers } from './data-handlers.ts'
import { GivenPartitions } from './given-partitions.ts'
import type { TransferView } from './repair-views.ts'
import type { RequestContext } from './request-context.ts'
import { TransferService } from './transfer-service.ts'

/** What moves between owners in a transition, to this node and from it (docs/rules.md T3, T5, T6). */
export class PartitionTransfers {
  readonly handlers: Pick<DataHandlers, 'copy-partition' | 'hand-over'>
  readonly #context: RequestContext
  readonly #given: GivenPartitions

  constructor(
    context: RequestContext,
    parts: { readonly antiEntropy: AntiEntropy; readonly batches: BatchWriter; readonly hasTrees: boolean },
  ) {
    this.#context = context
    this.#given = new GivenPartitions(context, parts.antiEntropy, parts.hasTrees)
    this.handlers = new TransferService(context, parts.batches).handlers
  }

  start(): void {
    this.#context.gained.start(this.#context)
    this.#follow()
  }

  /** Other versions are live, or somebody has come further. */
  layoutChanged(inForce: LayoutInForce): void {
    this.#context.gained.follow(inForce)
    this.#given.follow(inForce)
  }

  /** The store has been checked: a node that was nobody's member may hold something now. */
  storeChecked(): void {
    this.#follow()
  }

  stop(): void {
    this.#context.gained.stop()
    this.#given.stop()
  }

  /** What is on its way here; empty at rest. */
  transfers(): readonly TransferView[] {
    return this.#context.gained.transfers()
  }

  /** Comparisons with new owners that are still to be made. */
  get passesLeft(): number {
    return this.#given.passesLeft
  }

  #follow(): void {
    const { inForce } = this.#context.layout
    if (inForce !== undefined) this.layoutChanged(inForce)
  }
}
