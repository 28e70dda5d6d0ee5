import type { Hash } from '../../vocabulary/hash.ts'
import type { ClusterId, NodeId } from '../../vocabulary/ids.ts'
import { unreachable } from '../../vocabulary/invariant.ts'
import type { Member } from '../membership/member.ts'
import { firstCandidate } from './first-candidate.ts'
import { type FirstLayoutRules, firstLayoutRules, hasNode, haveSameNodes } from './first-layout-rules.ts'
import type { FirstLayoutVote, LayoutDocument, LayoutTracker } from './layout-document.ts'
import { layoutHash, toDecidedLayout } from './layout-hash.ts'
import type { DecidedLayout, LayoutVersion } from './layout-version.ts'
import { mergeDocuments } from './merge-documents.ts'
import { type Starters, type StartersProblem, startersAmong } from './starters.ts'

export interface FirstLayoutSettings {
  readonly self: NodeId
  /** `--expect`; 0: not given. */
  readonly expect: number
  /** Whether `--join` was given. */
  readonly joins: boolean
  /** The store was empty when this process started. */
  readonly isFresh: boolean
  /** The cluster that the node was a member of, though its store may know nothing of it any more; absent: of none. */
  readonly formerCluster?: ClusterId | undefined
  readonly partitionCount: number
  readonly replicaCount: number
}

export type FirstLayoutEvent = { readonly nowMs: number } & (
  | { readonly type: 'started' }
  /** All members, this node included, whatever their state. */
  | { readonly type: 'members-changed'; readonly members: readonly Member[] }
  | { readonly type: 'timer-fired'; readonly attempt: number }
  /** Somebody's document; or our own with a change of ours in it, such as a new row. */
  | { readonly type: 'document-received'; readonly document: LayoutDocument }
  | { readonly type: 'persisted'; readonly ticket: number }
  | { readonly type: 'abort-requested' }
)

/** Why there is no layout to serve with yet. */
export type WaitingReason =
  | StartersProblem
  | 'starters-settling'
  | 'acknowledgements-missing'
  | 'plan-refused'
  | 'aborted'
  | 'bound-to-another-set'
  | 'not-fresh'
  | 'majority-missing'

export type FirstLayoutEffect =
  /** Store it, synced, then answer with `persisted`. A later ticket replaces an earlier one. */
  | { readonly type: 'persist-document'; readonly ticket: number; readonly document: LayoutDocument }
  /** What may be shown to others from now on. */
  | { readonly type: 'document-changed'; readonly document: LayoutDocument }
  | { readonly type: 'set-timer'; readonly attempt: number; readonly delayMs: number }
  /** Once: the layout is known and durable. An outsider is no member of it and waits to be staged. */
  | { readonly type: 'decided'; readonly layout: DecidedLayout; readonly role: 'member' | 'outsider' }
  /** Once, and again after every start: a majority of the layout's members shows it, so requests may be served (rules.md L2). */
  | { readonly type: 'majority-shows' }
  /** For people; once per reason. */
  | { readonly type: 'waiting'; readonly reason: WaitingReason; readonly message: string }
  /** The document is of another cluster and was not looked at further (rules.md L1). */
  | { readonly type: 'foreign-cluster'; readonly theirs: ClusterId }
  | { readonly type: 'abort-answered'; readonly outcome: 'aborted' | 'nothing-to-abort' | 'decided-already' }

/** How long the same starters must have been seen before one of them makes the first layout. */
export const startersSettleMs = 2_000

/**
 * One node's way to a layout: it makes, acknowledges and decides layout 1 with the other starters (rules.md L2), or
 * learns the one that is in force. Keeps the node's layout document: everything that changes it goes through here.
 *
 * What this node says of candidates, and what was decided, is persisted before anybody else sees it.
 */
export class FirstLayout {
  readonly #settings: FirstLayoutSettings
  readonly #hash: Hash
  readonly #rules: FirstLayoutRules
  /** What others may see. */
  #shown: LayoutDocument
  /** The same with what is being persisted. */
  #known: LayoutDocument
  #persistingTicket: number | undefined
  #lastTicket = 0
  #isAbortAsked = false
  /** Undefined: no members were seen yet. */
  #starters: Starters | undefined
  #startersName = ''
  #isSettled = false
  #attempt = 0
  #waitingFor = ''
  #isDecidedTold = false
  #isMajorityTold = false

  /** `document`: the last one persisted. `rules` are exchanged only to show what each of them is for. */
  constructor(
    settings: FirstLayoutSettings,
    document: LayoutDocument,
    hash: Hash,
    rules: FirstLayoutRules = firstLayoutRules,
  ) {
    this.#settings = settings
    this.#hash = hash
    this.#rules = rules
    this.#shown = document
    this.#known = document
  }

  /** What others may see. */
  get document(): LayoutDocument {
    return this.#shown
  }

  handle(event: FirstLayoutEvent): readonly FirstLayoutEffect[] {
    switch (event.type) {
      case 'started':
        return this.#advance()
      case 'members-changed':
        return [...this.#seeStarters(event.members), ...this.#advance()]
      case 'timer-fired':
        if (event.attempt !== this.#attempt) return []
        this.#isSettled = true
        return this.#advance()
      case 'document-received':
        return this.#receive(event.document)
      case 'persisted':
        return event.ticket === this.#persistingTicket ? this.#show() : []
      case 'abort-requested':
        return this.#abort()
      default:
        return unreachable(event)
    }
  }

  #seeStarters(members: readonly Member[]): readonly FirstLayoutEffect[] {
    this.#starters = startersAmong(members, this.#settings)
    const name = this.#starters.ok
      ? this.#starters.starters
          .map(({ id, zone, weight }) => `${id} ${weight} ${zone}`)
          .sort()
          .join('\n')
      : ''
    if (name === this.#startersName) return []
    this.#startersName = name
    // A timer that is running belongs to starters who are no longer the same.
    this.#attempt += 1
    this.#isSettled = this.#starters.ok && this.#starters.alone
    if (!this.#starters.ok || this.#isSettled || this.#known.live.length > 0) return []
    return [{ type: 'set-timer', attempt: this.#attempt, delayMs: startersSettleMs }]
  }

  #receive(document: LayoutDocument): readonly FirstLayoutEffect[] {
    const decided = document.live[0]
    if (decided !== undefined && this.#known.live.length === 0) {
      const obstacle = this.#obstacleTo(decided)
      if (obstacle !== undefined) return obstacle
    }
    const known = mergeDocuments(this.#known, document)
    if (!known.ok) return decided === undefined ? [] : [{ type: 'foreign-cluster', theirs: decided.clusterId }]
    if (known.document === this.#known) return []
    // A decided version is durable before it is used or shown (rules.md L3).
    if (known.document.live !== this.#known.live) return this.#persist(this.#acknowledged(known.document))
    this.#known = known.document
    const shown = mergeDocuments(this.#shown, document)
    // While a decision is being persisted others see nothing of it, and what came with it waits until then.
    if (!shown.ok || shown.document.live.length > this.#shown.live.length) return []
    this.#shown = shown.document
    return [{ type: 'document-changed', document: this.#shown }, ...this.#advance()]
  }

  /** Why this node must not follow a layout decided without it; undefined when nothing speaks against it. */
  #obstacleTo(decided: DecidedLayout): readonly FirstLayoutEffect[] | undefined {
    const isMember = hasNode(decided.version, this.#settings.self)
    const isOurs = this.#settings.formerCluster === decided.clusterId
    if (!isMember && !this.#settings.isFresh && !isOurs)
      return this.#wait(
        'not-fresh',
        `this node has data and belongs to no cluster: it does not join ${decided.clusterId}`,
      )
    const bound = this.#boundTo()
    // A set with a node in common with a decided one can never be decided. Any other may have been, unknown to us.
    if (isMember || bound === undefined || bound.nodes.some(({ id }) => hasNode(decided.version, id))) return undefined
    return this.#wait(
      'bound-to-another-set',
      `cluster ${decided.clusterId} is here, but this node has acknowledged a first layout with other nodes, which may be decided: abort that one`,
    )
  }

  #show(): readonly FirstLayoutEffect[] {
    this.#persistingTicket = undefined
    this.#shown = this.#known
    const effects: FirstLayoutEffect[] = [{ type: 'document-changed', document: this.#shown }]
    if (this.#isAbortAsked) {
      this.#isAbortAsked = false
      effects.push({ type: 'abort-answered', outcome: this.#shown.live.length > 0 ? 'decided-already' : 'aborted' })
    }
    return [...effects, ...this.#advance()]
  }

  /** Does whatever can be done next. Nothing new is said while the last word is not durable. */
  #advance(): readonly FirstLayoutEffect[] {
    if (this.#persistingTicket !== undefined) return []
    if (this.#known.live.length > 0) return this.#follow()
    if (!this.#settings.isFresh)
      return this.#wait('not-fresh', 'this node has data, but knows no layout: waiting for a member of its cluster')
    const own = this.#ownVote()
    if (own?.stance === 'acknowledged' && this.#rules.isDecided(this.#known, own)) return this.#decide(own)
    const bound = this.#boundTo()
    if (own !== undefined && bound !== undefined) return this.#holdOn(own, bound)
    return this.#joinCandidate(own) ?? this.#makeCandidate(own)
  }

  #follow(): readonly FirstLayoutEffect[] {
    const [oldest] = this.#known.live
    const newest = this.#known.live.at(-1)
    if (oldest === undefined || newest === undefined) return []
    const effects: FirstLayoutEffect[] = []
    if (!this.#isDecidedTold) {
      this.#isDecidedTold = true
      const role = hasNode(newest.version, this.#settings.self) ? 'member' : 'outsider'
      effects.push({ type: 'decided', layout: newest, role })
    }
    if (this.#isMajorityTold) return effects
    const { nodes } = oldest.version
    const showing = nodes.filter(({ id }) => (this.#known.trackers.get(id)?.ack ?? 0) >= 1)
    const needed = Math.floor(nodes.length / 2) + 1
    if (oldest.version.number === 1 && showing.length < needed)
      return [
        ...effects,
        ...this.#wait('majority-missing', `${showing.length} of the ${needed} nodes needed show the first layout`),
      ]
    this.#isMajorityTold = true
    effects.push({ type: 'majority-shows' })
    // Remembered, so that this node, started again alone, need not see the others first.
    return nodes.length === 1 ? effects : [...effects, ...this.#persist(this.#known)]
  }

  /** Bound to a candidate that may still be decided. */
  #holdOn(own: FirstLayoutVote, bound: LayoutVersion): readonly FirstLayoutEffect[] {
    if (own.stance === 'withdrawn')
      return this.#wait('aborted', 'the first layout was aborted here: it ends when all of its nodes abort it')
    const smaller = this.#smallestSibling(own, bound)
    if (smaller !== own.candidate) return this.#vote(own.round, 'acknowledged', smaller)
    const missing = bound.nodes.filter(({ id }) => this.#known.votes.get(id)?.candidate !== own.candidate)
    return this.#wait(
      'acknowledgements-missing',
      `waiting for ${missing.map(({ id }) => id).join(', ')} to acknowledge the first layout`,
    )
  }

  /** Of the candidates with the same nodes in the same round all move to the smallest hash. */
  #smallestSibling(own: FirstLayoutVote, bound: LayoutVersion): string {
    let smallest = own.candidate
    for (const { round, candidate } of this.#known.votes.values()) {
      const version = this.#known.candidates.get(candidate)
      if (version === undefined || round !== own.round || candidate >= smallest) continue
      if (haveSameNodes(version, bound)) smallest = candidate
    }
    return smallest
  }

  #joinCandidate(own: FirstLayoutVote | undefined): readonly FirstLayoutEffect[] | undefined {
    let best: FirstLayoutVote | undefined
    for (const vote of this.#known.votes.values()) {
      if (!this.#isWorthJoining(own, vote)) continue
      const isBetter =
        best === undefined || vote.round > best.round || (vote.round === best.round && vote.candidate < best.candidate)
      if (isBetter) best = vote
    }
    return best === undefined ? undefined : this.#vote(best.round, 'acknowledged', best.candidate)
  }

  #isWorthJoining(own: FirstLayoutVote | undefined, vote: FirstLayoutVote): boolean {
    const version = this.#known.candidates.get(vote.candidate)
    if (version === undefined || vote.stance !== 'acknowledged') return false
    if (!hasNode(version, this.#settings.self) || version.nodes.length !== this.#settings.expect) return false
    if (isAbortedBy(own, vote.candidate) || !this.#rules.mayEnter(this.#known, own, vote)) return false
    return version.nodes.every(({ id }) => {
      const other = this.#known.votes.get(id)
      return other?.round !== vote.round || other.stance !== 'withdrawn'
    })
  }

  #makeCandidate(own: FirstLayoutVote | undefined): readonly FirstLayoutEffect[] {
    if (this.#starters === undefined) return []
    if (!this.#starters.ok) return this.#wait(this.#starters.problem, this.#starters.message)
    if (!this.#isSettled)
      return this.#wait('starters-settling', `all starters are here: watching them for ${startersSettleMs} ms`)
    const made = firstCandidate(this.#starters.starters, this.#settings)
    if (!made.ok) return this.#wait('plan-refused', made.reason)
    const name = layoutHash(made.version, this.#hash)
    if (isAbortedBy(own, name))
      return this.#wait('aborted', 'this first layout was aborted: change a setting, or start with empty directories')
    const lastRound = Math.max(0, ...[...this.#known.votes.values()].map(({ round }) => round))
    return this.#vote(lastRound + 1, 'acknowledged', name, made.version)
  }

  #abort(): readonly FirstLayoutEffect[] {
    if (this.#known.live.length > 0) return [{ type: 'abort-answered', outcome: 'decided-already' }]
    // One that is on its way to the disk is answered when it is there; the answer is for everybody who asked.
    if (this.#isAbortAsked) return []
    const own = this.#ownVote()
    if (own !== undefined && this.#boundTo() !== undefined) {
      if (own.stance === 'withdrawn' && this.#persistingTicket === undefined)
        return [{ type: 'abort-answered', outcome: 'aborted' }]
      this.#isAbortAsked = true
      return this.#vote(own.round, 'withdrawn', own.candidate)
    }
    let newest: FirstLayoutVote | undefined
    for (const vote of this.#known.votes.values()) {
      const version = this.#known.candidates.get(vote.candidate)
      const concernsUs = version !== undefined && hasNode(version, this.#settings.self)
      if (concernsUs && vote !== own && vote.round > (newest?.round ?? 0)) newest = vote
    }
    if (newest === undefined || !this.#rules.mayEnter(this.#known, own, newest))
      return [{ type: 'abort-answered', outcome: own?.stance === 'refused' ? 'aborted' : 'nothing-to-abort' }]
    this.#isAbortAsked = true
    return this.#vote(newest.round, 'refused', newest.candidate)
  }

  #ownVote(): FirstLayoutVote | undefined {
    return this.#known.votes.get(this.#settings.self)
  }

  /** The candidate that this node acknowledged and that may have been, or may still be, decided. */
  #boundTo(): LayoutVersion | undefined {
    const own = this.#ownVote()
    if (own === undefined || own.stance === 'refused') return undefined
    const version = this.#known.candidates.get(own.candidate)
    return version === undefined || this.#rules.mayLeave(this.#known, own) ? undefined : version
  }

  #vote(
    round: number,
    stance: FirstLayoutVote['stance'],
    candidate: string,
    version: LayoutVersion | undefined = this.#known.candidates.get(candidate),
  ): readonly FirstLayoutEffect[] {
    if (version === undefined) return []
    const { self } = this.#settings
    const seq = (this.#ownVote()?.seq ?? 0) + 1
    const ours: LayoutDocument = {
      ...this.#known,
      candidates: new Map([[candidate, version]]),
      votes: new Map([[self, { seq, round, stance, candidate }]]),
    }
    const merged = mergeDocuments(this.#known, ours)
    return merged.ok ? this.#persist(merged.document) : []
  }

  #decide(own: FirstLayoutVote): readonly FirstLayoutEffect[] {
    const version = this.#known.candidates.get(own.candidate)
    if (version === undefined) return []
    const decided: LayoutDocument = {
      ...this.#known,
      live: [toDecidedLayout(version, this.#hash)],
      candidates: new Map(),
      votes: new Map(),
    }
    return this.#persist(this.#acknowledged(decided))
  }

  /** `document` with the mark that this node, as a member of its newest version, knows that version. */
  #acknowledged(document: LayoutDocument): LayoutDocument {
    const { self } = this.#settings
    const newest = document.live.at(-1)
    const tracker = document.trackers.get(self) ?? noTracker
    // Of later versions whoever keeps the document from then on says it, when this node is ready for them.
    if (newest?.version.number !== 1 || !hasNode(newest.version, self) || tracker.ack >= 1) return document
    const raised: LayoutTracker = { ...tracker, seq: tracker.seq + 1, ack: newest.version.number }
    return { ...document, trackers: new Map(document.trackers).set(self, raised) }
  }

  #persist(document: LayoutDocument): readonly FirstLayoutEffect[] {
    this.#known = document
    this.#lastTicket += 1
    this.#persistingTicket = this.#lastTicket
    this.#waitingFor = ''
    return [{ type: 'persist-document', ticket: this.#lastTicket, document }]
  }

  #wait(reason: WaitingReason, message: string): readonly FirstLayoutEffect[] {
    const what = `${reason} ${message}`
    if (this.#waitingFor === what) return []
    this.#waitingFor = what
    return [{ type: 'waiting', reason, message }]
  }
}

/** An abort is durable: what a node has aborted it never takes up again, in no round. */
function isAbortedBy(own: FirstLayoutVote | undefined, candidate: string): boolean {
  return own !== undefined && own.stance !== 'acknowledged' && own.candidate === candidate
}

const noTracker: LayoutTracker = { seq: 0, ack: 0, sync: 0, syncAck: 0, hintsClear: 0 }
