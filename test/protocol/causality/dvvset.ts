/**
 * Dotted version vector sets as published (ricardobcl/Dotted-Version-Vectors, src/dvvset.erl): an entry (n, values)
 * of a replica means: its events 1 to n are known, and the newest `values.length` of them survive. Values newest first.
 */
export type DvvSet<Value> = ReadonlyMap<string, { readonly n: number; readonly values: readonly Value[] }>

/** What a client is given: everything, without values. */
export function dvvJoin<Value>(set: DvvSet<Value>): DvvSet<Value> {
  return new Map([...set].map(([id, { n }]) => [id, { n, values: [] }]))
}

export function dvvSync<Value>(a: DvvSet<Value>, b: DvvSet<Value>): DvvSet<Value> {
  const synced = new Map(a)
  for (const [id, theirs] of b) {
    const ours = synced.get(id)
    if (ours === undefined) {
      synced.set(id, theirs)
      continue
    }
    const [high, low] = ours.n >= theirs.n ? [ours, theirs] : [theirs, ours]
    const kept = high.n - high.values.length >= low.n - low.values.length
    const values = kept ? high.values : high.values.slice(0, high.n - low.n + low.values.length)
    synced.set(id, { n: high.n, values })
  }
  return synced
}

export function dvvUpdate<Value>(context: DvvSet<Value>, set: DvvSet<Value>, id: string, value: Value): DvvSet<Value> {
  const synced = new Map(dvvSync(context, set))
  const { n, values } = synced.get(id) ?? { n: 0, values: [] }
  return synced.set(id, { n: n + 1, values: [value, ...values] })
}

export function dvvValues<Value>(set: DvvSet<Value>): readonly Value[] {
  return [...set.values()].flatMap(({ values }) => values)
}
