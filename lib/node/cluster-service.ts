import type { Caller } from '../links/frame-acceptor.ts'
import type { Time } from '../ports/time.ts'
import { isNodeId, type NodeId } from '../vocabulary/ids.ts'
import type { ClusterRequest, RequestOf, Respond } from './data-handlers.ts'
import type { KeptRows } from './kept-rows.ts'
import type { LayoutDriver } from './layout-driver.ts'
import type { LayoutVotes } from './layout-votes.ts'
import type { MembershipDriver } from './membership-driver.ts'
import { refusal, refusalOf, storageRefused } from './refusals.ts'
import type { SecretService } from './secret-service.ts'
import type { VersionDecider } from './version-decider.ts'

/** One start of a node: its number, and when that was by its own clock. */
export interface OwnStart {
  readonly startNumber: number
  readonly wallMs: number
}

/** Has a version decided that does not await `node` any more; `done(true)` once it is. */
export type EndAwaited = (node: NodeId, done: (isOver: boolean) => void) => void

/** Answers other nodes and embedded clients about members, layout and store rows. */
export class ClusterService {
  readonly #self: () => NodeId
  readonly #start: OwnStart
  readonly #time: Time
  readonly #layout: LayoutDriver
  readonly #membership: MembershipDriver
  readonly #rows: KeptRows
  readonly #votes: LayoutVotes
  readonly #decider: VersionDecider
  readonly #endAwaited: EndAwaited
  readonly #secrets: SecretService

  constructor(parts: {
    readonly self: () => NodeId
    readonly start: OwnStart
    readonly time: Time
    readonly layout: LayoutDriver
    readonly membership: MembershipDriver
    readonly rows: KeptRows
    readonly votes: LayoutVotes
    readonly decider: VersionDecider
    readonly endAwaited: EndAwaited
    readonly secrets: SecretService
  }) {
    this.#self = parts.self
    this.#start = parts.start
    this.#time = parts.time
    this.#layout = parts.layout
    this.#membership = parts.membership
    this.#rows = parts.rows
    this.#votes = parts.votes
    this.#decider = parts.decider
    this.#endAwaited = parts.endAwaited
    this.#secrets = parts.secrets
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
      case 'abort-first-layout':
        return this.#layout.abortFirst((outcome) => respond({ type: 'first-layout-aborted', outcome }))
      case 'handed-back':
        return this.#handedBack(message, caller, respond)
      case 'tell-secret':
      case 'change-secret':
        return this.#secrets.serve(message, caller, respond)
      case 'layout-prepare':
        return this.#votes.prepare(message, (failure, reply) =>
          respond(failure === undefined ? { type: 'layout-prepared', reply } : storageRefused(failure)),
        )
      case 'propose-layout':
        return this.#decider.propose(message.candidate, message.timeoutMs, (error, answer) => {
          if (error !== undefined && error.code !== 'stale-plan') return respond(refusalOf(error))
          const outcome = error !== undefined ? 'stale' : answer?.decided === true ? 'decided' : 'undecided'
          respond({
            type: 'layout-proposed',
            outcome,
            waitingFor: answer?.decided === false ? answer.waitingFor : [],
          })
        })
      case 'layout-accept':
        return this.#votes.accept(message, (failure, reply) =>
          respond(failure === undefined ? { type: 'layout-accepted', reply } : storageRefused(failure)),
        )
    }
  }

  /** Each speaks for itself only; and of the newest version, so that a late message ends nothing that began after it. */
  #handedBack({ layoutNumber }: RequestOf<'handed-back'>, { nodeId }: Caller, respond: Respond): void {
    const newest = this.#layout.inForce?.number
    if (!isNodeId(nodeId)) return respond(refusal('malformed', 'only a node says what it has handed back'))
    if (newest === undefined || layoutNumber !== newest) {
      return respond(
        refusal('layout-stale', `said with layout ${layoutNumber}; the newest here is ${newest ?? 'none'}`),
      )
    }
    this.#endAwaited(nodeId, (isOver) => respond({ type: 'hand-back-heard', isOver }))
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
