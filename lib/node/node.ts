import type { StreamIdentity } from '../ports/network.ts'
import type { Ports } from '../ports/ports.ts'
import type { BucketProperties } from '../protocol/bucket/properties.ts'
import type { Dot } from '../protocol/causality/dot.ts'
import { clientLimitsOff } from '../protocol/overload/client-limits.ts'
import type { ClientAnswer, ClientRequest } from '../protocol/quorum/client-request.ts'
import type { ReadRepairMode } from '../protocol/quorum/read.ts'
import { Doorkeeper } from '../security/doorkeeper.ts'
import type { NewToken } from '../security/new-token.ts'
import type { Principal } from '../security/principal.ts'
import { TokenAuthority } from '../security/token-authority.ts'
import type { TokenEntry } from '../security/token-map.ts'
import { Draining, NoLayout, type StarlingError, StorageFailed } from '../vocabulary/errors.ts'
import { type Endpoint, type NodeId, toNodeId } from '../vocabulary/ids.ts'
import { type Bucket, type Key, toRecordKey } from '../vocabulary/key.ts'
import type { Random } from '../vocabulary/random.ts'
import type { Hello } from '../wire/messages.ts'
import { ClientGate } from './client-gate.ts'
import { Drain } from './drain.ts'
import { type Admitted, Entrance } from './entrance.ts'
import { explainKey } from './explain-key.ts'
import {
  formatOfFirstLayout,
  type Identity,
  NewerFormat,
  readIdentity,
  UnreadableIdentity,
  writeIdentity,
} from './identity-file.ts'
import type { LayoutChanges } from './layout-changes.ts'
import type {
  BucketList,
  ClusterStatus,
  CommitAnswer,
  CommitRequest,
  CreatedToken,
  Done,
  Explanation,
  ListPage,
  ListRequest,
  NodeApi,
  NodeView,
  PlanView,
  ReplicaView,
  RingView,
  StageAnswer,
  StageRequest,
  TokenList,
} from './node-api.ts'
import { NodeLife } from './node-life.ts'
import { declareNodeMetrics, type NodeMetrics } from './node-metrics.ts'
import type { NodeParts, NodeSettings } from './node-settings.ts'
import { clusterStatus, nodeView, ringView, viewReplica } from './node-views.ts'
import { rebuild } from './rebuild.ts'
import {
  type AntiEntropyView,
  antiEntropyView,
  type HintsView,
  hintsView,
  type TransfersView,
  transfersView,
  type WaitingTombstones,
  waitingTombstones,
} from './repair-views.ts'
import { withSealedDatagrams } from './sealed-ports.ts'
import type { SecretChanged, SecretOrder, SecretStatus } from './secret-views.ts'
import { type BatchRequest, type BatchServed, serveBatch } from './serve-batch.ts'
import type { Serving } from './serving.ts'
import { type SessionDone, serveInSession } from './session-door.ts'
import { StartProblem } from './start-problem.ts'
import type { RequestOrigin } from './trail.ts'

/** How long a node whose store failed waits before it opens it anew, at first and at most. */
const reopenMsMin = 1_000
const reopenMsMax = 30_000
/** What was made longer ago is in force everywhere but where no quorum can be read. */
const tokensAgeSecondsMax = 5

/**
 * One node: owns its data directory, and lives one `NodeLife` after another until it is stopped. Callbacks only, so that
 * the simulator runs the very same code in virtual time.
 */
export class StarlingNode implements NodeApi {
  readonly authority: TokenAuthority
  readonly doorkeeper: Doorkeeper
  readonly #ports: Ports
  #settings: NodeSettings
  readonly #parts: NodeParts
  readonly #metrics: NodeMetrics
  readonly #startedAtMs: number
  readonly #drain: Drain
  readonly #entrance: Entrance
  readonly clients: ClientGate
  #life: NodeLife | undefined
  #storeFailure: string | undefined
  #reopenMs = reopenMsMin
  #isStopping = false
  /** What follows the life that is being closed. */
  #onClosed: (() => void) | undefined
  #http: Endpoint | undefined
  #onFatal: ((problem: StartProblem) => void) | undefined
  #onLeft: (() => void) | undefined

  constructor(ports: Ports, settings: NodeSettings, parts: NodeParts) {
    this.#settings = settings
    // Must never happen; if it does, even that converges, and is said (docs/rules.md A9).
    const onClash = (dot: Dot): void => {
      this.#metrics.dotConflicts.add(1)
      ports.log.error({ ...dot }, 'two values claim to be the same write: the larger was kept')
    }
    this.#parts = { ...parts, merge: (a, b) => parts.merge(a, b, onClash) }
    this.#startedAtMs = ports.time.nowMs()
    this.#drain = new Drain(ports.time, () => this.#life?.serving?.coordinator)
    this.#metrics = declareNodeMetrics(ports.metrics, settings.version, {
      isInsecure: settings.isInsecure === true,
      eventLoopDelaySeconds: () => ports.time.eventLoopDelayMs() / 1000,
      membersByState: () => this.#membersByState(),
      requestsInFlight: () => this.#life?.requestsInFlight ?? 0,
      connections: () => this.#life?.connections ?? 0,
      storeWaitingBytes: () => this.#life?.storeWaitingBytes ?? 0,
      valueLog: () => this.#life?.valueLogFigures,
      recoveringPartitions: () => this.#life?.recovery?.partitionsLeft ?? 0,
      handBackPartitionsLeft: () => this.#life?.serving?.handBack.partitionsLeft ?? 0,
      exchangeAges: () => this.#life?.serving?.antiEntropy.ages() ?? [],
      isAntiEntropySuspended: () => this.#life?.serving?.antiEntropy.isSuspended ?? false,
      rebuildingTrees: () => this.#life?.serving?.antiEntropy.rebuilding ?? 0,
      clockOffsetSeconds: () => (this.#life?.minting?.clockOffsetMs ?? 0) / 1000,
      uptimeSeconds: () => this.#uptimeSeconds(),
      hints: () => this.#life?.serving?.hintDelivery.views() ?? [],
      transfers: () => this.transfers().transfers,
      handoverPassesLeft: () => this.#life?.serving?.transfers.passesLeft ?? 0,
      oldCopies: () => this.#life?.serving?.transfers.oldCopies ?? 0,
      tombstonesByReason: () =>
        this.tombstones().map(({ waitingFor, count }) => ({ labels: [waitingFor], value: count })),
      stableAgeSeconds: () => this.#life?.serving?.context.stability.ageSeconds() ?? 0,
      requestsWaiting: () => this.#entrance.waiting,
      isBackgroundPaused: () => this.#entrance.isPressed,
      isDominated: (by) => this.#entrance.isDominated(by),
      clientsKnown: () => this.clients.clients,
      tokensInForce: () => this.authority.inForce,
      tokensAgeSeconds: () => this.#tokensAgeSeconds(),
    })
    // Where the own clock is known to be wrong, nothing lives longer or shorter for that.
    const wallMs = (): number => this.#life?.minting?.wallMs ?? ports.time.wallMs()
    this.authority = new TokenAuthority({
      cryptography: ports.cryptography,
      wallMs,
      isUpToDate: () => this.#tokensAgeSeconds() <= tokensAgeSecondsMax,
      onRefused: (reason) => this.#metrics.tokenRefusals(reason).add(1),
    })
    if (settings.bootstrapTokens !== undefined) this.authority.demandTokens(settings.bootstrapTokens)
    this.doorkeeper = new Doorkeeper({
      authority: this.authority,
      asksForCertificates: settings.asksForCertificates === true,
      wallMs,
      onTurnedAway: (reason) => this.#metrics.turnedAway(reason).add(1),
    })
    this.#ports =
      settings.secret === undefined
        ? ports
        : withSealedDatagrams(ports, this.#metrics, { keyring: settings.secret.keyring, cluster: settings.cluster })
    this.clients = new ClientGate(
      { time: ports.time, limited: (limit) => this.#metrics.clientLimitsMet(limit) },
      settings.clientLimits ?? clientLimitsOff,
    )
    this.#entrance = new Entrance({
      time: ports.time,
      metrics: this.#metrics,
      underWay: () => this.#life?.serving?.coordinator.inFlight ?? 0,
    })
  }

  /**
   * `done` once the node listens; it serves as soon as it knows a layout (`notReadyBecause`).
   * @param options.http where the node is reached over HTTP; undefined: nowhere
   * @param options.rebuild first put a damaged directory aside, if the other owners have its data
   * @param options.onFatal afterwards: the node had to end by itself, and has closed everything
   * @param options.onLeft it has left the cluster, and is to be stopped; undefined: it stops by itself
   */
  start(
    options: {
      readonly http: Endpoint | undefined
      readonly rebuild?: boolean
      readonly onFatal: (problem: StartProblem) => void
      readonly onLeft?: () => void
    },
    done: (problem: StartProblem | undefined) => void,
  ): void {
    const { directory } = this.#ports
    this.#onFatal = options.onFatal
    this.#onLeft = options.onLeft
    this.#http = options.http
    const opened = directory.open()
    if (!opened.ok) return done(directoryProblem(opened.kind, opened.message))
    if (options.rebuild === true) {
      return rebuild(this.#ports, this.#settings, (problem) => {
        if (problem !== undefined) {
          directory.close()
          return done(problem)
        }
        // The cluster is there: a node that was emptied must not begin another one.
        this.#settings = { ...this.#settings, expect: undefined }
        this.start({ ...options, rebuild: false }, done)
      })
    }
    let identity: Identity
    let hasErrorByte: boolean
    try {
      identity = readIdentity(directory) ?? this.#newIdentity()
      hasErrorByte = directory.readErrorByte()
    } catch (error) {
      directory.close()
      return done(identityProblem(error, directory.path))
    }
    if (identity.cluster !== this.#settings.cluster) {
      directory.close()
      return done(
        new StartProblem(
          'foreign-cluster',
          `${directory.path} belongs to cluster "${identity.cluster}", not "${this.#settings.cluster}"`,
          'use another --data, or the right --cluster; nothing was touched',
        ),
      )
    }
    this.#live({ ...identity, name: this.#settings.name }, hasErrorByte, (problem) => {
      if (problem !== undefined) directory.close()
      done(problem)
    })
  }

  /** Finishes what runs, says goodbye, closes everything. */
  stop(done: () => void): void {
    this.#isStopping = true
    const life = this.#life
    const close = (): void => {
      this.#ports.directory.close()
      done()
    }
    if (life !== undefined) this.#close(life, 'cleanly', close)
    else if (this.#onClosed === undefined) close()
    // A life is being closed for another reason: what was to follow it is dropped.
    else this.#onClosed = close
  }

  /**
   * What a client inside this process says of itself on a connection it makes: where clients are asked for tokens it is a
   * part of this member, which asks for nobody else. Undefined: it is a client as others are.
   */
  helloOfClient(identity: StreamIdentity): Hello | undefined {
    return this.authority.isOn ? this.#life?.hello(identity) : undefined
  }

  get peer(): Endpoint {
    return this.#life?.peer ?? this.#settings.peer
  }

  get id(): NodeId | undefined {
    return this.#life?.identity.id
  }

  // What it offers

  admit(kind: 'read' | 'write', done: Admitted, key?: string, client?: string): void {
    this.#entrance.enter(kind, done, key, client)
  }

  serve(request: ClientRequest, done: Done<ClientAnswer>, origin?: RequestOrigin): void {
    const serving = this.#life?.serving
    if (serving === undefined) return this.#ports.time.soon(() => done(this.#notServing(), undefined))
    serving.coordinator.serve(request, 0, done, origin)
  }

  serveInSession(request: ClientRequest, session: string | undefined, done: SessionDone, origin?: RequestOrigin): void {
    const serving = this.#life?.serving
    if (serving === undefined) return this.#ports.time.soon(() => done(this.#notServing(), undefined, session))
    serveInSession(serving, request, session, done, origin)
  }

  serveBatch(batch: BatchRequest, done: BatchServed): void {
    const serving = this.#life?.serving
    if (serving === undefined) return this.#ports.time.soon(() => done(this.#notServing(), undefined, batch.session))
    serveBatch(serving, batch, done)
  }

  list(request: ListRequest, done: Done<ListPage>): void {
    if (this.#drain.isClosed) {
      return this.#ports.time.soon(() => done(new Draining(Drain.because, { hint: 'ask another node' }), undefined))
    }
    this.#withServing(done, ({ scans }) => scans.page(request, done))
  }

  replica(bucket: Bucket, key: Key, done: Done<ReplicaView>): void {
    this.#withServing(done, ({ context }) => {
      const recordKey = toRecordKey(bucket, key, this.#ports.hash)
      context.store.readStored(recordKey, (copy) => {
        if (copy.state === 'failed') done(new StorageFailed(copy.failure.message), undefined)
        else done(undefined, viewReplica(context, recordKey, copy))
      })
    })
  }

  explain(bucket: Bucket, key: Key, timeoutMs: number, done: Done<Explanation>): void {
    this.#withServing(done, ({ context, explainSources }) => {
      const recordKey = toRecordKey(bucket, key, this.#ports.hash)
      explainKey(context, explainSources, this.#life as NodeLife, recordKey, timeoutMs, done)
    })
  }

  ownersOf(
    bucket: Bucket,
    key: Key,
  ): { readonly partition: number; readonly token: string; readonly owners: readonly NodeId[] } | undefined {
    const ring = this.#life?.layout?.inForce?.ring
    if (ring === undefined) return undefined
    const { token } = toRecordKey(bucket, key, this.#ports.hash)
    const partition = ring.partitionOf(token)
    return { partition, token: token.toString(16).padStart(16, '0'), owners: ring.ownersOf(partition) }
  }

  get readRepair(): ReadRepairMode {
    return this.#settings.readRepair
  }

  bucketProperties(bucket: Bucket, done: Done<BucketProperties>): void {
    this.#withServing(done, ({ buckets }) => buckets.read(bucket, (properties) => done(undefined, properties)))
  }

  setBucketProperties(
    bucket: Bucket,
    given: Readonly<Record<string, unknown>>,
    timeoutMs: number,
    done: Done<BucketProperties>,
  ): void {
    this.#withServing(done, ({ buckets }) => buckets.set(bucket, given, timeoutMs, done))
  }

  listBuckets(timeoutMs: number, done: Done<BucketList>): void {
    this.#withServing(done, ({ buckets, scans }) => {
      scans.buckets(timeoutMs, (error, held) => {
        if (held === undefined) return done(error, undefined)
        buckets.list(held.buckets, (listed) => done(undefined, { ...held, buckets: listed }))
      })
    })
  }

  createToken(order: NewToken, by: Principal | undefined, timeoutMs: number, done: Done<CreatedToken>): void {
    this.#withServing(done, ({ tokens }) => tokens.create(order, by, timeoutMs, done))
  }

  listTokens(timeoutMs: number, done: Done<TokenList>): void {
    this.#withServing(done, ({ tokens }) => tokens.list(timeoutMs, (list) => done(undefined, list)))
  }

  revokeToken(id: string, timeoutMs: number, done: Done<TokenEntry>): void {
    this.#withServing(done, ({ tokens }) => tokens.revoke(id, timeoutMs, done))
  }

  secretStatus(timeoutMs: number, done: Done<SecretStatus>): void {
    const rotation = this.#life?.rotation
    if (rotation === undefined) return this.#ports.time.soon(() => done(this.#notServing(), undefined))
    rotation.status(timeoutMs, done)
  }

  changeSecret(order: SecretOrder, done: Done<SecretChanged>): void {
    const { rotation, serving } = this.#life ?? {}
    // Without a layout it does not know of all who have to be asked.
    if (rotation === undefined || serving === undefined) {
      return this.#ports.time.soon(() => done(this.#notServing(), undefined))
    }
    rotation.change(order, done)
  }

  status(): ClusterStatus {
    return clusterStatus(this.#settings, this.#life)
  }

  askStatus(done: (status: ClusterStatus) => void): void {
    const life = this.#life
    const serving = life?.serving
    if (serving === undefined) return this.#ports.time.soon(() => done(this.status()))
    const others = (life?.membership?.machine.members() ?? []).map(({ id }) => id).filter((id) => id !== this.id)
    serving.stockTaking.take(others, (stocks) => done(clusterStatus(this.#settings, this.#life, stocks)))
  }

  ring(): RingView | undefined {
    return ringView(this.#life)
  }

  self(): NodeView {
    return nodeView(this.#settings, this.#life, {
      peer: this.peer,
      http: this.#http,
      uptimeSeconds: this.#uptimeSeconds(),
      state: this.#state(),
    })
  }

  hints(): HintsView {
    return hintsView(this.#life)
  }

  transfers(): TransfersView {
    return transfersView(this.#life)
  }

  antiEntropy(): AntiEntropyView {
    return antiEntropyView(this.#life)
  }

  runExchange(done: Done<AntiEntropyView>): void {
    this.#withServing(done, ({ antiEntropy }) => {
      antiEntropy.runNow()
      this.#ports.time.soon(() => done(undefined, this.antiEntropy()))
    })
  }

  tombstones(): readonly WaitingTombstones[] {
    return waitingTombstones(this.#life)
  }

  acceptLoss(done: Done<{ readonly partitions: number }>): void {
    this.#withServing(done, ({ context }) => {
      context.recovery.acceptLoss((partitions) => done(undefined, { partitions }))
    })
  }

  stage(request: StageRequest, done: Done<StageAnswer>): void {
    this.#withChanges(done, (changes) => changes.stage(request, done))
  }

  plan(done: Done<PlanView>): void {
    this.#withChanges(done, (changes) => changes.plan(done))
  }

  commit(request: CommitRequest, done: Done<CommitAnswer>): void {
    this.#withChanges(done, (changes) => changes.commit(request, done))
  }

  abort(timeoutMs: number, done: Done<CommitAnswer>): void {
    this.#withChanges(done, (changes) => changes.abort(timeoutMs, done))
  }

  forget(node: string, timeoutMs: number, done: Done<CommitAnswer>): void {
    this.#withChanges(done, (changes) => changes.forget(node, timeoutMs, done))
  }

  drain(done: Done<{ readonly inFlight: number }>): void {
    this.#withServing(done, () => {
      if (!this.#drain.isBegun) this.#ports.log.info({}, Drain.because)
      this.#drain.begin((inFlight) => done(undefined, { inFlight }))
    })
  }

  notReadyBecause(): readonly string[] {
    if (this.#isStopping) return ['the node is being stopped']
    if (this.#storeFailure !== undefined) return [`the store failed: ${this.#storeFailure}`]
    const life = this.#life
    const reasons: string[] = this.#drain.isBegun ? [Drain.because] : []
    if (life?.serving === undefined) reasons.push(this.#notServing().hint ?? 'the node is starting')
    const state = life?.standing.state
    if (state === 'excluded') reasons.push('the node is excluded from the cluster')
    if (state === 'left') {
      reasons.push(`the node has left the cluster: \`starling cluster join ${this.#settings.name}\` brings it back`)
    }
    if (life?.minting?.isClockSkewed === true) {
      const offsetMs = Math.round(life.minting.clockOffsetMs)
      reasons.push(`the clock is ${offsetMs} ms from the median of the members`)
    }
    return reasons
  }

  // Its lives

  #live(identity: Identity, hasErrorByte: boolean, done: (problem: StartProblem | undefined) => void): void {
    const life: NodeLife = new NodeLife(
      {
        ports: this.#ports,
        settings: this.#settings,
        nodeParts: this.#parts,
        metrics: this.#metrics,
        entrance: this.#entrance,
        authority: this.authority,
        doorkeeper: this.doorkeeper,
        clients: this.clients,
      },
      { identity, hasErrorByte, http: this.#http },
      {
        onFatal: (problem) => this.#end(life, problem),
        onStorageFailed: (failure, isMarked) => this.#reopen(life, failure.message, isMarked),
        onResume: (id, startNumber, clusterId) => this.#resume(life, id, startNumber, clusterId),
        onServing: () => {
          this.#storeFailure = undefined
          this.#reopenMs = reopenMsMin
          this.#drain.onServing()
        },
        onLeft: () => {
          if (life !== this.#life) return
          if (this.#onLeft === undefined) this.stop(() => {})
          else this.#onLeft()
        },
      },
    )
    this.#life = life
    life.start((problem) => {
      if (problem !== undefined && this.#life === life) this.#life = undefined
      done(problem)
    })
  }

  /** Ends a life for one reason only: whatever else it reports from now on is ignored. */
  #close(life: NodeLife, how: 'cleanly' | 'at once', next: () => void): void {
    this.#life = undefined
    this.#onClosed = next
    const closed = (): void => {
      const follow = this.#onClosed
      this.#onClosed = undefined
      follow?.()
    }
    if (how === 'cleanly') life.stop(closed)
    else life.abandon(closed)
  }

  #end(life: NodeLife, problem: StartProblem): void {
    if (life !== this.#life) return
    this.#close(life, 'at once', () => this.#giveUp(problem))
  }

  #giveUp(problem: StartProblem): void {
    this.#isStopping = true
    this.#ports.directory.close()
    this.#onFatal?.(problem)
  }

  /** A handle that failed acknowledges nothing more: close it, and go on as after an unclean stop. */
  #reopen(life: NodeLife, reason: string, isMarked: boolean): void {
    if (life !== this.#life) return
    this.#storeFailure = reason
    const { identity } = life
    this.#close(life, 'at once', () => {
      this.#reopenLater({ ...identity, isCleanlyStopped: false }, isMarked)
    })
  }

  /**
   * @param isMarked whether the error byte is set. Without it the next start could not know that the store may have lost
   * something: until the disk takes it, this process, which knows, opens nothing and refuses all.
   */
  #reopenLater(identity: Identity, isMarked = true): void {
    const waitMs = this.#reopenMs
    this.#reopenMs = Math.min(reopenMsMax, waitMs * 2)
    this.#ports.time.after(waitMs, () => {
      if (this.#isStopping) return
      try {
        if (!isMarked) this.#ports.directory.writeErrorByte(true)
      } catch {
        return this.#reopenLater(identity, false)
      }
      try {
        this.#live(identity, true, (problem) => {
          if (problem === undefined) {
            this.#storeFailure = undefined
            return
          }
          this.#storeFailure = problem.message
          const { message: reason, hint } = problem
          this.#ports.log.error({ reason, hint, waitMs }, 'the store cannot be opened: trying again')
          this.#reopenLater(identity)
        })
      } catch (error) {
        // node.json could not be written: the disk is still full or read-only.
        this.#life = undefined
        this.#storeFailure = String(error)
        this.#reopenLater(identity)
      }
    })
  }

  #resume(life: NodeLife, id: NodeId, startNumber: number, clusterId: Identity['clusterId']): void {
    if (life !== this.#life) return
    this.#ports.log.warn(
      { id, was: life.identity.id },
      'a dead member of the cluster has the name of this node: resuming its identity, its data is read from the others',
    )
    this.#close(life, 'cleanly', () => {
      const identity: Identity = {
        ...life.identity,
        id,
        startNumber,
        storeGeneration: 0,
        clusterId,
        isCleanlyStopped: false,
        isResumed: true,
        hasLeft: false,
        wasExcluded: false,
        fingerprint: undefined,
      }
      try {
        writeIdentity(this.#ports.directory, identity)
      } catch (error) {
        // Nothing has changed yet: the next life asks anew who it was.
        this.#storeFailure = String(error)
        return this.#reopenLater(life.identity)
      }
      this.#live(identity, false, (problem) => {
        if (problem !== undefined) this.#giveUp(problem)
      })
    })
  }

  #newIdentity(): Identity {
    return {
      format: formatOfFirstLayout,
      id: randomNodeId(this.#ports.random('node-id')),
      startNumber: 0,
      storeGeneration: 0,
      cluster: this.#settings.cluster,
      clusterId: '',
      name: this.#settings.name,
      isCleanlyStopped: false,
      isResumed: false,
      hasLeft: false,
      wasExcluded: false,
      fingerprint: undefined,
    }
  }

  #withChanges<Answer>(done: Done<Answer>, run: (changes: LayoutChanges) => void): void {
    const changes = this.#life?.changes
    if (changes === undefined) this.#ports.time.soon(() => done(this.#notServing(), undefined))
    else run(changes)
  }

  #withServing<Answer>(done: Done<Answer>, run: (serving: Serving) => void): void {
    const serving = this.#life?.serving
    if (serving === undefined) this.#ports.time.soon(() => done(this.#notServing(), undefined))
    else run(serving)
  }

  #notServing(): StarlingError {
    if (this.#isStopping) return new Draining('the node is being stopped', { hint: 'ask another node' })
    if (this.#storeFailure !== undefined) {
      return new StorageFailed(`the store of this node failed: ${this.#storeFailure}`, {
        hint: 'free space or mend the disk; the node opens its store again by itself',
      })
    }
    const layout = this.#life?.layout
    const hint =
      layout === undefined
        ? 'the node is starting'
        : layout.inForce === undefined
          ? layout.waitingBecause
          : 'the store is being checked against the other members'
    return new NoLayout('the node does not serve yet', { hint })
  }

  #state(): NodeView['state'] {
    if (this.#isStopping) return 'stopping'
    if (this.#storeFailure !== undefined) return 'storage-failed'
    if (this.#life?.serving !== undefined) {
      if (this.#drain.isBegun) return 'draining'
      const { state } = this.#life.standing
      return state === undefined || state === 'member' ? 'serving' : state
    }
    return this.#life?.layout === undefined ? 'starting' : 'waiting-for-layout'
  }

  #tokensAgeSeconds(): number {
    return this.#life?.serving?.tokens.ageSeconds ?? (this.authority.isOn ? Number.POSITIVE_INFINITY : 0)
  }

  #uptimeSeconds(): number {
    return (this.#ports.time.nowMs() - this.#startedAtMs) / 1000
  }

  #membersByState(): readonly { readonly labels: readonly string[]; readonly value: number }[] {
    const counts = this.#life?.membership?.machine.counts()
    return counts === undefined ? [] : Object.entries(counts).map(([state, value]) => ({ labels: [state], value }))
  }
}

function randomNodeId(random: Random): NodeId {
  let text = ''
  for (let word = 0; word < 4; word += 1) text += random.uint32().toString(16).padStart(8, '0')
  return toNodeId(text)
}

function directoryProblem(kind: 'locked' | 'foreign' | 'failed', message: string): StartProblem {
  switch (kind) {
    case 'locked':
      return new StartProblem('directory-locked', message, 'stop the process that holds it, or use another --data')
    case 'foreign':
      return new StartProblem('directory-foreign', message, 'use an empty directory, or one of Starling, as --data')
    case 'failed':
      return new StartProblem('directory-unreadable', message, 'check that the directory exists and may be written')
  }
}

function identityProblem(error: unknown, path: string): StartProblem {
  const reason = error instanceof Error ? error.message : String(error)
  if (error instanceof NewerFormat) {
    const hint = 'nothing was changed; start the release of Starling that wrote it, or a later one'
    return new StartProblem('newer-format', `${path}: ${reason}`, hint)
  }
  return new StartProblem(
    error instanceof UnreadableIdentity ? 'identity-unreadable' : 'directory-unreadable',
    `${path}: ${reason}`,
    'nothing was changed; restore node.json from a backup, or start with an empty --data',
  )
}
