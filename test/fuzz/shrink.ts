/**
 * The smallest input found of which `holds` is still true: pieces are left out, ever smaller ones, until none can be; then
 * what is left is made as plain as it can be.
 *
 * @param triesMax so many inputs are tried
 */
export async function shrink(
  input: Uint8Array,
  holds: (input: Uint8Array) => boolean | Promise<boolean>,
  triesMax: number,
): Promise<Uint8Array> {
  let best = input
  let tries = 0
  const take = async (candidate: Uint8Array): Promise<boolean> => {
    if (tries >= triesMax) return false
    tries += 1
    if (!(await holds(candidate))) return false
    best = candidate
    return true
  }
  let isSmaller = true
  while (isSmaller && tries < triesMax) {
    isSmaller = false
    for (let piece = Math.max(1, best.length >> 1); piece >= 1; piece >>= 1) {
      for (let at = 0; at < best.length && tries < triesMax; ) {
        if (await take(without(best, at, piece))) isSmaller = true
        else at += piece
      }
    }
  }
  for (let at = 0; at < best.length && tries < triesMax; at += 1) {
    for (const plain of [0, 0x30, 0x61]) {
      if (best[at] === plain || (await take(replaced(best, at, plain)))) break
    }
  }
  return best
}

function without(bytes: Uint8Array, at: number, count: number): Uint8Array {
  const rest = bytes.subarray(Math.min(bytes.length, at + count))
  const shorter = new Uint8Array(at + rest.length)
  shorter.set(bytes.subarray(0, at))
  shorter.set(rest, at)
  return shorter
}

function replaced(bytes: Uint8Array, at: number, byte: number): Uint8Array {
  const changed = Uint8Array.from(bytes)
  changed[at] = byte
  return changed
}
