/** What a user of the embedded client names, beside `connect` itself. */
export * from '../vocabulary/errors.ts'
export type { Bucket, GotOne, ManyResult, PutEntry, PutManyOptions, PutOne, Updated } from './bucket.ts'
export type { BucketProperties } from './bucket-properties.ts'
export { type CausalContext, toCausalContext } from './causal-context.ts'
export type { BreakerSettings, BreakerState } from './circuit-breaker.ts'
export type { AttemptReport, ClientMetrics, RequestReport } from './client-metrics.ts'
export type { ClientTls, ConnectOptions } from './client-settings.ts'
export { bytes, type Codec, json, type OpenCodec, text } from './codec.ts'
export type { Database, DatabaseStatus } from './database.ts'
export type { DatabaseEvents, EventName } from './events.ts'
export { msgpack } from './msgpack-codec.ts'
export type {
  DeleteOptions,
  Durability,
  GetOptions,
  PutOptions,
  QuorumLevel,
  RequestOptions,
  UpdateOptions,
} from './request-options.ts'
export type { Scan, Scanned, ScannedKey, ScanOptions } from './scan.ts'
export type { Session } from './session.ts'
export type { Found, Sibling } from './sibling.ts'
