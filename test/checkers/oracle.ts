import type { CopyPromises } from './check-copies.ts'
import { clockToleranceNs, type HistoryRecord, type Operation, operationsOf } from './history.ts'

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
    for (const write of operations) {
      if (write.type !== 'put' || write.outcome !== 'ok' || write.key !== read.key) continue
      if (write.endedAt > read.invokedAt) continue
      if (!sees(operations, read, write.vid)) found.add(`lost ${read.key} ${write.vid}`)
    }
  }
  return [...found].sort()
}

export function oracleOfContexts(
  records: readonly HistoryRecord[],
  { monotonicReads }: { readonly monotonicReads: boolean },
): readonly string[] {
  const operations = operationsOf(records)
  const found = new Set<string>()
  const reads = operations.filter((one) => one.type === 'get' && one.outcome === 'ok')
  for (const read of reads) {
    const past = (vid: string): ReadonlySet<string> => pastOf(operations, read.key, vid, true)
    const writes = operations.filter((one) => one.type !== 'get' && one.key === read.key)
    const isSettled = (vid: string): boolean => read.isFinal || !writes.some((one) => one.vid === vid && one.isRetried)
    for (const [index, x] of read.values.entries()) {
      if (read.values.some((y) => past(y).has(x)) && isSettled(x)) found.add(`false-sibling ${read.key} ${x}`)
      const isRepeated = read.values.indexOf(x) < index
      if (isRepeated && writes.some((one) => one.vid === x && (one.outcome === 'ok' || one.isKeyed))) {
        found.add(`duplicate-sibling ${read.key} ${x}`)
      }
      const owner = operations.find((one) => one.type !== 'get' && one.vid === x)
      if (owner !== undefined && owner.key !== read.key) found.add(`value-of-another-key ${read.key} ${x}`)
      for (const one of writes) {
        if (one.vid === x && isTooOld(one, read)) found.add(`expired-value ${read.key} ${x}`)
      }
      if (monotonicReads) {
        for (const earlier of reads) {
          const isEarlier =
            earlier.key === read.key && earlier.session === read.session && earlier.endedAt < read.invokedAt
          if (isEarlier && earlier.values.some((z) => past(z).has(x)) && isSettled(x))
            found.add(`zombie ${read.key} ${x}`)
        }
      }
    }
    const known = writes.filter((one) => one.type === 'put' && one.outcome !== 'fail' && one.invokedAt < read.endedAt)
    const areSettled = read.values.every(isSettled)
    if (
      areSettled &&
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
    if (isSequential && areSettled && read.values.length > 1) {
      found.add(`siblings-of-sequential-writes ${read.key} ${[...read.values].join()}`)
    }
  }
  return [...found].sort()
}

export function oracleOfDeletes(
  records: readonly HistoryRecord[],
  { freshReads }: { readonly freshReads: boolean },
): readonly string[] {
  const operations = operationsOf(records)
  const found = new Set<string>()
  for (const one of operations) {
    if (one.type !== 'delete' || one.outcome !== 'ok') continue
    for (const read of operations) {
      if (read.type !== 'get' || read.outcome !== 'ok' || read.key !== one.key) continue
      const writes = operations.filter(({ type, key }) => type !== 'get' && key === one.key)
      for (const vid of read.values) {
        const isSettled = read.isFinal || !writes.some((write) => write.vid === vid && write.isRetried)
        const isDead = pastOf(operations, one.key, one.vid, true).has(vid) && one.endedAt < read.invokedAt
        if (isDead && isSettled && (read.isFinal || freshReads)) found.add(`resurrection ${read.key} ${vid}`)
      }
      if (!read.isFinal) continue
      for (const put of writes) {
        if (put.type !== 'put' || put.outcome !== 'ok' || put.endedAt > read.invokedAt) continue
        const isOrdered =
          pastOf(operations, one.key, one.vid, false).has(put.vid) ||
          pastOf(operations, one.key, put.vid, false).has(one.vid)
        if (!isOrdered && !sees(operations, read, put.vid)) found.add(`delete-took-more ${read.key} ${put.vid}`)
      }
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

export function oracleOfSessions(records: readonly HistoryRecord[]): readonly string[] {
  const operations = operationsOf(records)
  const carried = operations.filter((one) => one.isOfSession && one.outcome === 'ok')
  const found = new Set<string>()
  for (const read of carried) {
    if (read.type !== 'get') continue
    for (const one of carried) {
      if (one.key !== read.key || one.session !== read.session || one.endedAt > read.invokedAt) continue
      if (one.type === 'put' && !sees(operations, read, one.vid)) found.add(`own-write-unread ${read.key} ${one.vid}`)
      for (const vid of one.type === 'get' ? one.values : []) {
        const isKnown = operations.some((write) => write.vid === vid && write.key === read.key && write.type !== 'get')
        if (isKnown && !sees(operations, read, vid)) found.add(`session-went-back ${read.key} ${vid}`)
      }
      for (const later of one.type === 'get' ? one.values : [one.vid]) {
        for (const vid of read.values) {
          const isRetried = operations.some((write) => write.vid === vid && write.key === read.key && write.isRetried)
          if (isRetried && !read.isFinal) continue
          if (pastOf(operations, read.key, later, true).has(vid)) found.add(`session-saw-older ${read.key} ${vid}`)
        }
      }
    }
  }
  return [...found].sort()
}

export function oracleOfLastWriteWins(
  records: readonly HistoryRecord[],
  promises: { readonly freshReads: boolean; readonly monotonicReads: boolean },
): readonly string[] {
  const operations = operationsOf(records)
  const found = new Set<string>()
  for (const read of operations) {
    if (read.type !== 'get' || read.outcome !== 'ok') continue
    const ofKey = operations.filter((one) => one.key === read.key)
    if (read.values.length > 1) found.add(`more-than-one-value ${read.key} ${read.values.join()}`)
    for (const vid of read.values) {
      const put = ofKey.find((one) => one.type === 'put' && one.vid === vid)
      const isWritten = put !== undefined && put.outcome !== 'fail' && put.invokedAt < read.endedAt
      if (!isWritten) found.add(`invented-value ${read.key} ${vid}`)
      else if (isTooOld(put, read)) found.add(`expired-value ${read.key} ${vid}`)
    }
    const before = ofKey.filter((one) => {
      if (one.outcome !== 'ok' || one.endedAt > read.invokedAt) return false
      if (one.isOfSession && read.isOfSession && one.session === read.session) return true
      return one.type === 'get' ? promises.monotonicReads : promises.freshReads || read.isFinal
    })
    const latestClock = Math.max(0, ...before.map(({ hlc }) => hlc))
    if (read.hlc >= latestClock) continue
    const mayHaveEmptied = ofKey.some((one) => {
      if (one.type === 'get' || one.outcome === 'fail' || one.invokedAt > read.endedAt) return false
      const isGone = one.type === 'delete' || mayBeOld(one, read.endedNs)
      return isGone && (one.outcome === 'info' || one.hlc >= latestClock)
    })
    if (read.values.length === 0 && mayHaveEmptied) continue
    const latest = [...before.filter((one) => one.type !== 'get'), ...before.filter((one) => one.type === 'get')]
    found.add(`older-value ${read.key} ${latest.find(({ hlc }) => hlc === latestClock)?.vid}`)
  }
  return [...found].sort()
}

export function oracleOfCopies(records: readonly HistoryRecord[], promises: CopyPromises): readonly string[] {
  const operations = operationsOf(records)
  const found = new Set<string>()
  const probes = records.filter((record) => record.p === 'probe' && record.f === 'replica-get')
  for (const probe of probes) {
    const key = probe.k as string
    const writes = operations.filter((one) => one.type !== 'get' && one.key === key)
    const ofKey = probes.filter((one) => one.k === key)
    if (promises.converged && probe.state !== ofKey[0]?.state) found.add(`not-converged ${key} `)
    for (const vid of probe.vals ?? []) {
      const isWritten = writes.some((one) => one.vid === vid && one.type === 'put' && one.outcome !== 'fail')
      if (!isWritten) found.add(`invented-value ${key} ${vid}`)
    }
    const { tombstones } = promises
    const isOld = typeof tombstones === 'object' && (probe.hlc ?? 0) < tombstones.goneIfBefore
    if (isOld && probe.tomb === true) found.add(`tombstone-stays ${key} `)
    const isDeleted = writes.some((one) => one.type === 'delete' && one.outcome === 'ok' && one.hlc > 0)
    if (tombstones === 'kept' && isDeleted && ofKey.every(({ state }) => state === undefined)) {
      found.add(`tombstone-gone-early ${key} `)
    }
    if (promises.isLastWriteWins) continue
    for (const put of writes) {
      if (put.type !== 'put' || !promises.handedOver.has(put.vid) || probe.marked) continue
      const unseen = writes.filter(
        (one) => one.outcome !== 'fail' && (one.type === 'delete' || mayBeOld(one, probe.ns)),
      )
      const ends = [...(probe.vals ?? []), ...unseen.map(({ vid }) => vid)]
      const isThere = ends.some((end) => end === put.vid || pastOf(operations, key, end, false).has(put.vid))
      if (!isThere) found.add(`missing-copy ${key} ${put.vid}`)
    }
    for (const one of writes) {
      if (one.type !== 'delete' || one.outcome !== 'ok') continue
      if (!promises.converged && (probe.marked || !promises.handedOver.has(one.vid))) continue
      for (const vid of probe.vals ?? []) {
        if (pastOf(operations, key, one.vid, true).has(vid)) found.add(`resurrection ${key} ${vid}`)
      }
    }
  }
  return [...found].sort()
}

function mayBeOld(write: Operation, atNs: number): boolean {
  if (write.type !== 'put' || write.ttlSeconds === undefined) return false
  return write.invokedNs + write.ttlSeconds * 1_000_000_000 <= atNs + clockToleranceNs
}

function isTooOld(write: Operation, read: Operation): boolean {
  if (write.type !== 'put' || write.ttlSeconds === undefined || write.outcome !== 'ok') return false
  return write.endedNs + write.ttlSeconds * 1_000_000_000 < read.invokedNs - clockToleranceNs
}

/** A read shows a write, or something that supersedes it; or a delete that does had been tried, or may have expired. */
export function sees(operations: readonly Operation[], read: Operation, vid: string): boolean {
  const unseen = operations.filter(
    (one) =>
      one.key === read.key &&
      one.outcome !== 'fail' &&
      one.invokedAt < read.endedAt &&
      (one.type === 'delete' || mayBeOld(one, read.endedNs)),
  )
  const ends = [...read.values, ...unseen.map((one) => one.vid)]
  return ends.some((end) => end === vid || pastOf(operations, read.key, end, false).has(vid))
}

/** The past of a write, by the definition: its context, and the pasts of that. A context names earlier writes only. */
export function pastOf(
  operations: readonly Operation[],
  key: string,
  vid: string,
  isSure: boolean,
): ReadonlySet<string> {
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
