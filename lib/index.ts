/** The public names of the package, one by one. `starling-kv/client` and `starling-kv/http` give parts of them. */
export type { Bucket, GotOne, ManyResult, PutEntry, PutManyOptions, PutOne, Updated } from './client/bucket.ts'
export type { BucketProperties } from './client/bucket-properties.ts'
export { type CausalContext, toCausalContext } from './client/causal-context.ts'
export type { BreakerSettings, BreakerState } from './client/circuit-breaker.ts'
export type { AttemptReport, ClientMetrics, RequestReport } from './client/client-metrics.ts'
export type { ClientTls, ConnectOptions } from './client/client-settings.ts'
export { bytes, type Codec, json, type OpenCodec, text } from './client/codec.ts'
export type { Database, DatabaseStatus } from './client/database.ts'
export type { DatabaseEvents, EventName } from './client/events.ts'
export { msgpack } from './client/msgpack-codec.ts'
export type {
  DeleteOptions,
  Durability,
  GetOptions,
  PutOptions,
  QuorumLevel,
  RequestOptions,
  UpdateOptions,
} from './client/request-options.ts'
export type { Scan, Scanned, ScannedKey, ScanOptions } from './client/scan.ts'
export type { Session } from './client/session.ts'
export type { Found, Sibling } from './client/sibling.ts'
export { connect } from './connect.ts'
export { HttpClient, type HttpClientOptions } from './http-client/http-client.ts'
export type { NodeApi } from './node/node-api.ts'
export { StartProblem } from './node/start-problem.ts'
export { type RunningNode, type StartNodeOptions, startNode } from './start-node.ts'
export {
  type Aftermath,
  ClockSkew,
  Closed,
  DeadlineExceeded,
  Draining,
  type ErrorCode,
  Forbidden,
  IdempotencyKeyReused,
  InternalError,
  InvalidBody,
  InvalidBucket,
  InvalidContext,
  InvalidHeader,
  InvalidKey,
  InvalidParameter,
  MetadataTooLarge,
  MethodNotAllowed,
  NoLayout,
  NotFound,
  Overloaded,
  PlanRefused,
  PreconditionFailed,
  QuorumUnavailable,
  SessionUnavailable,
  StalePlan,
  StarlingError,
  StorageFailed,
  TooManySiblings,
  TransitionRunning,
  Unauthenticated,
  UnknownNode,
  UnknownRoute,
  Unreachable,
  UnsupportedEncoding,
  ValueTooLarge,
} from './vocabulary/errors.ts'
