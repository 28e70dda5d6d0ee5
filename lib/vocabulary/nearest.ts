/**
 * The known word that `word` was most likely meant to be: the one with the fewest edits between them.
 *
 * @param editsMax more than so many edits are no slip
 */
export function nearest(
  word: string,
  known: Iterable<string>,
  editsMax = Number.POSITIVE_INFINITY,
): string | undefined {
  let best: { readonly word: string; readonly edits: number } | undefined
  for (const candidate of known) {
    // What comes from outside may be long; a name of ours is not.
    const edits = editsBetween(word.toLowerCase().slice(0, 64), candidate.toLowerCase())
    if (edits <= editsMax && (best === undefined || edits < best.edits)) best = { word: candidate, edits }
  }
  return best?.word
}

/** Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
function editsBetween(from: string, to: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row]
    for (let column = 1; column <= to.length; column += 1) {
      const same = from[row - 1] === to[column - 1]
      let edits = Math.min(at(last, column) + 1, at(current, column - 1) + 1, at(last, column - 1) + (same ? 0 : 1))
      const swapped = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
      if (swapped) edits = Math.min(edits, at(beforeLast, column - 2) + 1)
      current.push(edits)
    }
    beforeLast = last
    last = current
  }
  return at(last, to.length)
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY
}
