import type { Dot } from '../protocol/causality/dot.ts'
import type { KeyRecord } from '../protocol/causality/record.ts'
import type { ClientLimitSettings } from '../protocol/overload/client-limits.ts'
import type { ReadRepairMode } from '../protocol/quorum/read.ts'
import type { AuditLog } from '../security/audit-log.ts'
import type { BootstrapToken } from '../security/bootstrap-tokens.ts'
import type { ClusterSecret } from '../security/cluster-secret.ts'
import type { Endpoint } from '../vocabulary/ids.ts'

/** What a node is told at its start; `lib/settings` makes it of flags, environment and file. */
export interface NodeSettings {
  readonly cluster: string
  /** What people call the node; unique in the cluster. */
  readonly name: string
  /** Where to listen for datagrams and frames. */
  readonly peer: Endpoint
  /** What the other members are told; undefined: where it listens. */
  readonly advertisePeer: Endpoint | undefined
  readonly join: readonly Endpoint[]
  /** How many starters form the first layout; undefined with `join`: wait for a layout that others form. */
  readonly expect: number | undefined
  readonly zone: string
  readonly weight: number
  readonly replicas: number
  readonly partitions: number
  readonly readRepair: ReadRepairMode
  /** Whether what an absent owner misses is kept for it, and whether fallbacks stand in. */
  readonly hints: boolean
  readonly antiEntropy: boolean
  /** How long a confirmed tombstone is kept at least; a load knob, 0 is safe (docs/rules.md D1). */
  readonly tombstoneGraceSeconds: number
  /** How long a copy is kept that others own now; they hold all of it by then, 0 is safe (docs/rules.md T5). */
  readonly oldCopiesKeptSeconds: number
  readonly version: string
  /** Client requests that take so long or longer are logged; undefined or 0: none are. */
  readonly slowRequestMs?: number | undefined
  /** What one client may ask of this node; undefined: anything. */
  readonly clientLimits?: ClientLimitSettings | undefined
  /** Connections of clients that one address may have to the peer port; undefined or 0: as many as there may be in all. */
  readonly addressConnectionsMax?: number | undefined
  /** It listens where strangers reach it and asks nobody who they are: shown wherever the node is. Undefined: no. */
  readonly isInsecure?: boolean | undefined
  /** Clients need tokens; these are good from the start. Undefined: nobody is asked for one. */
  readonly bootstrapTokens?: readonly BootstrapToken[] | undefined
  /** What the nodes of the cluster share; undefined: what they say to each other is neither sealed nor authenticated. */
  readonly secret?: ClusterSecret | undefined
  /** Undefined: nobody writes down who did what. */
  readonly audit?: AuditLog | undefined
  /** Where no tokens are asked for: clients show a certificate, and whoever does may do everything. */
  readonly asksForCertificates?: boolean | undefined
  /** It has a certificate of its own, so whoever does not know the secret can speak TLS with it. */
  readonly hasCertificate?: boolean | undefined
}

/** Parts that test builds replace to see whether a checker notices; production uses `standardParts`. */
export interface NodeParts {
  /** `onClash`: two contents claim one dot; the larger was kept. */
  readonly merge: (a: KeyRecord, b: KeyRecord, onClash?: (dot: Dot) => void) => KeyRecord
  /** The newest frame protocol that the node claims to speak: as a node of an older release does. Undefined: all it can. */
  readonly wireVersion?: number
}
