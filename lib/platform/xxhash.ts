import xxhash from 'xxhash-wasm'
import type { Hash } from '../vocabulary/hash.ts'

/** xxHash in WebAssembly; also for browsers and any other place without the rest of the platform. */
export async function createHash(): Promise<Hash> {
  const { h64Raw, h32Raw } = await xxhash()
  return {
    hash64: (bytes) => h64Raw(bytes),
    hash32: (bytes, seed) => h32Raw(bytes, seed),
  }
}
