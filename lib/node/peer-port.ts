import { acceptorSettingsDefault, type Caller, FrameAcceptor } from '../links/frame-acceptor.ts'
import type { DatagramSocket, StreamIdentity } from '../ports/network.ts'
import type { Ports } from '../ports/ports.ts'
import { StorageError, type StorageFailure } from '../ports/storage.ts'
import type { Span } from '../ports/tracer.ts'
import type { LayoutDigest } from '../protocol/layout/layout-version.ts'
import type { Doorkeeper } from '../security/doorkeeper.ts'
import type { PeerTrust } from '../security/peer-trust.ts'
import type { Principal } from '../security/principal.ts'
import { type Endpoint, formatEndpoint, type NodeId, parseEndpoint } from '../vocabulary/ids.ts'
import type { TraceContext } from '../vocabulary/trace-context.ts'
import { type Goodbye, type Hello, type Request, type Welcome, wireVersionMin } from '../wire/messages.ts'
import { auditing } from './audited-frames.ts'
import type { ClientGate } from './client-gate.ts'
import type { ClusterService } from './cluster-service.ts'
import { type DataRequest, isDataRequest, type RequestOf, type Respond } from './data-handlers.ts'
import { type Admitted, type Entrance, overloaded } from './entrance.ts'
import { FrameAccess } from './frame-access.ts'
import { FrameLimits } from './frame-limits.ts'
import type { Identity } from './identity-file.ts'
import type { LayoutDriver } from './layout-driver.ts'
import type { NodeMetrics } from './node-metrics.ts'
import type { NodeSettings } from './node-settings.ts'
import { endingWith, rpcAttributes, systemName } from './node-spans.ts'
import type { OccasionalLog } from './occasional-log.ts'
import { PeerGate } from './peer-gate.ts'
import { refusal, refusalOf, storageRefused } from './refusals.ts'
import { addressProblem, type StartProblem } from './start-problem.ts'
import { namesOf, trustOf } from './trust-of.ts'

/** What stands behind the port, as far as it has come to life. */
export interface BehindPeerPort {
  readonly identity: Identity
  readonly layout: LayoutDriver | undefined
  readonly cluster: ClusterService | undefined
  readonly serving: { serve(message: DataRequest, respond: Respond, span?: Span): void } | undefined
  hearDatagram(bytes: Uint8Array, from: Endpoint): void
  endpointOf(nodeId: string): Endpoint | undefined
  /** Whether a member is said to be there. */
  isMemberAt(host: string): boolean
  storageFailed(failure: StorageFailure): void
}

/**
 * Where other nodes and embedded clients come in: datagrams and frames at one address. Decides whom to speak with and
 * what they may ask; nothing that comes from outside gets past it as an exception.
 */
export class PeerPort {
  readonly #ports: Ports
  readonly #settings: NodeSettings
  readonly #metrics: NodeMetrics
  readonly #entrance: Entrance
  readonly #access: FrameAccess
  readonly #limits: FrameLimits
  readonly #strangers: OccasionalLog
  readonly #wireVersion: number
  readonly #life: BehindPeerPort
  /** Judges by what the other side of a connection has shown. */
  readonly trust: PeerTrust
  readonly #gate: PeerGate
  #acceptor: FrameAcceptor | undefined
  #socket: DatagramSocket | undefined

  constructor(
    parts: {
      readonly ports: Ports
      readonly settings: NodeSettings
      readonly metrics: NodeMetrics
      readonly entrance: Entrance
      readonly doorkeeper: Doorkeeper
      readonly clients: ClientGate
      readonly strangers: OccasionalLog
      /** The newest that is spoken. */
      readonly wireVersion: number
    },
    life: BehindPeerPort,
  ) {
    this.#ports = parts.ports
    this.#settings = parts.settings
    this.#metrics = parts.metrics
    this.#entrance = parts.entrance
    this.#access = new FrameAccess(parts.doorkeeper)
    this.#limits = new FrameLimits(parts.clients, this.#access)
    this.#strangers = parts.strangers
    this.#wireVersion = parts.wireVersion
    this.#life = life
    const { settings, ports } = parts
    this.trust = trustOf(settings, ports.cryptography, () => parts.doorkeeper.asksForTokens)
    this.#gate = new PeerGate(
      { metrics: parts.metrics, log: parts.strangers, nowMs: () => ports.time.nowMs() },
      (host) => life.isMemberAt(host),
    )
  }

  get socket(): DatagramSocket | undefined {
    return this.#socket
  }

  get connections(): number {
    return this.#acceptor?.connections ?? 0
  }

  /** `done` with the address, whose port the system may have chosen, or with why there is none; then nothing listens. */
  listen(done: (problem: StartProblem | undefined, peer: Endpoint | undefined) => void): void {
    const { time, streams, hash, datagrams } = this.#ports
    this.#acceptor = new FrameAcceptor(
      { time, streams, hash },
      {
        greet: (hello, from, identity) => this.#greet(hello, from, identity),
        serve: (message, caller, respond, trace) => this.#serve(message, caller, respond, trace),
        digest: () => this.digest(),
        onDigest: (digest, caller) => this.#differs(digest, caller),
        onMalformed: (reason, from) => this.malformed(reason, from),
        onStranger: (from) => this.#gate.turnedAway(from),
        isStillTrusted: (identity) => this.trust.isStillTrusted(identity),
        gate: this.#gate,
        onCut: (reason) => this.#metrics.frameConnectionsCut(reason).add(1),
      },
      { ...acceptorSettingsDefault, clientsPerAddressMax: this.#settings.addressConnectionsMax ?? 0 },
    )
    this.#acceptor.listen(this.#settings.peer, (failure, local) => {
      if (local === undefined) return done(addressProblem(this.#settings.peer, failure), undefined)
      const peer = withPortOf(this.#settings.peer, local)
      datagrams.bind(
        peer,
        (bytes, from) => {
          try {
            this.#life.hearDatagram(bytes, from)
          } catch (error) {
            this.#bug(error, 'datagram')
          }
        },
        (bindFailure, socket) => {
          if (socket === undefined) return done(addressProblem(peer, bindFailure), undefined)
          this.#socket = socket
          done(undefined, peer)
        },
      )
    })
  }

  #greet(hello: Hello, from: Endpoint, identity: StreamIdentity): Welcome | Goodbye {
    const dismiss = (reason: Goodbye['reason'], message: string): Goodbye => {
      this.#metrics.refusedHandshakes(reason).add(1)
      const fields = { from, reason, theirs: hello.cluster, ours: this.#settings.cluster }
      const { role, nodeId, cluster } = hello
      this.#settings.audit?.recordTurnedAway(from, reason, { role, nodeId, cluster })
      this.#strangers.warn(reason, fields, message)
      return { type: 'goodbye', reason, message }
    }
    const distrusted = this.trust.refusalOf(hello, identity)
    if (distrusted !== undefined) return dismiss('forbidden', distrusted)
    if (hello.cluster !== this.#settings.cluster) {
      return dismiss(
        'wrong-cluster',
        `this node belongs to cluster "${this.#settings.cluster}", not "${hello.cluster}"`,
      )
    }
    const ours = this.#life.layout?.clusterId ?? ''
    if (hello.clusterId !== '' && ours !== '' && hello.clusterId !== ours) {
      return dismiss(
        'foreign-cluster',
        `this node belongs to cluster ${ours}, not ${hello.clusterId}: they never merge`,
      )
    }
    if (hello.role === 'peer' && this.#isForgotten(hello.nodeId)) return dismiss('forgotten', forgottenMessage)
    if (hello.wireVersionMin > this.#wireVersion || hello.wireVersion < wireVersionMin) {
      return dismiss('unknown-version', `this node speaks frame protocol ${wireVersionMin} to ${this.#wireVersion}`)
    }
    const stranger = this.#access.greet(hello, identity)
    if (stranger !== undefined) {
      // Whoever may be good elsewhere is sent there.
      return dismiss(stranger.code === 'unauthenticated' ? 'unauthenticated' : 'draining', stranger.message)
    }
    return {
      type: 'welcome',
      wireVersion: Math.min(this.#wireVersion, hello.wireVersion),
      cluster: this.#settings.cluster,
      clusterId: ours,
      nodeId: this.#life.identity.id,
      startNumber: this.#life.identity.startNumber,
      capabilities: [],
      ...this.trust.welcomeAdditions(identity),
    }
  }

  /** What this node says of itself on a connection it makes, to somebody who has shown this. */
  hello(identity: StreamIdentity): Hello {
    return {
      type: 'hello',
      wireVersion: this.#wireVersion,
      wireVersionMin,
      cluster: this.#settings.cluster,
      clusterId: this.#life.layout?.clusterId ?? '',
      role: 'peer',
      nodeId: this.#life.identity.id,
      startNumber: this.#life.identity.startNumber,
      capabilities: [],
      ...this.trust.helloAdditions(identity, namesOf(this.#settings)),
    }
  }

  #serve(message: Request, caller: Caller, respond: Respond, trace: TraceContext | undefined): void {
    const { audit } = this.#settings
    if (audit !== undefined && caller.role === 'client') {
      const who = (): Principal | undefined => this.#access.nameOf(caller)
      return this.#serveAsked(message, caller, auditing(audit, message, { remote: caller.remote, who }, respond), trace)
    }
    this.#serveAsked(message, caller, respond, trace)
  }

  #serveAsked(message: Request, caller: Caller, respond: Respond, trace: TraceContext | undefined): void {
    if (caller.role === 'peer') return this.#serveAllowed(message, caller, respond, trace)
    const heard = this.#limits.admit(message, caller, respond)
    if (heard !== undefined) this.#serveClient(message, caller, heard, trace)
  }

  #serveClient(message: Request, caller: Caller, respond: Respond, trace: TraceContext | undefined): void {
    if (this.#access.isFree(message)) return this.#serveAllowed(message, caller, respond, trace)
    const allowed = this.#access.admit(message, caller, respond)
    if (allowed !== undefined) this.#serveAllowed(allowed.message, caller, allowed.respond, trace)
  }

  #serveAllowed(message: Request, caller: Caller, respond: Respond, trace: TraceContext | undefined): void {
    // What it may still learn is that it is forgotten.
    if (message.type !== 'pull-layout' && this.#isForgotten(caller.nodeId)) {
      return respond(refusal('forbidden', forgottenMessage))
    }
    // Messages between replicas are parts of what has been admitted somewhere: they do not wait behind new requests.
    const span = this.#beginSpan(message, caller, trace)
    const answer = span === undefined ? respond : endingWith(span, respond)
    if (message.type === 'coordinate') this.#admit(message, caller, answer, span)
    else this.#serveSafely(message, caller, answer, span)
  }

  /** A trace begins here only for what clients want; what nodes ask each other is part of one, or of none. */
  #beginSpan(message: Request, caller: Caller, trace: TraceContext | undefined): Span | undefined {
    const { tracer } = this.#ports
    if (trace === undefined && (!tracer.isOn || caller.role === 'peer' || message.type === 'discover')) return undefined
    const span = tracer.begin(`${systemName}/${message.type}`, 'server', trace)
    if (span?.isRecorded !== true) return span
    span.set(rpcAttributes(message))
    span.set({
      'client.address': caller.remote,
      ...(caller.nodeId === '' ? {} : { 'starling.peer.id': caller.nodeId }),
    })
    return span
  }

  #admit(message: RequestOf<'coordinate'>, caller: Caller, respond: Respond, span: Span | undefined): void {
    const { request, hops } = message
    // Only of a member it is true that somebody has admitted it.
    const kind = hops > 0 && caller.role === 'peer' ? 'forwarded' : request.type === 'get' ? 'read' : 'write'
    const begin: Admitted = (isAdmitted, waitedMs) => {
      if (!isAdmitted) return respond(refusalOf(overloaded()))
      if (waitedMs === 0) return this.#serveSafely(message, caller, respond, span)
      const timeoutMs = request.timeoutMs - waitedMs
      if (timeoutMs <= 0) return respond(refusal('deadline-exceeded', 'the deadline passed while the request waited'))
      this.#serveSafely({ ...message, request: { ...request, timeoutMs } }, caller, respond, span)
    }
    this.#entrance.enter(kind, begin, `${request.bucket}/${request.key}`, this.#limits.whoIs(caller))
  }

  #serveSafely(message: Request, caller: Caller, respond: Respond, span: Span | undefined): void {
    try {
      this.#serveWhole(message, caller, respond, span)
    } catch (error) {
      if (error instanceof StorageError) {
        this.#life.storageFailed(error.failure)
        return respond(storageRefused(error.failure))
      }
      // A bug of ours must not become somebody's way to stop the node.
      this.#bug(error, message.type, span)
      respond({
        ...refusal('internal', 'the node met a bug of its own; its log says more'),
        aftermath: 'may-have-changed',
      })
    }
  }

  /** Nobody waits for what it holds any more, so nobody may take it (docs/rules.md L5). */
  #isForgotten(nodeId: string): boolean {
    const forgotten = this.#life.layout?.decided?.version.forgotten
    return forgotten !== undefined && forgotten.length > 0 && forgotten.includes(nodeId as NodeId)
  }

  #bug(error: unknown, what: string, span?: Span): void {
    this.#metrics.internalErrors.add(1)
    const stack = error instanceof Error ? error.stack : String(error)
    const fields = span === undefined ? { what, stack } : { what, traceId: span.context.traceId, stack }
    this.#ports.log.error(fields, 'a bug of Starling: please report it with this line')
  }

  #serveWhole(message: Request, caller: Caller, respond: Respond, span: Span | undefined): void {
    if (isDataRequest(message)) {
      const { serving } = this.#life
      if (serving === undefined) return respond(refusal('no-layout', this.#notServingBecause()))
      return serving.serve(message, respond, span)
    }
    const { cluster } = this.#life
    if (cluster === undefined) return respond(refusal('busy', 'the node is starting'))
    cluster.serve(message, caller, respond)
  }

  #notServingBecause(): string {
    if (this.#life.layout?.inForce === undefined) return this.#life.layout?.waitingBecause ?? 'the node is starting'
    return 'the node is still checking its store against the other members'
  }

  digest(): LayoutDigest {
    return this.#life.layout?.digest ?? noLayout
  }

  #differs(digest: LayoutDigest, caller: Caller): void {
    const endpoint = this.#life.endpointOf(caller.nodeId)
    if (endpoint !== undefined) this.#life.layout?.onDigest(digest, endpoint)
  }

  malformed(reason: string, from: Endpoint): void {
    this.#metrics.malformedFrames.add(1)
    this.#strangers.warn('malformed', { from, reason }, 'a connection was ended because of what it sent')
  }

  /** Nobody is served any more; whoever is connected is told so when all it asked was answered. */
  dismissAll(done: () => void): void {
    if (this.#acceptor === undefined) done()
    else this.#acceptor.dismissAll('the node is being stopped', dismissalMsMax, done)
  }

  close(done: () => void): void {
    const closeSocket = (): void => (this.#socket === undefined ? done() : this.#socket.close(done))
    if (this.#acceptor === undefined) closeSocket()
    else this.#acceptor.close(closeSocket)
  }
}

/** For answers that are on their way to the disk. */
const dismissalMsMax = 1_000

const forgottenMessage = 'the cluster has forgotten this node: it can only come back with an empty data directory'

const noLayout: LayoutDigest = { number: 0, documentHash: 0 }

/** With `--peer HOST:0` the system chose the port. */
function withPortOf(asked: Endpoint, local: Endpoint): Endpoint {
  const parsed = parseEndpoint(asked)
  const bound = parseEndpoint(local)
  if (parsed === undefined || bound === undefined || parsed.port !== 0) return asked
  return formatEndpoint(parsed.host, bound.port)
}
