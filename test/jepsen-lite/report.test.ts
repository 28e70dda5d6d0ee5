import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { faultsAt, faultsOf } from '../../jepsen-lite/faults.ts'
import { anomaliesOf, mostTelling } from '../../jepsen-lite/report/anomalies.ts'
import { writeMatrix, writeReport } from '../../jepsen-lite/report/index.ts'
import { html, relativeLink } from '../../jepsen-lite/report/markup.ts'
import { reportPage } from '../../jepsen-lite/report/page.ts'
import { shownOperations } from '../../jepsen-lite/report/shown-operation.ts'
import { type Story, Storyteller } from '../../jepsen-lite/report/story.ts'
import { subjectOfRun } from '../../jepsen-lite/report/subject.ts'
import { timeScale } from '../../jepsen-lite/report/time-scale.ts'
import type { RunRecord } from '../../jepsen-lite/run-directory.ts'
import { checkAcknowledgedWrites } from '../checkers/check-acknowledged-writes.ts'
import { checkContexts } from '../checkers/check-contexts.ts'
import type { CheckResult } from '../checkers/check-result.ts'
import type { HistoryRecord } from '../checkers/history.ts'
import { makeStarlingNode } from '../simulation/make-starling-node.ts'
import { mutants, simulateMutant } from '../simulation/mutants.ts'
import { simulationReport } from '../simulation/simulation-report.ts'
import { testHash } from '../simulator/test-hash.ts'

const second = 1_000_000_000
const bytesMax = 5_000_000

const record: RunRecord = {
  apiVersion: 'v1',
  workload: 'sibling-set',
  nemesis: 'halves',
  network: 'proxy',
  nodes: 5,
  seconds: 60,
  seed: 7,
  rate: 500,
  startedAt: '2026-11-23T00:00:00.000Z',
  version: '0.1.0',
  build: 'b00b1e5',
  nodeVersion: 'v20.20.2',
  capabilities: [{ name: 'namespaces', isThere: false, detail: 'no root here' }],
  verdict: 'valid',
  reasons: [],
  results: [],
  bites: [],
  lagP99Ms: 3,
  findings: [],
}

t.test('a fault lasts from its record to its end', async (t) => {
  const faults = faultsOf(
    numbered([
      nemesis('kill-one', 1, { phase: 'begun', id: 1, what: 'killed n1', nodes: ['n1'] }),
      nemesis('pause', 2, { phase: 'begun', id: 2, what: 'paused n2', nodes: ['n2'] }),
      nemesis('kill-one', 3, { phase: 'ended', id: 1 }),
      nemesis('isolate', 4, 'n3'),
      nemesis('heal', 5, {}),
    ]),
  )
  t.match(faults, [
    { name: 'kill-one', what: 'killed n1', nodes: ['n1'], fromNs: 1 * second, toNs: 3 * second, isEndKnown: true },
    { name: 'pause', fromNs: 2 * second, toNs: 5 * second, isEndKnown: true },
    { name: 'isolate', nodes: ['n3'], fromNs: 4 * second, toNs: 5 * second, isEndKnown: false },
  ])
  t.same(namesOf(faultsAt(faults, 2.5 * second)), ['kill-one', 'pause'])
  t.same(namesOf(faultsAt(faults, 6 * second)), [], 'healing ends whatever is left')
})

t.test('a page says what the run record says', async (t) => {
  t.test('the verdict, its reasons, and what was checked', async (t) => {
    const page = pageOf({
      verdict: 'unknown',
      reasons: ['nothing shows that halves was felt'],
      results: [
        { name: 'no acknowledged write is lost', valid: true, compared: 12_345, violations: [] },
        { name: 'reads are fresh', valid: 'unknown', compared: 0, violations: [] },
      ],
      bites: [{ what: 'packets dropped', count: 4711 }],
    })
    t.match(page, /<h1><span class="badge unknown">\? unknown<\/span> sibling-set × halves<\/h1>/)
    t.match(page, '<li>nothing shows that halves was felt</li>')
    t.match(page, /no acknowledged write is lost<\/td><td><span class="badge valid">.*?12 345<\/td>/)
    t.match(page, /reads are fresh<\/td><td><span class="badge unknown">/)
    t.match(page, /packets dropped: <strong>4 711<\/strong>/)
  })

  t.test('how it was set up and how it is repeated', async (t) => {
    const page = pageOf({})
    t.match(
      page,
      'npm run jepsen-lite -- --workload sibling-set --nemesis halves --nodes 5 --time 60 --seed 7 --net proxy',
    )
    t.match(page, 'npm run jepsen-lite -- check store/run')
    for (const value of ['2026-11-23T00:00:00.000Z', '0.1.0, build b00b1e5', 'v20.20.2', 'no root here'])
      t.match(page, value)
  })

  t.test('how many operations ended how', async (t) => {
    const page = pageOf({}, [
      ...put({ p: 1, vid: 'a', fromS: 1, outcome: 'ok' }),
      ...put({ p: 1, vid: 'b', fromS: 2, outcome: 'fail' }),
      ...put({ p: 1, vid: 'c', fromS: 3, outcome: 'info' }),
      ...get({ p: 2, vals: ['a', 'c'], fromS: 4 }),
    ])
    t.match(page, /<td>put<\/td><td class="number">1<\/td><td class="number">1<\/td><td class="number">1<\/td>/)
    t.match(page, /<td>get<\/td><td class="number">1<\/td><td class="number">0<\/td><td class="number">0<\/td>/)
    t.equal(page.match(/<rect class="(ok|fail|info)"/g)?.length, 4, 'a bar for each')
    t.match(page, 'put k c (blind) · info · at 2.000 s for 100 ms')
  })

  t.test('an empty history is a page, too', async (t) => {
    t.match(pageOf({ verdict: 'skipped', reasons: ['no namespaces here'] }, []), 'The history has no operations.')
  })

  t.test('neither what runs nor what is loaded', async (t) => {
    const page = pageOf({}, [...put({ p: 1, vid: 'a', fromS: 1, outcome: 'ok' })])
    t.notMatch(page, /<script|<link|<img|<iframe|@import|\son[a-z]+=|(src|href)="(https?:)?\/\//)
    t.match(page, `content="default-src 'none'; style-src 'unsafe-inline'"`)
  })
})

t.test('a story tells of the operations that matter, and of no others', async (t) => {
  t.test('a lost write: who acknowledged it, who saw it, what is there instead, who missed it', async (t) => {
    const records = numbered([
      ...put({ p: 1, vid: 'before', fromS: 1, outcome: 'ok' }),
      ...put({ p: 1, vid: 'lost', fromS: 2, outcome: 'ok', ctx: ['before'], by: 'n2', acks: ['n2', 'n3'], ttl: 60 }),
      ...put({ p: 3, vid: 'other-key', fromS: 2.5, outcome: 'ok', k: 'other' }),
      ...get({ p: 2, vals: ['lost'], fromS: 3 }),
      ...get({ p: 2, vals: ['lost'], fromS: 4 }),
      ...get({ p: 2, vals: ['lost'], fromS: 5 }),
      nemesis('kill-one', 5.5, { phase: 'begun', id: 1, what: 'killed n2', nodes: ['n2'] }),
      ...put({ p: 1, vid: 'beside', fromS: 6, outcome: 'ok', ctx: ['before'], by: 'n1' }),
      ...get({ p: 2, vals: ['beside'], fromS: 7 }),
      nemesis('heal', 8, {}),
      copy('n1', 9, ['beside']),
      copy('n3', 9, ['beside']),
      ...get({ p: 4, vals: ['beside'], fromS: 10, final: true }),
    ])
    const story = storyOf(records, checkAcknowledgedWrites(records), 'lost-write-to-false-ordering')
    t.same(told(story), [
      'the write concerned: put lost by n2',
      'saw it: get lost',
      'saw it: get lost',
      'read instead: put beside by n1',
      'missed it: get beside',
      'in the end: n1 n3 have beside',
      'breaks the promise: get beside',
    ])
    t.same(
      story.steps.map((step) => (step.type === 'operation' ? step.operation.fromNs / second : 'copy')),
      [2, 3, 5, 6, 7, 'copy', 10],
      'in order, with the first and the last that saw it',
    )
    t.same(
      story.graph.map(({ vid, isConcerned, isShown, seen }) => [vid, isConcerned, isShown, seen.map((one) => one.vid)]),
      [
        ['before', false, false, []],
        ['lost', true, false, ['before']],
        ['beside', false, true, ['before']],
      ],
    )
    const page = pageOf({ verdict: 'invalid', results: [named(checkAcknowledgedWrites(records))] }, records)
    t.match(
      page,
      /put <code>k<\/code> = <code>lost<\/code>.*, for 60 s.*acknowledged by n2 after 100 ms, stored at n2, n3/,
    )
    t.match(
      page,
      /put <code>k<\/code> = <code>beside<\/code>.*<a href="#fault-1">1 kill-one n2<\/a>.*killed n2/,
      'during the fault',
    )
    t.match(page, /put <code>k<\/code> = <code>lost<\/code>.*<span class="quiet">none<\/span>/, 'before the fault')
    t.notMatch(page, /<code>other-key<\/code>/)
  })

  t.test('a value shown beside what had seen it, over writes that are not shown', async (t) => {
    const records = numbered([
      ...put({ p: 1, vid: 'old', fromS: 1, outcome: 'ok' }),
      ...put({ p: 1, vid: 'middle', fromS: 2, outcome: 'ok', ctx: ['old'] }),
      ...put({ p: 1, vid: 'refused', fromS: 2.2, outcome: 'fail', ctx: ['old'] }),
      ...put({ p: 1, vid: 'new', fromS: 3, outcome: 'ok', ctx: ['middle'] }),
      ...get({ p: 2, vals: ['new'], fromS: 4 }),
      ...get({ p: 2, vals: ['new', 'old'], fromS: 5 }),
    ])
    const promises = { monotonicReads: false, freshReads: false }
    const story = storyOf(records, checkContexts(records, promises), 'false-sibling')
    t.same(told(story), [
      'the write concerned: put old',
      'supersedes it: put middle',
      'shown beside it: put new',
      'had passed it: get new',
      'breaks the promise: get new,old',
    ])
    t.same(
      story.graph.map(({ vid, seen }) => [vid, ...seen.map((one) => `${one.vid}${one.isDirect ? '' : ' from afar'}`)]),
      [['old'], ['middle', 'old'], ['new', 'middle']],
      'what was refused has no place in it',
    )
  })

  t.test('one that is of no key, from what happened around it', async (t) => {
    const records = numbered([
      ...put({ p: 1, vid: 'a', fromS: 1, outcome: 'ok' }),
      ...put({ p: 1, vid: 'b', fromS: 2, outcome: 'ok' }),
    ])
    const violation = { check: 'node-gave-up', key: '', values: [], at: 2, message: 'n1 gave up' }
    const story = storyOf(records, { valid: false, violations: [violation], compared: 1 }, 'node-gave-up')
    t.same(told(story), ['around it: put a', 'breaks the promise: put b'])
  })

  t.test(
    'the same complaint about several reads is one anomaly; of many the first of each kind is told first',
    async (t) => {
      const violation = (check: string, at: number, vid: string): CheckResult['violations'][number] => {
        return { check, key: 'k', values: [vid], at, message: check }
      }
      const violations = [
        ...Array.from({ length: 50 }, (_, at) => violation('lost-write', at, `v${at}`)),
        violation('lost-write', 99, 'v0'),
        violation('resurrection', 100, 'v0'),
      ]
      const anomalies = anomaliesOf([named({ valid: false, violations, compared: 1 })])
      t.equal(anomalies.length, 51)
      t.same(anomalies[0]?.at, [0, 99])
      t.same(
        mostTelling(anomalies, 3).map(({ number, check }) => `${number} ${check}`),
        ['1 lost-write', '51 resurrection', '2 lost-write'],
      )
    },
  )
})

t.test('what comes from data is text, wherever it stands', async (t) => {
  const evil = `"><script>alert('1')</script><b a='`
  const records = numbered([
    ...put({ p: 1, vid: evil, fromS: 1, outcome: 'ok', k: evil, by: evil, s: evil }),
    nemesis(evil, 2, { phase: 'begun', id: 1, what: evil, nodes: [evil] }),
    { t: 'info', p: 'probe', f: 'phase', v: evil, ns: 2 * second },
    ...put({ p: 1, vid: `${evil}2`, fromS: 2, outcome: 'fail', k: evil, error: evil, ctx: [evil] }),
    { t: 'ok', p: 'probe', f: 'replica-get', k: evil, node: evil, vals: [evil], ns: 3 * second },
    ...get({ p: 2, vals: [evil], fromS: 4, k: evil, node: evil, s: evil }),
  ])
  const violation = { check: evil, key: evil, values: [evil], at: records.at(-2)?.i ?? 0, message: evil }
  const run: Partial<RunRecord> = {
    workload: evil,
    nemesis: evil,
    startedAt: evil,
    verdict: 'invalid',
    reasons: [evil],
    results: [{ name: evil, valid: false, compared: 1, violations: [violation, { ...violation, key: '' }] }],
    bites: [{ what: evil, count: 1 }],
    capabilities: [{ name: evil, isThere: false, detail: evil }],
  }
  const page = pageOf(run, records, [`logs/${evil}`])
  t.notMatch(page, /<script|<b a/)
  t.match(page, '&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)')
  const tags = page.match(/<[a-z][^>]*>/g) ?? []
  t.ok(
    tags.every((tag) => (tag.match(/"/g)?.length ?? 0) % 2 === 0),
    'no attribute is left early',
  )
  const directory = t.testdir({})
  await writeMatrix(directory, [{ record: { ...record, ...run }, path: join(directory, 'a"b') }], {
    workloads: [evil],
    nemeses: [evil],
  })
  t.notMatch(readFileSync(join(directory, 'matrix.html'), 'utf8'), /<script|<b a/)

  t.equal(html`<p title="${'a&"\u202eb\u0000'}">`.toString(), '<p title="a&amp;&quot;�b�">')
  t.equal(relativeLink('logs/java script:x'), 'logs/java%20script%3Ax')
})

t.test('times in which nothing happens are drawn short', async (t) => {
  const scale = timeScale([0, 1, 2, 3, 103, 104].map((seconds) => seconds * second))
  t.same(scale.breaks, [{ fromNs: 3 * second, toNs: 103 * second }])
  const xs = [0, 1, 2, 3, 53, 103, 104].map((seconds) => scale.x(seconds * second))
  t.same(
    xs,
    [...xs].sort((a, b) => a - b),
    'in order',
  )
  const widths = xs.slice(1).map((x, index) => x - (xs[index] as number))
  for (const width of [0, 1, 2, 5].map((index) => widths[index] as number))
    t.ok(Math.abs(width - 240.5) < 1, 'a second')
  t.same(widths.slice(3, 5), [14, 14], 'the two halves of the break')
})

t.test('a run directory becomes a page with links to what is there', async (t) => {
  const directory = t.testdir({ logs: { 'n1.log': 'started' }, data: { n1: {} } })
  const records = numbered([...put({ p: 1, vid: 'a', fromS: 1, outcome: 'ok' })])
  writeFileSync(join(directory, 'run.json'), JSON.stringify(record))
  writeFileSync(join(directory, 'history.jsonl'), records.map((one) => `${JSON.stringify(one)}\n`).join(''))
  const path = await writeReport(directory)
  t.equal(path, join(directory, 'report.html'))
  const page = readFileSync(path, 'utf8')
  for (const file of ['history.jsonl', 'run.json', 'logs/n1.log', 'data/n1'])
    t.match(page, `<a href="${file}">${file}</a>`)

  const skipped = join(directory, 'skipped')
  mkdirSync(skipped)
  writeFileSync(join(skipped, 'run.json'), JSON.stringify({ ...record, verdict: 'skipped', reasons: ['no fuse'] }))
  const skippedPage = readFileSync(await writeReport(skipped), 'utf8')
  t.match(skippedPage, '– skipped')
  t.notMatch(skippedPage, 'href="history.jsonl"', 'a run that was skipped has none')
})

t.test('the matrix shows each cell with its verdict, its operations and its page', async (t) => {
  const directory = t.testdir({})
  const operations = { ok: 1000, fail: 200, info: 34 }
  const cells = [
    { record: { ...record, operations, faults: 5 }, path: join(directory, 'one') },
    {
      record: { ...record, nemesis: 'power-cut', verdict: 'skipped' as const, reasons: ['no loop mounts'] },
      path: join(directory, 'two'),
    },
    {
      record: { ...record, workload: 'ttl', verdict: 'invalid' as const, reasons: ['a value came back'] },
      path: join(directory, 'three'),
    },
  ]
  await writeMatrix(directory, cells, { workloads: ['sibling-set', 'ttl'], nemeses: ['halves', 'power-cut'] })
  const page = readFileSync(join(directory, 'matrix.html'), 'utf8')
  t.match(page, /<a href="one\/report.html"[^>]*><span class="badge valid">✓ valid<\/span><small>1 234<\/small>/)
  t.match(page, /<a href="two\/report.html"[^>]*><span class="badge skipped">/)
  t.match(page, '<div>a value came back</div>')
  t.match(page, 'no such run', 'ttl has not met the power cut')
  t.equal(
    readFileSync(join(directory, 'matrix.md'), 'utf8'),
    [
      '|           | sibling-set | ttl |',
      '| --------- | ----------- | --- |',
      '| halves    | V           | I   |',
      '| power-cut | S           |     |',
      '',
      'V: valid, S: skipped, U: unknown, I: invalid; empty: not run.',
      '',
      '3 runs: 1 invalid, 1 skipped, 1 valid; 1 234 operations; 5 faults. 5 nodes, 60 s of load, version 0.1.0, build b00b1e5, Node.js v20.20.2.',
      '',
      '- skipped: sibling-set × power-cut (proxy, seed 7): no loop mounts',
      '- invalid: ttl × halves (proxy, seed 7): a value came back',
      '',
    ].join('\n'),
  )
})

t.test('a simulated run that went wrong has a page, too', async (t) => {
  const mutant = mutants['merge-last-write-wins']
  if (mutant === undefined) throw new Error('there is no such mutant any more')
  const result = simulateMutant(mutant, { seed: 2, hash: testHash, makeNode: makeStarlingNode })
  const page = simulationReport(result, 'npm run simulate -- --seed 2')
  t.match(page, '✗ invalid')
  t.match(page, 'id="anomaly-1"')
  const named = new Set(result.violations.map(({ check }) => check))
  for (const check of named) t.match(page, `${check} `, `${check} is told of`)
})

t.test('a hundred thousand operations make a small page', async (t) => {
  const page = pageOf({ verdict: 'invalid', results: [named(manyViolations())] }, manyRecords(100_000))
  t.ok(page.length < bytesMax, `${page.length} bytes`)
  t.match(page, '100 000 operations are too many to be drawn one by one')
})

type Unnumbered = Omit<HistoryRecord, 'i'>

function pageOf(run: Partial<RunRecord>, records: readonly Unnumbered[] = [], files: readonly string[] = []): string {
  return reportPage(subjectOfRun({ ...record, ...run }, 'store/run', files), numbered(records))
}

function numbered(records: readonly Unnumbered[]): readonly HistoryRecord[] {
  return records.map((one, i) => ({ ...one, i }))
}

function nemesis(f: string, atS: number, v: unknown): Unnumbered {
  return { t: 'info', p: 'nemesis', f, v, ns: atS * second }
}

function copy(node: string, atS: number, vals: readonly string[]): Unnumbered {
  return {
    t: 'ok',
    p: 'probe',
    f: 'replica-get',
    k: 'k',
    node,
    vals,
    state: vals.join(),
    tomb: false,
    ns: atS * second,
  }
}

interface PutOptions {
  readonly p: number
  readonly vid: string
  readonly fromS: number
  readonly outcome: 'ok' | 'fail' | 'info'
  readonly ctx?: readonly string[]
  readonly by?: string
  readonly acks?: readonly string[]
  readonly ttl?: number
  readonly k?: string
  readonly s?: string
  readonly error?: string
}

function put({ p, vid, fromS, outcome, ctx, by, acks, ttl, k = 'k', s, error }: PutOptions): readonly Unnumbered[] {
  const base = { p, f: 'put', k, vid, s }
  return [
    { t: 'invoke', ...base, ctx: ctx ?? [], ctxTok: ctx === undefined ? undefined : 'token', ttl, ns: fromS * second },
    { t: outcome, ...base, by, acks, error, ns: (fromS + 0.1) * second },
  ]
}

interface GetOptions {
  readonly p: number
  readonly vals: readonly string[]
  readonly fromS: number
  readonly final?: true
  readonly k?: string
  readonly s?: string
  readonly node?: string
}

function get({ p, vals, fromS, final, k = 'k', s, node }: GetOptions): readonly Unnumbered[] {
  const base = { p, f: 'get', k, s, node, final }
  return [
    { t: 'invoke', ...base, ns: fromS * second },
    { t: 'ok', ...base, vals, tok: 'token', ns: (fromS + 0.1) * second },
  ]
}

function named(result: CheckResult): RunRecord['results'][number] {
  return { name: 'no acknowledged write is lost', ...result }
}

function namesOf(faults: readonly { readonly name: string }[]): readonly string[] {
  return faults.map(({ name }) => name)
}

function storyOf(records: readonly HistoryRecord[], result: CheckResult, check: string): Story {
  const anomaly = anomaliesOf([named(result)]).find((one) => one.check === check)
  if (anomaly === undefined) throw new Error(`there is no ${check} in it`)
  return new Storyteller(records, shownOperations(records)).tell(anomaly)
}

function told({ steps }: Story): readonly string[] {
  return steps.map((step) => {
    const why = step.roles.join(' and ')
    if (step.type === 'copy') return `${why}: ${step.nodes.join(' ')} have ${step.copy.vals?.join()}`
    const { f, vid, values, by } = step.operation
    return `${why}: ${f} ${vid}${values.join()}${by === '' ? '' : ` by ${by}`}`
  })
}

/** Ten clients on few keys, each write upon the last one of its key, and one in fifty of unknown outcome. */
function manyRecords(operations: number): readonly Unnumbered[] {
  const records: Unnumbered[] = []
  const last: (string | undefined)[] = []
  const processes = Array.from({ length: 10 }, (_, p) => p)
  for (let number = 0; number < operations; number += 1) {
    const client = number % processes.length
    const p = processes[client] as number
    const k = `k${number % 7}`
    const fromS = (number * 120) / operations
    const s = `s${client}`
    if (number % 3 === 0) records.push(...get({ p, vals: [last[number % 7] ?? ''].filter(Boolean), fromS, k, s }))
    else {
      const outcome = number % 50 === 1 ? 'info' : 'ok'
      const before = last[number % 7]
      const vid = `${s}-${number}`
      records.push(...put({ p, vid, fromS, outcome, k, s, ctx: before === undefined ? [] : [before] }))
      last[number % 7] = vid
      if (outcome === 'info') processes[client] = p + 10
    }
  }
  return records
}

function manyViolations(): CheckResult {
  const violations = Array.from({ length: 500 }, (_, number) => {
    const write = number * 60 + 2
    const vid = `s${write % 10}-${write}`
    return { check: 'lost-write', key: `k${write % 7}`, values: [vid], at: write * 4, message: `${vid} was lost` }
  })
  return { valid: false, violations, compared: 1000 }
}
