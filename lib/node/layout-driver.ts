import type { LinkPool } from '../links/link-pool.ts'
import type { Ports } from '../ports/ports.ts'
import { digestOf } from '../protocol/layout/document-digest.ts'
import { FirstLayout, type FirstLayoutEffect, type FirstLayoutEvent } from '../protocol/layout/first-layout.ts'
import type { LayoutDocument } from '../protocol/layout/layout-document.ts'
import { layoutHash } from '../protocol/layout/layout-hash.ts'
import type { DecidedLayout, LayoutDigest } from '../protocol/layout/layout-version.ts'
import type { Member } from '../protocol/membership/member.ts'
import { Ring } from '../protocol/ring/ring.ts'
import type { ClusterId, Endpoint, NodeId } from '../vocabulary/ids.ts'
import { unreachable } from '../vocabulary/invariant.ts'
import { decodeLayoutDocument, encodeLayoutDocument } from '../wire/layout-document.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import type { MetaStore } from './meta-store.ts'
import type { NodeMetrics } from './node-metrics.ts'

/** The layout that requests are planned with. */
export interface LayoutInForce {
  readonly decided: DecidedLayout
  readonly ring: Ring
}

export interface LayoutListener {
  /** A layout was decided or learnt, and is durable here. It serves from `onInForce` on. */
  onDecided(layout: DecidedLayout, role: 'member' | 'outsider'): void
  /** A majority of its members shows it: requests may be served (docs/rules.md L2). */
  onInForce(layout: LayoutInForce): void
  onDigestChanged(clusterId: ClusterId | '', digest: LayoutDigest): void
  onForeignCluster(theirs: ClusterId): void
}

const documentName = 'layout'
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
  readonly #machine: FirstLayout
  #document: LayoutDocument
  #encoded: Uint8Array
  #digest: LayoutDigest
  #decided: LayoutInForce | undefined
  #isInForce = false
  #waitingBecause = 'the node has just started'
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
    this.#document = options.document
    this.#encoded = encodeLayoutDocument(options.document)
    this.#digest = digestOf(options.document, parts.ports.hash)
    this.#machine = new FirstLayout(options, options.document, parts.ports.hash)
  }

  start(): void {
    this.#dispatch({ type: 'started', nowMs: this.#now() })
  }

  stop(): void {
    this.#isStopped = true
  }

  /** The layout to plan requests with; undefined as long as none may be used. */
  get inForce(): LayoutInForce | undefined {
    return this.#isInForce ? this.#decided : undefined
  }

  get decided(): DecidedLayout | undefined {
    return this.#decided?.decided
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

  /** Somebody at `endpoint` knows another document: have it, unless that was done a moment ago. */
  onDigest(digest: LayoutDigest, endpoint: Endpoint): void {
    if (this.#isStopped || this.#isPulling || digest.documentHash === this.#digest.documentHash) return
    if (this.#now() - this.#pulledAtMs < pullEveryMs) return
    this.#isPulling = true
    this.#pulledAtMs = this.#now()
    this.#links.request(endpoint, { type: 'pull-layout' }, pullTimeoutMs, (outcome) => {
      this.#isPulling = false
      if (outcome.type !== 'answered' || outcome.message.type !== 'layout') return
      this.hear(outcome.message.document, endpoint)
    })
  }

  hear(bytes: Uint8Array, from: Endpoint): void {
    try {
      const document = decodeLayoutDocument(bytes, layoutHash, this.#ports.hash)
      this.#dispatch({ type: 'document-received', document, nowMs: this.#now() })
    } catch (error) {
      if (!(error instanceof UnreadableBytes)) throw error
      this.#ports.log.warn({ from, reason: error.message }, 'a layout document that cannot be read was dropped')
    }
  }

  #dispatch(event: FirstLayoutEvent): void {
    if (this.#isStopped) return
    for (const effect of this.#machine.handle(event)) this.#carryOut(effect)
  }

  #carryOut(effect: FirstLayoutEffect): void {
    const { time, log } = this.#ports
    switch (effect.type) {
      case 'persist-document':
        return this.#meta.write(documentName, encodeLayoutDocument(effect.document), 'disk', (failure) => {
          if (failure === undefined) this.#dispatch({ type: 'persisted', ticket: effect.ticket, nowMs: this.#now() })
        })
      case 'document-changed':
        return this.#show(effect.document)
      case 'set-timer':
        time.after(effect.delayMs, () =>
          this.#dispatch({ type: 'timer-fired', attempt: effect.attempt, nowMs: this.#now() }),
        )
        return
      case 'decided':
        this.#decide(effect.layout)
        return this.#listener.onDecided(effect.layout, effect.role)
      case 'majority-shows':
        this.#isInForce = true
        if (this.#decided !== undefined) this.#listener.onInForce(this.#decided)
        return
      case 'waiting':
        this.#waitingBecause = effect.message
        return log.info({ reason: effect.reason }, effect.message)
      case 'foreign-cluster':
        return this.#listener.onForeignCluster(effect.theirs)
      case 'abort-answered':
        return
      default:
        return unreachable(effect)
    }
  }

  #decide(layout: DecidedLayout): void {
    const { version } = layout
    this.#decided = { decided: layout, ring: new Ring(version) }
    this.#metrics.layoutVersion.set(version.number)
    this.#ports.log.info(
      { number: version.number, hash: layout.hash, nodes: version.nodes.length },
      'the layout is decided',
    )
  }

  #show(document: LayoutDocument): void {
    this.#document = document
    this.#encoded = encodeLayoutDocument(document)
    const digest = digestOf(document, this.#ports.hash)
    if (digest.documentHash === this.#digest.documentHash && digest.number === this.#digest.number) return
    this.#digest = digest
    this.#listener.onDigestChanged(this.clusterId, digest)
  }

  #now(): number {
    return this.#ports.time.nowMs()
  }
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
