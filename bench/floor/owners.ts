/** N of the floor. A cluster of fewer nodes keeps as many copies as it has nodes. */
export const copiesMax = 3

/** Of the nodes 0 to `nodeCount` - 1 the first that owns this key; the next ones own it too. */
export function firstOwner(key: string, nodeCount: number): number {
  // Everybody owns everything.
  if (nodeCount <= copiesMax) return 0
  let hash = 0x811c9dc5
  for (let at = 0; at < key.length; at += 1) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193)
  return (hash >>> 0) % nodeCount
}

/** The owners behind `first`, or undefined where `self` is none; without `self`, and from it on. */
export function otherOwners(self: number, first: number, nodeCount: number): readonly number[] | undefined {
  const copies = Math.min(copiesMax, nodeCount)
  const owners = Array.from({ length: copies }, (_, offset) => (first + offset) % nodeCount)
  const at = owners.indexOf(self)
  return at === -1 ? undefined : [...owners.slice(at + 1), ...owners.slice(0, at)]
}
