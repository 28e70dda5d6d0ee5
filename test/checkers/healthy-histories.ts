import { emptyContext } from '../../lib/protocol/causality/context.ts'
import type { VersionVector } from '../../lib/protocol/causality/dot.ts'
import type { CausalContext } from '../../lib/protocol/causality/record.ts'
import type { Random } from '../../lib/vocabulary/random.ts'
import { type ClusterState, History, type HistoryRecord, healing, type NodeProbe } from './history.ts'
import { drawClusterState, tokenOf } from './random-histories.ts'

/**
 * A history of the obviously right store: one place, one thing at a time, and for each key the values nobody has
 * superseded. Ends with final reads of every key.
 */
export function drawHealthyHistory(random: Random, operations: number): readonly HistoryRecord[] {
  const history = new History()
  const keys = ['k1', 'k2', 'k3']
  const store = new Map<string, State>(keys.map((key) => [key, { siblings: new Set(), seen: new Set(), vv: [] }]))
  const processes = [0, 1, 2, 3].map((p) => ({ p, session: `s${p}`, tokens: new Map<string, Token>() }))
  let writes = 0
  for (let step = 0; step < operations; step += 1) {
    const process = pick(random, processes)
    const k = pick(random, keys)
    const state = store.get(k) as State
    if (random.below(3) === 0) {
      process.tokens.set(k, read(process.p, process.session, k, state, false))
      continue
    }
    const f = random.below(5) === 0 ? 'delete' : 'put'
    const vid = `v${writes}`
    writes += 1
    const token = random.below(4) === 0 ? undefined : process.tokens.get(k)
    const ctx = token?.values ?? []
    const base = { p: process.p, s: process.session, f, k, vid, ns: history.records.length }
    const rid = random.below(3) === 0 ? vid : undefined
    const sent = token?.context ?? emptyContext
    const ctxTok = token === undefined ? undefined : tokenOf(sent)
    history.add({ ...base, t: 'invoke', ctx, ctxTok, rid, ses: true })
    const outcome = pick(random, ['ok', 'ok', 'ok', 'ok', 'ok', 'info', 'fail'] as const)
    if (outcome === 'ok' || (outcome === 'info' && random.below(2) === 0)) {
      for (const seen of token?.covered ?? []) state.siblings.delete(seen)
      for (const seen of token?.covered ?? []) state.seen.add(seen)
      state.seen.add(vid)
      if (f === 'put') state.siblings.add(vid)
      state.vv = [{ ...actor, counter: writes }]
    }
    // What is alone is the whole state: no value is covered that was not shown.
    const isAlone = state.siblings.size === (f === 'put' ? 1 : 0)
    const dots = [...sent.dots, { ...actor, counter: writes }]
    const context = isAlone ? { ...emptyContext, vv: state.vv } : { ...sent, dots }
    const retTok = outcome === 'ok' ? tokenOf(context) : undefined
    history.add({ ...base, t: outcome, retTok, hlc: outcome === 'ok' ? writes : undefined })
    if (outcome === 'ok') {
      const covered = isAlone ? new Set(state.seen) : new Set([...(token?.covered ?? []), vid])
      process.tokens.set(k, { values: [vid], covered, context })
    } else if (outcome === 'info') {
      // As a real client: another process goes on, with nothing in hand.
      process.p += processes.length
      process.tokens.clear()
    }
  }
  for (const [k, { siblings, seen }] of store) {
    for (const node of ['ada', 'bob', 'cyd']) {
      const state = seen.size === 0 ? undefined : [...siblings].join()
      const tomb = seen.size > 0 && siblings.size === 0
      history.add({
        t: 'ok',
        p: 'probe',
        f: 'replica-get',
        k,
        node,
        vals: [...siblings],
        state,
        tomb,
        ns: history.records.length,
      })
    }
  }
  for (const [k, state] of store) read(1_000_000, 'final', k, state, true)
  return history.records

  function read(p: number, s: string, k: string, state: State, isFinal: boolean): Token {
    const final = isFinal ? true : undefined
    const ns = history.records.length
    const context = { ...emptyContext, vv: state.vv }
    history.add({ t: 'invoke', p, s, f: 'get', k, final, ses: isFinal ? undefined : true, ns })
    history.add({ t: 'ok', p, s, f: 'get', k, vals: [...state.siblings], tok: tokenOf(context), ns })
    return { values: [...state.siblings], covered: new Set(state.seen), context }
  }
}

/** Writers of one key that each go on from their own last answer, and one who reads: never more siblings than writers. */
export function drawChainHistory(random: Random, writers: number): readonly HistoryRecord[] {
  const history = new History()
  const last = new Map<number, string>()
  for (let step = 0; step < 40; step += 1) {
    const ns = step
    if (random.below(3) === 0) {
      history.add({ t: 'invoke', p: 9, f: 'get', k: 'k1', ns })
      history.add({ t: 'ok', p: 9, f: 'get', k: 'k1', vals: [...last.values()], ns })
      continue
    }
    const p = random.below(writers)
    const vid = `v${step}`
    const before = last.get(p)
    const sent = before === undefined ? { ctx: [] } : { ctx: [before], ctxTok: 'token' }
    history.add({ t: 'invoke', p, f: 'put', k: 'k1', vid, ...sent, ns })
    history.add({ t: 'ok', p, f: 'put', k: 'k1', vid, ns })
    last.set(p, vid)
  }
  return history.records
}

/**
 * Many writes to each key and as many reads, by eight clients whose operations overlap, with deletes now and then, and
 * three copies of each key in the end. As registers: one value at a time, and a clock.
 */
export function drawLargeHistory(
  random: Random,
  keys: number,
  writesPerKey: number,
  areRegisters: boolean,
): readonly HistoryRecord[] {
  const history = new History()
  const siblings = Array.from({ length: keys }, () => new Set<string>())
  const clients = Array.from({ length: 8 }, (_, p) => ({ p, seen: new Map<number, readonly string[]>() }))
  const open: (() => void)[] = []
  for (let write = 0; write < keys * writesPerKey; write += 1) {
    const number = write % keys
    const { p, seen } = clients[write % clients.length] as (typeof clients)[number]
    const base = { p, s: `s${p}`, k: `k${number}`, node: 'ada', ses: true } as const
    const held = siblings[number] as Set<string>
    open[p]?.()
    const shown = [...held]
    history.add({ ...base, t: 'invoke', f: 'get', ns: history.records.length })
    history.add({ ...base, t: 'ok', f: 'get', vals: shown, hlc: write, ns: history.records.length })
    // Two clients in a row go on from the same values.
    const ctx = random.below(4) === 0 ? (seen.get(number) ?? []) : shown
    seen.set(number, shown)
    const f = !areRegisters && random.below(20) === 0 ? 'delete' : 'put'
    const vid = `v${write}`
    history.add({ ...base, t: 'invoke', f, vid, ctx, ctxTok: 'token', ns: history.records.length })
    if (areRegisters) held.clear()
    for (const one of ctx) held.delete(one)
    if (f === 'put') held.add(vid)
    open[p] = () => {
      history.add({ ...base, t: 'ok', f, vid, hlc: write + 1, ns: history.records.length })
      delete open[p]
    }
  }
  for (const end of open) end?.()
  history.add({ t: 'info', p: 'nemesis', f: healing, ns: history.records.length })
  for (const [number, held] of siblings.entries()) {
    const vals = [...held]
    for (const node of ['ada', 'bob', 'cyd']) {
      const ns = history.records.length
      history.add({ t: 'ok', p: 'probe', f: 'replica-get', k: `k${number}`, node, vals, state: vals.join(), ns })
    }
    const base = { p: 99, s: 'final', f: 'get', k: `k${number}` } as const
    history.add({ ...base, t: 'invoke', final: true, ns: history.records.length })
    history.add({ ...base, t: 'ok', vals, hlc: keys * writesPerKey, ns: history.records.length })
  }
  return history.records
}

/** What the store has of a key. */
interface State {
  readonly siblings: Set<string>
  readonly seen: Set<string>
  vv: VersionVector
}

const actor = { shortId: 1, generation: 1, born: 1 }

/** The same for a last-write-wins bucket: the write with the latest clock is what there is, and some expire in time. */
export function drawHealthyLastWriteWinsHistory(random: Random, operations: number): readonly HistoryRecord[] {
  const history = new History()
  const keys = ['k1', 'k2']
  const store = new Map<string, { vid: string | undefined; hlc: number; expiresNs: number }>()
  let nowNs = 0
  for (let step = 1; step <= operations; step += 1) {
    nowNs += 5_000_000_000
    const p = random.below(4)
    const k = pick(random, keys)
    const base = { p, s: `s${p}`, k, ses: true as const }
    if (random.below(3) === 0) {
      read(base, false)
      continue
    }
    const f = random.below(5) === 0 ? 'delete' : 'put'
    const vid = `v${step}`
    const ttl = f === 'put' && random.below(4) === 0 ? 15 : undefined
    const outcome = pick(random, ['ok', 'ok', 'ok', 'info', 'fail'] as const)
    // Mostly later than anything before it; a slow clock's write is lost, as it must be.
    const hlc = random.below(6) === 0 ? step * 10 - 35 : step * 10
    history.add({ ...base, t: 'invoke', f, vid, ttl, ns: nowNs })
    const isStored = outcome === 'ok' || (outcome === 'info' && random.below(2) === 0)
    if (isStored && hlc > (store.get(k)?.hlc ?? 0)) {
      const expiresNs = ttl === undefined ? Number.POSITIVE_INFINITY : nowNs + ttl * 1e9
      store.set(k, { vid: f === 'put' ? vid : undefined, hlc, expiresNs })
    }
    history.add({ ...base, t: outcome, f, vid, hlc: outcome === 'ok' ? hlc : undefined, ns: nowNs })
  }
  for (const k of keys) read({ p: 9, s: 'final', k, ses: undefined }, true)
  return history.records

  function read(base: { p: number; s: string; k: string; ses: true | undefined }, isFinal: boolean): void {
    const entry = store.get(base.k)
    const isShown = entry?.vid !== undefined && entry.expiresNs > nowNs
    const vals = isShown ? [entry.vid as string] : []
    history.add({ ...base, t: 'invoke', f: 'get', final: isFinal ? true : undefined, ns: nowNs })
    history.add({ ...base, t: 'ok', f: 'get', vals, hlc: entry?.hlc ?? 0, ns: nowNs })
  }
}

/** Registers as they should be: every operation takes effect at one moment between its beginning and its end. */
export function drawHealthyRegisterHistory(random: Random, operations: number): readonly HistoryRecord[] {
  const history = new History()
  const held = new Map<string, string>()
  const clients = [0, 1, 2, 3].map((p) => ({ p, step: 'idle' as 'idle' | 'begun' | 'done', f: '', k: '', vid: '' }))
  const shown = new Map<number, readonly string[]>()
  for (let begun = 0, ns = 0; begun < operations || clients.some(({ step }) => step !== 'idle'); ns += 1) {
    const client = pick(random, clients)
    const { p, f, k, vid } = client
    if (client.step === 'idle') {
      if (begun === operations) continue
      const next = { f: pick(random, ['put', 'get', 'get']), k: pick(random, ['k1', 'k2']), vid: `v${begun}` }
      Object.assign(client, next, { step: 'begun' })
      history.add({ t: 'invoke', p, f: next.f, k: next.k, vid: next.f === 'put' ? next.vid : undefined, ns })
      begun += 1
    } else if (client.step === 'begun') {
      if (f === 'put') held.set(k, vid)
      else shown.set(p, held.has(k) ? [held.get(k) as string] : [])
      client.step = 'done'
    } else {
      const t = random.below(12) === 0 ? 'info' : 'ok'
      const vals = f === 'get' && t === 'ok' ? shown.get(p) : undefined
      history.add({ t, p, f, k, vid: f === 'put' ? vid : undefined, vals, ns })
      client.step = 'idle'
      if (t === 'info') client.p += clients.length
    }
  }
  for (const k of ['k1', 'k2']) {
    const vals = held.has(k) ? [held.get(k) as string] : []
    history.add({ t: 'invoke', p: 1_000_000, f: 'get', k, final: true, ns: operations * 10 })
    history.add({ t: 'ok', p: 1_000_000, f: 'get', k, vals, ns: operations * 10 })
  }
  return history.records
}

/**
 * A cluster of three in which nothing goes wrong: whoever has enough owners in reach answers, the others refuse at once;
 * after the healing every copy has everything, and nobody has anything left to do. A step takes a second.
 */
export function drawHealthyClusterHistory(random: Random, operations: number): readonly HistoryRecord[] {
  const history = new History()
  const keys = ['k1', 'k2']
  const stored = new Map<string, string[]>(keys.map((key) => [key, []]))
  const healthy: ClusterState = { down: [], cuts: [] }
  let cluster = healthy
  let calmSteps = 10
  for (let step = 0; step < operations; step += 1) {
    const ns = step * 1_000_000_000
    if (random.below(10) === 0) {
      cluster = random.below(3) === 0 ? healthy : drawClusterState(random)
      history.add({ t: 'info', p: 'nemesis', f: 'fault', cluster, ns })
      calmSteps = 0
    }
    calmSteps += 1
    const node = pick(random, ['ada', 'bob', 'cyd'])
    const k = pick(random, keys)
    const p = step
    const vid = `v${step}`
    const isUp = !cluster.down.includes(node)
    const reached = ['ada', 'bob', 'cyd'].filter((other) => other === node || isLinked(cluster, node, other)).length
    history.add({ t: 'invoke', p, f: 'put', k, vid, node, ns })
    // Before a change is noticed, anything may be answered.
    const isLate = calmSteps < 3 && random.below(3) === 0
    if (isUp && reached >= 2 && !isLate) {
      stored.get(k)?.push(vid)
      history.add({ t: 'ok', p, f: 'put', k, vid, ns: ns + 1_000_000 })
    } else {
      const error = isUp ? 'quorum-unavailable' : 'unreachable'
      history.add({ t: isLate ? 'info' : 'fail', p, f: 'put', k, vid, error, ns: ns + 2_000_000 })
    }
  }
  const healedNs = operations * 1_000_000_000
  history.add({ t: 'info', p: 'nemesis', f: 'heal', cluster: healthy, ns: healedNs })
  for (const round of [1, 2, 3]) {
    for (const node of ['ada', 'bob', 'cyd']) {
      const ns = healedNs + round * 20_000_000_000
      const v: NodeProbe = { hints: 0, hintsFor: {}, repairs: 17, epoch: 3, strays: 0, roots: { 1: 'r1', 2: 'r2' } }
      history.add({ t: 'ok', p: 'probe', f: 'node', node, v, ns })
      for (const k of keys) {
        const vals = stored.get(k) ?? []
        history.add({ t: 'ok', p: 'probe', f: 'replica-get', k, node, vals: [...vals], state: vals.join(), ns })
      }
    }
  }
  return history.records
}

function isLinked({ down, cuts }: ClusterState, from: string, to: string): boolean {
  return !down.includes(to) && !cuts.some((cut) => cut.includes(from) && cut.includes(to))
}

/** What a client holds: the values it knows it saw, and all that the store knows it covers. */
interface Token {
  readonly values: readonly string[]
  readonly covered: ReadonlySet<string>
  readonly context: CausalContext
}

function pick<Value>(random: Random, values: readonly Value[]): Value {
  return values[random.below(values.length)] as Value
}
