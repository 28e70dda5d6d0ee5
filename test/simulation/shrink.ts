/**
 * As few of the items as still fail, in their order; leaving out any one of them more does not fail, as far as `fails`
 * was asked to the end. Ever smaller parts are left out, from the end: what comes late is seldom the cause. (After Zeller
 * and Hildebrandt, Simplifying and Isolating Failure-Inducing Input, 2002: parts of what is left only, since a run needs
 * most of its causes together.)
 *
 * @param items must fail
 * @param fails whether these show the same failure
 * @param least no smaller part is tried: where a look is to be quick
 */
export function fewest<Item>(
  items: readonly Item[],
  fails: (kept: readonly Item[]) => boolean,
  least = 1,
): readonly Item[] {
  if (items.length === 0 || fails([])) return []
  let kept = items
  let size = Math.ceil(kept.length / 2)
  for (;;) {
    const before = kept.length
    for (let end = kept.length; end > 0; end -= size) {
      const without = [...kept.slice(0, Math.max(0, end - size)), ...kept.slice(end)]
      // All of them were tried already.
      if (without.length > 0 && without.length < kept.length && fails(without)) kept = without
    }
    if (size > least) size = Math.ceil(Math.min(size, kept.length) / 2)
    else if (size > 1 || kept.length === before) return kept
  }
}

/** The first of the candidates that fails, or the value itself: the simplest come first. */
export function simplest<Value>(
  value: Value,
  candidates: Iterable<Value>,
  fails: (candidate: Value) => boolean,
): Value {
  for (const candidate of candidates) if (fails(candidate)) return candidate
  return value
}
