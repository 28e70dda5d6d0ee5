import { datagramBytesMax } from '../../vocabulary/limits.ts'

/** The protocol's numbers. Every node of a cluster should have the same. */
export interface MembershipSettings {
  /** One probe per period; stretched by bad local health. */
  readonly probeIntervalMs: number
  /** How long the direct probe waits before helpers are asked. */
  readonly probeTimeoutMs: number
  /** How many helpers are asked. */
  readonly indirectProbes: number
  /** A helper reports silence after this fraction of the probe timeout: early enough to arrive within the period. */
  readonly nackFraction: number
  /** The shortest suspicion is this x max(1, log10 n) probe intervals. */
  readonly suspicionMult: number
  /** The longest suspicion is this many times the shortest. */
  readonly suspicionMaxMult: number
  /** An update is sent max(transmissionsMin, this x ceil(log10(n + 1))) times. */
  readonly retransmitMult: number
  readonly transmissionsMin: number
  readonly gossipIntervalMs: number
  /** To how many members an update goes per gossip interval. */
  readonly gossipNodes: number
  /** The dead are gossiped to this long, so that they can hear of it and object. */
  readonly gossipToDeadMs: number
  /** Push/pull of the whole list; stretched above 32 members. */
  readonly exchangeIntervalMs: number
  /** One dead member and one seed are tried this often. */
  readonly reconnectIntervalMs: number
  /** Seeds are tried again this soon while we are alone, then half as often each time, down to seedRetryMsMax. */
  readonly seedRetryMs: number
  readonly seedRetryMsMax: number
  /** How long the dead and the left are remembered. */
  readonly deadKeptMs: number
  /** The worst local health; 0 is the best. */
  readonly healthMax: number
  /** An event loop that keeps events waiting longer than this hurts the local health. */
  readonly loopDelayMsMax: number
  readonly packetBytesMax: number
  /** Members in the table, dead ones and the own node included. */
  readonly membersMax: number
  readonly queuedUpdatesMax: number
  /** Indirect probes of others under way here. */
  readonly relaysMax: number
  /** A claim may be this far ahead of what is known: a forged one must not use up the numbers. */
  readonly incarnationJumpMax: number
}

/** HashiCorp memberlist's LAN values, with our changes where its small clusters and stalled processes suffer. */
export const defaultMembershipSettings: MembershipSettings = {
  probeIntervalMs: 1000,
  probeTimeoutMs: 500,
  indirectProbes: 3,
  nackFraction: 0.6,
  suspicionMult: 4,
  suspicionMaxMult: 6,
  retransmitMult: 4,
  transmissionsMin: 8,
  gossipIntervalMs: 200,
  gossipNodes: 3,
  gossipToDeadMs: 30_000,
  exchangeIntervalMs: 30_000,
  reconnectIntervalMs: 30_000,
  seedRetryMs: 1000,
  seedRetryMsMax: 5000,
  deadKeptMs: 24 * 3_600_000,
  healthMax: 7,
  loopDelayMsMax: 100,
  packetBytesMax: datagramBytesMax,
  membersMax: 1024,
  queuedUpdatesMax: 1024,
  relaysMax: 256,
  incarnationJumpMax: 2 ** 20,
}
