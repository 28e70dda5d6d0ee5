/** A token as its two halves: Node's own way of writing one takes ten operations on big integers. */
const whole = new BigUint64Array(1)
const halves = new Uint32Array(whole.buffer)
/** Where the high half stands in memory: behind the low one nearly everywhere. */
const high = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? 1 : 0

/** Writes `value`, an unsigned 64-bit integer, into the eight bytes at `at`, highest first. */
export function setUint64(bytes: Uint8Array, at: number, value: bigint): void {
  whole[0] = value
  setUint32(bytes, at, halves[high] as number)
  setUint32(bytes, at + 4, halves[1 - high] as number)
}

function setUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}
