import { randomBytes } from 'node:crypto'
import { type Seed, seededRandom, seedFor } from '../ports/random.ts'
import type { Random } from '../vocabulary/random.ts'

/** 128 bits that nobody can guess, from the system. */
export function systemSeed(): Seed {
  const bytes = randomBytes(16)
  return [bytes.readUInt32LE(0), bytes.readUInt32LE(4), bytes.readUInt32LE(8), bytes.readUInt32LE(12)]
}

/** A stream of chance for each component: the process's seed and the component's name say everything about it. */
export function createRandoms(processSeed: Seed): (component: string) => Random {
  return (component) => {
    const [a, b, c, d] = seedFor(0, component)
    return seededRandom([processSeed[0] ^ a, processSeed[1] ^ b, processSeed[2] ^ c, processSeed[3] ^ d])
  }
}

/** As it is logged, so that the draws of a process can be repeated. */
export function formatSeed(seed: Seed): string {
  return seed.map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('')
}
