import { invariant } from '../../vocabulary/invariant.ts'
import type { Token } from '../../vocabulary/key.ts'

export const partitionCountMax = 65_536

/** A ring has 1 to 65,536 equal arcs, a power of two of them. */
export function isPartitionCount(count: number): boolean {
  return Number.isInteger(count) && count >= 1 && count <= partitionCountMax && (count & (count - 1)) === 0
}

// Two views of the same eight bytes: reading half a token this way makes no new bigint, unlike a shift.
const whole = new BigUint64Array(1)
const halves = new Uint32Array(whole.buffer)
const highHalf = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 1 : 0

/** The partition of `token`: its top bits. Called for every request. */
export function partitionOf(token: Token, partitionCount: number): number {
  invariant(isPartitionCount(partitionCount), 'the ring has a power of two of partitions', { partitionCount })
  whole[0] = token
  const bits = 31 - Math.clz32(partitionCount)
  // A shift by 32 would be a shift by 0.
  return bits === 0 ? 0 : (halves[highHalf] as number) >>> (32 - bits)
}
