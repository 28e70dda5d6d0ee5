import type { CausalContext } from '../../lib/protocol/causality/record.ts'
import { hlcZero } from '../../lib/protocol/clock/hlc.ts'
import type { Random } from '../../lib/vocabulary/random.ts'
import { type ClusterState, History, type HistoryRecord, type NodeProbe } from './history.ts'

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
      ctxTok: f === 'get' || isBlind ? undefined : tokenOf(drawContext(random)),
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
    const token = t === 'ok' && random.below(8) > 0 ? tokenOf(drawContext(random)) : undefined
    const tokens = one.f === 'get' ? { tok: token } : { retTok: token }
    history.add({ t, p: one.p, f: one.f, k: one.k, vid: one.vid, vals: read, ...tokens, hlc, tries, ns: tick() })
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

/** Few dots of two actors, so that any two contexts often have some in common. */
function drawContext(random: Random): CausalContext {
  const actors = [1, 2].map((shortId) => ({ shortId, generation: 1, born: 1 }))
  const vv = actors.map((actor) => ({ ...actor, counter: random.below(3) })).filter(({ counter }) => counter > 0)
  const dots = random.below(3) > 0 ? [] : [{ ...pick(random, actors), counter: 1 + random.below(4) }]
  return { hlc: hlcZero, vv, dots }
}

/** Tokens of these histories, in plain text; and what `checkContextTokens` reads them with. */
export function tokenOf(context: CausalContext): string {
  return JSON.stringify(context)
}

export function contextOf(token: string): CausalContext {
  return JSON.parse(token) as CausalContext
}

/**
 * A small cluster's life: operations through three nodes, changes of who reaches whom, a healing, and what nodes tell and
 * show before and after. Anything may have gone wrong. A step takes up to two seconds.
 */
export function drawClusterHistory(random: Random): readonly HistoryRecord[] {
  const history = new History()
  const begun: string[] = []
  const open: { p: number; f: string; k: string; vid: string | undefined }[] = []
  const count = 8 + random.below(12)
  const healAt = random.below(count)
  let ns = 0
  for (let step = 0; step < count; step += 1) {
    ns += random.below(2_000) * 1_000_000
    const node = pick(random, nodes)
    const k = pick(random, ['k1', 'k1', 'k2'])
    if (step === healAt && random.below(10) > 0) {
      history.add({ t: 'info', p: 'nemesis', f: 'heal', cluster: { down: [], cuts: [] }, ns })
      continue
    }
    const kind = random.below(9)
    if (kind === 0) {
      const cluster = random.below(3) === 0 ? undefined : drawClusterState(random)
      history.add({ t: 'info', p: 'nemesis', f: 'fault', cluster, ns })
    } else if (kind < 3) history.add({ t: 'ok', p: 'probe', f: 'node', node, v: drawNodeProbe(random), ns })
    else if (kind < 6) {
      const vals = begun.filter(() => random.below(2) === 0)
      if (vals.length > 0 && random.below(8) === 0) vals.push(vals[0] as string)
      const marked = random.below(6) === 0 ? true : undefined
      const state = random.below(6) === 0 ? undefined : pick(random, ['s1', 's1', 's2'])
      history.add({ t: 'ok', p: 'probe', f: 'replica-get', k, node, vals, state, marked, ns })
    } else {
      const f = pick(random, ['put', 'put', 'put', 'delete', 'get'])
      const vid = f === 'get' ? undefined : `v${step}`
      const ctx = f === 'get' ? undefined : begun.filter(() => random.below(4) === 0)
      const asked = random.below(12) === 0 ? undefined : node
      history.add({ t: 'invoke', p: step, f, k, vid, ctx, node: asked, ns })
      if (vid !== undefined) begun.push(vid)
      open.push({ p: step, f, k, vid })
    }
    while (open.length > 0 && random.below(3) > 0) end(open.splice(random.below(open.length), 1)[0])
  }
  while (open.length > 1) end(open.splice(random.below(open.length), 1)[0])
  return history.records

  function end(one: { p: number; f: string; k: string; vid: string | undefined } | undefined): void {
    if (one === undefined) return
    ns += random.below(400) * 1_000_000
    const t = pick(random, ['ok', 'ok', 'ok', 'info', 'fail'] as const)
    const errors = [
      'quorum-unavailable',
      'deadline-exceeded',
      'unreachable',
      'precondition-failed',
      'internal',
      undefined,
    ]
    const vals = one.f === 'get' && t === 'ok' ? [] : undefined
    history.add({ ...one, t, vals, error: t === 'ok' ? undefined : pick(random, errors), ns })
  }
}

/** Some node down, or one on the wrong side of a cut, perhaps one way. */
export function drawClusterState(random: Random): ClusterState {
  const down = nodes.filter(() => random.below(4) === 0)
  const one = pick(random, nodes)
  const cuts = nodes.filter((other) => other !== one && random.below(2) === 0).map((other) => [one, other] as const)
  return {
    down,
    cuts: cuts.flatMap(([a, b]) => (random.below(2) === 0 ? [[a, b] as const] : [[b, a] as const, [a, b] as const])),
  }
}

function drawNodeProbe(random: Random): NodeProbe {
  const hints = random.below(2) === 0 ? 0 : random.below(6)
  return {
    ...(random.below(6) > 0 && { hints, hintsFor: { [pick(random, [...nodes, 'dan'])]: hints } }),
    ...(random.below(3) > 0 && { repairs: random.below(2) }),
    ...(random.below(3) > 0 && { epoch: random.below(3) === 0 ? 2 : 1 }),
    ...(random.below(3) > 0 && { strays: random.below(3) === 0 ? 1 : 0 }),
    ...(random.below(3) > 0 && { roots: { 1: pick(random, ['r1', 'r1', 'r2']), 2: 'r1' } }),
  }
}

const nodes = ['ada', 'bob', 'cyd']

function pick<Value>(random: Random, values: readonly Value[]): Value {
  return values[random.below(values.length)] as Value
}
