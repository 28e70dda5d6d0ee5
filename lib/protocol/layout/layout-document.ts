import type { NodeId } from '../../vocabulary/ids.ts'
import type { Hlc } from '../clock/hlc.ts'
import type { DecidedLayout, LayoutVersion } from './layout-version.ts'

/**
 * What one starter says of the candidates for layout 1 (rules.md L2). Only its node writes it; a higher `seq` wins; its
 * `round` never falls. Synced before it is sent.
 *
 * - `acknowledged`: bound to this candidate in this round.
 * - `withdrawn`: acknowledged once, aborted since: will never decide it by itself, and asks the others not to.
 * - `refused`: aborted before it was acknowledged: never will be, and nothing else of this round either.
 */
export interface FirstLayoutVote {
  readonly seq: number
  readonly round: number
  readonly stance: 'acknowledged' | 'withdrawn' | 'refused'
  /** The candidate's layout hash: a key of `candidates`. */
  readonly candidate: string
}

/** How far one node has come in the transitions (rules.md 4). Only its node writes it; a higher `seq` wins. */
export interface LayoutTracker {
  readonly seq: number
  /** The newest version this node knows with nothing in flight that was planned without it. */
  readonly ack: number
  readonly sync: number
  readonly syncAck: number
  readonly hintsClear: number
}

/** What people want changed for one node in the next version; the last word by (`setAt`, `setBy`) wins. */
export interface StagedChange {
  readonly setAt: Hlc
  readonly setBy: NodeId
  readonly action: 'join' | 'leave' | 'replace' | 'exclude' | 'set' | 'clear'
  readonly with: NodeId | undefined
  readonly zone: string | undefined
  readonly weight: number | undefined
  /** Also where it may cost something: to replace a node that is alive. */
  readonly force: boolean
}

/**
 * Everything the nodes tell each other about ownership: the decided versions in force, and what leads to the next one.
 * A plain value; `mergeDocuments` joins two of them.
 */
export interface LayoutDocument {
  /** Decided versions in force, by ascending number: none before layout 1, one at rest, two in a transition. */
  readonly live: readonly DecidedLayout[]
  /** Candidates for layout 1 by their layout hash: exactly those that `votes` name. Empty once layout 1 is decided. */
  readonly candidates: ReadonlyMap<string, LayoutVersion>
  /** By starter. Empty once layout 1 is decided. */
  readonly votes: ReadonlyMap<NodeId, FirstLayoutVote>
  readonly trackers: ReadonlyMap<NodeId, LayoutTracker>
  readonly staged: ReadonlyMap<NodeId, StagedChange>
}

export const emptyDocument: LayoutDocument = {
  live: [],
  candidates: new Map(),
  votes: new Map(),
  trackers: new Map(),
  staged: new Map(),
}
