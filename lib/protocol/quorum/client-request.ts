import type { Bucket, Key } from '../../vocabulary/key.ts'
import type { QuorumReceipt } from '../../vocabulary/quorum-receipt.ts'
import type { Metadata, Sibling } from '../causality/record.ts'
import type { Seen } from '../causality/seen.ts'
import type { Hlc } from '../clock/hlc.ts'

/** How many answers: a count, or one, floor(n/2)+1, or all of the owners that exist. */
export type QuorumLevel = number | 'one' | 'quorum' | 'all'

export type Durability = 'os' | 'disk'

/** Levels that are undefined are as the bucket says. */
export interface ReadOptions {
  readonly r: QuorumLevel | undefined
  readonly pr: QuorumLevel | undefined
  readonly sloppy: boolean
}

/** What is undefined is as the bucket says. */
export interface WriteOptions {
  readonly w: QuorumLevel | undefined
  readonly pw: QuorumLevel | undefined
  readonly sloppy: boolean
  readonly durability: Durability | undefined
}

/**
 * What a session asks of a read (docs/rules.md S1): at least what it has seen of the key; or, when it does not remember
 * whether it has seen anything, a quorum.
 */
export type SessionNeed = Seen | 'quorum'

/** Makes every try of one write the same write (docs/rules.md I2). */
export interface Idempotency {
  /** 1 to 64 visible ASCII characters; behind a space if a client library made it. */
  readonly key: string
  /** Surely nobody has tried it before. */
  readonly isFirst: boolean
  /** Of an id that a client library made: a clock reading it had heard of before the first try, which lies above it. */
  readonly since: Hlc
}

interface RequestOfKey {
  readonly bucket: Bucket
  readonly key: Key
  /** Milliseconds left of the whole request; shrinks at each hop. */
  readonly timeoutMs: number
  /** Whatever this request reads is no older; a write that reads nothing waits for nothing. */
  readonly session?: SessionNeed | undefined
  /** The receipt of the answer says who answered. */
  readonly wantsReceipt?: boolean
}

export interface GetRequest extends RequestOfKey {
  readonly type: 'get'
  readonly options: ReadOptions
}

export interface PutRequest extends RequestOfKey {
  readonly type: 'put'
  readonly options: WriteOptions
  readonly context: string | undefined
  readonly value: Uint8Array
  readonly contentType: string
  readonly metadata: Metadata
  readonly ttlSeconds: number | undefined
  /** Answer with the resulting siblings, as a get would. */
  readonly returnValue: boolean
  /** ETags that must match what a quorum read finds; `*` with `ifNoneMatch` means: nothing there. */
  readonly ifMatch: readonly string[] | undefined
  readonly ifNoneMatch: boolean
  readonly idempotency?: Idempotency | undefined
}

export interface DeleteRequest extends RequestOfKey {
  readonly type: 'delete'
  readonly options: WriteOptions
  readonly context: string | undefined
  readonly ifMatch: readonly string[] | undefined
  readonly idempotency?: Idempotency | undefined
}

/** What a client asks of a coordinator: the same value from HTTP, from the embedded client and from a forwarder. */
export type ClientRequest = GetRequest | PutRequest | DeleteRequest

export type { QuorumReceipt } from '../../vocabulary/quorum-receipt.ts'

export interface GetAnswer {
  readonly type: 'got'
  readonly siblings: readonly Sibling[]
  /** A token; undefined when nothing was ever there. */
  readonly context: string | undefined
  /** True when the key was deleted: no siblings, but a context. */
  readonly tombstone: boolean
  /** The state hash as 16 hexadecimal digits; undefined when nothing was ever there. */
  readonly stateHash: string | undefined
  readonly quorum: QuorumReceipt
}

export interface WrittenAnswer {
  readonly type: 'written'
  /** A token; undefined for a delete that found nothing and made nothing. */
  readonly context: string | undefined
  /** With `returnValue`: what the coordinator now holds. */
  readonly state:
    | { readonly siblings: readonly Sibling[]; readonly stateHash: string; readonly context: string }
    | undefined
  readonly quorum: QuorumReceipt
}

export type ClientAnswer = GetAnswer | WrittenAnswer
