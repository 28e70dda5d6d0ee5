/** A set of writes of one key, one bit for each, in the order of their invocations. */
export type WriteSet = Int32Array

export function writeSetWords(count: number): number {
  return (count + 31) >>> 5
}

/** For `count` writes; empty. */
export function newSet(count: number): WriteSet {
  return new Int32Array(writeSetWords(count))
}

/** @returns whether it was not there yet */
export function addTo(set: WriteSet, index: number): boolean {
  const before = set[index >>> 5] as number
  const after = before | (1 << (index & 31))
  set[index >>> 5] = after
  return after !== before
}

export function has(set: WriteSet, index: number): boolean {
  return (((set[index >>> 5] as number) >>> (index & 31)) & 1) === 1
}

/** Adds what is in both `a` and `b`. */
export function addBoth(to: WriteSet, a: WriteSet, b: WriteSet): void {
  for (let word = 0; word < to.length; word += 1) {
    to[word] = (to[word] as number) | ((a[word] as number) & (b[word] as number))
  }
}

export function sizeOf(set: WriteSet): number {
  let size = 0
  for (let word = 0; word < set.length; word += 1) size += bitsOf(set[word] as number)
  return size
}

/** The indexes of what is in `owed` and not in `had`, in order. */
export function missingFrom(had: WriteSet, owed: WriteSet): readonly number[] {
  let missing: number[] | undefined
  for (let word = 0; word < owed.length; word += 1) {
    let bits = (owed[word] as number) & ~(had[word] as number)
    while (bits !== 0) {
      const lowest = bits & -bits
      missing ??= []
      missing.push(word * 32 + 31 - Math.clz32(lowest))
      bits ^= lowest
    }
  }
  return missing ?? []
}

function bitsOf(word: number): number {
  let bits = word - ((word >>> 1) & 0x55555555)
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333)
  return (((bits + (bits >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24
}
