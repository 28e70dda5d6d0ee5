import type { Random } from '../../lib/vocabulary/random.ts'
import {
  answersOf,
  byVid,
  type Change,
  type Changed,
  endOf,
  finalReads,
  isDeleted,
  knows,
  pick,
  without,
  withRecord,
  withValues,
} from './change-kit.ts'
import { type HistoryRecord, type Operation, operationsOf } from './history.ts'

/** What could go wrong with what clients read: each function makes one such thing happen in a healthy history. */
export const dropFromFinalRead: Change = (records, random) => {
  const operations = operationsOf(records)
  const candidates = finalReads(records).flatMap((record) =>
    (record.vals ?? [])
      .filter((vid) => byVid(operations, vid)?.outcome === 'ok' && !isDeleted(operations, vid))
      .map((vid) => ({ record, vid })),
  )
  const one = pick(candidates, random)
  return one && withValues(records, one.record, without(one.record.vals ?? [], one.vid))
}

export const emptyEarlyRead: Change = (records, random) => {
  const operations = operationsOf(records)
  return emptyRead(records, random, (read) =>
    read.values.some((vid) => byVid(operations, vid)?.outcome === 'ok' && !isDeleted(operations, vid)),
  )
}

/** A write of unknown outcome, seen once, is gone. */
export const forgetWhatOthersSaw: Change = (records, random) => {
  const operations = operationsOf(records)
  const reads = operations.filter(({ type, outcome }) => type === 'get' && outcome === 'ok')
  return emptyRead(records, random, (read) =>
    reads.some(
      (one) =>
        one.key === read.key &&
        one.endedAt < read.invokedAt &&
        one.values.some((vid) => byVid(operations, vid)?.outcome === 'info' && !isDeleted(operations, vid)),
    ),
  )
}

export const showSuperseded: Change = (records, random) => {
  const operations = operationsOf(records)
  const candidates = finalReads(records).flatMap((record) =>
    operations
      .filter((one) => one.type === 'put' && one.key === record.k && one.outcome === 'ok')
      .filter((one) => record.vals?.some((vid) => knows(operations, byVid(operations, vid), one.vid)))
      .map((one) => ({ record, vid: one.vid })),
  )
  const one = pick(candidates, random)
  return one && withValues(records, one.record, [...(one.record.vals ?? []), one.vid])
}

export const reviveDeleted: Change = (records, random) => {
  const operations = operationsOf(records)
  const deletes = operations.filter((one) => one.type === 'delete' && one.outcome === 'ok' && one.context.length > 0)
  const one = pick(deletes, random)
  const record = finalReads(records).find((record) => record.k === one?.key)
  return one && record && withValues(records, record, [...(record.vals ?? []), one.context[0] as string])
}

/** Before the end, where reads are fresh. */
export const reviveDeletedEarly: Change = (records, random) => {
  const deletes = operationsOf(records).filter(({ type, outcome }) => type === 'delete' && outcome === 'ok')
  const candidates = answersOf(records).flatMap(({ read, record }) =>
    deletes
      .filter((one) => !read.isFinal && one.key === read.key && one.endedAt < read.invokedAt)
      .flatMap((one) => one.context.map((vid) => ({ record, vid }))),
  )
  const one = pick(candidates, random)
  return one && withValues(records, one.record, [...(one.record.vals ?? []), one.vid])
}

/** A delete takes a value that it had not seen. */
export const deleteTooMuch: Change = (records, random) => {
  const operations = operationsOf(records)
  const deletes = operations.filter(({ type, outcome }) => type === 'delete' && outcome === 'ok')
  const candidates = finalReads(records).flatMap((record) =>
    (record.vals ?? [])
      .map((vid) => byVid(operations, vid))
      .filter((put) => put?.outcome === 'ok' && !isDeleted(operations, put.vid))
      .filter((put) => deletes.some((one) => one.key === put?.key && !knows(operations, put, one.vid)))
      .map((put) => ({ record, vid: (put as Operation).vid })),
  )
  const one = pick(candidates, random)
  return one && withValues(records, one.record, without(one.record.vals ?? [], one.vid))
}

export const showStranger: Change = (records, random) => {
  const record = pick(finalReads(records), random)
  const stranger = operationsOf(records).find((one) => one.type === 'put' && one.key !== record?.k)
  return record && stranger && withValues(records, record, [...(record.vals ?? []), stranger.vid])
}

export const showInvented: Change = (records, random) => {
  const record = pick(finalReads(records), random)
  return record && withValues(records, record, [...(record.vals ?? []), 'v-of-nobody'])
}

export const showTwice: Change = (records, random) => {
  const operations = operationsOf(records)
  const candidates = finalReads(records).flatMap((record) =>
    (record.vals ?? []).filter((vid) => byVid(operations, vid)?.outcome === 'ok').map((vid) => ({ record, vid })),
  )
  const one = pick(candidates, random)
  return one && withValues(records, one.record, [...(one.record.vals ?? []), one.vid])
}

export const showKeyedTwice: Change = (records, random) => {
  const keyed = operationsOf(records).filter((one) => one.type === 'put' && one.isKeyed && one.outcome !== 'fail')
  const one = pick(keyed, random)
  const record = finalReads(records).find((record) => record.k === one?.key)
  return one && record && withValues(records, record, [...(record.vals ?? []), one.vid, one.vid])
}

export const exchangeReads: Change = (records) => {
  const [first, second] = finalReads(records)
  if (first === undefined || second === undefined || second.vals?.length === 0) return undefined
  const changed = withValues(records, first, second.vals ?? [])
  return { ...withValues(changed.records, second, first.vals ?? []), key: first.k as string }
}

export const showRefused: Change = (records, random) => {
  const refused = operationsOf(records).filter((one) => one.type === 'put' && one.outcome === 'fail')
  const one = pick(refused, random)
  const record = finalReads(records).find((record) => record.k === one?.key)
  return one && record && withValues(records, record, [...(record.vals ?? []), one.vid])
}

/** What nobody stored, its client takes for done. */
export const takeRefusedForDone: Change = (records, random) => {
  const refused = operationsOf(records).filter((one) => one.type === 'put' && one.outcome === 'fail')
  const one = pick(refused, random)
  return one && withRecord(records, { ...endOf(records, one), t: 'ok' })
}

/** What may have been stored, and was, the harness takes for refused: its commonest mistake. */
export const takeUnknownForRefused: Change = (records, random) => {
  const shown = new Set(answersOf(records).flatMap(({ read }) => read.values))
  const unknown = operationsOf(records).filter((one) => one.outcome === 'info' && shown.has(one.vid))
  const one = pick(unknown, random)
  return one && withRecord(records, { ...endOf(records, one), t: 'fail' })
}

export const showOwnPast: Change = (records, random) => {
  const operations = operationsOf(records)
  const candidates = ofSessions(records).flatMap(({ record, read }) =>
    operations
      .filter((one) => one.type === 'put' && one.key === read.key && isEarlier(one, read) && one.outcome === 'ok')
      .flatMap((one) => one.context.map((vid) => ({ record, vid }))),
  )
  const one = pick(candidates, random)
  return one && withValues(records, one.record, [...(one.record.vals ?? []), one.vid])
}

/** What an earlier read of the session had shown superseded is back. */
export const showPassed: Change = (records, random) => {
  const operations = operationsOf(records)
  const reads = answersOf(records)
  const candidates = reads.flatMap(({ read, record }) =>
    reads
      .filter(({ read: one }) => one.key === read.key && one.session === read.session && one.endedAt < read.invokedAt)
      .flatMap(({ read: one }) => one.values.flatMap((vid) => byVid(operations, vid)?.context ?? []))
      .map((vid) => ({ record, vid })),
  )
  const one = pick(candidates, random)
  return one && withValues(records, one.record, [...(one.record.vals ?? []), one.vid])
}

export const forgetOwnWrite: Change = (records, random) => {
  const operations = operationsOf(records)
  const puts = operations.filter((one) => one.type === 'put' && one.outcome === 'ok')
  return emptyRead(records, random, (read) =>
    puts.some((put) => isEarlier(put, read) && put.key === read.key && !isDeleted(operations, put.vid)),
  )
}

export const forgetWhatWasRead: Change = (records, random) => {
  const operations = operationsOf(records)
  const reads = operations.filter((one) => one.type === 'get' && one.outcome === 'ok')
  return emptyRead(records, random, (read) =>
    reads.some(
      (one) => isEarlier(one, read) && one.key === read.key && one.values.some((vid) => !isDeleted(operations, vid)),
    ),
  )
}

/** Of writers that go on from their own last answer: what one of them has replaced itself stands beside the rest. */
export const showOldLink: Change = (records, random) => {
  const operations = operationsOf(records)
  const candidates = answersOf(records).flatMap(({ read, record }) =>
    operations
      .filter((one) => read.values.some((vid) => knows(operations, byVid(operations, vid), one.vid)))
      .map((one) => ({ record, vid: one.vid })),
  )
  const one = pick(candidates, random)
  return one && withValues(records, one.record, [...(one.record.vals ?? []), one.vid])
}

export const showOlder: Change = (records, random) => {
  const operations = operationsOf(records)
  const candidates = finalReads(records).flatMap((record) =>
    operations
      .filter((one) => one.type === 'put' && one.key === record.k && one.outcome === 'ok' && one.hlc > 0)
      .filter((one) => operations.some((later) => later.key === one.key && isAcknowledgedAfter(later, one)))
      .map((one) => ({ record, one })),
  )
  const chosen = pick(candidates, random)
  return chosen && withRecord(records, { ...chosen.record, vals: [chosen.one.vid], hlc: chosen.one.hlc })
}

export const showTwo: Change = (records, random) => {
  const record = pick(finalReads(records), random)
  const puts = operationsOf(records).filter((one) => one.type === 'put' && one.key === record?.k)
  if (record === undefined || puts.length < 2) return undefined
  return withValues(records, record, [(puts[0] as Operation).vid, (puts[1] as Operation).vid])
}

export const showExpired: Change = (records, random) => {
  const record = pick(finalReads(records), random)
  const expired = operationsOf(records).find(
    (one) =>
      one.key === record?.k &&
      one.outcome === 'ok' &&
      one.ttlSeconds !== undefined &&
      one.endedNs + (one.ttlSeconds + 11) * 1e9 < record.ns,
  )
  return record && expired && withRecord(records, { ...record, vals: [expired.vid], hlc: expired.hlc })
}

/** A register's read shows what another write has wholly superseded. */
export const showStale: Change = (records, random) => {
  const writes = operationsOf(records).filter(({ type, outcome }) => type === 'put' && outcome === 'ok')
  const candidates = answersOf(records).flatMap(({ read, record }) =>
    writes
      .filter((one) =>
        writes.some(
          (later) =>
            one.key === read.key &&
            later.key === read.key &&
            one.endedAt < later.invokedAt &&
            later.endedAt < read.invokedAt,
        ),
      )
      .map(({ vid }) => ({ record, vid })),
  )
  const one = pick(candidates, random)
  return one && withValues(records, one.record, [one.vid])
}

/** New, then old: a later read shows a value older than what an earlier read had shown already. */
export const invertReads: Change = (records, random) => {
  const operations = operationsOf(records)
  const reads = answersOf(records)
  const candidates = reads.flatMap(({ read, record }) =>
    reads
      .filter(({ read: earlier }) => earlier.key === read.key && earlier.endedAt < read.invokedAt)
      .flatMap(({ read: earlier }) => {
        const shown = byVid(operations, earlier.values[0] ?? 'nothing')
        return operations.filter(
          (old) => old.type === 'put' && old.key === read.key && old.endedAt < (shown?.invokedAt ?? 0),
        )
      })
      .filter(({ outcome }) => outcome === 'ok')
      .map(({ vid }) => ({ record, vid })),
  )
  const one = pick(candidates, random)
  return one && withValues(records, one.record, [one.vid])
}

function isAcknowledgedAfter(later: Operation, one: Operation): boolean {
  return later.type !== 'get' && later.outcome === 'ok' && later.hlc > one.hlc
}

/** Empties one read that `isFit`. */
function emptyRead(
  records: readonly HistoryRecord[],
  random: Random,
  isFit: (read: Operation) => boolean,
): Changed | undefined {
  const fit = answersOf(records).filter(({ read }) => !read.isFinal && isFit(read))
  const one = pick(fit, random)
  return one && withValues(records, one.record, [])
}

function ofSessions(records: readonly HistoryRecord[]): ReturnType<typeof answersOf> {
  return answersOf(records).filter(({ read }) => read.isOfSession)
}

function isEarlier(one: Operation, read: Operation): boolean {
  return one.session === read.session && one.isOfSession && one.endedAt < read.invokedAt
}
