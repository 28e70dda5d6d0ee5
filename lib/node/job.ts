import type { Span } from '../ports/tracer.ts'
import type { BucketProperties } from '../protocol/bucket/properties.ts'
import type { LayoutInForce } from '../protocol/layout/layout-in-force.ts'
import type { ClientAnswer, ClientRequest } from '../protocol/quorum/client-request.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { RecordKey } from '../vocabulary/key.ts'
import type { KeyedWrite } from './keyed-write.ts'
import type { Done } from './node-api.ts'
import type { Trail } from './trail.ts'

/** To a fallback, which may see an owner that the forwarder does not. */
export const hopsMax = 2

/** One client request at this node, with everything that was looked up for it. */
export interface Job<Request extends ClientRequest> extends Trail {
  readonly request: Request
  readonly key: RecordKey
  readonly layout: LayoutInForce
  readonly partition: number
  /** Whose answers count when the key is read. */
  readonly owners: readonly NodeId[]
  /** What the request does not say itself. */
  readonly properties: BucketProperties
  /** Forwarders so far. */
  readonly hops: number
  readonly deadlineMs: number
  /** Of a write that has an idempotency key; made by whoever coordinates it. */
  keyed: KeyedWrite | undefined
  /** Some owner that was asked may have carried it out: whatever follows, it may have changed something. */
  readonly isDoubtful?: boolean
  /** Set where this node owns nothing of the key: the owner for which it stands in. */
  readonly seat?: NodeId | undefined
  readonly serial: number
  readonly span: Span | undefined
  readonly done: Done<ClientAnswer>
}
