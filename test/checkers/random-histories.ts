import type { Random } from '../../lib/vocabulary/random.ts'
import { History, type HistoryRecord } from './history.ts'

/**
 * A small history of 2 to 9 operations in which anything may have gone wrong, and copies at two owners after it. A step
 * takes 4 s, so that what expires may be seen before, about and after its time.
 */
export function drawHistory(random: Random): readonly HistoryRecord[] {
  const history = new History()
  let nowNs = 0
  const tick = (): number => {
    nowNs += 4_000_000_000
    return nowNs
  }
  const keys = ['k1', 'k1', 'k1', 'k2']
  const written: { vid: string; key: string }[] = []
  const count = 2 + random.below(8)
  const open: { p: number; f: string; k: string; vid: string | undefined }[] = []
  for (let p = 0; p < count; p += 1) {
    const k = pick(random, keys)
    const f = pick(random, ['put', 'put', 'put', 'delete', 'get', 'get'])
    const vid = f === 'get' ? undefined : `v${p}`
    const isBlind = random.below(3) === 0
    // Mostly values of this key, now and then of another or of nobody.
    const own = written.filter((one) => one.key === k || random.below(8) === 0).map((one) => one.vid)
    const ctx = isBlind || f === 'get' ? [] : own.filter(() => random.below(2) === 0)
    history.add({
      t: 'invoke',
      p,
      s: `s${random.below(2)}`,
      f,
      k,
      vid,
      ctx: f === 'get' ? undefined : ctx,
      ctxDots: f === 'get' ? undefined : ctx.filter(() => random.below(6) === 0),
      ctxTok: f === 'get' || isBlind ? undefined : 'token',
      final: f === 'get' && random.below(2) === 0 ? true : undefined,
      rid: f !== 'get' && random.below(4) === 0 ? vid : undefined,
      ses: random.below(3) > 0 ? true : undefined,
      ttl: f === 'put' && random.below(5) === 0 ? 1 : undefined,
      ns: tick(),
    })
    if (vid !== undefined) written.push({ vid, key: k })
    open.push({ p, f, k, vid })
    while (open.length > 0 && random.below(4) > 0) end(open.splice(random.below(open.length), 1)[0])
  }
  for (const one of open) end(one)
  for (const k of ['k1', 'k2']) for (const node of ['ada', 'bob']) look(k, node)
  return history.records

  function look(k: string, node: string): void {
    const vals = written.filter(({ key }) => random.below(key === k ? 3 : 20) === 0).map(({ vid }) => vid)
    const isThere = vals.length > 0 || random.below(3) === 0
    const state = isThere ? pick(random, ['s1', 's1', 's2']) : undefined
    const tomb = isThere && vals.length === 0
    const hlc = random.below(8)
    const marked = random.below(5) === 0 ? true : undefined
    history.add({ t: 'ok', p: 'probe', f: 'replica-get', k, node, vals, state, tomb, hlc, marked, ns: tick() })
  }

  function end(one: { p: number; f: string; k: string; vid: string | undefined } | undefined): void {
    if (one === undefined) return
    const t = pick(random, ['ok', 'ok', 'ok', 'ok', 'info', 'fail'] as const)
    const vals: string[] = []
    if (one.f === 'get' && t === 'ok') {
      for (const { vid, key } of written) {
        if (random.below(key === one.k ? 2 : 12) === 0) vals.push(vid)
        if (random.below(16) === 0) vals.push(vid)
      }
      if (random.below(20) === 0) vals.push('v-of-nobody')
    }
    const hlc = t === 'ok' ? random.below(8) : undefined
    const read = one.f === 'get' ? vals : undefined
    const tries = 1 + random.below(2)
    history.add({ t, p: one.p, f: one.f, k: one.k, vid: one.vid, vals: read, hlc, tries, ns: tick() })
  }
}

/**
 * A history of the obviously right store: one place, one thing at a time, and for each key the values nobody has
 * superseded. Ends with final reads of every key.
 */
export function drawHealthyHistory(random: Random, operations: number): readonly HistoryRecord[] {
  const history = new History()
  const keys = ['k1', 'k2', 'k3']
  const store = new Map<string, { siblings: Set<string>; seen: Set<string> }>(
    keys.map((key) => [key, { siblings: new Set(), seen: new Set() }]),
  )
  const processes = [0, 1, 2, 3].map((p) => ({ p, session: `s${p}`, tokens: new Map<string, Token>() }))
  let writes = 0
  for (let step = 0; step < operations; step += 1) {
    const process = pick(random, processes)
    const k = pick(random, keys)
    const state = store.get(k) as { siblings: Set<string>; seen: Set<string> }
    if (random.below(3) === 0) {
      process.tokens.set(k, read(process.p, process.session, k, state, false))
      continue
    }
    const f = random.below(5) === 0 ? 'delete' : 'put'
    const vid = `v${writes}`
    writes += 1
    const token = random.below(4) === 0 ? undefined : process.tokens.get(k)
    const ctx = token?.values ?? []
    const base = { p: process.p, s: process.session, f, k, vid, ns: step }
    const rid = random.below(3) === 0 ? vid : undefined
    const ctxTok = token === undefined ? undefined : 'token'
    history.add({ ...base, t: 'invoke', ctx, ctxTok, rid, ses: true })
    const outcome = pick(random, ['ok', 'ok', 'ok', 'ok', 'ok', 'info', 'fail'] as const)
    if (outcome === 'ok' || (outcome === 'info' && random.below(2) === 0)) {
      for (const seen of token?.covered ?? []) state.siblings.delete(seen)
      for (const seen of token?.covered ?? []) state.seen.add(seen)
      state.seen.add(vid)
      if (f === 'put') state.siblings.add(vid)
    }
    history.add({ ...base, t: outcome, hlc: outcome === 'ok' ? writes : undefined })
    if (outcome === 'ok') {
      process.tokens.set(k, { values: [vid], covered: new Set([...(token?.covered ?? []), vid]) })
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
      history.add({ t: 'ok', p: 'probe', f: 'replica-get', k, node, vals: [...siblings], state, tomb, ns: operations })
    }
  }
  for (const [k, state] of store) read(1_000_000, 'final', k, state, true)
  return history.records

  function read(
    p: number,
    s: string,
    k: string,
    state: { siblings: Set<string>; seen: Set<string> },
    isFinal: boolean,
  ): Token {
    const final = isFinal ? true : undefined
    history.add({ t: 'invoke', p, s, f: 'get', k, final, ses: isFinal ? undefined : true, ns: 0 })
    history.add({ t: 'ok', p, s, f: 'get', k, vals: [...state.siblings], tok: 'token', ns: 0 })
    return { values: [...state.siblings], covered: new Set(state.seen) }
  }
}

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

/** A small history of 3 to 8 operations on registers, each read showing one value of those that were begun, or none. */
export function drawRegisterHistory(random: Random, hasDeletes: boolean): readonly HistoryRecord[] {
  const history = new History()
  const begun: { vid: string; k: string }[] = []
  const open: { p: number; f: string; k: string; vid: string | undefined }[] = []
  const count = 3 + random.below(6)
  for (let p = 0; p < count; p += 1) {
    const k = random.below(10) === 0 ? 'k2' : 'k1'
    const f = pick(random, ['put', hasDeletes ? 'delete' : 'put', 'get', 'get', 'get'])
    const vid = f === 'get' ? undefined : `v${p}`
    history.add({ t: 'invoke', p, f, k, vid, ns: p })
    if (f === 'put') begun.push({ vid: `v${p}`, k })
    open.push({ p, f, k, vid })
    while (open.length > 0 && random.below(2) === 0) end(open.splice(random.below(open.length), 1)[0])
  }
  while (open.length > 0) end(open.splice(random.below(open.length), 1)[0])
  return history.records

  function end(one: { p: number; f: string; k: string; vid: string | undefined } | undefined): void {
    if (one === undefined) return
    const t = pick(random, ['ok', 'ok', 'ok', 'ok', 'ok', 'ok', 'info', 'fail'] as const)
    const choices = begun.filter(({ k }) => k === one.k || random.below(20) === 0).map(({ vid }) => vid)
    const isEmpty = choices.length === 0 || random.below(6) === 0
    const vals = isEmpty ? [] : [pick(random, choices)]
    if (random.below(40) === 0) vals.push('v-of-nobody')
    history.add({ ...one, t, vals: one.f === 'get' && t === 'ok' ? vals : undefined, ns: count })
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

/** What a client holds: the values it knows it saw, and all that the store knows it covers. */
interface Token {
  readonly values: readonly string[]
  readonly covered: ReadonlySet<string>
}

function pick<Value>(random: Random, values: readonly Value[]): Value {
  return values[random.below(values.length)] as Value
}
