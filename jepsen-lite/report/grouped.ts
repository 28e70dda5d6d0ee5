/** By what `nameOf` says, in order of first appearance. */
export function grouped<Item, Name>(items: readonly Item[], nameOf: (item: Item) => Name): ReadonlyMap<Name, Item[]> {
  const groups = new Map<Name, Item[]>()
  for (const item of items) {
    const name = nameOf(item)
    const group = groups.get(name)
    if (group === undefined) groups.set(name, [item])
    else group.push(item)
  }
  return groups
}
