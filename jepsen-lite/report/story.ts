import { type HistoryRecord, mayHaveExpired, type Operation, operationsOf } from '../../test/checkers/history.ts'
import type { Anomaly } from './anomalies.ts'
import { grouped } from './grouped.ts'
import type { ShownOperation } from './shown-operation.ts'
import { Supersession } from './supersession.ts'

/** Why an operation is told of. */
export type Role =
  | 'the write concerned'
  | 'supersedes it'
  | 'read instead'
  | 'shown beside it'
  | 'saw it'
  | 'had passed it'
  | 'missed it'
  | 'breaks the promise'
  | 'in the end'
  | 'written before'
  | 'around it'

/** One step: an operation of a client, or a node's own copy as the harness saw it. */
export type Step =
  | { readonly type: 'operation'; readonly roles: readonly Role[]; readonly operation: ShownOperation }
  | {
      readonly type: 'copy'
      readonly roles: readonly Role[]
      readonly copy: HistoryRecord
      /** Who has the same. */
      readonly nodes: readonly string[]
    }

/** What one needs to understand an anomaly, and no more. */
export interface Story {
  readonly anomaly: Anomaly
  /** In the order in which they began. */
  readonly steps: readonly Step[]
  /** The writes whose order matters, for the sibling graph, in the order of their invocations. */
  readonly graph: readonly GraphNode[]
  /** Reads and writes of the key that would say the same again, and were left out. */
  readonly leftOut: number
}

export interface GraphNode {
  readonly vid: string
  /** Undefined: nobody wrote it. */
  readonly write: Operation | undefined
  readonly isConcerned: boolean
  /** Shown by the read that breaks the promise. */
  readonly isShown: boolean
  /** Those of the graph that it had seen, without those that these had seen; `isDirect`: its own context has it. */
  readonly seen: readonly { readonly vid: string; readonly isDirect: boolean }[]
}

const readsToldMax = 4
const writesToldMax = 6
const breaksToldMax = 4
const valuesToldMax = 6
const graphMax = 18
const graphSuccessorsMax = 4
const aroundEach = 5

interface KeyHistory {
  readonly writes: readonly Operation[]
  readonly reads: readonly Operation[]
}

/** Tells stories of one history. */
export class Storyteller {
  readonly #records: readonly HistoryRecord[]
  readonly #shown: readonly ShownOperation[]
  readonly #shownAt: ReadonlyMap<number, ShownOperation>
  readonly #histories: ReadonlyMap<string, KeyHistory>
  readonly #supersessions = new Map<string, Supersession>()
  readonly #copies: ReadonlyMap<string, readonly HistoryRecord[]>

  constructor(records: readonly HistoryRecord[], shown: readonly ShownOperation[]) {
    this.#records = records
    this.#shown = shown
    this.#shownAt = new Map(shown.map((operation) => [operation.at, operation]))
    this.#histories = new Map(
      [...grouped(operationsOf(records), ({ key }) => key)].map(([key, operations]) => [key, keyHistory(operations)]),
    )
    const copies = records.filter(({ p, f }) => p === 'probe' && f === 'replica-get')
    this.#copies = grouped(copies, ({ k }) => k ?? '')
  }

  tell(anomaly: Anomaly): Story {
    const history = this.#histories.get(anomaly.key)
    if (anomaly.key === '' || history === undefined) return this.#tellAround(anomaly)
    const supersession = this.#supersessionOf(anomaly.key, history)
    const { writes, reads } = history
    const concerned = anomaly.values.slice(0, valuesToldMax).flatMap((vid) => supersession.write(vid) ?? [])
    const broken = anomaly.at.slice(0, breaksToldMax)
    const brokenReads = reads.filter(({ invokedAt }) => broken.includes(invokedAt))
    const brokenCopies = broken.flatMap((at) => this.#copyAt(at) ?? [])
    const shown = [
      ...new Set([...brokenReads.flatMap(({ values }) => values), ...brokenCopies.flatMap(({ vals }) => vals ?? [])]),
    ]
    const roles = new Map<number, Role[]>()
    function is(role: Role, at: number): void {
      const known = roles.get(at)
      if (known === undefined) roles.set(at, [role])
      else if (!known.includes(role)) known.push(role)
    }
    for (const at of broken) is('breaks the promise', at)
    for (const { invokedAt } of concerned) is('the write concerned', invokedAt)
    const others = shown.filter((vid) => !anomaly.values.includes(vid))
    let leftOut = anomaly.at.length - broken.length
    if (anomaly.values.length === 0) {
      const before = writes.filter(({ invokedAt }) => invokedAt < (broken[0] ?? 0))
      for (const write of before.slice(-writesToldMax)) is('written before', write.invokedAt)
    }
    for (const vid of anomaly.values.slice(0, valuesToldMax)) {
      const isShown = shown.includes(vid)
      const successors = supersession.successors(vid)
      const told = [
        ...successors.filter((write) => others.includes(write.vid)),
        ...successors.filter((write) => !others.includes(write.vid)),
      ].slice(0, writesToldMax)
      leftOut += successors.length - told.length
      for (const { invokedAt } of told) is('supersedes it', invokedAt)
      for (const write of others.flatMap((other) => supersession.write(other) ?? []).slice(0, writesToldMax)) {
        is(isShown ? 'shown beside it' : 'read instead', write.invokedAt)
      }
      const firstBroken = broken[0] ?? Number.POSITIVE_INFINITY
      const before = reads.filter(({ outcome, endedAt }) => outcome === 'ok' && endedAt < firstBroken)
      const saw = before.filter(({ values }) => values.includes(vid))
      // The first and the last that still saw it: between the last and the break it went.
      for (const read of new Set([saw[0], saw.at(-1)])) if (read !== undefined) is('saw it', read.invokedAt)
      if (isShown) {
        const passed = before.filter(({ values }) => values.some((value) => supersession.isBefore(vid, value)))
        for (const read of passed.slice(-2)) is('had passed it', read.invokedAt)
      } else {
        const missed = readsThatMissed(vid, history, supersession).filter((read) => !roles.has(read.invokedAt))
        for (const read of missed.slice(0, readsToldMax)) is('missed it', read.invokedAt)
        leftOut += Math.max(0, missed.length - readsToldMax)
      }
    }
    const told = [...roles].flatMap(([at, why]) => this.#step(at, why) ?? [])
    const steps = [...told, ...this.#copiesInTheEnd(anomaly.key)].toSorted((a, b) => positionOf(a) - positionOf(b))
    return { anomaly, steps, graph: this.#graph(anomaly, shown, writes, supersession), leftOut }
  }

  /** Nothing is known but the moment. */
  #tellAround(anomaly: Anomaly): Story {
    const at = anomaly.at[0] ?? 0
    const before = this.#shown.filter((operation) => operation.at <= at).slice(-aroundEach)
    const after = this.#shown.filter((operation) => operation.at > at).slice(0, aroundEach)
    const steps: readonly Step[] = [...before, ...after].map((operation) => ({
      type: 'operation',
      roles: [operation.at === at ? 'breaks the promise' : 'around it'],
      operation,
    }))
    return { anomaly, steps, graph: [], leftOut: 0 }
  }

  #supersessionOf(key: string, history: KeyHistory): Supersession {
    let supersession = this.#supersessions.get(key)
    if (supersession === undefined) {
      supersession = new Supersession(history.writes)
      this.#supersessions.set(key, supersession)
    }
    return supersession
  }

  #step(at: number, roles: readonly Role[]): Step | undefined {
    const operation = this.#shownAt.get(at)
    if (operation !== undefined) return { type: 'operation', roles, operation }
    const copy = this.#copyAt(at)
    return copy === undefined ? undefined : { type: 'copy', roles, copy, nodes: [copy.node ?? ''] }
  }

  #copyAt(at: number): HistoryRecord | undefined {
    const record = this.#records[at]
    return record?.p === 'probe' ? record : undefined
  }

  /** What the nodes were found to have last; those that had the same are told of once. */
  #copiesInTheEnd(key: string): readonly Step[] {
    const last = [...new Map((this.#copies.get(key) ?? []).map((copy) => [copy.node, copy])).values()]
    const same = grouped(last, ({ vals = [], tomb }) => JSON.stringify([[...vals].sort(), tomb === true]))
    return [...same.values()].map((copies) => ({
      type: 'copy',
      roles: ['in the end'],
      copy: copies[0] as HistoryRecord,
      nodes: copies.map(({ node }) => node ?? ''),
    }))
  }

  /** The values concerned, what is shown, what the first had seen, and what leads from the one to the other. */
  #graph(
    { values }: Anomaly,
    shown: readonly string[],
    writes: readonly Operation[],
    supersession: Supersession,
  ): readonly GraphNode[] {
    const chosen = new Set([...values, ...shown])
    for (const vid of values) {
      const towards = writes.filter(
        (write) =>
          supersession.isBefore(vid, write.vid) &&
          shown.some((one) => one === write.vid || supersession.isBefore(write.vid, one)),
      )
      const direct = supersession.successors(vid).slice(0, graphSuccessorsMax)
      const seen = supersession.write(vid)?.context ?? []
      for (const one of [...towards.map((write) => write.vid), ...direct.map((write) => write.vid), ...seen]) {
        if (chosen.size < graphMax) chosen.add(one)
      }
    }
    const kept = [...chosen].slice(0, graphMax)
    const nodes = kept.map((vid) => ({ vid, write: supersession.write(vid) }))
    nodes.sort((a, b) => (a.write?.invokedAt ?? -1) - (b.write?.invokedAt ?? -1))
    return nodes.map(({ vid, write }) => {
      const past = kept.filter((one) => one !== vid && supersession.isBefore(one, vid))
      const nearest = past.filter((one) => !past.some((other) => supersession.isBefore(one, other)))
      const direct = write?.context.filter((one) => past.includes(one)) ?? []
      const seen = [...new Set([...nearest, ...direct.filter((one) => values.includes(one))])]
      return {
        vid,
        write,
        isConcerned: values.includes(vid),
        isShown: shown.includes(vid),
        seen: seen.map((one) => ({ vid: one, isDirect: direct.includes(one) })),
      }
    })
  }
}

function positionOf(step: Step): number {
  return step.type === 'operation' ? step.operation.at : step.copy.i
}

function keyHistory(operations: readonly Operation[]): KeyHistory {
  return {
    writes: operations.filter(({ vid }) => vid !== ''),
    reads: operations.filter(({ vid }) => vid === ''),
  }
}

/** Reads that began after the write was acknowledged, and show neither it nor anything that had seen it. */
function readsThatMissed(vid: string, history: KeyHistory, supersession: Supersession): readonly Operation[] {
  const write = supersession.write(vid)
  if (write === undefined || write.outcome !== 'ok') return []
  const later = supersession.allLater(vid)
  // Deletes and expired values cannot be seen, and may cover it.
  const unseen = [write, ...history.writes.filter((one) => later.has(one.vid))].filter(
    (one) => one.outcome !== 'fail' && (one.type === 'delete' || one.ttlSeconds !== undefined),
  )
  return history.reads.filter(
    (read) =>
      read.outcome === 'ok' &&
      read.invokedAt > write.endedAt &&
      !read.values.some((value) => value === vid || later.has(value)) &&
      !unseen.some(
        (one) => one.invokedAt <= read.endedAt && (one.type === 'delete' || mayHaveExpired(one, read.endedNs)),
      ),
  )
}
