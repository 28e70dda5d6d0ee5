import type { Visit } from '../node/client-gate.ts'
import type { NodeApi } from '../node/node-api.ts'
import type { Log } from '../ports/log.ts'
import type { Metrics } from '../ports/metrics.ts'
import type { Tracer } from '../ports/tracer.ts'
import type { AuditLog } from '../security/audit-log.ts'
import type { Hash } from '../vocabulary/hash.ts'
import type { BodyBudget } from './body-budget.ts'
import type { Cors } from './cors.ts'
import type { HostNames } from './host-names.ts'
import type { HttpAccess } from './http-access.ts'
import type { HttpConnections } from './http-connections.ts'
import type { HttpLimits } from './http-limits.ts'
import type { HttpMetrics } from './http-metrics.ts'
import type { PlainEnd } from './plain-end.ts'
import type { RequestIds } from './request-id.ts'

/** What every route stands on. One per server. */
export interface Edge {
  readonly node: NodeApi
  readonly access: HttpAccess
  readonly metrics: Metrics
  readonly httpMetrics: HttpMetrics
  readonly log: Log
  /** Undefined: nobody traces here, and no trace is handed on. */
  readonly tracer: Tracer | undefined
  /** Undefined: nobody writes down who did what. */
  readonly audit: AuditLog | undefined
  readonly hash: Hash
  readonly requestIds: RequestIds
  readonly limits: HttpLimits
  readonly bodies: BodyBudget
  /** Pages of listings that clients have not taken yet. */
  readonly pages: BodyBudget
  /** Other answers that clients have not taken yet. */
  readonly unread: BodyBudget
  readonly connections: HttpConnections
  readonly cors: Cors
  /** Undefined: it is asked for under any name. */
  readonly hosts: HostNames | undefined
  readonly plainEnd: PlainEnd
  /** True once the server is closing: every answer then ends its connection. */
  isClosing: boolean
  /** How long the request that is being routed now was in line before. */
  waitedMs: number
  /** The same of what its client is held to; undefined: to nothing. */
  visit: Visit | undefined
}
