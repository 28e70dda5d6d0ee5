import type { Log } from '../ports/log.ts'
import type { Storage } from '../ports/storage.ts'
import type { Hlc } from '../protocol/clock/hlc.ts'
import { isSameLive, type LayoutInForce } from '../protocol/layout/layout-in-force.ts'
import type { AntiEntropy } from './anti-entropy.ts'
import type { BatchWriter } from './batch-writer.ts'
import type { DataHandlers } from './data-handlers.ts'
import { FormerPartitions } from './former-partitions.ts'
import { GivenPartitions } from './given-partitions.ts'
import type { MerkleTrees } from './merkle-trees.ts'
import type { MetaStore } from './meta-store.ts'
import type { TransferView } from './repair-views.ts'
import type { RequestContext } from './request-context.ts'
import { TransferService } from './transfer-service.ts'

/** What moves between owners in a transition, to this node and from it (docs/rules.md T3, T5, T6). */
export class PartitionTransfers {
  readonly handlers: Pick<DataHandlers, 'copy-partition' | 'hand-over'>
  readonly #context: RequestContext
  readonly #given: GivenPartitions
  readonly #former: FormerPartitions

  constructor(
    context: RequestContext,
    parts: {
      readonly antiEntropy: AntiEntropy
      /** Undefined: `--anti-entropy off`. */
      readonly trees: MerkleTrees | undefined
      readonly meta: MetaStore
      readonly storage: Storage
      readonly batches: BatchWriter
      readonly log: Log
      /** As of when what stands here, and is read now, can be vouched for (docs/rules.md D5). */
      readonly asOf: (now: Hlc) => Hlc
    },
    options: { readonly oldCopiesKeptSeconds: number },
  ) {
    this.#context = context
    this.#given = new GivenPartitions(context, parts.antiEntropy, parts.trees !== undefined)
    this.#former = new FormerPartitions(context, parts, { keptSeconds: options.oldCopiesKeptSeconds })
    this.handlers = new TransferService(context, parts.batches).handlers
  }

  start(): void {
    const { gained, layout, minting } = this.#context
    gained.start(this.#context)
    if (layout.inForce !== undefined) this.#former.start(layout.inForce)
    // A node that was nobody's member holds nothing until its store is checked.
    minting.whenReady(() => {
      if (layout.inForce !== undefined) this.layoutChanged(layout.inForce)
    })
  }

  /** Other versions are live than `before`, or somebody has come further. */
  layoutChanged(inForce: LayoutInForce, before?: LayoutInForce): void {
    this.#given.follow(inForce)
    if (before !== undefined && isSameLive(inForce, before)) return
    // First: of what is gained no more it asks whether it was ever open.
    this.#former.follow(inForce)
    this.#context.gained.follow(inForce)
  }

  stop(): void {
    this.#context.gained.stop()
    this.#given.stop()
    this.#former.stop()
  }

  /** What is on its way here; empty at rest. */
  transfers(): readonly TransferView[] {
    return this.#context.gained.transfers()
  }

  /** Comparisons with new owners that are still to be made. */
  get passesLeft(): number {
    return this.#given.passesLeft
  }

  /** Partitions that this node owns no more, and of which it keeps an old copy. */
  get oldCopies(): number {
    return this.#former.count
  }
}
