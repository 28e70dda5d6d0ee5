import { contextAfterWrite, contextOfGet, emptyContext, unknownDots } from '../../../lib/protocol/causality/context.ts'
import { deleteRecord, isDeleteOfNothing } from '../../../lib/protocol/causality/delete.ts'
import { findDone, mayHaveForgotten } from '../../../lib/protocol/causality/done.ts'
import type { Dot, VersionVector } from '../../../lib/protocol/causality/dot.ts'
import { emptyRecord, recordHlc, visibleSiblings } from '../../../lib/protocol/causality/inspect-record.ts'
import { mergeRecords } from '../../../lib/protocol/causality/merge.ts'
import { type Mint, mintAsAfterMerge, mintDot } from '../../../lib/protocol/causality/mint.ts'
import { type Content, putRecord } from '../../../lib/protocol/causality/put.ts'
import type { CausalContext, KeyRecord, StoredRecord } from '../../../lib/protocol/causality/record.ts'
import { madeByClient, markOf, type RequestMark } from '../../../lib/protocol/causality/request-mark.ts'
import { withDot } from '../../../lib/protocol/causality/version-vector.ts'
import { type Hlc, hlcMax } from '../../../lib/protocol/clock/hlc.ts'
import type { Random } from '../../../lib/vocabulary/random.ts'

/** The rules as they are, and for each one what it replaced or forbids. */
export interface Rules {
  /** A2. `per-node`: one actor for a node and generation. `resumed`: a copy that came by merge goes on as it was. */
  readonly actor: 'per-copy' | 'per-node' | 'resumed'
  /** A3, A4. What a store that went back in time does with its generation. */
  readonly restore: 'rolls' | 'keeps'
  /** A7. What a coordinator sends the others. */
  readonly replication: 'whole-state' | 'write-alone'
  /** A8. What the answer of a write claims. */
  readonly answer: 'seen-and-dot' | 'whole-state' | 'seen-only'
  /** A8. How a coordinator reads a dot in a context. */
  readonly dots: 'exact' | 'as-entries'
  /** I1. Whether a write carries the id of its request; `brief`: one that its client made, remembered as long as there is room. */
  readonly requests: 'marked' | 'brief' | 'unmarked'
}

export const theRules: Rules = {
  actor: 'per-copy',
  restore: 'rolls',
  replication: 'whole-state',
  answer: 'seen-and-dot',
  dots: 'exact',
  requests: 'marked',
}

/** One owner's copy of the one key, and what its store needs for minting. */
export interface Replica {
  readonly shortId: number
  generation: number
  counter: number
  stored: StoredRecord | undefined
}

/** What a client holds: its token, and which writes it was shown (known to the test, never to the database). */
export interface Client {
  context: CausalContext
  seen: ReadonlySet<number>
}

/**
 * Three owners of one key, the real functions, and an oracle beside them that knows which write was based on which.
 * The clock counts events: one clock for all, so that only causality is at stake.
 */
export class ReplicaModel {
  readonly replicas: Replica[]
  readonly inFlight: { readonly to: Replica; readonly record: KeyRecord }[] = []
  readonly #rules: Rules
  readonly #mode: KeyRecord['mode']
  /** For each write, by its number, all the writes it supersedes. */
  readonly #past: ReadonlySet<number>[] = []
  readonly #deletes = new Set<number>()
  #clock = 0

  constructor(rules: Rules = theRules, mode: KeyRecord['mode'] = 'siblings') {
    this.#rules = rules
    this.#mode = mode
    this.replicas = [1, 2, 3].map((shortId) => ({ shortId, generation: shortId * 100, counter: 0, stored: undefined }))
  }

  get writes(): number {
    return this.#past.length
  }

  /** Writes a new value, or deletes, at one owner; the others are told through `inFlight`. */
  write(client: Client, at: Replica, what: 'put' | 'delete' = 'put'): void {
    const { context, seen } = client
    if (what === 'delete' && isDeleteOfNothing(at.stored, context)) return
    const id = this.#past.length
    this.#past.push(this.#closure(seen))
    if (what === 'delete') this.#deletes.add(id)
    const answer = this.#carryOut(id, context, at, what)
    client.context = answer
    client.seen = new Set([id])
  }

  /** A put that its client sends again through another owner, because the first answer was lost. */
  writeTwice(client: Client, first: Replica, second: Replica): void {
    const { context, seen } = client
    const id = this.#past.length
    this.#past.push(this.#closure(seen))
    const since = this.#clock as Hlc
    this.#carryOut(id, context, first, 'put')
    if (this.#rules.requests === 'brief') {
      // Who knows that it is a retry reads a quorum first: here always without the owner that was tried first.
      this.receive(second, this.merged(this.replicas.filter((replica) => replica !== first)))
      const { done } = second.stored?.record ?? emptyRecord(this.#mode)
      if (findDone(done, `${madeByClient}request-${id}`) === undefined && mayHaveForgotten(done, since)) return
    }
    client.context = this.#carryOut(id, context, second, 'put', false)
    client.seen = new Set([id])
  }

  read(client: Client, ...from: readonly Replica[]): void {
    const record = this.merged(from)
    client.context = contextOfGet(record)
    client.seen = new Set(valuesOf(record))
  }

  deliver(index: number): void {
    const [message] = this.inFlight.splice(index, 1)
    if (message !== undefined) this.receive(message.to, message.record)
  }

  receive(replica: Replica, record: KeyRecord): void {
    const before = replica.stored
    if (before === undefined) {
      replica.stored = { record, mintAs: undefined }
      return
    }
    const merged = mergeRecords(before.record, record)
    if (merged === before.record) return
    replica.stored = { record: merged, mintAs: mintAsAfterMerge(before, merged, replica.generation) }
  }

  /** The copy is lost (a partition given up and regained, a record in quarantine), and nothing else. */
  lose(replica: Replica): void {
    if (this.#isHeldByOthers(replica)) replica.stored = undefined
  }

  /** The whole store goes back to what it was. */
  restore(replica: Replica, snapshot: Replica): void {
    if (!this.#isHeldByOthers(replica)) return
    replica.stored = snapshot.stored
    replica.counter = snapshot.counter
    if (this.#rules.restore === 'rolls') replica.generation += 1
  }

  merged(replicas: readonly Replica[] = this.replicas): KeyRecord {
    return replicas.reduce(
      (merged, { stored }) => (stored === undefined ? merged : mergeRecords(merged, stored.record)),
      emptyRecord(this.#mode),
    )
  }

  /** Everything arrives everywhere. Returns the state that all then hold. */
  settle(): KeyRecord {
    while (this.inFlight.length > 0) this.deliver(0)
    for (const to of this.replicas) {
      for (const from of this.replicas) if (from.stored !== undefined) this.receive(to, from.stored.record)
    }
    for (const to of this.replicas) this.receive(to, this.merged())
    return this.merged()
  }

  /** Writes that vanished: neither there nor superseded by something that is. */
  lost(settled: KeyRecord): readonly number[] {
    const known = new Set([...valuesOf(settled), ...this.#deletes])
    const covered = this.#closure(known)
    return this.#past.map((_, id) => id).filter((id) => !covered.has(id))
  }

  /** Values shown beside one that was based on them. */
  falseSiblings(record: KeyRecord): readonly number[] {
    const values = valuesOf(record)
    return values.filter((value) => values.some((other) => this.#past[other]?.has(value)))
  }

  #carryOut(id: number, given: CausalContext, at: Replica, what: 'put' | 'delete', isFirst = true): CausalContext {
    const context =
      this.#rules.dots === 'exact' ? given : { ...given, vv: given.dots.reduce(withDot, given.vv), dots: [] }
    if (unknownDots(context, at.stored?.record).length > 0) this.receive(at, this.merged())
    const mark = this.#markOf(id, isFirst)
    const done =
      mark === undefined || at.stored === undefined ? undefined : findDone(at.stored.record.done, mark.requestId)
    if (done !== undefined && at.stored !== undefined) return contextAfterWrite(context, done.dot, at.stored.record)
    const mint = this.#mint(at, context.vv)
    const written =
      what === 'put'
        ? putRecord(at.stored, context, mint, this.#mode, contentOf(id), mark)
        : deleteRecord(at.stored, context, mint, this.#mode, mark)
    if (written === undefined) throw new Error('there was something to delete')
    at.stored = written
    const sent = this.#rules.replication === 'whole-state' ? written.record : writeAlone(written.record, mint, context)
    for (const to of this.replicas) if (to !== at) this.inFlight.push({ to, record: sent })
    switch (this.#rules.answer) {
      case 'whole-state':
        return contextOfGet(written.record)
      case 'seen-only':
        return context
      case 'seen-and-dot':
        return contextAfterWrite(context, mint.dot, written.record)
    }
  }

  #markOf(id: number, isFirst: boolean): RequestMark | undefined {
    switch (this.#rules.requests) {
      case 'marked':
        return markOf(`request-${id}`, id + 1, isFirst)
      case 'brief':
        return markOf(`${madeByClient}request-${id}`, id + 1, isFirst)
      case 'unmarked':
        return undefined
    }
  }

  #mint(at: Replica, seen: VersionVector): Mint {
    at.counter += 1
    this.#clock += 1
    const hlc = hlcMax(this.#clock as Hlc, (recordHlc(at.stored?.record ?? emptyRecord(this.#mode)) + 1) as Hlc)
    const { shortId, generation, counter } = at
    if (this.#rules.actor === 'per-node') return { dot: { shortId, generation, born: 1, counter }, mintAs: 1, hlc }
    if (this.#rules.actor === 'resumed') {
      const own = at.stored?.record.vv.findLast((dot) => dot.shortId === shortId && dot.generation === generation)
      if (own !== undefined) return { dot: { ...own, counter }, mintAs: own.born, hlc }
    }
    return { ...mintDot(at.stored, seen, { shortId, generation }, counter), hlc }
  }

  #closure(writes: ReadonlySet<number>): Set<number> {
    const all = new Set(writes)
    for (const id of writes) for (const earlier of this.#past[id] ?? []) all.add(earlier)
    return all
  }

  /** Nothing may be lost by bad luck alone: a copy goes only when the others have all that it has. */
  #isHeldByOthers(replica: Replica): boolean {
    const others = this.merged(this.replicas.filter((other) => other !== replica))
    return replica.stored === undefined || mergeRecords(others, replica.stored.record) === others
  }
}

/** Lets chance play with a model; returns it with the clients. */
export function playHistory(
  random: Random,
  model: ReplicaModel,
  options: {
    readonly steps: number
    /** Lost copies and restored stores. */
    readonly disasters: boolean
    readonly retries: boolean
    readonly onStep?: () => void
  },
): void {
  const clients = [1, 2, 3].map((): Client => ({ context: emptyContext, seen: new Set() }))
  const snapshots: { readonly of: Replica; readonly was: Replica }[] = []
  for (let step = 0; step < options.steps; step += 1) {
    const client = pick(random, clients)
    const replica = pick(random, model.replicas)
    const other = pick(random, model.replicas)
    switch (random.below(options.disasters ? 12 : 9)) {
      case 0:
      case 1:
        model.write(client, replica)
        break
      case 2:
        model.write(client, replica, 'delete')
        break
      case 3:
        if (options.retries && other !== replica) model.writeTwice(client, replica, other)
        break
      case 4:
        model.read(client, replica, other)
        break
      case 5:
        client.context = emptyContext
        client.seen = new Set()
        break
      case 6:
      case 7:
        if (model.inFlight.length > 0) model.deliver(random.below(model.inFlight.length))
        break
      case 8:
        if (model.inFlight.length > 0) model.inFlight.splice(random.below(model.inFlight.length), 1)
        snapshots.push({ of: replica, was: { ...replica } })
        break
      case 9:
        model.lose(replica)
        break
      case 10: {
        const snapshot = snapshots.findLast(({ of }) => of === replica)
        if (snapshot !== undefined) model.restore(replica, snapshot.was)
        break
      }
      default:
        if (other.stored !== undefined) model.receive(replica, other.stored.record)
    }
    options.onStep?.()
  }
}

/** The numbers of the writes whose values a reader is shown. */
export function valuesOf(record: KeyRecord): readonly number[] {
  return visibleSiblings(record, 0).map(({ checksum }) => checksum)
}

export function pick<Item>(random: Random, items: readonly Item[]): Item {
  return items[random.below(items.length)] as Item
}

/** A small generator with a seed (mulberry32). */
export function randomOf(seed: number): Random {
  let state = seed >>> 0
  function uint32(): number {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
  return {
    uint32,
    fraction: () => uint32() / 4294967296,
    below: (below) => Math.floor((uint32() / 4294967296) * below),
  }
}

/** The checksum stands for the value: it is the number of the write. */
export function contentOf(id: number): Content {
  return { value: new Uint8Array(0), contentType: '', metadata: [], expiresAtMs: undefined, checksum: id }
}

function writeAlone(record: KeyRecord, mint: Mint, context: CausalContext): KeyRecord {
  const isNew = ({ dot }: { readonly dot: Dot }): boolean => dot === mint.dot
  return { ...record, vv: withDot(context.vv, mint.dot), siblings: record.siblings.filter(isNew) }
}
