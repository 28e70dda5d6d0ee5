import type { Time } from '../ports/time.ts'
import type { ReadRepairMode } from '../protocol/quorum/read.ts'
import type { Hash } from '../vocabulary/hash.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { RecordKey } from '../vocabulary/key.ts'
import type { Buckets } from './buckets.ts'
import type { Crowded } from './crowded.ts'
import type { Deadlines } from './deadlines.ts'
import type { DeletionBarriers } from './deletion-barriers.ts'
import type { DirtyRanges } from './dirty-ranges.ts'
import type { Entrance } from './entrance.ts'
import type { FlightRecorder } from './flight-recorder.ts'
import type { ForegroundLatency } from './foreground-latency.ts'
import type { GainedPartitions } from './gained-partitions.ts'
import type { HintStore } from './hint-store.ts'
import type { LayoutDriver } from './layout-driver.ts'
import type { Minting } from './minting.ts'
import type { NodeMetrics } from './node-metrics.ts'
import type { NodeParts } from './node-settings.ts'
import type { OutstandingWrites } from './outstanding-writes.ts'
import type { Peers } from './peers.ts'
import type { RecoveryDriver } from './recovery-driver.ts'
import type { RepairBudget } from './repair-budget.ts'
import type { ReplicaStore } from './replica-store.ts'
import type { SlowRequests } from './slow-requests.ts'
import type { SpeculationBudget } from './speculation-budget.ts'
import type { Stability } from './stability.ts'

/** What every coordinated request works with. One value per life of a node. */
export interface RequestContext {
  readonly self: NodeId
  readonly time: Time
  readonly hash: Hash
  readonly deadlines: Deadlines
  readonly peers: Peers
  readonly store: ReplicaStore
  /** What this node keeps for absent owners. */
  readonly hints: HintStore
  /** `--hints`: whether hints are kept at all, and fallbacks stand in. */
  readonly keepsHints: boolean
  readonly outstanding: OutstandingWrites
  /** Ranges that some owner may lack, because no hint was kept for it (docs/rules.md H2). */
  readonly dirty: DirtyRanges
  readonly buckets: Buckets
  readonly minting: Minting
  readonly layout: LayoutDriver
  readonly recovery: RecoveryDriver
  /** What a transition brings to this node. */
  readonly gained: GainedPartitions
  readonly barriers: DeletionBarriers
  readonly stability: Stability
  readonly metrics: NodeMetrics
  /** How long clients waited lately. */
  readonly foreground: ForegroundLatency
  /** Whether what moves partitions must go more slowly. */
  readonly crowded: Crowded
  /** Where clients' requests come in: while they wait there, work in the background pauses. */
  readonly entrance: Pick<Entrance, 'isPressed' | 'enter'>
  readonly speculation: SpeculationBudget
  readonly repairs: RepairBudget
  readonly readRepair: ReadRepairMode
  readonly parts: NodeParts
  /** The steps of the latest requests. */
  readonly recorder: FlightRecorder
  /** Says which requests were slow; undefined: nobody wants to know (`--slow-request-ms 0`). */
  readonly slow: SlowRequests | undefined
  /** A key has many siblings: said in the log, at most once a minute for each key. */
  readonly warnOfSiblings: (key: RecordKey, count: number) => void
}
