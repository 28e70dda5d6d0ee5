import type { Random } from '../../lib/vocabulary/random.ts'
import { type HistoryRecord, type Operation, operationsOf } from './history.ts'

/** A healthy history in which one thing was made wrong, and where it must be found. */
export interface Changed {
  readonly records: readonly HistoryRecord[]
  readonly key: string
}

/** Undefined: this history has no place for it. */
export type Change = (records: readonly HistoryRecord[], random: Random) => Changed | undefined

export function withRecord(records: readonly HistoryRecord[], record: HistoryRecord): Changed {
  return { records: records.map((one) => (one.i === record.i ? record : one)), key: record.k ?? '' }
}

export function withValues(records: readonly HistoryRecord[], record: HistoryRecord, vals: readonly string[]): Changed {
  return withRecord(records, { ...record, vals })
}

/** The line that ended it. */
export function endOf(records: readonly HistoryRecord[], operation: Operation): HistoryRecord {
  const after = records.slice(operation.invokedAt + 1)
  return after.find(({ p, t }) => p === operation.process && t !== 'invoke') as HistoryRecord
}

/** The answers of the final reads. */
export function finalReads(records: readonly HistoryRecord[]): readonly HistoryRecord[] {
  return records.filter((record, index) => record.t === 'ok' && records[index - 1]?.final === true)
}

/** The answered reads of operations, each with the line of its answer. */
export function answersOf(
  records: readonly HistoryRecord[],
): readonly { readonly read: Operation; readonly record: HistoryRecord }[] {
  return operationsOf(records)
    .filter(({ type, outcome }) => type === 'get' && outcome === 'ok')
    .map((read) => ({ read, record: records[read.endedAt] as HistoryRecord }))
}

export function copiesOf(records: readonly HistoryRecord[]): readonly HistoryRecord[] {
  return records.filter(({ p, f }) => p === 'probe' && f === 'replica-get')
}

/** Whether `later` supersedes it, step by step. */
export function knows(operations: readonly Operation[], later: Operation | undefined, vid: string): boolean {
  return (later?.context ?? []).some((one) => one === vid || knows(operations, byVid(operations, one), vid))
}

/** Some delete has seen it, or was written on top of something that had. */
export function isDeleted(operations: readonly Operation[], vid: string): boolean {
  return operations.some((one) => one.type === 'delete' && knows(operations, one, vid))
}

export function byVid(operations: readonly Operation[], vid: string): Operation | undefined {
  return operations.find((one) => one.vid === vid)
}

export function without(values: readonly string[], value: string): readonly string[] {
  return values.filter((one) => one !== value)
}

export function pick<Value>(values: readonly Value[], random: Random): Value | undefined {
  return values[random.below(Math.max(1, values.length))]
}
