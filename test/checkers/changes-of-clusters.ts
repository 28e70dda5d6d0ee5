import type { CausalContext } from '../../lib/protocol/causality/record.ts'
import type { Random } from '../../lib/vocabulary/random.ts'
import {
  answersOf,
  byVid,
  type Change,
  copiesOf,
  endOf,
  finalReads,
  isDeleted,
  pick,
  without,
  withRecord,
} from './change-kit.ts'
import { type ClusterState, type HistoryRecord, type NodeProbe, type Operation, operationsOf } from './history.ts'
import { contextOf, tokenOf } from './random-histories.ts'

/** What could go wrong with copies, tokens and nodes: each function makes one such thing happen in a healthy history. */
export const changeOneState: Change = (records, random) => {
  const copy = pick(copiesOf(records), random)
  return copy && withRecord(records, { ...copy, state: 'another' })
}

export const dropFromCopy: Change = (records, random) => {
  const operations = operationsOf(records)
  const candidates = copiesOf(records).flatMap((copy) =>
    (copy.vals ?? [])
      .filter((vid) => byVid(operations, vid)?.outcome === 'ok' && !isDeleted(operations, vid))
      .map((vid) => ({ copy, vid })),
  )
  const one = pick(candidates, random)
  return one && withRecord(records, { ...one.copy, vals: without(one.copy.vals ?? [], one.vid) })
}

export const repeatInCopy: Change = (records, random) => {
  const copy = pick(
    copiesOf(records).filter(({ vals = [] }) => vals.length > 0),
    random,
  )
  return copy && withRecord(records, { ...copy, vals: [...(copy.vals ?? []), copy.vals?.[0] as string] })
}

export const reviveAtCopy: Change = (records, random) => {
  const operations = operationsOf(records)
  const deletes = operations.filter((one) => one.type === 'delete' && one.outcome === 'ok' && one.context.length > 0)
  const one = pick(deletes, random)
  const copy = copiesOf(records).find(({ k }) => k === one?.key)
  return one && copy && withRecord(records, { ...copy, vals: [...(copy.vals ?? []), one.context[0] as string] })
}

export const dropTombstones: Change = (records, random) => {
  const deletes = operationsOf(records).filter((one) => one.type === 'delete' && one.outcome === 'ok')
  const key = pick(deletes, random)?.key
  if (key === undefined) return undefined
  const isCopy = (record: HistoryRecord): boolean => record.p === 'probe' && record.k === key
  return {
    records: records.map((one) => (isCopy(one) ? { ...one, vals: [], state: undefined, tomb: false } : one)),
    key,
  }
}

export const keepTombstone: Change = (records, random) => {
  const copy = pick(copiesOf(records), random)
  return copy && withRecord(records, { ...copy, vals: [], tomb: true })
}

/** A final read's token says nothing of what the read shows. */
export const emptyToken: Change = (records, random) => {
  const operations = operationsOf(records)
  const shown = finalReads(records).filter(({ vals = [] }) =>
    vals.some((vid) => byVid(operations, vid)?.outcome === 'ok'),
  )
  const record = pick(shown, random)
  return record && withRecord(records, { ...record, tok: tokenOf(withoutAll(contextOf(record.tok as string))) })
}

/** A read's token covers a value that the read does not show. */
export const hideShown: Change = (records, random) => {
  const operations = operationsOf(records)
  const candidates = answersOf(records).flatMap(({ record }) =>
    (record.vals ?? [])
      .filter((vid) => byVid(operations, vid)?.outcome === 'ok' && !isDeleted(operations, vid))
      .map((vid) => ({ record, vid })),
  )
  const one = pick(candidates, random)
  return one && withRecord(records, { ...one.record, vals: without(one.record.vals ?? [], one.vid) })
}

/** A write's answer is what was sent with it. */
export const forgetInAnswer: Change = (records, random) => {
  const { end, sent } = pickAnswered(records, random) ?? {}
  return end && sent && withRecord(records, { ...end, retTok: tokenOf(sent) })
}

/** A write's answer covers the write alone. */
export const shrinkAnswer: Change = (records, random) => {
  const { end, sent, answered } = pickAnswered(records, random, ({ vv }) => vv.length > 0) ?? {}
  if (end === undefined || sent === undefined || answered === undefined) return undefined
  return withRecord(records, { ...end, retTok: tokenOf({ ...answered, vv: [], dots: answered.dots }) })
}

/** Two writes that had seen nothing are answered alike. */
export const repeatDot: Change = (records) => {
  const blind = operationsOf(records).filter(
    ({ type, outcome, isBlind, token }) => type === 'put' && outcome === 'ok' && isBlind && token !== undefined,
  )
  for (const second of blind) {
    const first = blind.find(({ key, invokedAt }) => key === second.key && invokedAt < second.invokedAt)
    if (first !== undefined) return withRecord(records, { ...endOf(records, second), retTok: first.token })
  }
  return undefined
}

/** One of the last probes of a node tells something else. */
export function tell(change: NodeProbe): Change {
  return (records, random) => {
    const probes = records.filter(({ p, f }) => p === 'probe' && f === 'node').slice(-3)
    const probe = pick(probes, random)
    return probe && withRecord(records, { ...probe, v: { ...(probe.v as NodeProbe), ...change } })
  }
}

/** Whatever ended, ends so much later; and nothing else is changed. */
export const endLate: Change = (records, random) => {
  const one = pick(operationsOf(records), random)
  if (one === undefined) return undefined
  const end = endOf(records, one)
  return withRecord(records, { ...end, ns: end.ns + 60_000_000_000 })
}

export const neverEnd: Change = (records, random) => {
  const one = pick(operationsOf(records), random)
  if (one === undefined) return undefined
  const { i } = endOf(records, one)
  return { records: records.filter((record) => record.i !== i), key: one.key }
}

/** An operation in quiet times ends otherwise: `from` is how it ended, `to` how it ends now. */
export function endCalm(
  from: 'ok' | 'fail',
  to: Pick<HistoryRecord, 't' | 'error'> & { readonly lateMs?: number },
): Change {
  return (records, random) => {
    const calm = calmOperations(records).filter((one) => {
      const end = endOf(records, one)
      return end.t === from && (from === 'ok' || end.error === 'quorum-unavailable')
    })
    const one = pick(calm, random)
    if (one === undefined) return undefined
    const { lateMs = 0, ...ending } = to
    const end = endOf(records, one)
    return withRecord(records, { ...end, ...ending, ns: end.ns + lateMs * 1e6 })
  }
}

/** Through nodes that ran, at least three seconds after any change. */
function calmOperations(records: readonly HistoryRecord[]): readonly Operation[] {
  let cluster: ClusterState | undefined = { down: [], cuts: [] }
  let changedNs = Number.NEGATIVE_INFINITY
  const calm = new Set<number>()
  for (const record of records) {
    if (record.p === 'nemesis') {
      cluster = record.cluster
      changedNs = record.ns
    } else if (record.t === 'invoke' && record.ns >= changedNs + 3_000_000_000) {
      if (cluster?.down.includes(record.node ?? '') === false) calm.add(record.i)
    }
  }
  return operationsOf(records).filter(({ invokedAt }) => calm.has(invokedAt))
}

/** A put that was done and can be told from what it was sent with. */
function pickAnswered(
  records: readonly HistoryRecord[],
  random: Random,
  isFit: (sent: CausalContext) => boolean = () => true,
): { readonly end: HistoryRecord; readonly sent: CausalContext; readonly answered: CausalContext } | undefined {
  const fit = operationsOf(records).flatMap((one) => {
    if (one.type !== 'put' || one.outcome !== 'ok' || one.token === undefined || one.sentToken === undefined) return []
    const sent = contextOf(one.sentToken)
    return isFit(sent) ? [{ end: endOf(records, one), sent, answered: contextOf(one.token) }] : []
  })
  return pick(fit, random)
}

function withoutAll(context: CausalContext): CausalContext {
  return { ...context, vv: [], dots: [] }
}
