import { type HistoryRecord, type Operation, operationsOf } from './history.ts'

/**
 * The checkers' claims once more, for small histories: sets of names, definitions written out, no cleverness shared with
 * the checkers. Returns `check key value` for every broken promise, sorted, each once.
 */
export function oracleOfAcknowledgedWrites(records: readonly HistoryRecord[]): readonly string[] {
  const operations = operationsOf(records)
  const found = new Set<string>()
  for (const read of operations) {
    if (read.type !== 'get' || read.outcome !== 'ok') continue
    for (const vid of read.values) {
      const isExplained = operations.some(
        (one) =>
          one.type === 'put' &&
          one.vid === vid &&
          one.key === read.key &&
          one.outcome !== 'fail' &&
          one.invokedAt < read.endedAt,
      )
      if (!isExplained) found.add(`invented-value ${read.key} ${vid}`)
    }
    if (!read.isFinal) continue
    const ends = [...read.values]
    for (const one of operations)
      if (one.type === 'delete' && one.key === read.key && one.outcome !== 'fail') ends.push(one.vid)
    for (const write of operations) {
      if (write.type !== 'put' || write.outcome !== 'ok' || write.key !== read.key) continue
      if (write.endedAt > read.invokedAt) continue
      const isThere = ends.some((end) => end === write.vid || pastOf(operations, read.key, end, false).has(write.vid))
      if (!isThere) found.add(`lost ${read.key} ${write.vid}`)
    }
  }
  return [...found].sort()
}

export function oracleOfContexts(records: readonly HistoryRecord[], monotonicReads: boolean): readonly string[] {
  const operations = operationsOf(records)
  const found = new Set<string>()
  const reads = operations.filter((one) => one.type === 'get' && one.outcome === 'ok')
  for (const read of reads) {
    const past = (vid: string): ReadonlySet<string> => pastOf(operations, read.key, vid, true)
    const writes = operations.filter((one) => one.type !== 'get' && one.key === read.key)
    for (const [index, x] of read.values.entries()) {
      if (read.values.some((y) => past(y).has(x))) found.add(`false-sibling ${read.key} ${x}`)
      const isRepeated = read.values.indexOf(x) < index
      if (isRepeated && writes.some((one) => one.vid === x && one.outcome === 'ok')) {
        found.add(`duplicate-sibling ${read.key} ${x}`)
      }
      const owner = operations.find((one) => one.type !== 'get' && one.vid === x)
      if (owner !== undefined && owner.key !== read.key) found.add(`value-of-another-key ${read.key} ${x}`)
      if (read.isFinal) {
        for (const one of writes) {
          const isOver = one.type === 'delete' && one.outcome === 'ok' && one.endedAt < read.invokedAt
          if (isOver && past(one.vid).has(x)) found.add(`resurrection ${read.key} ${x}`)
        }
      }
      if (monotonicReads) {
        for (const earlier of reads) {
          const isEarlier =
            earlier.key === read.key && earlier.session === read.session && earlier.endedAt < read.invokedAt
          if (isEarlier && earlier.values.some((z) => past(z).has(x))) found.add(`zombie ${read.key} ${x}`)
        }
      }
    }
    const known = writes.filter((one) => one.type === 'put' && one.outcome !== 'fail' && one.invokedAt < read.endedAt)
    if (
      read.values.length > 1 &&
      read.values.length >
        widest(
          known.map((one) => one.vid),
          past,
        )
    ) {
      found.add(`sibling-explosion ${read.key} ${[...read.values].join()}`)
    }
    const applied = writes.filter((one) => one.outcome !== 'fail')
    let isSequential = true
    for (const [index, one] of applied.entries()) {
      if (one.outcome !== 'ok') isSequential = false
      const before = applied[index - 1]
      if (before !== undefined && !(before.endedAt < one.invokedAt && one.sureContext.includes(before.vid)))
        isSequential = false
    }
    if (isSequential && read.values.length > 1) {
      found.add(`siblings-of-sequential-writes ${read.key} ${[...read.values].join()}`)
    }
  }
  return [...found].sort()
}

export function oracleOfFreshness(
  records: readonly HistoryRecord[],
  promises: { readonly freshReads: boolean; readonly monotonicReads: boolean },
): readonly string[] {
  const operations = operationsOf(records)
  const reads = operations.filter((one) => one.type === 'get' && one.outcome === 'ok')
  const found = new Set<string>()
  for (const put of operations) {
    if (put.type !== 'put' || put.outcome === 'fail') continue
    for (const read of reads) {
      if (read.key !== put.key || sees(operations, read, put.vid)) continue
      const isOlder = put.endedAt < read.invokedAt
      if (promises.freshReads && isOlder) found.add(`stale-read ${put.key} ${put.vid}`)
      const wasSeen = reads.some(
        (earlier) => earlier.key === put.key && earlier.endedAt < read.invokedAt && sees(operations, earlier, put.vid),
      )
      if (promises.monotonicReads && wasSeen) found.add(`read-went-back ${put.key} ${put.vid}`)
    }
  }
  return [...found].sort()
}

/** A read shows a write, or something that supersedes it, or a delete that does had been tried. */
function sees(operations: readonly Operation[], read: Operation, vid: string): boolean {
  const deletes = operations.filter(
    (one) => one.type === 'delete' && one.key === read.key && one.outcome !== 'fail' && one.invokedAt < read.endedAt,
  )
  const ends = [...read.values, ...deletes.map((one) => one.vid)]
  return ends.some((end) => end === vid || pastOf(operations, read.key, end, false).has(vid))
}

/** The past of a write, by the definition: its context, and the pasts of that. A context names earlier writes only. */
function pastOf(operations: readonly Operation[], key: string, vid: string, isSure: boolean): ReadonlySet<string> {
  const past = new Set<string>()
  const write = operations.find((one) => one.type !== 'get' && one.vid === vid && one.key === key)
  for (const before of (isSure ? write?.sureContext : write?.context) ?? []) {
    const earlier = operations.find((one) => one.type !== 'get' && one.vid === before && one.key === key)
    if (write === undefined || earlier === undefined || earlier.invokedAt > write.invokedAt) continue
    past.add(before)
    for (const further of pastOf(operations, key, before, isSure)) past.add(further)
  }
  return past
}

/** The largest subset without two ordered elements, by trying every subset. */
function widest(vids: readonly string[], past: (vid: string) => ReadonlySet<string>): number {
  let width = 0
  for (let subset = 0; subset < 1 << vids.length; subset += 1) {
    const chosen = vids.filter((_, index) => (subset >> index) & 1)
    if (chosen.every((x) => chosen.every((y) => !past(y).has(x)))) width = Math.max(width, chosen.length)
  }
  return width
}
