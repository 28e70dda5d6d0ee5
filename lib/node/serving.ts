import type { Ports } from '../ports/ports.ts'
import type { Storage, StorageFailure } from '../ports/storage.ts'
import type { Span } from '../ports/tracer.ts'
import type { Hlc } from '../protocol/clock/hlc.ts'
import { hintLimitsDefault } from '../protocol/handoff/hint-budget.ts'
import type { LayoutInForce } from '../protocol/layout/layout-in-force.ts'
import type { Member } from '../protocol/membership/member.ts'
import type { TokenAuthority } from '../security/token-authority.ts'
import type { TokenMap } from '../security/token-map.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { RecordKey } from '../vocabulary/key.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import { AntiEntropy } from './anti-entropy.ts'
import type { BatchWriter } from './batch-writer.ts'
import { BucketDriver } from './bucket-driver.ts'
import { Buckets } from './buckets.ts'
import { Coordinator } from './coordinator.ts'
import { Crowded } from './crowded.ts'
import type { DataHandlers, DataRequest, Respond } from './data-handlers.ts'
import { Deadlines } from './deadlines.ts'
import { Deletion, DeletionRecords } from './deletion.ts'
import { DirtyRanges } from './dirty-ranges.ts'
import type { Entrance } from './entrance.ts'
import { type ExplainSources, explainHandlers } from './explain-replica.ts'
import type { FlightRecorder } from './flight-recorder.ts'
import { ForegroundLatency } from './foreground-latency.ts'
import { GainedPartitions } from './gained-partitions.ts'
import { HandBack } from './hand-back.ts'
import { healDamaged } from './heal-damaged.ts'
import { HintDelivery } from './hint-delivery.ts'
import { HintHandover } from './hint-handover.ts'
import { HintService } from './hint-service.ts'
import { HintStore } from './hint-store.ts'
import type { LayoutDriver } from './layout-driver.ts'
import { MemberUntil } from './member-until.ts'
import type { MembershipDriver } from './membership-driver.ts'
import { distrustTrees, MerkleTrees } from './merkle-trees.ts'
import type { MetaStore } from './meta-store.ts'
import type { Minting } from './minting.ts'
import type { NodeMetrics } from './node-metrics.ts'
import type { NodeParts, NodeSettings } from './node-settings.ts'
import { OutstandingWrites } from './outstanding-writes.ts'
import { sizeHandlers } from './partition-sizes.ts'
import { PartitionTransfers } from './partition-transfers.ts'
import type { Peers } from './peers.ts'
import { type RecoveryCause, RecoveryDriver } from './recovery-driver.ts'
import { refusal } from './refusals.ts'
import { RepairBudget } from './repair-budget.ts'
import { ReplicaService } from './replica-service.ts'
import { ReplicaStore } from './replica-store.ts'
import type { RequestContext } from './request-context.ts'
import { ScanService } from './scan-service.ts'
import { Scans } from './scans.ts'
import { batchHandlers } from './serve-batch.ts'
import type { SharedState } from './shared-state.ts'
import { SiblingWarnings } from './sibling-warnings.ts'
import { SlowRequests } from './slow-requests.ts'
import { SpeculationBudget } from './speculation-budget.ts'
import { StockTaking } from './stock-taking.ts'
import { stockHandlers } from './take-stock.ts'
import { TokenDriver } from './token-driver.ts'

/** What a life of a node has made before it may answer for data. */
export interface ServingParts {
  readonly self: NodeId
  readonly ports: Ports
  readonly settings: NodeSettings
  readonly nodeParts: NodeParts
  readonly metrics: NodeMetrics
  readonly entrance: Entrance
  readonly authority: TokenAuthority
  readonly storage: Storage
  readonly batches: BatchWriter
  readonly meta: MetaStore
  readonly tokens: SharedState<TokenMap>
  readonly peers: Peers
  readonly minting: Minting
  readonly layout: LayoutDriver
  readonly membership: MembershipDriver
  readonly recorder: FlightRecorder
}

/**
 * The part of a node that answers for data: made when a layout is in force and the store is checked, ended with the life
 * that made it. Everything that runs in the background over the records is made, started and stopped here.
 */
export class Serving {
  readonly context: RequestContext
  readonly coordinator: Coordinator
  readonly scans: Scans
  readonly recovery: RecoveryDriver
  readonly buckets: BucketDriver
  readonly tokens: TokenDriver
  readonly deletion: Deletion
  readonly hintDelivery: HintDelivery
  readonly hintHandover: HintHandover
  readonly handBack: HandBack
  readonly explainSources: ExplainSources
  readonly stockTaking: StockTaking
  readonly antiEntropy: AntiEntropy
  readonly transfers: PartitionTransfers
  /** Undefined: anti-entropy is switched off, and no trees are kept. */
  readonly #trees: MerkleTrees | undefined
  readonly #handlers: DataHandlers
  readonly #members: () => Iterable<Member>
  readonly #self: NodeId
  readonly #memberUntil: MemberUntil

  constructor(parts: ServingParts, inForce: LayoutInForce, onStorageFailed: (failure: StorageFailure) => void) {
    const { self, ports, settings, nodeParts, metrics, storage, batches, meta, peers, minting, layout } = parts
    const { entrance } = parts
    const { time, hash, log } = ports
    const warnings = new SiblingWarnings(time, log)
    this.#self = self
    this.#memberUntil = new MemberUntil(meta)
    const outstanding = new OutstandingWrites()
    const deletionRecords = new DeletionRecords(
      { storage, batches, meta, hash, time, log, metrics, minting },
      {
        oldestWrite: () => outstanding.oldest(),
        oldestHint: () => hints.oldestMint(),
        isCounted: () => hints.isCounted,
      },
      onStorageFailed,
    )
    const partitionCount = inForce.decided.version.partitionCount
    const trees = settings.antiEntropy
      ? new MerkleTrees(
          { time, batches, meta, hash, log, metrics, random: ports.random('merkle-trees') },
          { partitionCount, partitions: inForce.partitionsOf(self) },
        )
      : undefined
    // What is not kept up to date now must not be believed later.
    if (trees === undefined) distrustTrees(meta, time.wallMs())
    this.#trees = trees
    const store = new ReplicaStore(
      { storage, batches, hash, log, metrics, nodeParts },
      {
        generation: () => minting.generation,
        partitionCount,
        onDamaged: (key: RecordKey) => {
          trees?.rebuild(store.partitionOf(key))
          healDamaged(context, key)
        },
        onFailure: onStorageFailed,
        observers: trees === undefined ? deletionRecords.observers : [...deletionRecords.observers, trees],
        guard: deletionRecords.barriers,
      },
    )
    const dirty = new DirtyRanges({ storage, batches, hash })
    const hints = new HintStore(
      { storage, batches, dirty, hash, log, time, metrics, nodeParts },
      {
        limits: hintLimitsDefault,
        isOn: settings.hints,
        partitionCount: inForce.decided.version.partitionCount,
        generation: () => minting.generation,
        freeBytes: () => freeBytesOf(ports),
        publishedStable: () => deletionRecords.stability.publishedStable(),
        isStableTold: () => deletionRecords.stability.isToldInThisLife,
        onAdded: (target) => this.hintDelivery.added(target),
        onFailure: onStorageFailed,
      },
    )
    this.recovery = new RecoveryDriver(
      { time, log, meta, learnBarriers: (partition, owners, done) => this.deletion.learn(partition, owners, done) },
      () => minting.recovered(),
    )
    const foreground = new ForegroundLatency()
    const gained = new GainedPartitions({
      time,
      meta,
      storage,
      batches,
      log,
      partitionCount,
      trees,
      onFailure: onStorageFailed,
    })
    const context: RequestContext = {
      self,
      time,
      hash,
      deadlines: new Deadlines(time),
      peers,
      store,
      hints,
      keepsHints: settings.hints,
      outstanding,
      dirty,
      buckets: new Buckets({ meta, log, onStorageFailed }),
      minting,
      layout,
      recovery: this.recovery,
      gained,
      barriers: deletionRecords.barriers,
      stability: deletionRecords.stability,
      metrics,
      foreground,
      crowded: new Crowded({ time, store, foreground, entrance }),
      entrance,
      speculation: new SpeculationBudget(),
      repairs: new RepairBudget(time),
      readRepair: settings.readRepair,
      parts: nodeParts,
      recorder: parts.recorder,
      slow: slowRequests(parts),
      warnOfSiblings: (key, count) => warnings.warn(key, count),
    }
    this.context = context
    this.coordinator = new Coordinator(context)
    this.scans = new Scans(context, () => this.coordinator.drainedBecause)
    this.buckets = new BucketDriver(context, this.coordinator, log)
    this.tokens = new TokenDriver({
      context,
      coordinator: this.coordinator,
      log,
      cryptography: ports.cryptography,
      authority: parts.authority,
      state: parts.tokens,
    })
    this.deletion = new Deletion(context, deletionRecords, {
      graceSeconds: settings.tombstoneGraceSeconds,
      onFailure: onStorageFailed,
    })
    const asOf = (now: Hlc): Hlc => this.#memberUntil.asOf(now)
    this.hintHandover = new HintHandover({ context, log, asOf })
    this.handBack = new HandBack({ context, meta, log, onFailure: onStorageFailed })
    this.hintDelivery = new HintDelivery({ context, dirty, log, handover: this.hintHandover })
    this.explainSources = {
      comparedWith: (partition) => this.antiEntropy.comparisonsOf(partition),
      tombstoneWaitsFor: (key) => this.deletion.driver.waitingFor(key) ?? '',
    }
    this.antiEntropy = new AntiEntropy(context, { trees, log, random: ports.random('anti-entropy') })
    this.transfers = new PartitionTransfers(
      context,
      { antiEntropy: this.antiEntropy, trees, meta, storage, batches, log, asOf },
      { oldCopiesKeptSeconds: settings.oldCopiesKeptSeconds },
    )
    this.stockTaking = new StockTaking({ time, peers })
    this.#members = () => parts.membership.machine.members()
    const replicas = new ReplicaService(context, this.coordinator).handlers
    const scanService = new ScanService(context, this.scans)
    const hintService = new HintService(context)
    this.#handlers = {
      ...replicas,
      ...scanService.handlers,
      ...batchHandlers(context, this.coordinator),
      ...hintService.handlers,
      'merge-records': hintService.admit(replicas['merge-records']),
      ...this.buckets.handlers,
      ...this.tokens.handlers,
      ...this.deletion.handlers,
      ...this.antiEntropy.handlers,
      ...this.transfers.handlers,
      ...stockHandlers(context),
      ...sizeHandlers(context),
      ...explainHandlers(context, this.explainSources),
    }
  }

  /** Brings back what the store lost; until then the answers of this node do not count (docs/rules.md A5). */
  recover(cause: RecoveryCause, inForce: LayoutInForce): void {
    if (!cause.isContinued) {
      this.#trees?.distrust()
      this.context.gained.distrust()
    }
    this.recovery.begin(cause, inForce, this.#self, this.context)
    if (cause.reason === 'restored') {
      this.context.hints.discardRestored((mint) => this.recovery.isSinceRestored(mint))
    }
  }

  /** @param span of the request, where it is part of a trace; whoever calls ends it */
  serve(message: DataRequest, respond: Respond, span?: Span): void {
    // The table has a handler of the right type for every type: that is what its type says.
    const handler = this.#handlers[message.type] as (message: DataRequest, respond: Respond, span?: Span) => void
    try {
      handler(message, respond, span)
    } catch (error) {
      if (error instanceof UnreadableBytes) respond(refusal('malformed', error.message))
      else throw error
    }
  }

  /** Begins what runs in the background. */
  start(): void {
    this.buckets.start()
    this.tokens.start()
    this.context.dirty.load(() => {})
    this.hintDelivery.start(this.#members())
    this.deletion.start()
    this.#trees?.start(this.context.store)
    this.antiEntropy.start()
    const inForce = this.context.layout.inForce
    if (inForce !== undefined) {
      this.#memberUntil.follow(inForce, this.context)
      this.handBack.follow(inForce)
    }
    this.transfers.start()
  }

  /** Other versions are live, or somebody has come further in a transition. */
  layoutChanged(inForce: LayoutInForce, before: LayoutInForce): void {
    this.#memberUntil.follow(inForce, this.context)
    this.hintHandover.layoutChanged()
    this.recovery.layoutChanged(inForce, this.#self)
    this.deletion.driver.layoutChanged(inForce)
    this.antiEntropy.layoutChanged(inForce, before)
    this.handBack.follow(inForce)
    this.transfers.layoutChanged(inForce, before)
  }

  /** Writes what spares the next start some work, when nothing is written any more; the stop is a clean one. */
  finish(done: () => void): void {
    if (this.#trees === undefined) done()
    else this.#trees.finish(() => done())
  }

  stop(): void {
    // What a batch has not begun is begun no more: its deadline would not pass.
    if (this.coordinator.drainedBecause === undefined) this.coordinator.drain('the node ends all that it does')
    this.buckets.stop()
    this.tokens.stop()
    this.hintDelivery.stop()
    this.hintHandover.stop()
    this.handBack.stop()
    this.deletion.stop()
    this.antiEntropy.stop()
    this.transfers.stop()
    this.#trees?.stop()
    this.recovery.stop()
    this.context.deadlines.stop()
    // Whoever waits for the properties of buckets is told that they will not come.
    this.context.buckets.beKnown()
  }
}

function slowRequests({ ports, settings, metrics, peers, recorder, self }: ServingParts): SlowRequests | undefined {
  const { slowRequestMs } = settings
  if (slowRequestMs === undefined || slowRequestMs === 0) return undefined
  const { time, log } = ports
  const nameOf = (node: NodeId): string => (node === self ? settings.name : peers.nameOf(node))
  return new SlowRequests({ time, log, recorder, nameOf, counted: metrics.slowRequests }, slowRequestMs)
}

/** A disk that does not say how much it has left has no room for hints. */
function freeBytesOf({ directory, log }: Ports): number {
  try {
    return directory.freeBytes()
  } catch (error) {
    log.warn({ reason: String(error) }, 'the disk does not say how much it has left: no hints are kept')
    return 0
  }
}
