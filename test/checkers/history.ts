/**
 * One line of a history: what a client asked (`invoke`), how it ended (`ok`; `fail`: surely not applied; `info`: nobody
 * knows), or what was done to the cluster (`p` is `nemesis`). The same format for simulated and real clusters.
 */
export interface HistoryRecord {
  /** Position in the history. */
  readonly i: number
  readonly t: 'invoke' | 'ok' | 'fail' | 'info'
  /** The process: one thing at a time; retired after an `info`. */
  readonly p: number | 'nemesis' | 'probe'
  /** The session the process belongs to. */
  readonly s?: string | undefined
  /** `put`, `delete`, `get`, `list` (of the bucket; `vals` are its keys), or the name of a fault. */
  readonly f: string
  readonly k?: string | undefined
  /** The unique id of the value written; deletes have one too. */
  readonly vid?: string | undefined
  /** The values of the answer whose token is sent back, as the client knows them. */
  readonly ctx?: readonly string[] | undefined
  /**
   * Those of `ctx` that the token knows only as the answer to a write of theirs (rule A8): a coordinator that knows no
   * such write, and reaches nobody who does, may leave them standing.
   */
  readonly ctxDots?: readonly string[] | undefined
  /** The token that is sent back; absent: a blind write. */
  readonly ctxTok?: string | undefined
  /** The token a write answered. */
  readonly retTok?: string | undefined
  /** The values and the token a read answered. */
  readonly vals?: readonly string[] | undefined
  readonly tok?: string | undefined
  readonly w?: number | string | undefined
  readonly r?: number | string | undefined
  /** Only owners were to count; absent: others may have stood in for them. */
  readonly sloppy?: false | undefined
  readonly node?: string | undefined
  /** The node that coordinated it. */
  readonly by?: string | undefined
  /** Of a write with an id: its coordinator says that another node may have carried it out as well. */
  readonly isRepeated?: boolean | undefined
  /** The nodes that had answered when it ended, by what their coordinator said: of a write those that have it. */
  readonly acks?: readonly string[] | undefined
  /** The id of a write that its client may have sent to several coordinators. */
  readonly rid?: string | undefined
  /** How often the client sent it. */
  readonly tries?: number | undefined
  /** It carried all that its session had seen. */
  readonly ses?: true | undefined
  /** Seconds after which the value that was put expires. */
  readonly ttl?: number | undefined
  /** The clock of what a write made, of the latest thing a read has seen, or of the delete that a tombstone tells of. */
  readonly hlc?: number | undefined
  /** A read after everything healed, from every owner. */
  readonly final?: true | undefined
  /** A node's own copy: its state's hash, absent when it has none; and whether it is a tombstone. */
  readonly state?: string | undefined
  readonly tomb?: boolean | undefined
  /** Somebody could not keep a hint for it, and has marked the range for comparison instead. */
  readonly marked?: true | undefined
  /** The error's code. */
  readonly error?: string | undefined
  /** What the fault was. Of a probe named `node`: a `NodeProbe`. */
  readonly v?: unknown
  /** Of the nemesis: what the cluster is like from then on. Absent: nobody can tell, until the next line that has it. */
  readonly cluster?: ClusterState | undefined
  /** Nanoseconds on one clock, that of the harness. */
  readonly ns: number
}

/** What a nemesis has made of a cluster. */
export interface ClusterState {
  /** Nodes that do not answer. */
  readonly down: readonly string[]
  /** Links that carry nothing, one way each. */
  readonly cuts: readonly (readonly [from: string, to: string])[]
}

/** What a node tells of itself: `v` of a line `{t: 'ok', p: 'probe', f: 'node', node}`. What it does not tell is not judged. */
export interface NodeProbe {
  /** Hints that it keeps; and for whom, by name. */
  readonly hints?: number
  readonly hintsFor?: Readonly<Record<string, number>>
  /** Copies that it has repaired, by exchanges and for readers, since its start. */
  readonly repairs?: number
  /** Of the layout it goes by. */
  readonly epoch?: number | string
  /** Records that it has and does not own. */
  readonly strays?: number
  /** Of the tree of each partition it owns. */
  readonly roots?: Readonly<Record<string, string>>
}

/** The name of the nemesis' line after which nothing is wrong any more. */
export const healing = 'heal'

/** When everything was healed for the last time; undefined: never. */
export function healedNs(records: readonly HistoryRecord[]): number | undefined {
  return records.findLast(({ p, f }) => p === 'nemesis' && f === healing)?.ns
}

/** Collects records; a record's position is where it was added. */
export class History {
  readonly #records: HistoryRecord[] = []

  get records(): readonly HistoryRecord[] {
    return this.#records
  }

  add(record: Omit<HistoryRecord, 'i'>): void {
    this.#records.push({ i: this.#records.length, ...record })
  }

  /** JSON Lines. */
  toLines(): string {
    return this.#records.map((record) => `${JSON.stringify(record)}\n`).join('')
  }
}

export function parseHistory(lines: string): readonly HistoryRecord[] {
  return lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as HistoryRecord)
}

/** An invocation and its end. */
export interface Operation {
  /** Its place among the writes, or among the reads, of its key. */
  readonly place: number
  readonly process: number
  readonly session: string
  readonly type: 'put' | 'delete' | 'get'
  readonly key: string
  /** Of a write; empty for a read. */
  readonly vid: string
  /** What its client had seen; and what of it the write supersedes wherever it is carried out. */
  readonly context: readonly string[]
  readonly sureContext: readonly string[]
  readonly isBlind: boolean
  readonly isFinal: boolean
  /** Positions in the history; an operation of unknown outcome never ends. */
  readonly invokedAt: number
  readonly endedAt: number
  readonly outcome: 'ok' | 'fail' | 'info'
  /** The token that was sent back, and the one that was answered. */
  readonly sentToken: string | undefined
  readonly token: string | undefined
  /** What a read returned. */
  readonly values: readonly string[]
  /** The node that its client asked first. */
  readonly asked: string | undefined
  readonly isKeyed: boolean
  /** Maybe two coordinators carried it out. Until copies have met, one of the two may outlive what superseded the other. */
  readonly isRetried: boolean
  readonly isOfSession: boolean
  /** Undefined: it never expires. */
  readonly ttlSeconds: number | undefined
  /** When, not in positions: a value expires by the clock. An operation of unknown outcome never ends. */
  readonly invokedNs: number
  readonly endedNs: number
  /** Of the write, or of the latest that the read had seen; 0: unknown, or nothing. */
  readonly hlc: number
}

/** The operations of a history in the order of their invocations. What never ended is `info`. */
export function operationsOf(records: readonly HistoryRecord[]): readonly Operation[] {
  const operations: Operation[] = []
  const places = new Map<string, { writes: number; reads: number }>()
  const open = new Map<number, { -readonly [Name in keyof Operation]: Operation[Name] }>()
  for (const record of records) {
    // A listing is of no key.
    if (typeof record.p !== 'number' || record.f === 'list') continue
    if (record.t === 'invoke') {
      const operation = begun(record, record.p, places)
      open.set(record.p, operation)
      operations.push(operation)
      continue
    }
    const operation = open.get(record.p)
    if (operation === undefined) continue
    open.delete(record.p)
    operation.outcome = record.t
    operation.token = record.tok ?? record.retTok
    operation.values = record.vals ?? nothing
    operation.hlc = record.hlc ?? 0
    // Whoever forwards a keyed write tries another node where the first may have carried it out (docs/rules.md I2).
    const { asked } = operation
    const isByAnother = asked !== undefined && record.by !== undefined && record.by !== asked
    const isForwarded = isByAnother || record.isRepeated === true
    operation.isRetried = operation.isKeyed && ((record.tries ?? 1) > 1 || isForwarded)
    if (record.t === 'info') continue
    operation.endedAt = record.i
    operation.endedNs = record.ns
  }
  return operations
}

function begun(
  record: HistoryRecord,
  process: number,
  places: Map<string, { writes: number; reads: number }>,
): Operation {
  const key = record.k ?? ''
  let ofKey = places.get(key)
  if (ofKey === undefined) {
    ofKey = { writes: 0, reads: 0 }
    places.set(key, ofKey)
  }
  const type = record.f === 'put' || record.f === 'delete' ? record.f : 'get'
  const place = type === 'get' ? ofKey.reads++ : ofKey.writes++
  const context = record.ctx ?? nothing
  const { ctxDots } = record
  return {
    place,
    process,
    session: record.s ?? `process-${process}`,
    type,
    key,
    vid: record.vid ?? '',
    context,
    sureContext: ctxDots === undefined ? context : context.filter((vid) => !ctxDots.includes(vid)),
    isBlind: record.ctxTok === undefined,
    isFinal: record.final === true,
    invokedAt: record.i,
    endedAt: Number.POSITIVE_INFINITY,
    outcome: 'info',
    sentToken: record.ctxTok,
    token: undefined,
    values: nothing,
    asked: record.node,
    isKeyed: record.rid !== undefined,
    isRetried: record.rid !== undefined,
    isOfSession: record.ses === true,
    ttlSeconds: record.ttl,
    invokedNs: record.ns,
    endedNs: Number.POSITIVE_INFINITY,
    hlc: 0,
  }
}

const nothing: readonly string[] = []

/** Each once. Most answers are short. */
export function distinct(values: readonly string[]): Iterable<string> {
  return values.length < 2 ? values : new Set(values)
}

/** How far any two clocks of a run may be apart: a value may vanish that much before its time is over, or after. */
export const clockToleranceNs = 10_000_000_000

/** A put whose value may have expired by then: readers no longer see it, but what it superseded stays superseded. */
export function mayHaveExpired(write: Operation, byNs: number): boolean {
  if (write.type !== 'put' || write.ttlSeconds === undefined || write.outcome === 'fail') return false
  return write.invokedNs + write.ttlSeconds * 1e9 - clockToleranceNs <= byNs
}

/** A put whose value must be out of sight from then on. */
export function mustHaveExpired(write: Operation, fromNs: number): boolean {
  if (write.type !== 'put' || write.ttlSeconds === undefined || write.outcome !== 'ok') return false
  return write.endedNs + write.ttlSeconds * 1e9 + clockToleranceNs < fromNs
}
