import type { ClusterId, NodeId } from '../../vocabulary/ids.ts'
import { unreachable } from '../../vocabulary/invariant.ts'
import type { LayoutDocument, StagedChange } from './layout-document.ts'
import type { DecidedLayout } from './layout-version.ts'
import { mergeDocuments } from './merge-documents.ts'
import { nextTracker, type OwnProgress, withDecided, withoutRetired } from './transition.ts'

export type TopologyEvent =
  | { readonly type: 'started' }
  /** Somebody's document. */
  | { readonly type: 'document-received'; readonly document: LayoutDocument }
  /** Somebody asks for a change here; others hear of it by gossip. */
  | { readonly type: 'staged'; readonly node: NodeId; readonly change: StagedChange }
  /** A proposer of this node has had the version decided. */
  | { readonly type: 'decided'; readonly layout: DecidedLayout }
  | { readonly type: 'progressed'; readonly progress: OwnProgress }
  | { readonly type: 'persisted'; readonly ticket: number }

export type TopologyEffect =
  /** Store it, synced, then answer with `persisted`. A later ticket replaces an earlier one. */
  | { readonly type: 'persist-document'; readonly ticket: number; readonly document: LayoutDocument }
  /** What may be shown to others, and used, from now on. */
  | { readonly type: 'document-changed'; readonly document: LayoutDocument }
  /** The document is of another cluster, or of another past, and was not looked at further (docs/rules.md L1). */
  | {
      readonly type: 'foreign-document'
      readonly theirs: ClusterId
      readonly reason: 'foreign-cluster' | 'split-layout'
    }

/**
 * Keeps one node's layout document once layout 1 is in force: takes over what others know, says how far this node has
 * come, and lets versions go that nobody needs. A decided version and the own tracker are durable before anybody sees
 * them (docs/rules.md L3, T2 to T5).
 */
export class Topology {
  readonly #self: NodeId
  /** What others may see. */
  #shown: LayoutDocument
  /** The same with what is being persisted. */
  #known: LayoutDocument
  #progress: OwnProgress
  #persisting: { readonly ticket: number; readonly document: LayoutDocument } | undefined
  #lastTicket = 0

  /** `document`: the last one persisted. */
  constructor(self: NodeId, document: LayoutDocument, progress: OwnProgress) {
    this.#self = self
    this.#shown = document
    this.#known = document
    this.#progress = progress
  }

  /** What others may see. */
  get document(): LayoutDocument {
    return this.#shown
  }

  /** The same with what is on its way to the disk. */
  get known(): LayoutDocument {
    return this.#known
  }

  handle(event: TopologyEvent): readonly TopologyEffect[] {
    switch (event.type) {
      case 'started':
        return this.#advance()
      case 'document-received':
        return this.#receive(event.document)
      case 'staged':
        return this.#receive({ ...this.#known, staged: new Map([[event.node, event.change]]) })
      case 'decided':
        return this.#receive({ ...this.#known, live: withDecided(this.#known.live, event.layout) })
      case 'progressed':
        this.#progress = event.progress
        return this.#advance()
      case 'persisted':
        return event.ticket === this.#persisting?.ticket ? this.#show(this.#persisting.document) : []
      default:
        return unreachable(event)
    }
  }

  #receive(document: LayoutDocument): readonly TopologyEffect[] {
    const merged = mergeDocuments(this.#known, document)
    if (!merged.ok) {
      const theirs = document.live[0]
      return theirs === undefined ? [] : [{ type: 'foreign-document', theirs: theirs.clusterId, reason: merged.reason }]
    }
    if (merged.document === this.#known) return []
    this.#known = merged.document
    return this.#advance()
  }

  /** Nothing new is said while the last word is not durable. */
  #advance(): readonly TopologyEffect[] {
    if (this.#persisting !== undefined) return []
    const tracker = nextTracker(this.#known, this.#self, this.#progress)
    if (tracker !== undefined && tracker !== this.#known.trackers.get(this.#self)) {
      this.#known = { ...this.#known, trackers: new Map(this.#known.trackers).set(this.#self, tracker) }
    }
    const live = withoutRetired(this.#known)
    if (live !== this.#known.live) this.#known = { ...this.#known, live }
    if (this.#known === this.#shown) return []
    const isOwnWord =
      this.#known.live !== this.#shown.live ||
      this.#known.staged !== this.#shown.staged ||
      this.#known.trackers.get(this.#self) !== this.#shown.trackers.get(this.#self)
    if (isOwnWord) return this.#persist()
    // How far others have come is theirs to keep; it comes again.
    return this.#show(this.#known)
  }

  #persist(): readonly TopologyEffect[] {
    this.#lastTicket += 1
    this.#persisting = { ticket: this.#lastTicket, document: this.#known }
    return [{ type: 'persist-document', ticket: this.#lastTicket, document: this.#known }]
  }

  #show(document: LayoutDocument): readonly TopologyEffect[] {
    this.#persisting = undefined
    this.#shown = document
    return [{ type: 'document-changed', document: this.#shown }, ...this.#advance()]
  }
}
