import { createServer, type ServerResponse } from 'node:http'
import t from 'tap'
import type { Workload } from '../../jepsen-lite/workload.ts'
import { checkListings } from '../../jepsen-lite/workloads/check-listings.ts'
import { HttpDoor } from '../../jepsen-lite/workloads/http.ts'
import { workloads } from '../../jepsen-lite/workloads/index.ts'
import { availability, endings, rest } from '../../jepsen-lite/workloads/judge.ts'
import { LibraryDoor } from '../../jepsen-lite/workloads/library.ts'
import { expiredValues } from '../../jepsen-lite/workloads/ttl.ts'
import { type ClusterState, History, type HistoryRecord, type NodeProbe } from '../checkers/history.ts'
import type { Scope } from '../platform/fixtures/scratch.ts'
import { doublesOf, listen, listsTooFew, remembersTheFirst } from './fixtures/broken-doubles.ts'
import { threeNodes, tryOut } from './fixtures/workload-trial.ts'

t.setTimeout(120_000)

const throughTheLibrary = ['session', 'blind-writes']
/** The property that each of them sees broken. */
const caughtWithOldValues = {
  'sibling-set': 'acknowledged writes',
  'register-regular': 'regular register',
  'register-atomic': 'atomic register',
  'causal-chain': 'causal chains',
  'delete-recreate': 'deletes',
}
const caughtWithoutContexts = { 'two-writers': 'two siblings', 'sibling-set': 'contexts' }
const caughtInTheLibrary = { session: 'sessions', 'blind-writes': 'acknowledged writes' }

/** Of these workloads some writes are refused where nothing is wrong. */
const meantToBeRefused: Readonly<Record<string, string>> = {
  'conditional-put': 'precondition-failed',
  limits: 'too-many-siblings',
}

t.test('a workload', async (t) => {
  const cluster = await threeNodes(t)
  const histories = new Map<string, readonly HistoryRecord[]>()

  for (const workload of workloads) {
    await t.test(`${workload.name} looks at something and finds nothing wrong where nodes are right`, async (t) => {
      const isOverHttp = !throughTheLibrary.includes(workload.name)
      const records = await tryOut(workload, isOverHttp ? await doublesOf(t, cluster) : cluster)
      histories.set(workload.name, records)
      for (const { name, valid, compared, violations } of workload.check(records)) {
        // Values expire only after the test.
        const expected = name === 'expiry' ? 'unknown' : true
        t.equal(valid, expected, `${name}, ${compared} compared`, { violations: violations.slice(0, 3) })
      }
      const isMeant = ({ error = '' }: HistoryRecord): boolean => meantToBeRefused[workload.name] === error
      const failures = records.filter((record) => record.t === 'fail' || record.t === 'info')
      t.same(failures.filter((record) => !isMeant(record)).slice(0, 3), [], 'every operation succeeds')
      if (meantToBeRefused[workload.name] !== undefined) t.ok(failures.length > 0, 'but those that are to be refused')
    })
  }

  for (const [name, property] of Object.entries(caughtWithOldValues)) {
    await t.test(`${name} finds out about nodes that read old values`, async (t) => {
      const doubles = await doublesOf(t, cluster, { lie: remembersTheFirst() })
      t.match(invalid(named(name), await tryOut(named(name), doubles)), new Set([property]))
    })
  }

  for (const [name, property] of Object.entries(caughtWithoutContexts)) {
    await t.test(`${name} finds out about nodes that take every write for a blind one`, async (t) => {
      const doubles = await doublesOf(t, cluster, { loses: ['starling-context'] })
      t.match(invalid(named(name), await tryOut(named(name), doubles)), new Set([property]))
    })
  }

  await t.test('conditional-put finds out about nodes that ask for no condition', async (t) => {
    for (const header of ['if-match', 'if-none-match']) {
      const doubles = await doublesOf(t, cluster, { loses: [header] })
      t.ok(invalid(named('conditional-put'), await tryOut(named('conditional-put'), doubles)).has('conditions'), header)
    }
  })

  await t.test(
    'conditional-put finds out about refusals without a reason, and about refused writes that are there',
    async (t) => {
      const history = histories.get('conditional-put') ?? []
      const check = (records: readonly HistoryRecord[]) => invalid(named('conditional-put'), records)
      const isWritten = ({ t: type, f, v }: HistoryRecord) => type === 'ok' && f === 'put' && v !== undefined
      const refused = { t: 'fail', error: 'precondition-failed' } as const
      t.ok(check(history.map((record) => (isWritten(record) ? { ...record, ...refused } : record))).has('conditions'))
      const vid = history.find(({ t: type, f }) => type === 'fail' && f === 'put')?.vid as string
      const last = history.findLast(({ t: type, final }) => type === 'ok' && final === true)
      const shown = history.map((record) =>
        record === last ? { ...record, vals: [...(record.vals ?? []), vid] } : record,
      )
      t.ok(check(shown).size > 0)
    },
  )

  await t.test('limits finds out about nodes that know no limit', async (t) => {
    const { bucket: _limited, ...unlimited } = named('limits')
    t.same(invalid(unlimited, await tryOut(unlimited, await doublesOf(t, cluster))), new Set(['siblings limit']))
  })

  await t.test('listing finds out about listings that lack keys', async (t) => {
    const doubles = await doublesOf(t, cluster, { lie: listsTooFew })
    t.same(invalid(named('listing'), await tryOut(named('listing'), doubles)), new Set(['listings']))
  })

  await t.test('ttl puts values whose early end would be noticed, and others whose late end would', async (t) => {
    const lives = (histories.get('ttl') ?? []).flatMap(({ t: type, ttl }) => (type === 'invoke' ? (ttl ?? []) : []))
    t.ok(lives.some((seconds) => seconds < 10))
    const long = lives.find((seconds) => seconds > 10)
    t.equal(
      named('ttl')
        .check(vanished(long))
        .find(({ name }) => name === 'fresh and monotone reads')?.valid,
      false,
    )
  })

  for (const [name, property] of Object.entries(caughtInTheLibrary)) {
    await t.test(`${name} finds out about reads that lack what was acknowledged`, async (t) => {
      t.match(invalid(named(name), withoutOne(histories.get(name) ?? [])), new Set([property]))
    })
  }
})

t.test('an operation over HTTP', async (t) => {
  t.test('has failed where nothing was sent, or a node says that nothing changed', async (t) => {
    t.same(await endingAt('127.0.0.1:1'), { type: 'fail', error: 'ECONNREFUSED' })
    const refusing = await answering(t, (response) => problem(response, 503, 'quorum-unavailable', 'nothing-changed'))
    t.same(await endingAt(refusing), { type: 'fail', error: 'quorum-unavailable' })
  })

  t.test('has an unknown end in all other cases without an answer', async (t) => {
    const doubtful = await answering(t, (response) => problem(response, 504, 'deadline-exceeded', 'may-have-changed'))
    t.same(await endingAt(doubtful), { type: 'info', error: 'deadline-exceeded' })
    const breaking = await answering(t, (response) => response.destroy())
    t.match(await endingAt(breaking), { type: 'info' })
    const strange = await answering(t, (response) => response.writeHead(502).end('bad gateway'))
    t.same(await endingAt(strange), { type: 'info', error: 'status 502' })
    const silent = await answering(t, () => {})
    t.match(await endingAt(silent), { type: 'info' })
  })
})

t.test('an operation through the client library has failed where nobody was reached', async (t) => {
  const door = new LibraryDoor({ cluster: clusterAt('127.0.0.1:1') }, { idsOfWrites: true })
  t.teardown(() => door.close())
  t.same(await door.aim().ask(write), { type: 'fail', error: 'unreachable' })
})

t.test('values that are out of their time by all clocks are looked for', async (t) => {
  t.match(expiredValues(expiring(['a-1'], 12)), { valid: false, violations: [{ check: 'expired-value', key: 'k' }] })
  t.match(expiredValues(expiring([], 12)), { valid: true, compared: 1 })
  t.match(expiredValues(expiring(['a-1'], 8)), { valid: 'unknown' }, 'clocks may be apart')
})

t.test('a client that gives up has met a hang, unless something was wrong', async (t) => {
  t.match(endings(givenUp()), { valid: false, violations: [{ check: 'hang', key: 'k' }] })
  t.match(endings(givenUp({ pausedFrom: 0 })), { valid: true })
  t.match(endings(givenUp({ pausedFrom: -2 })), { valid: true }, 'what comes back needs some time')
  t.match(endings(givenUp({ pausedFrom: -9 })), { valid: false })
})

t.test('a listing', async (t) => {
  t.test('shows what was written before, and neither what was deleted before nor what nobody wrote', async (t) => {
    t.match(checkListings(listed(['b'])), { valid: true, compared: 2 })
    t.match(checkListings(listed([])), { violations: [{ check: 'unlisted-key', key: 'b' }] })
    t.match(checkListings(listed(['a', 'b'])), { violations: [{ check: 'listed-after-delete', key: 'a' }] })
    t.match(checkListings(listed(['b', 'z'])), { violations: [{ check: 'invented-key', key: 'z' }] })
    t.match(checkListings(listed(['b', 'b'])), { violations: [{ check: 'listing-out-of-order', key: 'b' }] })
  })

  t.test('may lack keys, and show deleted ones, when it says that it saw too few owners', async (t) => {
    t.match(checkListings(listed([], false)), { valid: 'unknown', violations: [] })
    t.match(checkListings(listed(['a'], false)), { valid: 'unknown', violations: [] })
    t.match(checkListings(listed(['z'], false)), { violations: [{ check: 'invented-key', key: 'z' }] })
  })

  t.test('may or may not show what is written meanwhile, or had an unknown end', async (t) => {
    const history = new History()
    put(history, 1, 'a', 'info')
    add(history, 'invoke', 9, 'list')
    put(history, 2, 'b', 'ok')
    add(history, 'ok', 9, 'list', { vals: [], v: { isComplete: true } })
    t.equal(checkListings(history.records).valid, 'unknown')
  })
})

t.test(
  'who is served is judged by who is in reach of the node that was asked, from some seconds after a change on',
  async (t) => {
    // A key of n1, n2 and n3 is asked for at n1, at second 10, while its links to the others have been cut since second 0.
    const cut = (from: string) => ({
      down: [],
      cuts: [
        [from, 'n2'],
        [from, 'n3'],
      ] as const,
    })
    const refused = { t: 'fail', error: 'quorum-unavailable' } as const
    const served = { t: 'ok' } as const

    t.test('where only owners count', async (t) => {
      const judged = (cluster: ClusterState | undefined, end: Partial<HistoryRecord>, atSeconds?: number): unknown => {
        return availability(asked({ cluster, end, sloppy: false, atSeconds }))
      }
      t.match(judged(cut('n4'), served), [{ name: 'availability', valid: true, compared: 1 }])
      t.match(judged(cut('n1'), refused), [{ valid: true, compared: 1 }])
      t.match(judged(cut('n4'), refused), [{ violations: [{ check: 'refused-in-reach', key: 'k' }] }])
      t.match(judged(cut('n1'), served), [{ violations: [{ check: 'answered-out-of-reach', key: 'k' }] }])
      t.match(judged(cut('n1'), { t: 'info', error: 'TimeoutError' }), [{ violations: [{ check: 'untyped-refusal' }] }])
      t.match(judged({ down: ['n2'], cuts: [] }, refused), [{ violations: [{ check: 'refused-in-reach' }] }])
      t.match(judged({ down: ['n2', 'n3'], cuts: [] }, refused), [{ valid: true }])
      t.same(judged(cut('n4'), refused, 3), [], 'too soon after the change')
      t.same(judged(cut('n4'), { t: 'fail', error: 'overloaded' }), [], 'a node may say that it has too much to do')
      t.same(judged(undefined, refused), [], 'nobody knows who is in reach')
      const vague: HistoryRecord = { i: 0, t: 'info', p: 'nemesis', f: 'kill-one', v: { phase: 'begun', id: 1 }, ns: 0 }
      const known = asked({ cluster: cut('n4'), end: served, sloppy: false })
      t.same(availability([vague, ...known]), [], 'nor since when')
    })

    t.test('where others may stand in, it is two nodes of any', async (t) => {
      const judged = (cluster: ClusterState, end: Partial<HistoryRecord>): unknown => {
        return availability(asked({ cluster, end, sloppy: undefined }), true)
      }
      t.match(judged(cut('n1'), served), [{ valid: true, compared: 1 }], 'n4 stands in')
      t.match(judged(cut('n1'), refused), [{ violations: [{ check: 'write-refused', key: 'k' }] }])
      t.same(judged({ down: ['n2', 'n3', 'n4'], cuts: [] }, refused), [], 'nobody is there to stand in')
    })
  },
)

t.test('in the end nothing is left to do', async (t) => {
  const still = { hints: 0, hintsFor: {}, repairs: 7, epoch: 3 }
  t.match(rest(told([still, still])), [{ name: 'rest', valid: true }])
  t.same(rest(told([])), [], 'nobody told of himself')
  t.match(rest(told([still, { ...still, hints: 1 }])), [{ violations: [{ check: 'hint-not-delivered' }] }])
  t.match(rest(told([still, { ...still, epoch: 2 }])), [{ violations: [{ check: 'layouts-differ' }] }])
  t.match(rest(told([still, { ...still, repairs: 8 }])), [{ violations: [{ check: 'repairs-go-on' }] }])
  t.match(rest(told([still, { ...still, repairs: 8 }], 'delete')), [{ valid: true }], 'tombstones go one by one')
})

/** One node, which was asked again and again after all was healed. */
function told(probes: readonly NodeProbe[], f = 'put'): readonly HistoryRecord[] {
  const history = new History()
  add(history, 'invoke', 1, f, { k: 'k', vid: 'a' })
  add(history, 'ok', 1, f, { k: 'k', vid: 'a' })
  history.add({ t: 'info', p: 'nemesis', f: 'heal', ns: 10 })
  for (const v of probes)
    history.add({ t: 'ok', p: 'probe', f: 'node', node: 'n1', v, ns: 10 + history.records.length })
  return history.records
}

interface Asked {
  readonly cluster: ClusterState | undefined
  readonly end: Partial<HistoryRecord>
  readonly sloppy: false | undefined
  readonly atSeconds?: number | undefined
}

/** A put through n1, and one through n4 that shows that it is there; and where the copies of the key are. */
function asked({ cluster, end, sloppy, atSeconds = 10 }: Asked): readonly HistoryRecord[] {
  const history = new History()
  const base = { p: 1, f: 'put', k: 'k', vid: 'a', sloppy, node: 'n1' }
  history.add({ t: 'info', p: 'nemesis', f: 'halves', v: { phase: 'stands', id: 1 }, cluster, ns: 0 })
  history.add({ t: 'invoke', ...base, ns: atSeconds * 1e9 })
  history.add({ t: 'ok', ...base, ...end, ns: atSeconds * 1e9 + 1 })
  history.add({ t: 'info', p: 'nemesis', f: 'heal', ns: 20e9 })
  history.add({ t: 'invoke', ...base, p: 2, vid: 'b', node: 'n4', ns: 21e9 })
  history.add({ t: 'ok', ...base, p: 2, vid: 'b', node: 'n4', ns: 21e9 })
  for (const node of ['n1', 'n2', 'n3']) {
    history.add({ t: 'ok', p: 'probe', f: 'replica-get', k: 'k', node, vals: [], ns: 22e9 })
  }
  return history.records
}

/** A read from second 10 to 13, of a cluster with a node that was paused from then on for two seconds. */
function givenUp({ pausedFrom }: { readonly pausedFrom?: number } = {}): readonly HistoryRecord[] {
  const history = new History()
  const base = { p: 1, f: 'get', k: 'k', node: 'n1' }
  const pause = (phase: string, seconds: number) =>
    history.add({ t: 'info', p: 'nemesis', f: 'pause', v: { phase, id: 1, what: '', nodes: [] }, ns: seconds * 1e9 })
  if (pausedFrom !== undefined) pause('begun', 10 + pausedFrom)
  if (pausedFrom !== undefined && pausedFrom < 0) pause('ended', 12 + pausedFrom)
  history.add({ t: 'invoke', ...base, ns: 10e9 })
  if (pausedFrom === 0) pause('ended', 12)
  history.add({ t: 'info', ...base, error: 'TimeoutError', ns: 13e9 })
  history.add({ t: 'invoke', ...base, p: 2, ns: 30e9 })
  history.add({ t: 'ok', ...base, p: 2, vals: [], ns: 30e9 })
  return history.records
}

/** A value with that life is not read one second later. */
function vanished(ttl: number | undefined): readonly HistoryRecord[] {
  const history = new History()
  put(history, 1, 'k', 'ok', ttl)
  history.add({ t: 'invoke', p: 2, f: 'get', k: 'k', ns: 1e9 })
  history.add({ t: 'ok', p: 2, f: 'get', k: 'k', vals: [], ns: 1e9 })
  return history.records
}

/** A value that its own writer read is missing from all reads. */
function withoutOne(records: readonly HistoryRecord[]): readonly HistoryRecord[] {
  const lost = records.flatMap(({ s, vals = [] }) => vals.filter((vid) => vid.startsWith(`${s}-`)))[0]
  return records.map((record) => {
    return record.vals === undefined ? record : { ...record, vals: record.vals.filter((vid) => vid !== lost) }
  })
}

function named(name: string): Workload {
  const workload = workloads.find((one) => one.name === name)
  if (workload === undefined) throw new Error(`there is no workload ${name}`)
  return workload
}

/** The names of the properties that do not hold. */
function invalid(workload: Workload, records: readonly HistoryRecord[]): ReadonlySet<string> {
  return new Set(workload.check(records).flatMap(({ name, valid }) => (valid === false ? [name] : [])))
}

const write = { type: 'put', key: 'k', value: 'v', token: undefined, options: {} } as const

async function endingAt(http: string): Promise<unknown> {
  return new HttpDoor({ cluster: clusterAt(http), fraction: () => 0 }).aim().ask(write)
}

function clusterAt(address: string) {
  return { members: [{ name: 'ada', http: address, peer: address }] }
}

function answering(t: Scope, answer: (response: ServerResponse) => void): Promise<string> {
  return listen(
    t,
    createServer((request, response) => {
      request.resume()
      request.once('end', () => answer(response))
    }),
  )
}

function problem(response: ServerResponse, status: number, code: string, aftermath: string): void {
  response.writeHead(status, { 'content-type': 'application/problem+json' })
  response.end(JSON.stringify({ code, aftermath }))
}

function expiring(vals: readonly string[], readAfterSeconds: number): readonly HistoryRecord[] {
  const history = new History()
  const base = { p: 1, f: 'put', k: 'k', vid: 'a-1', ttl: 1 }
  history.add({ t: 'invoke', ...base, ns: 0 })
  history.add({ t: 'ok', ...base, ns: 1e6 })
  const read = { p: 1, f: 'get', k: 'k', ns: readAfterSeconds * 1e9 }
  history.add({ t: 'invoke', ...read })
  history.add({ t: 'ok', ...read, vals })
  return history.records
}

/** `a` was written and deleted, `b` was written; then a listing showed `keys`. */
function listed(keys: readonly string[], isComplete = true): readonly HistoryRecord[] {
  const history = new History()
  put(history, 1, 'a', 'ok')
  add(history, 'invoke', 1, 'delete', { k: 'a', vid: 'delete of a', ctx: ['put of a'], ctxTok: 'token' })
  add(history, 'ok', 1, 'delete', { k: 'a', vid: 'delete of a' })
  put(history, 1, 'b', 'ok')
  add(history, 'invoke', 2, 'list')
  add(history, 'ok', 2, 'list', { vals: keys, v: { isComplete } })
  return history.records
}

function put(history: History, p: number, k: string, end: 'ok' | 'info', ttl?: number): void {
  add(history, 'invoke', p, 'put', { k, vid: `put of ${k}`, ttl })
  add(history, end, p, 'put', { k, vid: `put of ${k}` })
}

function add(history: History, t: HistoryRecord['t'], p: number, f: string, more: Partial<HistoryRecord> = {}): void {
  history.add({ t, p, f, ...more, ns: history.records.length })
}
