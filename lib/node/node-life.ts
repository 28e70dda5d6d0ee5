import { linkSettingsDefault } from '../links/frame-link.ts'
import { LinkPool } from '../links/link-pool.ts'
import type { DatagramSocket, StreamIdentity } from '../ports/network.ts'
import type { Ports } from '../ports/ports.ts'
import {
  type OpenedStorage,
  StorageError,
  type StorageFailure,
  type ValueLogControl,
  type ValueLogFigures,
} from '../ports/storage.ts'
import { type Hlc, hlcFromMs, hlcZero } from '../protocol/clock/hlc.ts'
import type { ContinuityEffect } from '../protocol/continuity/continuity-events.ts'
import type { OwnRow, RecoveryReason } from '../protocol/continuity/start-kind.ts'
import { emptyDocument } from '../protocol/layout/layout-document.ts'
import type { LayoutInForce } from '../protocol/layout/layout-in-force.ts'
import type { DecidedLayout } from '../protocol/layout/layout-version.ts'
import type { Member, MemberMetadata } from '../protocol/membership/member.ts'
import type { Doorkeeper } from '../security/doorkeeper.ts'
import type { TokenAuthority } from '../security/token-authority.ts'
import type { TokenMap } from '../security/token-map.ts'
import { announceVersion } from '../vocabulary/announced-version.ts'
import { type ClusterId, type Endpoint, isClusterId, type NodeId, parseEndpoint } from '../vocabulary/ids.ts'
import { type Goodbye, type Hello, wireVersion } from '../wire/messages.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import { BatchWriter } from './batch-writer.ts'
import type { ClientGate } from './client-gate.ts'
import { ClusterService, type OwnStart } from './cluster-service.ts'
import { Crowded } from './crowded.ts'
import { Departure } from './departure.ts'
import { checkDuplicate } from './duplicate-check.ts'
import type { Entrance } from './entrance.ts'
import { FlightRecorder } from './flight-recorder.ts'
import type { Identity } from './identity-file.ts'
import { IdentityKeeper } from './identity-keeper.ts'
import { KeptRows } from './kept-rows.ts'
import { KnownMembers } from './known-members.ts'
import { LayoutChanges } from './layout-changes.ts'
import { LayoutDriver, loadDocument } from './layout-driver.ts'
import { LayoutVotes } from './layout-votes.ts'
import { MembershipDriver } from './membership-driver.ts'
import { MetaStore } from './meta-store.ts'
import { Minting } from './minting.ts'
import { Newcomer } from './newcomer.ts'
import type { NodeMetrics } from './node-metrics.ts'
import type { NodeParts, NodeSettings } from './node-settings.ts'
import { everybodyReports } from './node-views.ts'
import { OccasionalLog } from './occasional-log.ts'
import { OwnStanding } from './own-standing.ts'
import { estimateSizes } from './partition-sizes.ts'
import { type BehindPeerPort, PeerPort } from './peer-port.ts'
import { Peers } from './peers.ts'
import type { RecoveryDriver } from './recovery-driver.ts'
import { ScopedTime } from './scoped-time.ts'
import { type KeyHolder, SecretRotation } from './secret-rotation.ts'
import { SecretService } from './secret-service.ts'
import { Serving } from './serving.ts'
import type { SharedState } from './shared-state.ts'
import { forgottenProblem, StartProblem, storeProblem, unwritableProblem } from './start-problem.ts'
import { tokensOf } from './tokens.ts'
import { VersionDecider } from './version-decider.ts'

export interface LifeListener {
  /** The node must end, and say why. */
  onFatal(problem: StartProblem): void
  /** The store failed: this life is over, and the next opens it anew. `isMarked`: the error byte could be written. */
  onStorageFailed(failure: StorageFailure, isMarked: boolean): void
  /** The node goes on as `id`, which had reached `startNumber`. */
  onResume(id: NodeId, startNumber: number, clusterId: ClusterId): void
  onServing(): void
  /** It has handed over everything, and remembers that it has left: there is nothing more for it to do. */
  onLeft(): void
}

const drainMsMax = 10_000

/**
 * One life of a node: from opening the store to closing it. A store that failed, and an identity taken over, end a life;
 * the node then begins the next one.
 */
export class NodeLife implements BehindPeerPort {
  readonly #ports: Ports
  readonly #time: ScopedTime
  readonly #strangers: OccasionalLog
  readonly #port: PeerPort
  readonly #settings: NodeSettings
  readonly #parts: NodeParts
  readonly #metrics: NodeMetrics
  readonly #entrance: Entrance
  readonly #authority: TokenAuthority
  readonly #listener: LifeListener
  readonly #hadErrorByte: boolean
  readonly #http: Endpoint | undefined
  readonly #keeper: IdentityKeeper
  readonly standing: OwnStanding
  #storage: OpenedStorage['storage'] | undefined
  #valueLog: ValueLogControl | undefined
  #batches: BatchWriter | undefined
  #links: LinkPool | undefined
  #membership: MembershipDriver | undefined
  #layout: LayoutDriver | undefined
  #minting: Minting | undefined
  #meta: MetaStore | undefined
  #tokens: SharedState<TokenMap> | undefined
  #peers: Peers | undefined
  readonly #recorder: FlightRecorder
  #cluster: ClusterService | undefined
  #votes: LayoutVotes | undefined
  #decider: VersionDecider | undefined
  #changes: LayoutChanges | undefined
  readonly #secrets: SecretService
  #rotation: SecretRotation | undefined
  #known: KnownMembers | undefined
  #newcomer: Newcomer | undefined
  #departure: Departure | undefined
  #serving: Serving | undefined
  #ready: Extract<ContinuityEffect, { type: 'ready' }> | undefined
  #peer: Endpoint
  #isEnded = false
  /** The clock lease that the store held when it was opened. */
  #leasedUpTo: Hlc = hlcZero
  /** Found out between `ready` and serving. */
  #isRestored = false
  #wasWelcomed = false
  readonly #isFresh: boolean
  #isFreshNow = false
  /** What this life began with; the start number in `#identity` may be raised later (docs/rules.md M1). */
  #start: OwnStart = { startNumber: 0, wallMs: 0 }

  constructor(
    parts: {
      readonly ports: Ports
      readonly settings: NodeSettings
      readonly nodeParts: NodeParts
      readonly metrics: NodeMetrics
      readonly entrance: Entrance
      readonly authority: TokenAuthority
      readonly doorkeeper: Doorkeeper
      readonly clients: ClientGate
    },
    start: { readonly identity: Identity; readonly hasErrorByte: boolean; readonly http: Endpoint | undefined },
    listener: LifeListener,
  ) {
    this.#time = new ScopedTime(parts.ports.time)
    this.#ports = { ...parts.ports, time: this.#time }
    this.#strangers = new OccasionalLog(this.#time, parts.ports.log)
    this.#settings = parts.settings
    this.#parts = parts.nodeParts
    this.#metrics = parts.metrics
    this.#entrance = parts.entrance
    this.#authority = parts.authority
    this.#keeper = new IdentityKeeper(parts.ports.directory, start.identity, (message) =>
      this.storageFailed({ kind: 'failed', message }),
    )
    this.standing = new OwnStanding(this.#keeper, parts.ports.log)
    this.#recorder = new FlightRecorder(2 * (parts.settings.slowRequestMs ?? 0))
    this.#secrets = new SecretService({
      time: this.#time,
      cryptography: parts.ports.cryptography,
      secret: parts.settings.secret,
    })
    this.#hadErrorByte = start.hasErrorByte
    this.#http = start.http
    this.#listener = listener
    this.#peer = parts.settings.peer
    this.#port = new PeerPort(
      {
        ports: this.#ports,
        settings: parts.settings,
        metrics: parts.metrics,
        entrance: parts.entrance,
        doorkeeper: parts.doorkeeper,
        clients: parts.clients,
        strangers: this.#strangers,
        wireVersion: parts.nodeParts.wireVersion ?? wireVersion,
      },
      this,
    )
    this.#isFresh = start.identity.clusterId === '' && start.identity.storeGeneration === 0
  }

  get identity(): Identity {
    return this.#keeper.current
  }
  get peer(): Endpoint {
    return this.#peer
  }
  hello(identity: StreamIdentity): Hello {
    return this.#port.hello(identity)
  }
  get membership(): MembershipDriver | undefined {
    return this.#membership
  }
  get layout(): LayoutDriver | undefined {
    return this.#layout
  }
  get minting(): Minting | undefined {
    return this.#minting
  }
  get peers(): Peers | undefined {
    return this.#peers
  }
  get recovery(): RecoveryDriver | undefined {
    return this.#serving?.recovery
  }
  get serving(): Serving | undefined {
    return this.#serving
  }
  /** How people change the layout here; from the first moment on. */
  get changes(): LayoutChanges | undefined {
    return this.#changes
  }
  /** How people change the keys of the cluster here; from the first moment on. */
  get rotation(): SecretRotation | undefined {
    return this.#rotation
  }
  get cluster(): ClusterService | undefined {
    return this.#cluster
  }
  get requestsInFlight(): number {
    return this.#links?.inFlight ?? 0
  }
  get connections(): number {
    return this.#port.connections
  }
  get storeWaitingBytes(): number {
    return this.#batches?.waitingBytes ?? 0
  }
  get valueLogFigures(): ValueLogFigures | undefined {
    return this.#valueLog?.figures()
  }

  /** `done` once the node listens and gossips; it serves when a layout is in force and its store is checked. */
  start(done: (problem: StartProblem | undefined) => void): void {
    const unwritable = this.#keeper.change({ startNumber: this.identity.startNumber + 1 })
    if (unwritable !== undefined) return done(unwritableProblem(unwritable, this.#ports.directory.path))
    this.#start = { startNumber: this.identity.startNumber, wallMs: this.#ports.time.wallMs() }
    this.#ports.storage.open((failure, opened) => {
      if (opened === undefined) return done(storeProblem(failure, this.#ports.directory.path))
      if (this.#isEnded) return opened.storage.close(() => {})
      this.#storage = opened.storage
      this.#valueLog = opened.valueLog
      this.#port.listen((problem, peer) => {
        this.#peer = peer ?? this.#peer
        if (problem !== undefined) return this.abandon(() => done(problem))
        if (this.#isEnded) return
        try {
          this.#begin(opened)
        } catch (error) {
          if (!(error instanceof StorageError)) throw error
          return this.abandon(() => done(storeProblem(error.failure, this.#ports.directory.path)))
        }
        done(undefined)
      })
    })
  }

  /** Leaves cleanly: finishes what runs, says goodbye, writes the marker, closes. */
  stop(done: () => void): void {
    const { time } = this.#ports
    this.#serving?.coordinator.drain('the node is being stopped')
    const drainedByMs = time.nowMs() + drainMsMax
    const waitForRequests = (): void => {
      const isBusy = (this.#serving?.coordinator.inFlight ?? 0) > 0
      if (isBusy && time.nowMs() < drainedByMs && !this.#isEnded) time.after(20, waitForRequests)
      else this.#leave(() => this.#port.dismissAll(() => this.#markStop(() => this.abandon(done))))
    }
    waitForRequests()
  }

  /** Ends at once, without marker or goodbye: as if the process had died, but orderly. */
  abandon(done: () => void): void {
    this.#isEnded = true
    this.#newcomer?.stop()
    this.#departure?.stop()
    this.#membership?.stop()
    this.#layout?.stop()
    this.#votes?.stop()
    this.#decider?.stop()
    this.#minting?.abandon()
    this.#serving?.stop()
    this.#serving = undefined
    this.#links?.close('the node is being stopped')
    this.#time.end()
    const closers: ((next: () => void) => void)[] = [
      (next) => this.#port.close(next),
      (next) => (this.#storage === undefined ? next() : this.#storage.close(next)),
    ]
    const close = (at: number): void => {
      const closer = closers[at]
      if (closer === undefined) done()
      else closer(() => close(at + 1))
    }
    close(0)
  }

  // Beginning

  #begin(opened: OpenedStorage): void {
    const { ports, settings } = { ports: this.#ports, settings: this.#settings }
    const { time, log, hash, streams } = ports
    for (const line of opened.damage) log.error({ line }, 'the store lost data when it was opened')
    const batches = new BatchWriter({ time, storage: opened.storage, metrics: this.#metrics }, (failure) =>
      this.storageFailed(failure),
    )
    const meta = new MetaStore({ storage: opened.storage, batches, hash, log })
    this.#meta = meta
    // Before there is a layout: an operator looks at a node that waits for one.
    this.#tokens = tokensOf(this.#authority, {
      meta,
      log,
      onStorageFailed: (failure) => {
        throw new StorageError(failure)
      },
    })
    const loaded = loadDocument(meta, emptyDocument, hash)
    const { document } = loaded
    const own = loadOwnRow(meta)
    if (own !== undefined && own !== 'damaged') this.#leasedUpTo = own.row.hlcUpTo
    this.#batches = batches
    this.#isFreshNow = this.#isFresh && document.live.length === 0
    const links = new LinkPool(
      {
        time,
        streams,
        hash,
        random: ports.random(`links/${this.identity.startNumber}`),
        settings: linkSettingsDefault,
      },
      {
        hello: (identity) => this.#port.hello(identity),
        namesOf: (endpoint) => this.#namesAt(endpoint),
        distrusts: (welcome, identity, to) =>
          this.#port.trust.distrusts(welcome, identity) ?? this.#whyNotThere(to, welcome.nodeId),
        isOutdated: (identity) => this.#port.trust.isOutdated(identity),
        onUntrusted: (reason, to) =>
          this.#strangers.warn('untrusted', { to }, `no connection to another node came about: ${reason}`),
        digest: () => this.#port.digest(),
        onDigest: (digest, from) => this.#layout?.onDigest(digest, from),
        onWelcome: (_welcome, from) => {
          if (settings.join.includes(from)) this.#wasWelcomed = true
        },
        onGoodbye: (goodbye, from) => this.#dismissed(goodbye, from),
        onMalformed: (reason, from) => this.#port.malformed(reason, from),
      },
    )
    this.#links = links
    const layout = new LayoutDriver(
      { ports, meta, links, metrics: this.#metrics },
      {
        self: this.identity.id,
        expect: settings.expect ?? 0,
        joins: settings.join.length > 0,
        isFresh: this.#isFreshNow,
        formerCluster: isClusterId(this.identity.clusterId) ? this.identity.clusterId : undefined,
        partitionCount: settings.partitions,
        replicaCount: settings.replicas,
        document,
      },
      {
        onDecided: (decided, role) => this.#decided(decided, role),
        onInForce: () => this.#serveIfReady(),
        onChanged: (inForce, before) => this.#layoutChanged(inForce, before),
        onDigestChanged: (clusterId, digest) => membership.changeLayout(clusterId, digest),
        onForeignCluster: (theirs) =>
          this.#strangers.warn(
            'foreign-layout',
            { theirs, ours: layout.clusterId },
            'a layout of another cluster was dropped: clusters never merge',
          ),
      },
    )
    this.#layout = layout
    const membership: MembershipDriver = new MembershipDriver(
      { ports, links, metrics: this.#metrics },
      {
        cluster: settings.cluster,
        self: { id: this.identity.id, startNumber: this.identity.startNumber, metadata: this.#metadata() },
        seeds: settings.join,
        clusterId: layout.clusterId,
        digest: layout.digest,
      },
      {
        onMemberChanged: (before, after) => this.#memberChanged(before, after),
        onLayoutDiffers: (digest, endpoint) => layout.onDigest(digest, endpoint),
        onRaiseStartNumber: (to) => {
          if (this.#keeper.record({ startNumber: to })) membership.adopt(this.identity.id, to)
        },
        onDuplicateIdentitySuspected: (endpoint) =>
          checkDuplicate(links, endpoint, { identity: () => this.identity, start: this.#start }, (problem) =>
            this.#fatal(problem),
          ),
        isForgotten: (node) => layout.decided?.version.forgotten.includes(node) === true,
        onForeignCluster: (from) =>
          this.#strangers.warn(
            'foreign-datagram',
            { from },
            'a datagram of another cluster was dropped: clusters never merge',
          ),
        onSealed: (from) =>
          this.#strangers.warn(
            'sealed-datagram',
            { from },
            'a datagram was dropped that is sealed with a secret: this node was started without --secret-file',
          ),
      },
    )
    this.#membership = membership
    this.#peers = new Peers(
      { time, links, metrics: this.#metrics, plans: layout.plans, recorder: this.#recorder },
      (id) => membership.machine.member(id),
      (id) => layout.inForce?.isExcluded(id) === true,
    )
    const isStoreDamaged = opened.damage.length > 0 || loaded.isDamaged || own === 'damaged'
    const votes = new LayoutVotes(
      { time, log, hash, directory: ports.directory, peers: this.#peers, layout },
      {
        self: this.identity.id,
        isChecked: () => this.#minting?.isChecked === true,
        onAccepted: () => this.#decider?.finishLater(),
      },
    )
    this.#votes = votes
    const random = ports.random(`layout-changes/${this.identity.startNumber}`)
    const decider = new VersionDecider({ time, hash, log, random, peers: this.#peers, layout, votes }, this.identity.id)
    this.#decider = decider
    this.#changes = new LayoutChanges(
      { time, hash, peers: this.#peers, layout, votes, decider, membership },
      {
        self: this.identity.id,
        clock: () => this.#minting?.read() ?? hlcFromMs(time.wallMs()),
        sizes: (partitions, done) => {
          const context = this.#serving?.context
          if (context === undefined) time.soon(() => done(() => 0))
          else estimateSizes(context, partitions, done)
        },
      },
    )
    this.#cluster = new ClusterService({
      self: () => this.identity.id,
      start: this.#start,
      time,
      layout,
      membership,
      rows: new KeptRows({ time, meta }),
      votes,
      decider,
      endAwaited: (node, done) => this.#endAwaited(node, done),
      secrets: this.#secrets,
    })
    const peers = this.#peers
    this.#rotation = new SecretRotation({
      time,
      cryptography: ports.cryptography,
      random: ports.random(`secret/${this.identity.startNumber}`),
      own: this.#secrets,
      self: () => this.identity.id,
      holders: () => this.#keyHolders(),
      ask: (id, message, timeoutMs, done) => peers.ask(id, message, timeoutMs, done),
    })
    const minting = new Minting(
      { ports, meta, peers: this.#peers, metrics: this.#metrics },
      { self: this.identity.id, startNumber: this.identity.startNumber },
      () => membership.machine.clockSkewMs({ nowMs: time.nowMs(), wallMs: time.wallMs() }),
      {
        removeMarker: (removed) => {
          if (this.#keeper.record({ isCleanlyStopped: false })) time.soon(removed)
        },
        writeMarker: (written) => this.#writeMarker(meta, written),
        writeErrorByte: (isSet) => this.#writeErrorByte(isSet),
        onReady: (ready) => this.#mintingReady(ready),
        onGenerationChanged: (storeGeneration) => {
          if (!this.#keeper.record({ storeGeneration })) return
          membership.changeMetadata(this.#metadata())
        },
        onRestored: () => {
          votes.restored()
          if (this.#serving === undefined) this.#isRestored = true
          else this.#recover('restored', false)
        },
        onStopped: () => this.#onMarked?.(),
      },
    )
    this.#minting = minting
    const fingerprint = ports.directory.fingerprint()
    const hasRecord = this.identity.storeGeneration !== 0
    minting.begin(
      {
        stoppedCleanly: this.identity.isCleanlyStopped,
        marks: fingerprint,
        marksRecorded: this.identity.fingerprint,
        generationRecorded: hasRecord ? this.identity.storeGeneration : undefined,
        hasErrorByte: this.#hadErrorByte,
        isStoreDamaged,
        own: own === 'damaged' ? undefined : own,
        isResumed: this.identity.isResumed,
      },
      undefined,
    )
    this.#known = new KnownMembers({ time, meta })
    membership.start(this.#port.socket as DatagramSocket)
    membership.remember(this.#known.load())
    layout.start()
  }

  /** Whoever should have the keys of the cluster: all members of the layout, and who else is there. */
  #keyHolders(): readonly KeyHolder[] {
    const members = new Map(this.#membership?.machine.members().map((member) => [member.id, member]))
    const present = [...members.values()].filter(({ state }) => state === 'alive' || state === 'suspect')
    const ids = new Set([this.identity.id, ...(this.#layout?.inForce?.nodeIds ?? []), ...present.map(({ id }) => id)])
    const holders = [...ids].map((id) => {
      const member = members.get(id)
      const name = member?.metadata.name ?? id.slice(0, 8)
      if (member === undefined) return { id, name, awayBecause: 'nobody knows where it is' }
      return { id, name, awayBecause: present.includes(member) ? undefined : `it is ${awayWords[member.state]}` }
    })
    return holders.sort((one, other) => (one.name < other.name ? -1 : 1))
  }

  #metadata(): MemberMetadata {
    const { name, advertisePeer, zone, weight, version, expect, isInsecure } = this.#settings
    return {
      name,
      peer: advertisePeer ?? this.#peer,
      http: this.#http,
      zone,
      weight,
      version: announceVersion(version, this.#parts.wireVersion ?? wireVersion, isInsecure),
      isFresh: this.#isFreshNow,
      expect: expect ?? 0,
      storeGeneration: this.identity.storeGeneration,
    }
  }

  // What happens

  #memberChanged(before: Member | undefined, after: Member | undefined): void {
    const changed = after ?? before
    if (changed !== undefined) {
      this.#peers?.changed(changed.id, after)
      this.#serving?.hintDelivery.memberChanged(changed.id, after)
      if (after !== undefined && after.metadata.peer !== before?.metadata.peer) {
        this.#links?.judgeAgain(after.metadata.peer)
      }
    }
    const { membership, layout } = this
    if (membership === undefined || layout === undefined) return
    layout.membersChanged(membership.machine.members())
    this.#known?.keep(() => membership.machine.members())
    this.#tellMinting()
  }

  #decided(decided: DecidedLayout, role: 'member' | 'outsider'): void {
    const { clusterId } = decided
    this.#isFreshNow = false
    if (this.identity.clusterId !== clusterId && role === 'member') this.#keeper.record({ clusterId })
    this.#membership?.changeMetadata(this.#metadata())
    this.#tellMinting()
    // Also after a crash on the way there: until it is somebody it asks who it was.
    if (role === 'outsider' && this.#isFresh) this.#meet(decided)
  }

  #meet(decided: DecidedLayout): void {
    this.#newcomer = new Newcomer(
      {
        ports: this.#ports,
        links: this.#links as LinkPool,
        layout: this.#layout as LayoutDriver,
        membership: this.#membership as MembershipDriver,
      },
      {
        self: this.identity.id,
        settings: this.#settings,
        decided,
        clock: () => this.#minting?.read() ?? hlcZero,
      },
      {
        onResume: (id, startNumber) => this.#listener.onResume(id, startNumber, decided.clusterId),
        onFatal: (problem) => this.#fatal(problem),
      },
    )
  }

  /** Other versions are live, or somebody has come further. */
  #layoutChanged(inForce: LayoutInForce, before: LayoutInForce): void {
    // Before anything is planned with it: under which short id to mint, and with whom the store is checked.
    if (inForce.live.length !== before.live.length || inForce.decided !== before.decided) this.#tellMinting()
    this.#stand(inForce)
    this.#votes?.layoutChanged()
    this.#decider?.layoutChanged()
    this.#serving?.layoutChanged(inForce, before)
  }

  /** What the layout makes of this node. */
  #stand(inForce: LayoutInForce): void {
    if (inForce.decided.version.forgotten.includes(this.identity.id)) {
      return this.#fatal(forgottenProblem(this.#ports.directory.path))
    }
    this.standing.layoutChanged(inForce, this.#layout?.document.staged.get(this.identity.id))
    // It is somebody now, and needs nobody else's name.
    if (this.standing.state === 'member') this.#newcomer?.stop()
    if (!this.standing.isThrough) {
      this.#departure?.stop()
      this.#departure = undefined
      return
    }
    this.#departure ??= new Departure(
      this.#ports,
      () => this.#whatIsLeft(),
      () => {
        if (!this.standing.left() || this.#isEnded) return
        this.#ports.log.info({}, 'this node has handed over everything and has left the cluster: it ends')
        this.#listener.onLeft()
      },
    )
  }

  /** What a node that leaves still has to do; undefined: nothing. */
  #whatIsLeft(): string | undefined {
    const { antiEntropy, context } = this.#serving ?? {}
    const { hints } = context ?? {}
    if (hints?.isWhole !== true || hints.ledger().length > 0) return 'it keeps hints for others'
    if (antiEntropy?.hasMarks !== false) return 'it has not said yet what others may lack'
    const { version } = this.#layout?.inForce?.decided ?? {}
    const isAnybodyThere = version?.nodes.some(({ id }) => this.#membership?.machine.isAlive(id) === true)
    return isAnybodyThere === true && everybodyReports(this) ? undefined : 'the others have not heard yet'
  }

  /** It has handed back all it held (docs/rules.md L5). Whoever is awaited no more needs no version that says so. */
  #endAwaited(node: NodeId, done: (isOver: boolean) => void): void {
    this.#changes?.endAwaited(node, endAwaitedMsMax, (error, answer) =>
      done(error === undefined && (answer === undefined || answer.decided)),
    )
  }

  #tellMinting(): void {
    const live = this.#layout?.inForce?.live.map(({ decided }) => decided) ?? this.#layout?.document.live ?? []
    // Whoever is leaving goes on in the version that still has it.
    const own = live.flatMap(({ version }) => version.nodes.filter(({ id }) => id === this.identity.id)).at(-1)
    const newest = live.at(-1)?.version
    if (newest === undefined) return
    // Whoever is to hand back what it holds names nothing, but has to know whether its store went back in time.
    const shortId = own?.shortId ?? (newest.awaited.includes(this.identity.id) ? 0 : undefined)
    if (shortId === undefined) return
    const others = newest.nodes
      .map(({ id }) => id)
      .filter((id) => id !== this.identity.id && !newest.excluded.includes(id))
    const living = others.filter((id) => this.#membership?.machine.isAlive(id) === true)
    this.#minting?.membersChanged(shortId, others, living)
  }

  #mintingReady(ready: Extract<ContinuityEffect, { type: 'ready' }>): void {
    const isRecorded = this.#keeper.record({
      storeGeneration: ready.generation,
      fingerprint: this.#ports.directory.fingerprint(),
      isResumed: false,
    })
    if (!isRecorded) return
    this.#ready = ready
    this.#votes?.ready(ready.start, ready.recovering)
    this.#decider?.layoutChanged()
    this.#ports.log.info(
      { start: ready.start, generation: ready.generation, hasRolled: ready.hasRolled, recovering: ready.recovering },
      'the store is checked against the other members',
    )
    this.#membership?.changeMetadata(this.#metadata())
    // An outsider that has become a member serves already: what its store lost, it lost as an owner.
    if (this.#serving !== undefined) this.#recoverIfNeeded()
    else this.#serveIfReady()
  }

  #serveIfReady(): void {
    const inForce = this.#layout?.inForce
    if (inForce === undefined || this.#serving !== undefined || this.#isEnded) return
    // Who owns nothing forwards everything: it needs no checked store.
    this.#stand(inForce)
    const { state } = this.standing
    if (this.#isEnded || ((state === 'member' || state === 'leaving') && this.#ready === undefined)) return
    this.#serving = new Serving(
      {
        self: this.identity.id,
        ports: this.#ports,
        settings: this.#settings,
        nodeParts: this.#parts,
        metrics: this.#metrics,
        entrance: this.#entrance,
        authority: this.#authority,
        storage: this.#storage as OpenedStorage['storage'],
        batches: this.#batches as BatchWriter,
        meta: this.#meta as MetaStore,
        tokens: this.#tokens as SharedState<TokenMap>,
        peers: this.#peers as Peers,
        minting: this.#minting as Minting,
        layout: this.#layout as LayoutDriver,
        membership: this.#membership as MembershipDriver,
        recorder: this.#recorder,
      },
      inForce,
      (failure) => this.storageFailed(failure),
    )
    // Its own judge: partitions that move are measured against what was usual when they began.
    const crowded = new Crowded(this.#serving.context)
    this.#valueLog?.reclaimOnlyWhile(() => !crowded.isCrowded())
    this.#recoverIfNeeded()
    this.#serving?.start()
    this.#listener.onServing()
  }

  #recoverIfNeeded(): void {
    const recovering = this.#isRestored ? 'restored' : this.#ready?.recovering
    const isContinued = !this.#isRestored && (this.#ready?.start === 'clean' || this.#ready?.start === 'unclean')
    if (recovering !== undefined) this.#recover(recovering, isContinued)
  }

  #recover(reason: RecoveryReason, isContinued: boolean): void {
    const inForce = this.#layout?.inForce
    const startedAt = this.#ready?.hlcFrom ?? this.#leasedUpTo
    const cause = { reason, isContinued, leasedUpTo: this.#leasedUpTo, startedAt }
    if (inForce !== undefined) this.#serving?.recover(cause, inForce)
  }

  #dismissed(goodbye: Goodbye, from: Endpoint): void {
    // A node that is being stopped in good order: gossip says the same.
    if (goodbye.reason === 'draining') return
    this.#strangers.warn(`goodbye ${goodbye.reason}`, { from, reason: goodbye.reason }, goodbye.message)
    const isMember = this.#membership?.machine.members().some(({ metadata }) => metadata.peer === from) === true
    if (goodbye.reason === 'forgotten' && isMember) return this.#fatal(forgottenProblem(this.#ports.directory.path))
    // A running cluster is not stopped by a stranger: only the address we were told to join decides, and only as long
    // as nobody there has welcomed us.
    const isSeed = this.#settings.join.includes(from)
    if (goodbye.reason === 'foreign-cluster' && isSeed && !this.#wasWelcomed) {
      this.#fatal(
        new StartProblem(
          'foreign-cluster',
          `${from} belongs to another cluster than this data directory: ${goodbye.message}`,
          'use another --join, or another --data for a new node; nothing was touched',
        ),
      )
    }
  }

  #fatal(problem: StartProblem): void {
    if (!this.#isEnded) this.#listener.onFatal(problem)
  }

  // The store

  hearDatagram(bytes: Uint8Array, from: Endpoint): void {
    this.#membership?.hear(bytes, from)
  }

  isMemberAt(host: string): boolean {
    const members = this.#membership?.machine.members() ?? []
    return members.some(({ metadata }) => parseEndpoint(metadata.peer)?.host === host)
  }

  /** What the nodes there are called: their certificates may be made for that. */
  #namesAt(endpoint: Endpoint): readonly string[] {
    const members = this.#membership?.machine.members() ?? []
    return members.filter(({ metadata }) => metadata.peer === endpoint).map(({ metadata }) => metadata.name)
  }

  /**
   * Why the node with this id is not to be spoken with as the one at `endpoint`: somebody else is known to be there. All members
   * have the same secret, so whoever can lead a connection astray could have one of them answer in the name of another, this
   * node itself included: what one holds would count as two copies. Where nobody shows anything all of it is a claim.
   */
  #whyNotThere(endpoint: Endpoint, id: string): string | undefined {
    if (this.#port.trust.isOpen) return undefined
    let known: string | undefined
    for (const member of this.#membership?.machine.members() ?? []) {
      if (member.metadata.peer !== endpoint || (member.state !== 'alive' && member.state !== 'suspect')) continue
      if (member.id === id) return undefined
      known = member.metadata.name
    }
    return known === undefined ? undefined : `another node than ${known} has answered there (${id.slice(0, 8)})`
  }

  endpointOf(nodeId: string): Endpoint | undefined {
    return this.#membership?.machine.member(nodeId as NodeId)?.metadata.peer
  }

  /** The store must not be trusted any more: this life ends. */
  storageFailed(failure: StorageFailure): void {
    if (this.#isEnded) return
    this.#metrics.storeFailures.add(1)
    this.#ports.log.error(
      { kind: failure.kind, reason: failure.message },
      'the store failed: it is closed and opened anew',
    )
    this.#isMarked = true
    this.#minting?.storeFailed()
    this.#listener.onStorageFailed(failure, this.#isMarked)
  }

  #isMarked = true

  #writeErrorByte(isSet: boolean): void {
    try {
      this.#ports.directory.writeErrorByte(isSet)
    } catch (error) {
      this.#isMarked = false
      this.#ports.log.error({ reason: String(error) }, 'the error mark of the data directory cannot be written')
    }
  }

  // Stopping

  #leave(done: () => void): void {
    const { membership } = this
    if (membership === undefined || this.#isEnded) return done()
    let isDone = false
    const once = (): void => {
      if (isDone) return
      isDone = true
      done()
    }
    membership.leave(once)
    this.#ports.time.after(leaveMsMax, once)
  }

  #onMarked: (() => void) | undefined

  #markStop(done: () => void): void {
    const minting = this.#minting
    const batches = this.#batches
    if (minting === undefined || batches === undefined || this.#isEnded) return done()
    this.#onMarked = done
    const mark = (): void => batches.whenIdle(() => minting.stop())
    if (this.#serving === undefined) mark()
    else this.#serving.finish(mark)
    // A store that does not answer any more gets no marker: the next start is an unclean one.
    this.#ports.time.after(markMsMax, done)
  }

  /** Everything written so far must be durable before the marker is: a synced write goes first (docs/rules.md A3). */
  #writeMarker(meta: MetaStore, done: () => void): void {
    meta.write('clean-stop', new Uint8Array([1]), 'disk', (failure) => {
      if (failure !== undefined) return
      if (this.#keeper.change({ isCleanlyStopped: true }) === undefined) done()
    })
  }
}

/** Of members that are not asked anything. */
const awayWords: Readonly<Record<Member['state'], string>> = {
  alive: 'there',
  suspect: 'there',
  dead: 'dead',
  left: 'stopped',
}

const leaveMsMax = 2_000
const endAwaitedMsMax = 5_000
const markMsMax = 5_000

function loadOwnRow(meta: MetaStore): OwnRow | undefined | 'damaged' {
  try {
    return Minting.loadOwnRow(meta)
  } catch (error) {
    if (error instanceof UnreadableBytes) return 'damaged'
    throw error
  }
}
