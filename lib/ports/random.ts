import type { Random } from '../vocabulary/random.ts'

/** Four 32-bit words, not all zero. */
export type Seed = readonly [number, number, number, number]

/**
 * xoshiro128** (Blackman and Vigna, Scrambled Linear Pseudorandom Number Generators, 2021): the one generator of both
 * worlds. Production seeds it from the system's entropy and logs the seed; the simulator from its seed argument.
 */
export function seededRandom(seed: Seed): Random {
  let [a, b, c, d] = seed.map((word) => word >>> 0) as [number, number, number, number]
  if ((a | b | c | d) === 0) d = 0x9e3779b9
  function uint32(): number {
    const result = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0
    const shifted = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = rotateLeft(d, 11)
    return result
  }
  return {
    uint32,
    fraction: () => uint32() / 4294967296,
    below: (below) => Math.floor((uint32() / 4294967296) * below),
  }
}

/** A seed for one component: the same `seed` and `component` always give the same stream, and no two share one. */
export function seedFor(seed: number, component: string): Seed {
  let state = (seed ^ 0x9e3779b9) >>> 0
  for (let index = 0; index < component.length; index += 1) {
    state = Math.imul(state ^ component.charCodeAt(index), 0x01000193) >>> 0
  }
  // Above 32 bits the seed still counts.
  state = (state ^ Math.floor(seed / 4294967296)) >>> 0
  return [mix(state + 1), mix(state + 2), mix(state + 3), mix(state + 4)]
}

/** The finalizer of MurmurHash3: every input bit reaches every output bit. */
function mix(word: number): number {
  let value = Math.imul(word, 0x9e3779b9)
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35)
  return (value ^ (value >>> 16)) >>> 0
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits))
}
