import type { CutReason } from '../links/frame-acceptor.ts'
import type { CounterCell, GaugeCell, HistogramCell, Metrics } from '../ports/metrics.ts'
import type { ValueLogFigures } from '../ports/storage.ts'
import type { RequestKind } from '../protocol/overload/admission.ts'
import type { ClientLimitName } from '../protocol/overload/client-limits.ts'
import type { TurnedAway } from '../security/doorkeeper.ts'
import type { TokenRefusal } from '../security/principal.ts'

const secondsBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const replicatedBuckets = [0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 30, 120, 600, 3600]
const recordBuckets = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
const clockBuckets = [1, 2, 3, 5, 8, 16, 32, 64]
const siblingBuckets = [1, 2, 3, 5, 10, 25, 50, 100]

/** Everything the node room counts, declared once, each series looked up once. */
export interface NodeMetrics {
  readonly replicaRequestSeconds: (peer: string) => HistogramCell
  readonly quorumFailures: CounterCell
  readonly siblings: HistogramCell
  readonly clockEntries: HistogramCell
  readonly readRepairs: (kind: 'blocking' | 'async') => CounterCell
  readonly readRepairsDropped: CounterCell
  readonly fullyReplicatedSeconds: HistogramCell
  readonly hintsStored: CounterCell
  readonly hintsDelivered: CounterCell
  readonly hintsHandedOver: CounterCell
  readonly hintsNotTaken: (outcome: 're-read' | 'failed') => CounterCell
  readonly hintsRefused: (reason: string) => CounterCell
  readonly speculations: CounterCell
  readonly forwarded: CounterCell
  readonly slowRequests: (operation: string) => CounterCell
  readonly admitted: Readonly<Record<RequestKind, CounterCell>>
  readonly shed: Readonly<Record<RequestKind, CounterCell>>
  readonly admissionWaitSeconds: HistogramCell
  readonly frameConnectionsCut: (reason: CutReason) => CounterCell
  readonly clientLimitsMet: (limit: ClientLimitName) => CounterCell
  readonly storeBatchRecords: HistogramCell
  readonly storeBatchSeconds: HistogramCell
  readonly storeFailures: CounterCell
  readonly damagedRecords: CounterCell
  readonly dotConflicts: CounterCell
  readonly malformedFrames: CounterCell
  readonly refusedHandshakes: (reason: string) => CounterCell
  readonly connectionsCutOff: CounterCell
  readonly datagramsDropped: (reason: string) => CounterCell
  readonly layoutVersion: GaugeCell
  readonly clockAhead: CounterCell
  readonly damagedRecordsNow: GaugeCell
  readonly bucketRefreshFailures: CounterCell
  readonly tokenRefusals: (reason: TokenRefusal) => CounterCell
  readonly tokenRefreshFailures: CounterCell
  readonly turnedAway: (reason: TurnedAway) => CounterCell
  readonly treeRebuilds: CounterCell
  readonly treeDrift: CounterCell
  readonly exchanges: (outcome: string) => CounterCell
  readonly exchangeBytes: (kind: 'compare' | 'records') => CounterCell
  readonly keysRepaired: (direction: 'pushed' | 'pulled') => CounterCell
  readonly transferBytes: (direction: 'received' | 'sent') => CounterCell
  readonly transferRecords: (direction: 'received' | 'sent') => CounterCell
  readonly transferSeconds: HistogramCell
  readonly transfersRefused: CounterCell
  readonly tombstonesRemoved: CounterCell
  readonly expiredSiblings: CounterCell
  readonly staleStatesRefused: CounterCell
  readonly internalErrors: CounterCell
  readonly scanPages: (outcome: 'complete' | 'partial' | 'failed' | 'refused') => CounterCell
  readonly scanKeys: CounterCell
  readonly scanReads: CounterCell
  readonly scansRunning: GaugeCell
}

export interface HintReading {
  readonly name: string
  readonly count: number
  readonly bytes: number
  readonly oldestSeconds: number
}

/** Data that moves between this node and another. */
export interface TransferReading {
  readonly partitionsLeft: number | undefined
  readonly bytesLeft: number | undefined
}

export interface MetricReadings {
  readonly isInsecure: boolean
  readonly eventLoopDelaySeconds: () => number
  readonly membersByState: () => readonly { readonly labels: readonly string[]; readonly value: number }[]
  readonly requestsInFlight: () => number
  readonly connections: () => number
  readonly storeWaitingBytes: () => number
  readonly valueLog: () => ValueLogFigures | undefined
  readonly recoveringPartitions: () => number
  readonly handBackPartitionsLeft: () => number
  readonly exchangeAges: () => readonly { readonly name: string; readonly seconds: number }[]
  readonly isAntiEntropySuspended: () => boolean
  readonly rebuildingTrees: () => number
  readonly clockOffsetSeconds: () => number
  readonly uptimeSeconds: () => number
  readonly tokensInForce: () => number
  readonly tokensAgeSeconds: () => number
  /** What is kept for each absent owner, by its name. */
  readonly hints: () => readonly HintReading[]
  readonly transfers: () => readonly TransferReading[]
  readonly handoverPassesLeft: () => number
  readonly oldCopies: () => number
  readonly tombstonesByReason: () => readonly { readonly labels: readonly string[]; readonly value: number }[]
  readonly stableAgeSeconds: () => number
  readonly requestsWaiting: () => number
  readonly isBackgroundPaused: () => boolean
  readonly isDominated: (by: 'key' | 'client') => boolean
  readonly clientsKnown: () => number
}

export function declareNodeMetrics(metrics: Metrics, version: string, readings: MetricReadings): NodeMetrics {
  metrics.gauge(
    {
      name: 'starling_event_loop_delay_seconds',
      help: 'How long the process lately kept an event waiting',
    },
    readings.eventLoopDelaySeconds,
  )
  metrics.sampled(
    { name: 'starling_members', help: 'Members by state, as this node sees them', labels: ['state'] },
    readings.membersByState,
  )
  metrics.gauge(
    { name: 'starling_peer_requests_in_flight', help: 'Requests to other nodes without an answer yet' },
    readings.requestsInFlight,
  )
  metrics.gauge(
    { name: 'starling_peer_connections', help: 'Accepted connections of the frame protocol' },
    readings.connections,
  )
  metrics.gauge(
    { name: 'starling_store_waiting_bytes', help: 'Bytes waiting for the next batch' },
    readings.storeWaitingBytes,
  )
  metrics.gauge(
    { name: 'starling_value_log_segments', help: 'Files of the value log' },
    () => readings.valueLog()?.segments ?? 0,
  )
  metrics.gauge(
    { name: 'starling_value_log_bytes', help: 'Bytes of the value log' },
    () => readings.valueLog()?.bytes ?? 0,
  )
  metrics.gauge(
    { name: 'starling_value_log_live_bytes', help: 'Of them, those that can still be read' },
    () => readings.valueLog()?.liveBytes ?? 0,
  )
  metrics.gauge(
    { name: 'starling_value_log_reclaimed_bytes', help: 'Bytes given back since the store was opened' },
    () => readings.valueLog()?.reclaimedBytes ?? 0,
  )
  metrics.gauge(
    { name: 'starling_value_log_reclaim_seconds', help: 'Time spent on that' },
    () => readings.valueLog()?.reclaimSeconds ?? 0,
  )
  metrics.gauge(
    { name: 'starling_recovering_partitions', help: 'Partitions whose answers do not count toward R yet' },
    readings.recoveringPartitions,
  )
  metrics.gauge(
    {
      name: 'starling_hand_back_partitions_left',
      help: 'Partitions that this node, which was excluded, has not brought back to their owners yet',
    },
    readings.handBackPartitionsLeft,
  )
  metrics.gauge(
    { name: 'starling_clock_offset_seconds', help: 'Own wall clock against the median of the members' },
    readings.clockOffsetSeconds,
  )
  metrics.sampled(
    { name: 'starling_tombstones', help: 'Tombstones kept here, by what they wait for', labels: ['waiting_for'] },
    readings.tombstonesByReason,
  )
  metrics.gauge(
    {
      name: 'starling_stable_age_seconds',
      help: 'How far the clock is ahead of what this node knows to have reached all owners; 0 before it serves',
    },
    readings.stableAgeSeconds,
  )
  metrics.gauge(
    { name: 'starling_requests_waiting', help: 'Requests of clients in line, because there is more to do than time' },
    readings.requestsWaiting,
  )
  metrics.gauge(
    { name: 'starling_background_paused', help: '1 while work in the background makes room for requests that wait' },
    () => (readings.isBackgroundPaused() ? 1 : 0),
  )
  metrics.gauge({ name: 'starling_uptime_seconds', help: 'Since the process started' }, readings.uptimeSeconds)
  metrics
    .gauge({
      name: 'starling_build_info',
      help: 'Always 1; the labels say which build',
      labels: ['version', 'node'],
    })(version, 'starling')
    .set(1)
  metrics
    .gauge({
      name: 'starling_insecure',
      help: '1 if the node is open to strangers, and was told to be: --insecure',
    })()
    .set(readings.isInsecure ? 1 : 0)

  metrics.gauge(
    {
      name: 'starling_tokens',
      help: 'Tokens that the cluster has made and that are good now, as far as this node knows',
    },
    readings.tokensInForce,
  )
  metrics.gauge(
    {
      name: 'starling_token_age_seconds',
      help: 'How long ago the tokens were read at a quorum; 0: nobody is asked for one',
    },
    readings.tokensAgeSeconds,
  )
  const tokenRefusals = metrics.counter({
    name: 'starling_token_refusals_total',
    help: 'Tokens that were shown and are no good',
    labels: ['reason'],
  })

  const turnedAway = metrics.counter({
    name: 'starling_requests_turned_away_total',
    help: 'Requests of clients that showed nothing or too little',
    labels: ['reason'],
  })

  const byTarget = (name: string, help: string, of: (reading: HintReading) => number): void =>
    metrics.sampled({ name, help, labels: ['target'] }, () =>
      readings.hints().map((reading) => ({ labels: [reading.name], value: of(reading) })),
    )
  byTarget('starling_hints', 'Records kept for an absent owner', ({ count }) => count)
  byTarget('starling_hint_bytes', 'Bytes of the records kept for an absent owner', ({ bytes }) => bytes)
  byTarget('starling_hint_oldest_seconds', 'Age of the oldest record kept for an owner', (one) => one.oldestSeconds)
  metrics.gauge(
    { name: 'starling_transfer_partitions', help: 'Partitions that are still to be read from others' },
    () => readings.transfers().reduce((sum, { partitionsLeft }) => sum + (partitionsLeft ?? 0), 0),
  )
  metrics.gauge({ name: 'starling_transfer_bytes_left', help: 'Bytes of the transfers under way' }, () =>
    readings.transfers().reduce((sum, { bytesLeft }) => sum + (bytesLeft ?? 0), 0),
  )
  metrics.gauge(
    {
      name: 'starling_handover_passes_left',
      help: 'Comparisons with new owners that this node has still to make before reads switch to them',
    },
    readings.handoverPassesLeft,
  )
  metrics.gauge(
    { name: 'starling_old_copies', help: 'Partitions that others own now, and whose old copy is still to be deleted' },
    readings.oldCopies,
  )
  const hintsNotTaken = metrics.counter({
    name: 'starling_hints_not_taken_total',
    help: 'Hints that their owner did not take, to be tried again',
    labels: ['outcome'],
  })
  const replicaRequestSeconds = metrics.histogram({
    name: 'starling_replica_request_seconds',
    help: 'Time until another owner answered a read or write',
    labels: ['peer'],
    buckets: secondsBuckets,
  })
  const readRepairs = metrics.counter({
    name: 'starling_read_repairs_total',
    help: 'States pushed to an owner because a read found it behind',
    labels: ['kind'],
  })
  metrics.sampled(
    {
      name: 'starling_anti_entropy_age_seconds',
      help: 'Since the last whole exchange with another owner',
      labels: ['peer'],
    },
    () => readings.exchangeAges().map(({ name, seconds }) => ({ labels: [name], value: seconds })),
  )
  metrics.gauge(
    { name: 'starling_anti_entropy_suspended', help: '1 while no exchange begins, because clients wait too long' },
    () => (readings.isAntiEntropySuspended() ? 1 : 0),
  )
  metrics.gauge(
    { name: 'starling_anti_entropy_rebuilding_trees', help: 'Partitions whose tree is being made from their records' },
    readings.rebuildingTrees,
  )
  const exchanges = metrics.counter({
    name: 'starling_anti_entropy_exchanges_total',
    help: 'Exchanges with other owners, by how they ended',
    labels: ['outcome'],
  })
  const exchangeBytes = metrics.counter({
    name: 'starling_anti_entropy_bytes_total',
    help: 'Sent and received by exchanges this node began: to compare, and records to repair',
    labels: ['kind'],
  })
  const keysRepaired = metrics.counter({
    name: 'starling_anti_entropy_keys_repaired_total',
    help: 'States that exchanges brought to the other owner or from it',
    labels: ['direction'],
  })
  const transferBytes = metrics.counter({
    name: 'starling_transfer_bytes_total',
    help: 'Bytes of records copied because their partition got another owner',
    labels: ['direction'],
  })
  const transferRecords = metrics.counter({
    name: 'starling_transfer_records_total',
    help: 'Records copied because their partition got another owner',
    labels: ['direction'],
  })
  const admitted = metrics.counter({
    name: 'starling_requests_admitted_total',
    help: 'Requests of clients begun here: write, read, or forwarded by another node',
    labels: ['kind'],
  })
  const shed = metrics.counter({
    name: 'starling_requests_shed_total',
    help: 'Requests of clients turned away as overloaded, because they would have waited too long',
    labels: ['kind'],
  })
  const frameConnectionsCut = metrics.counter({
    name: 'starling_frame_connections_cut_total',
    help: 'Connections of clients and strangers to the peer port that were cut off for the sake of others',
    labels: ['reason'],
  })
  const clientLimitsMet = metrics.counter({
    name: 'starling_client_limits_met_total',
    help: 'Requests of clients answered with 429 because this client has met a limit, by the name of its setting',
    labels: ['limit'],
  })
  metrics.gauge(
    { name: 'starling_clients_known', help: 'Clients whose requests are counted, where --client-... sets a limit' },
    readings.clientsKnown,
  )
  metrics.sampled(
    {
      name: 'starling_requests_dominated',
      help: '1 while some are turned away and a key, or a client, is asked for, or asks, far beyond all others: these go first',
      labels: ['by'],
    },
    () => (['key', 'client'] as const).map((by) => ({ labels: [by], value: readings.isDominated(by) ? 1 : 0 })),
  )
  const scanPages = metrics.counter({
    name: 'starling_scan_pages_total',
    help: 'Pages of scans made here; partial: some partition had too few owners in reach',
    labels: ['outcome'],
  })
  return {
    replicaRequestSeconds: (peer) => replicaRequestSeconds(peer),
    quorumFailures: metrics.counter({
      name: 'starling_quorum_failures_total',
      help: 'Requests that too few owners answered',
    })(),
    siblings: metrics.histogram({
      name: 'starling_siblings',
      help: 'Siblings of the records that reads returned',
      buckets: siblingBuckets,
    })(),
    clockEntries: metrics.histogram({
      name: 'starling_clock_entries',
      help: 'Entries in the version vectors of the records that reads returned',
      buckets: clockBuckets,
    })(),
    readRepairs: (kind) => readRepairs(kind),
    readRepairsDropped: metrics.counter({
      name: 'starling_read_repairs_dropped_total',
      help: 'Repairs behind an answer that were left out because there were too many',
    })(),
    fullyReplicatedSeconds: metrics.histogram({
      name: 'starling_fully_replicated_seconds',
      help: 'From the acknowledgement of a write until every owner has it, of one write in 64',
      buckets: replicatedBuckets,
    })(),
    hintsStored: metrics.counter({ name: 'starling_hints_stored_total', help: 'Hints written to the store' })(),
    hintsDelivered: metrics.counter({
      name: 'starling_hints_delivered_total',
      help: 'Hints that their owner has on its disk',
    })(),
    hintsHandedOver: metrics.counter({
      name: 'starling_hints_handed_over_total',
      help: 'Hints that an owner has taken whom they were not kept for, because owners changed',
    })(),
    hintsNotTaken: (outcome) => hintsNotTaken(outcome),
    hintsRefused: metrics.counter({
      name: 'starling_hints_refused_total',
      help: 'Hints that were not stored',
      labels: ['reason'],
    }),
    speculations: metrics.counter({
      name: 'starling_speculative_reads_total',
      help: 'Reads that asked one more owner because an answer was late',
    })(),
    slowRequests: metrics.counter({
      name: 'starling_slow_requests_total',
      help: 'Requests of clients coordinated here that took as long as --slow-request-ms says, or longer',
      labels: ['operation'],
    }),
    forwarded: metrics.counter({
      name: 'starling_forwarded_requests_total',
      help: 'Requests handed to an owner of their key',
    })(),
    admitted: byKind((kind) => admitted(kind)),
    shed: byKind((kind) => shed(kind)),
    frameConnectionsCut: (reason) => frameConnectionsCut(reason),
    clientLimitsMet: (limit) => clientLimitsMet(limit),
    admissionWaitSeconds: metrics.histogram({
      name: 'starling_admission_wait_seconds',
      help: 'How long requests were in line that were begun after that',
      buckets: secondsBuckets,
    })(),
    storeBatchRecords: metrics.histogram({
      name: 'starling_store_batch_records',
      help: 'Records written in one batch',
      buckets: recordBuckets,
    })(),
    storeBatchSeconds: metrics.histogram({
      name: 'starling_store_batch_seconds',
      help: 'Time until the store acknowledged a batch',
      buckets: secondsBuckets,
    })(),
    storeFailures: metrics.counter({
      name: 'starling_store_failures_total',
      help: 'Times the store failed and was reopened',
    })(),
    damagedRecords: metrics.counter({
      name: 'starling_damaged_records_total',
      help: 'Stored records that could not be read and were quarantined',
    })(),
    dotConflicts: metrics.counter({
      name: 'starling_dot_conflicts_total',
      help: 'Siblings of one dot with different contents; must stay 0',
    })(),
    malformedFrames: metrics.counter({
      name: 'starling_malformed_frames_total',
      help: 'Connections ended because of what they sent',
    })(),
    refusedHandshakes: metrics.counter({
      name: 'starling_refused_handshakes_total',
      help: 'Connections refused at their greeting or before it, because of what they did not show',
      labels: ['reason'],
    }),
    connectionsCutOff: metrics.counter({
      name: 'starling_connections_cut_off_total',
      help: 'Connections ended before anything was read, because too many from their address were not welcome',
    })(),
    datagramsDropped: metrics.counter({
      name: 'starling_datagrams_dropped_total',
      help: 'Datagrams that were not for this node, or not readable',
      labels: ['reason'],
    }),
    layoutVersion: metrics.gauge({ name: 'starling_layout_version', help: 'Newest decided layout version; 0: none' })(),
    clockAhead: metrics.counter({
      name: 'starling_clock_ahead_total',
      help: 'Remote clock readings more than 500 ms ahead of the own wall clock',
    })(),
    bucketRefreshFailures: metrics.counter({
      name: 'starling_bucket_refresh_failures_total',
      help: 'Times the bucket properties could not be read at a quorum',
    })(),
    tokenRefusals: (reason) => tokenRefusals(reason),
    tokenRefreshFailures: metrics.counter({
      name: 'starling_token_refresh_failures_total',
      help: 'Times the tokens could not be read at a quorum',
    })(),
    turnedAway: (reason) => turnedAway(reason),
    treeRebuilds: metrics.counter({
      name: 'starling_anti_entropy_tree_rebuilds_total',
      help: 'Trees made from the records of a partition, sweeps included',
    })(),
    treeDrift: metrics.counter({
      name: 'starling_anti_entropy_tree_drift_total',
      help: 'Trees that a sweep found not to be those of their records; must stay 0',
    })(),
    exchanges: (outcome) => exchanges(outcome),
    exchangeBytes: (kind) => exchangeBytes(kind),
    keysRepaired: (direction) => keysRepaired(direction),
    transferBytes: (direction) => transferBytes(direction),
    transferRecords: (direction) => transferRecords(direction),
    transferSeconds: metrics.histogram({
      name: 'starling_transfer_seconds',
      help: 'Time until one partition was copied from another owner, pauses included',
      buckets: replicatedBuckets,
    })(),
    transfersRefused: metrics.counter({
      name: 'starling_transfers_refused_total',
      help: 'Pages of partitions that others asked for while enough was being copied',
    })(),
    tombstonesRemoved: metrics.counter({
      name: 'starling_tombstones_removed_total',
      help: 'Tombstones of this node that were removed for good',
    })(),
    expiredSiblings: metrics.counter({
      name: 'starling_expired_siblings_total',
      help: 'Values of this node whose deadline had passed by ten minutes, turned into tombstones',
    })(),
    staleStatesRefused: metrics.counter({
      name: 'starling_stale_states_refused_total',
      help: 'States sent to this node that had been read before a deletion ended, and must be read again',
    })(),
    internalErrors: metrics.counter({
      name: 'starling_internal_errors_total',
      help: 'Bugs of Starling that a request or datagram ran into; must stay 0',
    })(),
    damagedRecordsNow: metrics.gauge({
      name: 'starling_damaged_records',
      help: 'Records that wait to be healed from other owners',
    })(),
    scanPages: (outcome) => scanPages(outcome),
    scanKeys: metrics.counter({ name: 'starling_scan_keys_total', help: 'Live keys in pages of scans made here' })(),
    scanReads: metrics.counter({
      name: 'starling_scan_reads_total',
      help: 'Keys read for scans: for their values, or because their owners did not agree whether they live',
    })(),
    scansRunning: metrics.gauge({
      name: 'starling_scans_running',
      help: 'Pages of scans that are being made here',
    })(),
  }
}

function byKind(cellOf: (kind: RequestKind) => CounterCell): Readonly<Record<RequestKind, CounterCell>> {
  return { forwarded: cellOf('forwarded'), write: cellOf('write'), read: cellOf('read') }
}
