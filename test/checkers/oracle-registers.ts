import { type HistoryRecord, type Operation, operationsOf } from './history.ts'

/**
 * Registers by their definitions, for keys without deletes: some order of the operations in which each begins before it
 * takes effect and takes effect before it ends, so that a read shows the write before it. Tries all of them. Returns the
 * keys of which there is none.
 */
export function oracleOfAtomicRegisters(records: readonly HistoryRecord[]): readonly string[] {
  return keysThat(records, (writes, reads) => !hasOrder([...writes, ...reads], undefined))
}

/** The same, but each read is asked for by itself: an order of all writes and of that one read. */
export function oracleOfRegularRegisters(records: readonly HistoryRecord[]): readonly string[] {
  return keysThat(records, (writes, reads) => reads.some((read) => !hasOrder([...writes, read], undefined)))
}

function keysThat(
  records: readonly HistoryRecord[],
  areBroken: (writes: readonly Operation[], reads: readonly Operation[]) => boolean,
): readonly string[] {
  const operations = operationsOf(records)
  const keys = [...new Set(operations.map(({ key }) => key))].sort()
  return keys.filter((key) => {
    const ofKey = operations.filter((one) => one.key === key)
    const writes = ofKey.filter(({ type, outcome }) => type !== 'get' && outcome !== 'fail')
    const reads = ofKey.filter(({ type, outcome }) => type === 'get' && outcome === 'ok')
    return writes.length > 0 && areBroken(writes, reads)
  })
}

/** Whether the operations left can follow, one by one, a register that holds `held`. What nobody knows of may not happen. */
function hasOrder(left: readonly Operation[], held: string | undefined): boolean {
  if (left.every(({ outcome }) => outcome === 'info')) return true
  return left.some((next) => {
    const others = left.filter((one) => one !== next)
    if (others.some(({ endedAt }) => endedAt < next.invokedAt)) return false
    if (next.type === 'put') return hasOrder(others, next.vid)
    if (next.type === 'delete') return hasOrder(others, undefined)
    const isShown = next.values.length <= 1 && next.values[0] === held
    return isShown && hasOrder(others, held)
  })
}
