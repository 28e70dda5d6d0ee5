/**
 * The one hash of Starling, xxHash (seed 0 unless given). Not cryptographic: it spreads keys and finds damage, and
 * defends against nobody. Given to whoever needs it by the composition root.
 */
export interface Hash {
  /** xxh64 of `bytes`: an unsigned 64-bit integer. */
  hash64(bytes: Uint8Array): bigint
  /** xxh32 of `bytes`: an unsigned 32-bit integer. Used as the checksum of stored values, frames and tokens. */
  hash32(bytes: Uint8Array, seed?: number): number
}
