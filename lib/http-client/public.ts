/** What a user of the HTTP client names; runs wherever there is a `fetch`. */
export * from '../vocabulary/errors.ts'
export type * from './answers.ts'
export type { BatchOperation, BatchResult } from './batch.ts'
export type * from './bucket-answers.ts'
export { fetchTransport } from './fetch-transport.ts'
export {
  type BatchOptions,
  type GetOptions,
  HttpClient,
  type HttpClientOptions,
  type PutOptions,
  type QuorumLevel,
  type ReadOptions,
  type RequestOptions,
  type WriteOptions,
} from './http-client.ts'
export type * from './layout-answers.ts'
export type { ListEntry, Listing, ListOptions } from './listing.ts'
export type * from './repair-answers.ts'
export type * from './secret-answers.ts'
export type { Sibling } from './sibling.ts'
export type * from './token-answers.ts'
export { type HttpRequest, type HttpResponse, type Transport, TransportFailure } from './transport.ts'
