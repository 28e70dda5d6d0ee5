import type { LinkPool } from '../links/link-pool.ts'
import type { Ports } from '../ports/ports.ts'
import type { Hlc } from '../protocol/clock/hlc.ts'
import { digestOf } from '../protocol/layout/document-digest.ts'
import { FirstLayout, type FirstLayoutEffect, type FirstLayoutEvent } from '../protocol/layout/first-layout.ts'
import type { LayoutDocument, StagedChange } from '../protocol/layout/layout-document.ts'
import { layoutHash } from '../protocol/layout/layout-hash.ts'
import { LayoutInForce } from '../protocol/layout/layout-in-force.ts'
import type { DecidedLayout, LayoutDigest, LayoutVersion } from '../protocol/layout/layout-version.ts'
import { Topology, type TopologyEffect, type TopologyEvent } from '../protocol/layout/topology.ts'
import type { OwnProgress } from '../protocol/layout/transition.ts'
import type { Member } from '../protocol/membership/member.ts'
import type { ClusterId, Endpoint, NodeId } from '../vocabulary/ids.ts'
import { unreachable } from '../vocabulary/invariant.ts'
import { decodeForkedOff, encodeForkedOff, type ForkedOff } from '../wire/forked-off.ts'
import { decodeLayoutDocument, encodeLayoutDocument } from '../wire/layout-document.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import type { MetaStore } from './meta-store.ts'
import type { NodeMetrics } from './node-metrics.ts'
import { PlansInFlight } from './plans-in-flight.ts'

export interface LayoutListener {
  /** Layout 1 was decided, or the layout in force was learnt, and is durable here. It serves from `onInForce` on. */
  onDecided(layout: DecidedLayout, role: 'member' | 'outsider'): void
  /** A majority of its members shows it: requests may be served (docs/rules.md L2). */
  onInForce(layout: LayoutInForce): void
  /**
   * The document in force has changed, and is durable here: other versions are live (`before.live` differs), or somebody
   * has come further in a transition.
   */
  onChanged(layout: LayoutInForce, before: LayoutInForce): void
  onDigestChanged(clusterId: ClusterId | '', digest: LayoutDigest): void
  onForeignCluster(theirs: ClusterId): void
}

interface Waiter {
  readonly isMet: (document: LayoutDocument) => boolean
  readonly done: () => void
}

type AbortOutcome = Extract<FirstLayoutEffect, { type: 'abort-answered' }>['outcome']

const documentName = 'layout'
const forkedOffName = 'forked-off'
/** A difference of digests is often gone by itself a moment later. */
const pullEveryMs = 200
const pullTimeoutMs = 5_000

/** Keeps the layout document of one node: on its disk, in step with the others, and as a ring to plan with. */
export class LayoutDriver {
  readonly #ports: Ports
  readonly #meta: MetaStore
  readonly #links: LinkPool
  readonly #metrics: NodeMetrics
  readonly #listener: LayoutListener
  readonly #self: NodeId
  /** On the way to a layout; later `#topology` keeps it. */
  readonly #first: FirstLayout
  #topology: Topology | undefined
  /** What one life of the node has come to in a transition. */
  readonly #plans = new PlansInFlight(() => this.#progressed())
  #progress: Omit<OwnProgress, 'plannedWith'> = noProgress
  #document: LayoutDocument
  #encoded: Uint8Array
  #digest: LayoutDigest
  #decided: DecidedLayout | undefined
  #inForce: LayoutInForce | undefined
  #waitingBecause = 'the node has just started'
  /** Who waits for something to be durable here. */
  readonly #waiters = new Set<Waiter>()
  #onAborted: ((outcome: AbortOutcome) => void)[] = []
  #forkedOff: ForkedOff | undefined
  #isPulling = false
  #pulledAtMs = Number.NEGATIVE_INFINITY
  #isStopped = false

  constructor(
    parts: { readonly ports: Ports; readonly meta: MetaStore; readonly links: LinkPool; readonly metrics: NodeMetrics },
    options: {
      readonly self: NodeId
      readonly expect: number
      readonly joins: boolean
      readonly isFresh: boolean
      readonly formerCluster: ClusterId | undefined
      readonly partitionCount: number
      readonly replicaCount: number
      /** The last one persisted. */
      readonly document: LayoutDocument
    },
    listener: LayoutListener,
  ) {
    this.#ports = parts.ports
    this.#meta = parts.meta
    this.#links = parts.links
    this.#metrics = parts.metrics
    this.#listener = listener
    this.#self = options.self
    this.#document = options.document
    this.#encoded = encodeLayoutDocument(options.document)
    this.#digest = digestOf(options.document, parts.ports.hash)
    this.#first = new FirstLayout(options, options.document, parts.ports.hash)
    this.#forkedOff = loadForkedOff(parts.meta)
  }

  start(): void {
    this.#dispatch({ type: 'started', nowMs: this.#now() })
  }

  stop(): void {
    this.#isStopped = true
  }

  /** The layout to plan requests with; undefined as long as none may be used. */
  get inForce(): LayoutInForce | undefined {
    return this.#inForce
  }

  /** The newest decided version that is durable here. */
  get decided(): DecidedLayout | undefined {
    return this.#inForce?.decided ?? this.#decided
  }

  /** This node may have said that it reads from the newest version, or is about to (docs/rules.md T5, T7). */
  get hasSwitched(): boolean {
    const { live, trackers } = this.#topology?.known ?? this.#document
    const newest = live.at(-1)?.version
    return live.length < 2 || newest === undefined || (trackers.get(this.#self)?.syncAck ?? 0) >= newest.assignedAt
  }

  /** Of another past than the newest version it knows: it counts as excluded (docs/rules.md L5). */
  get isForkedOff(): boolean {
    return this.#isForkedOff(this.#document)
  }

  #isForkedOff({ live }: LayoutDocument): boolean {
    const mark = this.#forkedOff
    if (mark === undefined || (live.at(-1)?.version.forks ?? 0) < mark.forks) return false
    return live.some(({ version }) => shortIdOf(version, this.#self) === mark.shortId)
  }

  /** What is planned, and not over: begun and ended with the number of the layout that it was planned with. */
  get plans(): PlansInFlight {
    return this.#plans
  }

  get document(): LayoutDocument {
    return this.#document
  }

  get encodedDocument(): Uint8Array {
    return this.#encoded
  }

  get digest(): LayoutDigest {
    return this.#digest
  }

  get clusterId(): ClusterId | '' {
    return this.#document.live[0]?.clusterId ?? ''
  }

  /** One sentence for people, while there is no layout in force. */
  get waitingBecause(): string {
    return this.#waitingBecause
  }

  membersChanged(members: readonly Member[]): void {
    this.#dispatch({ type: 'members-changed', members, nowMs: this.#now() })
  }

  /**
   * Asks for a change in the next version; nothing moves before somebody commits it. The last word for a node wins.
   * Ignored before a layout is in force.
   * @param at the clock of this node
   * @param done once it is durable here, this word or a later one
   */
  stage(node: NodeId, at: Hlc, change: Omit<StagedChange, 'setAt' | 'setBy'>, done: () => void = () => {}): void {
    this.#waiters.add({ isMet: ({ staged }) => (staged.get(node)?.setAt ?? 0) >= at, done })
    this.#handle({ type: 'staged', node, change: { ...change, setAt: at, setBy: this.#self } })
  }

  /** Refuses the candidate for layout 1, durably (docs/rules.md L2). */
  abortFirst(done: (outcome: AbortOutcome) => void): void {
    if (this.#topology !== undefined) return this.#ports.time.soon(() => done('decided-already'))
    this.#onAborted.push(done)
    this.#dispatch({ type: 'abort-requested', nowMs: this.#now() })
  }

  /** A majority of the acceptors has accepted this version. In force once it is durable here (docs/rules.md L3). */
  decide(layout: DecidedLayout): void {
    this.#handle({ type: 'decided', layout })
  }

  /** `done` once a version with this number, or a later one, is durable here; false: not in time. */
  whenDecided(number: number, timeoutMs: number, done: (isKnown: boolean) => void): void {
    const waiter: Waiter = {
      isMet: ({ live }) => (live.at(-1)?.version.number ?? 0) >= number,
      done: () => done(true),
    }
    this.#waiters.add(waiter)
    this.#ports.time.after(timeoutMs, () => {
      if (this.#waiters.delete(waiter)) done(false)
    })
    this.#tellWaiters()
  }

  /** How far this node has come with what a transition asks of it; what is left out stays as it was. */
  progressed(progress: Partial<Omit<OwnProgress, 'plannedWith'>>): void {
    this.#progress = { ...this.#progress, ...progress }
    this.#progressed()
  }

  /** Has the layout document of whoever lives at `endpoint`, now. `done` when it was heard, or did not come. */
  pullFrom(endpoint: Endpoint, done: () => void): void {
    this.#links.request(endpoint, { type: 'pull-layout' }, pullTimeoutMs, (outcome) => {
      if (outcome.type === 'answered' && outcome.message.type === 'layout')
        this.hear(outcome.message.document, endpoint)
      done()
    })
  }

  /** Somebody at `endpoint` knows another document: have it, unless that was done a moment ago. */
  onDigest(digest: LayoutDigest, endpoint: Endpoint): void {
    if (this.#isStopped || this.#isPulling || digest.documentHash === this.#digest.documentHash) return
    if (this.#now() - this.#pulledAtMs < pullEveryMs) return
    this.#isPulling = true
    this.#pulledAtMs = this.#now()
    this.pullFrom(endpoint, () => {
      this.#isPulling = false
    })
  }

  hear(bytes: Uint8Array, from: Endpoint): void {
    try {
      const document = decodeLayoutDocument(bytes, layoutHash, this.#ports.hash)
      if (this.#topology !== undefined) this.#handle({ type: 'document-received', document })
      else this.#dispatch({ type: 'document-received', document, nowMs: this.#now() })
    } catch (error) {
      if (!(error instanceof UnreadableBytes)) throw error
      this.#ports.log.warn({ from, reason: error.message }, 'a layout document that cannot be read was dropped')
    }
  }

  #dispatch(event: FirstLayoutEvent): void {
    if (this.#isStopped || this.#topology !== undefined) return
    for (const effect of this.#first.handle(event)) this.#carryOut(effect)
  }

  #carryOut(effect: FirstLayoutEffect): void {
    const { time, log } = this.#ports
    switch (effect.type) {
      case 'persist-document':
        return this.#persist(effect.document, () =>
          this.#dispatch({ type: 'persisted', ticket: effect.ticket, nowMs: this.#now() }),
        )
      case 'document-changed':
        return this.#show(effect.document)
      case 'set-timer':
        time.after(effect.delayMs, () =>
          this.#dispatch({ type: 'timer-fired', attempt: effect.attempt, nowMs: this.#now() }),
        )
        return
      case 'decided':
        this.#decided = effect.layout
        this.#sayDecided(effect.layout)
        return this.#listener.onDecided(effect.layout, effect.role)
      case 'majority-shows':
        return this.#follow()
      case 'waiting':
        this.#waitingBecause = effect.message
        return log.info({ reason: effect.reason }, effect.message)
      case 'foreign-cluster':
        return this.#listener.onForeignCluster(effect.theirs)
      case 'abort-answered':
        for (const tell of this.#onAborted.splice(0)) time.soon(() => tell(effect.outcome))
        return
      default:
        return unreachable(effect)
    }
  }

  /** From layout 1 on the versions follow one another. */
  #follow(): void {
    // Behind whatever the same event still brings, such as remembering that a majority has shown it.
    this.#ports.time.soon(() => {
      if (this.#isStopped || this.#topology !== undefined) return
      const inForce = new LayoutInForce(
        this.#first.document,
        undefined,
        this.#selfIfForkedOff(this.#first.document),
        this.#self,
      )
      this.#inForce = inForce
      this.#plans.moveTo(inForce.plannedNumber)
      this.#topology = new Topology(this.#self, this.#first.document, this.#ownProgress())
      this.#listener.onInForce(inForce)
      this.#handle({ type: 'started' })
    })
  }

  #handle(event: TopologyEvent): void {
    if (this.#isStopped || this.#topology === undefined) return
    for (const effect of this.#topology.handle(event)) this.#carryOutLater(effect)
  }

  #carryOutLater(effect: TopologyEffect): void {
    switch (effect.type) {
      case 'persist-document':
        this.#markIfForkedOff(effect.document)
        return this.#persist(effect.document, () => this.#handle({ type: 'persisted', ticket: effect.ticket }))
      case 'document-changed':
        // First: whoever is told of the change looks here.
        this.#document = effect.document
        this.#changed(effect.document)
        return this.#show(effect.document)
      case 'foreign-document':
        return this.#listener.onForeignCluster(effect.theirs)
      default:
        return unreachable(effect)
    }
  }

  #changed(document: LayoutDocument): void {
    const before = this.#inForce
    if (before === undefined) return
    const after = new LayoutInForce(document, before, this.#selfIfForkedOff(document), this.#self)
    this.#document = document
    this.#inForce = after
    this.#plans.moveTo(after.plannedNumber)
    if (after.decided !== before.decided) this.#sayDecided(after.decided)
    this.#listener.onChanged(after, before)
  }

  #selfIfForkedOff(document: LayoutDocument): NodeId | undefined {
    return this.#isForkedOff(document) ? this.#self : undefined
  }

  /** Stored before the document that overrules what this node knew. */
  #markIfForkedOff(document: LayoutDocument): void {
    const before = this.#document.live.at(-1)?.version
    const after = document.live.at(-1)?.version
    if (before === undefined || after === undefined || after.forks <= before.forks) return
    const shortId = shortIdOf(after, this.#self)
    // Whoever knew only what came before the forced version follows it like any other.
    if (before.number < after.forks || shortId === undefined) return
    this.#ports.log.error(
      { known: before.number, forced: after.forks },
      'a version was forced elsewhere while this node decided others: it counts as excluded',
    )
    this.#forkedOff = { forks: after.forks, shortId }
    this.#meta.write(forkedOffName, encodeForkedOff(this.#forkedOff), 'disk', () => {})
  }

  #progressed(): void {
    this.#handle({ type: 'progressed', progress: this.#ownProgress() })
  }

  #ownProgress(): OwnProgress {
    return { ...this.#progress, plannedWith: this.#plans.oldest }
  }

  #persist(document: LayoutDocument, done: () => void): void {
    this.#meta.write(documentName, encodeLayoutDocument(document), 'disk', (failure) => {
      if (failure === undefined) done()
    })
  }

  #sayDecided({ version, hash }: DecidedLayout): void {
    this.#metrics.layoutVersion.set(version.number)
    this.#ports.log.info({ number: version.number, hash, nodes: version.nodes.length }, 'the layout is decided')
  }

  #tellWaiters(): void {
    for (const waiter of this.#waiters) {
      if (!waiter.isMet(this.#document)) continue
      this.#waiters.delete(waiter)
      this.#ports.time.soon(waiter.done)
    }
  }

  #show(document: LayoutDocument): void {
    this.#document = document
    this.#encoded = encodeLayoutDocument(document)
    if (this.#waiters.size > 0) this.#tellWaiters()
    const digest = digestOf(document, this.#ports.hash)
    if (digest.documentHash === this.#digest.documentHash && digest.number === this.#digest.number) return
    this.#digest = digest
    this.#listener.onDigestChanged(this.clusterId, digest)
  }

  #now(): number {
    return this.#ports.time.nowMs()
  }
}

/** Before anybody has looked. */
const noProgress: Omit<OwnProgress, 'plannedWith'> = {
  openFor: 0,
  syncedFor: 0,
  hintsClearFor: 0,
  isAbortAccepted: false,
}

function shortIdOf({ nodes }: LayoutVersion, node: NodeId): number | undefined {
  return nodes.find(({ id }) => id === node)?.shortId
}

function loadForkedOff(meta: MetaStore): ForkedOff | undefined {
  const bytes = meta.read(forkedOffName)
  return bytes instanceof Uint8Array ? decodeForkedOff(bytes) : undefined
}

/** The document as this store has it; `empty` when it has none or cannot read it. */
export function loadDocument(
  meta: MetaStore,
  empty: LayoutDocument,
  hash: Ports['hash'],
): { readonly document: LayoutDocument; readonly isDamaged: boolean } {
  const bytes = meta.read(documentName)
  let document = empty
  let isDamaged = bytes === 'damaged'
  if (bytes instanceof Uint8Array) {
    try {
      document = decodeLayoutDocument(bytes, layoutHash, hash)
    } catch (error) {
      if (!(error instanceof UnreadableBytes)) throw error
      isDamaged = true
    }
  }
  return { document, isDamaged }
}
