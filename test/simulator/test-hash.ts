import xxhash from 'xxhash-wasm'
import type { Hash } from '../../lib/vocabulary/hash.ts'

const wasm = await xxhash()

/** The real hash, as a composition root would give it. */
export const testHash: Hash = {
  hash64: (bytes) => wasm.h64Raw(bytes),
  hash32: (bytes, seed) => wasm.h32Raw(bytes, seed),
}
