import type { Hlc } from '../clock/hlc.ts'
import type { Dot, VersionVector } from './dot.ts'

/** Names in lower case; sorted by name; values as they came. */
export type Metadata = readonly (readonly [name: string, value: string])[]

/** One of several values that no write has superseded. */
export interface Sibling {
  readonly dot: Dot
  readonly hlc: Hlc
  readonly value: Uint8Array
  readonly contentType: string
  readonly metadata: Metadata
  /** Wall-clock milliseconds since the epoch after which readers no longer see it. */
  readonly expiresAtMs?: number | undefined
  /** hash32 over value, content type, metadata and expiry; made once when minted, checked by `wire` when decoded. */
  readonly checksum: number
  /** The idempotency id of the write that made it (rules.md I1). */
  readonly requestId?: string | undefined
}

/** A keyed write that this state has seen (rules.md I1). */
export interface DoneEntry {
  readonly requestId: string
  readonly dot: Dot
  readonly bodyHash: number
  readonly hlc: Hlc
}

/**
 * Everything one replica knows of one key. Without siblings it is a tombstone. Whole states travel; `merge` brings two
 * together. `vv` says which writes have been seen, `siblings` which of them survive.
 */
export interface KeyRecord {
  readonly mode: 'siblings' | 'lww'
  readonly vv: VersionVector
  /** Sorted by dot. In `lww` mode at most one. */
  readonly siblings: readonly Sibling[]
  /** The latest delete seen; 0 when there was none. */
  readonly deletedHlc: Hlc
  /** Keyed writes of the last ten minutes or so; sorted by dot. */
  readonly done: readonly DoneEntry[]
}

/** A record as one node stores it. `mintAs` is that node's alone: never sent, never hashed (rules.md A2). */
export interface StoredRecord {
  readonly record: KeyRecord
  /** The `born` under which this node may go on minting for this key; undefined: it must begin a new actor. */
  readonly mintAs: number | undefined
}

/**
 * What a client has seen of one key (rules.md A8): everything `vv` covers, and exactly these `dots` besides.
 * Opaque to the client: `wire` makes the token.
 */
export interface CausalContext {
  readonly vv: VersionVector
  readonly hlc: Hlc
  /** Dots seen that the vector does not cover; at most 8. */
  readonly dots: readonly Dot[]
}
