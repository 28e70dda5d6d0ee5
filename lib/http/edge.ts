import type { NodeApi } from '../node/node-api.ts'
import type { Log } from '../ports/log.ts'
import type { Metrics } from '../ports/metrics.ts'
import type { Tracer } from '../ports/tracer.ts'
import type { Hash } from '../vocabulary/hash.ts'
import type { BodyBudget } from './body-budget.ts'
import type { HttpAccess } from './http-access.ts'
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
  readonly hash: Hash
  readonly requestIds: RequestIds
  readonly limits: HttpLimits
  readonly bodies: BodyBudget
  /** Pages of listings that clients have not taken yet. */
  readonly pages: BodyBudget
  readonly plainEnd: PlainEnd
  /** True once the server is closing: every answer then ends its connection. */
  isClosing: boolean
  /** How long the request that is being routed now was in line before. */
  waitedMs: number
}
