import type { HistoryRecord } from '../../test/checkers/history.ts'

/** An operation of a client as a reader of the report sees it: with its times, and who did it. */
export interface ShownOperation {
  readonly process: number
  readonly session: string
  readonly f: string
  readonly key: string
  readonly vid: string
  /** The values of the token it carried; a write without is blind. */
  readonly context: readonly string[]
  readonly isBlind: boolean
  /** Whom the client asked, and who coordinated it. */
  readonly node: string
  readonly by: string
  /** Who had answered the coordinator by then. */
  readonly acks: readonly string[]
  readonly outcome: 'ok' | 'fail' | 'info'
  readonly error: string
  readonly values: readonly string[]
  readonly tries: number
  /** Seconds that the value is to live; 0: for ever. */
  readonly ttlSeconds: number
  readonly isFinal: boolean
  /** Of the invocation. */
  readonly at: number
  readonly fromNs: number
  /** When its client gave up or had its answer; infinite: the history ends before. */
  readonly toNs: number
}

/** In the order of their invocations. */
export function shownOperations(records: readonly HistoryRecord[]): readonly ShownOperation[] {
  const operations: ShownOperation[] = []
  const open = new Map<number, number>()
  for (const record of records) {
    if (typeof record.p !== 'number') continue
    if (record.t === 'invoke') {
      open.set(record.p, operations.length)
      operations.push(invoked(record, record.p))
      continue
    }
    const index = open.get(record.p)
    const operation = index === undefined ? undefined : operations[index]
    if (index === undefined || operation === undefined) continue
    open.delete(record.p)
    operations[index] = {
      ...operation,
      node: operation.node === '' ? (record.node ?? '') : operation.node,
      by: record.by ?? '',
      acks: record.acks ?? [],
      outcome: record.t,
      error: record.error ?? '',
      values: record.vals ?? [],
      tries: record.tries ?? 1,
      toNs: record.ns,
    }
  }
  return operations
}

/** Whether it puts or deletes something, by what its record has. */
export function isWrite({ vid }: ShownOperation): boolean {
  return vid !== ''
}

function invoked(record: HistoryRecord, process: number): ShownOperation {
  return {
    process,
    session: record.s ?? '',
    f: record.f,
    key: record.k ?? '',
    vid: record.vid ?? '',
    context: record.ctx ?? [],
    isBlind: record.ctxTok === undefined,
    node: record.node ?? '',
    by: '',
    acks: [],
    outcome: 'info',
    error: '',
    values: [],
    tries: 1,
    ttlSeconds: record.ttl ?? 0,
    isFinal: record.final === true,
    at: record.i,
    fromNs: record.ns,
    toNs: Number.POSITIVE_INFINITY,
  }
}
