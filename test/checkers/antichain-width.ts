/**
 * The size of the largest set of `count` elements no two of which are ordered (Dilworth 1950): count minus a maximum
 * matching of the order. `isBefore` must be transitive.
 */
export function antichainWidth(count: number, isBefore: (a: number, b: number) => boolean): number {
  const matchOf = new Array<number>(count).fill(-1)
  let matched = 0
  for (let start = 0; start < count; start += 1) {
    if (augment(start, new Set<number>())) matched += 1
  }
  return count - matched

  function augment(from: number, visited: Set<number>): boolean {
    for (let to = 0; to < count; to += 1) {
      if (visited.has(to) || !isBefore(from, to)) continue
      visited.add(to)
      const other = matchOf[to] as number
      if (other === -1 || augment(other, visited)) {
        matchOf[to] = from
        return true
      }
    }
    return false
  }
}

/** The size of some antichain, found by taking whatever fits: a lower bound, in the time of its size times `count`. */
export function someAntichain(count: number, isBefore: (a: number, b: number) => boolean): number {
  const chosen: number[] = []
  for (let one = count - 1; one >= 0; one -= 1) {
    if (chosen.every((other) => !isBefore(one, other) && !isBefore(other, one))) chosen.push(one)
  }
  return chosen.length
}
