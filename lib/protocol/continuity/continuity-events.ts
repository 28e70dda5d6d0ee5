import type { NodeId } from '../../vocabulary/ids.ts'
import type { Hlc } from '../clock/hlc.ts'
import type { OwnRow, RecoveryReason, StartFacts, StartKind } from './start-kind.ts'
import type { StoreRow } from './store-row.ts'

/** `check`: answers of the members; `retry`: ask the silent ones again; `witness`: one acknowledgement; `renew`: the clock's lease. */
export type ContinuityTimer = 'check' | 'retry' | 'witness' | 'renew'

type Happening =
  /** First. `members` as in `members-changed`; undefined while no layout is known. */
  | {
      readonly type: 'begun'
      readonly facts: StartFacts
      readonly members: { readonly others: readonly NodeId[]; readonly living: readonly NodeId[] } | undefined
    }
  /** Synced: a crash from now on leaves no marker. */
  | { readonly type: 'marker-removed' }
  /**
   * The first layout became known, a layout was decided, or a member came or went. `others`: every other member of the
   * newest layout, excluded ones apart; `living`: those of them to whom it is worth sending.
   */
  | { readonly type: 'members-changed'; readonly others: readonly NodeId[]; readonly living: readonly NodeId[] }
  /**
   * `from` keeps this copy of our row; undefined: none. The answer to `recall-row`, and equally a `keep-row` answered
   * with another row, or our own id's row met in any other way.
   */
  | { readonly type: 'row-recalled'; readonly from: NodeId; readonly row: StoreRow | undefined }
  | { readonly type: 'row-recall-failed'; readonly from: NodeId }
  /** Synced. */
  | { readonly type: 'row-persisted'; readonly seq: number }
  /** `from` keeps the row with this seq. A failed push needs no event. */
  | { readonly type: 'row-kept'; readonly from: NodeId; readonly seq: number }
  /**
   * `wantsLease` became true, `draw` gave nothing, or the clock's `mint` did. `hlc`: `clock.wanted(...)`, what the mint
   * needs, or `clock.latest`.
   */
  | { readonly type: 'lease-wanted'; readonly hlc: Hlc }
  | { readonly type: 'deadline-passed'; readonly timer: ContinuityTimer; readonly attempt: number }
  /** No partition is recovering any more. */
  | { readonly type: 'recovered' }
  /** A write, sync or read failed, or found corruption: the handle is poisoned. */
  | { readonly type: 'store-failed' }
  /** The last write is done; nothing more will be minted or stored. */
  | { readonly type: 'stop-begun' }
  /** Synced, after everything else. */
  | { readonly type: 'marker-written' }

/** Every event says what the wall clock showed, in milliseconds since the epoch. */
export type ContinuityEvent = Happening & { readonly wallMs: number }

export type ContinuityEffect =
  /** Synced, before the first write of this start; answer with `marker-removed`. */
  | { readonly type: 'remove-marker' }
  /** Synced, after all other writes; answer with `marker-written`. */
  | { readonly type: 'write-marker' }
  /** Ask the member for the copy it keeps of our row. */
  | { readonly type: 'recall-row'; readonly to: NodeId }
  /** One synced batch, in order with the others; answer with `row-persisted`. A failure is `store-failed`. */
  | { readonly type: 'persist-row'; readonly own: OwnRow }
  | { readonly type: 'push-row'; readonly to: NodeId; readonly row: StoreRow }
  /** Timers are never cancelled: one that fires late is recognised by its attempt. */
  | {
      readonly type: 'start-timer'
      readonly timer: ContinuityTimer
      readonly attempt: number
      readonly delayMs: number
    }
  /**
   * The node may mint, vote and transfer. Write the generation and the directory's marks to `node.json` now, not
   * earlier; make the clock with `startAt: hlcFrom, leasedUpTo: hlcUpTo`.
   */
  | {
      readonly type: 'ready'
      readonly start: StartKind
      readonly generation: number
      /** The generation is a new one: no copy may go on minting as before. */
      readonly hasRolled: boolean
      /** False: some member's copy is unknown; the node does not vote yet (rule L3). True when alone. */
      readonly answeredByAll: boolean
      readonly counterFrom: number
      readonly hlcFrom: Hlc
      readonly hlcUpTo: Hlc
      /** Every partition is recovering: make a `Recovery`. */
      readonly recovering: RecoveryReason | undefined
    }
  /** Counters and clock readings go on up to a new bound, and from now on under this generation. */
  | { readonly type: 'lease-extended'; readonly generation: number; readonly hlcUpTo: Hlc }
  /** Found out after `ready` that the store went back in time: every partition is recovering; raise the clock to `hlc`. */
  | { readonly type: 'restored'; readonly hlc: Hlc }
  /** The byte beside `node.json`, in place and synced. If it cannot be written: stay up and refuse everything. */
  | { readonly type: 'write-error-byte'; readonly isSet: boolean }
  /** Over. Clean: the next start may keep the generation. */
  | { readonly type: 'stopped'; readonly isClean: boolean }
