import { emptyDocument, type LayoutDocument } from '../protocol/layout/layout-document.ts'
import { layoutHash } from '../protocol/layout/layout-hash.ts'
import { LayoutInForce } from '../protocol/layout/layout-in-force.ts'
import type { LayoutDigest } from '../protocol/layout/layout-version.ts'
import { mergeDocuments } from '../protocol/layout/merge-documents.ts'
import type { Member, MemberState } from '../protocol/membership/member.ts'
import type { Hash } from '../vocabulary/hash.ts'
import type { ClusterId, Endpoint, NodeId } from '../vocabulary/ids.ts'
import type { Token } from '../vocabulary/key.ts'
import type { Random } from '../vocabulary/random.ts'
import { decodeLayoutDocument } from '../wire/layout-document.ts'
import type { Response } from '../wire/messages.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import { type BreakerSettings, CircuitBreaker } from './circuit-breaker.ts'
import type { Events } from './events.ts'
import { KnownNode } from './known-node.ts'

export type Discovered = Extract<Response, { type: 'discovered' }>

const noOwners: readonly KnownNode[] = []

export interface ViewParts {
  readonly hash: Hash
  readonly random: Random
  readonly breaker: BreakerSettings
  /** Told of what becomes known. */
  readonly events: Events
}

/** The cluster as its nodes described it last: who is a member, and who owns what. */
export class ClusterView {
  readonly #parts: ViewParts
  #clusterId: ClusterId | undefined
  #digest: LayoutDigest = { number: 0, documentHash: 0 }
  #document: LayoutDocument = emptyDocument
  #layout: LayoutInForce | undefined
  #nodes: ReadonlyMap<NodeId, KnownNode> = new Map()
  #members: readonly KnownNode[] = []
  #gateways: readonly KnownNode[] = []
  /** The ring gives equal sets of owners as one array: each is looked up once. */
  #owners = new Map<readonly NodeId[], readonly KnownNode[]>()

  constructor(parts: ViewParts) {
    this.#parts = parts
  }

  /** Undefined until a decided layout was seen. */
  get clusterId(): ClusterId | undefined {
    return this.#clusterId
  }

  /** Of the layout document this view was made of; number 0: none. */
  get digest(): LayoutDigest {
    return this.#digest
  }

  get hasLayout(): boolean {
    return this.#layout !== undefined
  }

  /** All members that were named, the dead ones too. */
  get members(): readonly KnownNode[] {
    return this.#members
  }

  /** What the members there are called: their certificates may be made for that. */
  namesAt(endpoint: Endpoint): readonly string[] {
    return this.#members.filter((node) => node.endpoint === endpoint).map(({ name }) => name)
  }

  /** Addresses from the seeds that no member gives as its own: asked when no member can be. */
  get gateways(): readonly KnownNode[] {
    return this.#gateways
  }

  /**
   * In no meaningful order; empty when no layout is known. While ownership changes: those who are read from, because they
   * have everything, and neither new ones nor any that are excluded.
   */
  ownersOf(token: Token): readonly KnownNode[] {
    const layout = this.#layout
    if (layout === undefined) return noOwners
    const ids = layout.readersOf(layout.ring.partitionOf(token))
    let owners = this.#owners.get(ids)
    if (owners === undefined) {
      owners = ids.flatMap((id) => (layout.isExcluded(id) ? [] : (this.#nodes.get(id) ?? [])))
      this.#owners.set(ids, owners)
    }
    return owners
  }

  /**
   * Takes over what a node said; of layouts what is newer than the known one.
   * @returns why it cannot be used, or undefined
   */
  learn({ members, document, documentHash }: Discovered): string | undefined {
    const { hash, events } = this.#parts
    const { number } = this.#digest
    try {
      const problem = this.#learnLayout(decodeLayoutDocument(document, layoutHash, hash), documentHash)
      if (problem !== undefined) return problem
    } catch (error) {
      if (!(error instanceof UnreadableBytes)) throw error
      return `its layout cannot be read: ${error.message}`
    }
    const before = this.#nodes
    const states = new Map([...before].map(([id, node]) => [id, node.state]))
    this.#learnMembers(members)
    // When all of it is known: whoever hears of it may ask at once.
    if (this.#digest.number > number && this.#clusterId !== undefined) {
      events.emit('layout', { number: this.#digest.number, clusterId: this.#clusterId })
    }
    this.#tellOfMembers(before, states)
    return undefined
  }

  #learnLayout(document: LayoutDocument, documentHash: number): string | undefined {
    const decided = document.live.at(-1)
    if (decided === undefined) return undefined
    this.#clusterId ??= decided.clusterId
    if (decided.clusterId !== this.#clusterId) return `it belongs to cluster ${decided.clusterId}`
    const merged = mergeDocuments(this.#document, document)
    if (!merged.ok) return 'its layout contradicts the one that other nodes showed'
    if (merged.document !== this.#document) this.#layout = new LayoutInForce(merged.document, this.#layout)
    this.#document = merged.document
    const { number } = decided.version
    if (number >= this.#digest.number) this.#digest = { number, documentHash }
    return undefined
  }

  /** The addresses that the seeds stand for now. */
  learnSeeds(endpoints: readonly Endpoint[]): void {
    const known = new Map(this.#gateways.map((gateway) => [gateway.endpoint, gateway]))
    const ofMembers = new Set(this.#members.map(({ endpoint }) => endpoint))
    this.#gateways = [...new Set(endpoints)]
      .filter((endpoint) => !ofMembers.has(endpoint))
      .map((endpoint) => known.get(endpoint) ?? this.#gateway(endpoint))
  }

  #tellOfMembers(before: ReadonlyMap<NodeId, KnownNode>, states: ReadonlyMap<NodeId, MemberState>): void {
    const { events } = this.#parts
    for (const [id, { name, endpoint, state, startNumber }] of this.#nodes) {
      const isSame = states.get(id) === state && before.get(id)?.startNumber === startNumber
      if (!isSame) events.emit('member', { id, name, peer: endpoint, state, before: states.get(id) })
    }
    for (const [id, node] of before) {
      if (this.#nodes.get(id) === node) continue
      // Nobody keeps requests away from a process that is no more: whoever counts open breakers must hear of it.
      node.breaker.close()
      if (this.#nodes.has(id)) continue
      events.emit('member', { id, name: node.name, peer: node.endpoint, state: 'gone', before: states.get(id) })
    }
  }

  #learnMembers(members: readonly Member[]): void {
    const nodes = new Map<NodeId, KnownNode>()
    for (const member of members) {
      const known = this.#nodes.get(member.id)
      // One that was started again begins with a clean record.
      const isSame = known?.endpoint === member.metadata.peer && known.startNumber === member.startNumber
      if (known !== undefined && isSame) {
        if (member.state === 'alive' && known.state !== 'alive') known.breaker.close()
        known.state = member.state
        nodes.set(member.id, known)
      } else {
        nodes.set(member.id, this.#known(member))
      }
    }
    this.#nodes = nodes
    this.#members = [...nodes.values()]
    this.#owners = new Map()
    this.learnSeeds(this.#gateways.map(({ endpoint }) => endpoint))
  }

  #known({ id, startNumber, state, metadata }: Member): KnownNode {
    const { name, peer: endpoint } = metadata
    return new KnownNode({ id, name, endpoint, startNumber, state }, this.#breaker(name, endpoint))
  }

  #gateway(endpoint: Endpoint): KnownNode {
    const facts = { id: undefined, name: endpoint, endpoint, startNumber: 0, state: 'alive' } as const
    return new KnownNode(facts, this.#breaker(endpoint, endpoint))
  }

  #breaker(name: string, peer: Endpoint): CircuitBreaker {
    const { breaker, random, events } = this.#parts
    return new CircuitBreaker(breaker, random, (state) => events.emit('breaker', { name, peer, state }))
  }
}
