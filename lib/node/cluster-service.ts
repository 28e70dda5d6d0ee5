import type { Caller } from '../links/frame-acceptor.ts'
import type { Time } from '../ports/time.ts'
import { isNodeId, type NodeId } from '../vocabulary/ids.ts'
import type { ClusterRequest, RequestOf, Respond } from './data-handlers.ts'
import type { KeptRows } from './kept-rows.ts'
import type { LayoutDriver } from './layout-driver.ts'
import type { MembershipDriver } from './membership-driver.ts'
import { refusal, storageRefused } from './refusals.ts'

/** One start of a node: its number, and when that was by its own clock. */
export interface OwnStart {
  readonly startNumber: number
  readonly wallMs: number
}

/** Answers other nodes and embedded clients about members, layout and store rows. */
export class ClusterService {
  readonly #self: () => NodeId
  readonly #start: OwnStart
  readonly #time: Time
  readonly #layout: LayoutDriver
  readonly #membership: MembershipDriver
  readonly #rows: KeptRows

  constructor(parts: {
    readonly self: () => NodeId
    readonly start: OwnStart
    readonly time: Time
    readonly layout: LayoutDriver
    readonly membership: MembershipDriver
    readonly rows: KeptRows
  }) {
    this.#self = parts.self
    this.#start = parts.start
    this.#time = parts.time
    this.#layout = parts.layout
    this.#membership = parts.membership
    this.#rows = parts.rows
  }

  serve(message: ClusterRequest, caller: Caller, respond: Respond): void {
    switch (message.type) {
      case 'pull-layout':
        return respond({ type: 'layout', document: this.#layout.encodedDocument })
      case 'exchange-members':
        return this.#exchangeMembers(message, caller, respond)
      case 'probe':
        return this.#probe(message, caller, respond)
      case 'keep-row':
        return this.#rows.keep(message.node, message.row, (failure, kept) => {
          if (failure !== undefined) return respond(storageRefused(failure))
          respond(kept === message.row ? { type: 'row-kept' } : { type: 'row', row: kept })
        })
      case 'recall-row':
        return respond({ type: 'row', row: this.#rows.get(message.node) })
      case 'discover':
        return this.#discover(respond)
    }
  }

  #exchangeMembers(message: RequestOf<'exchange-members'>, caller: Caller, respond: Respond): void {
    if (!isNodeId(caller.nodeId)) return respond(refusal('malformed', 'only a member exchanges members'))
    const { machine } = this.#membership
    this.#membership.hearMembers(message.members, caller.nodeId, message.isJoin, false)
    respond({ type: 'members', from: this.#self(), members: machine.members() })
  }

  #probe(message: RequestOf<'probe'>, caller: Caller, respond: Respond): void {
    const self = this.#self()
    if (message.target !== self) return respond(refusal('unknown-node', 'another node lives here'))
    // Whoever asks with our own id wants to know which of us came later.
    if (caller.nodeId === self) return respond({ type: 'probe-acked', node: self, ...this.#start })
    const { startNumber } = this.#membership.machine.self()
    respond({ type: 'probe-acked', node: self, startNumber, wallMs: this.#time.wallMs() })
  }

  #discover(respond: Respond): void {
    respond({
      type: 'discovered',
      members: this.#membership.machine.members(),
      document: this.#layout.encodedDocument,
      documentHash: this.#layout.digest.documentHash,
    })
  }
}
