import type { StorageFailure } from '../ports/storage.ts'
import type { Time } from '../ports/time.ts'
import { keepRow, type StoreRow } from '../protocol/continuity/store-row.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import { decodeOwnRow, encodeOwnRow } from '../wire/own-row.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import type { MetaStore } from './meta-store.ts'

const rowPrefix = 'row/'
/** Only members of the layout push rows, but anybody may try. */
const rowsMax = 10_000

/**
 * The store rows that this node keeps for others (docs/rules.md A4). Changed by their nodes alone, never by gossip: a
 * restored store's new row must not arrive where the old one is the evidence against it (docs/decisions/0010).
 */
export class KeptRows {
  readonly #time: Time
  readonly #meta: MetaStore
  readonly #rows = new Map<NodeId, StoreRow>()

  constructor(parts: { readonly time: Time; readonly meta: MetaStore }) {
    this.#time = parts.time
    this.#meta = parts.meta
  }

  /** The row kept for `node`; undefined: none, or none that can be read. */
  get(node: NodeId): StoreRow | undefined {
    const known = this.#rows.get(node)
    if (known !== undefined) return known
    const bytes = this.#meta.read(`${rowPrefix}${node}`)
    if (!(bytes instanceof Uint8Array)) return undefined
    try {
      const { row } = decodeOwnRow(bytes)
      this.#remember(node, row)
      return row
    } catch (error) {
      if (!(error instanceof UnreadableBytes)) throw error
      return undefined
    }
  }

  /**
   * `done` gets the row that is kept, which is not the one given when a later one was known; what is kept survives this
   * process.
   */
  keep(node: NodeId, pushed: StoreRow, done: (failure: StorageFailure | undefined, kept: StoreRow) => void): void {
    const kept = keepRow(this.get(node), pushed)
    if (kept !== pushed) return this.#time.soon(() => done(undefined, kept))
    this.#remember(node, pushed)
    const bytes = encodeOwnRow({ row: pushed, recovering: undefined })
    this.#meta.write(`${rowPrefix}${node}`, bytes, 'os', (failure) => done(failure, pushed))
  }

  #remember(node: NodeId, row: StoreRow): void {
    if (this.#rows.size >= rowsMax && !this.#rows.has(node)) this.#rows.clear()
    this.#rows.set(node, row)
  }
}
