import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { compare } from '../../bench/compare.ts'
import { readEnvironment } from '../../bench/environment.ts'
import type { Run } from '../../bench/measure.ts'
import { compareReports } from '../../bench/report/compare.ts'
import { drawReport } from '../../bench/report/plot.ts'
import { printComparison, printTargets } from '../../bench/report/print.ts'
import { dearestOf, printDearest } from '../../bench/report/profile-table.ts'
import { rowsOf } from '../../bench/report/rows.ts'
import { drawing, element, text } from '../../bench/report/svg.ts'
import { verdictsOf } from '../../bench/report/verdicts.ts'
import { targets } from '../../bench/targets.ts'
import { Yardstick } from '../../bench/yardstick.ts'
import fc from '../fixtures/fast-check.ts'
import { runOf } from './fixtures/run-of.ts'

t.test('two reports', async (t) => {
  t.test('costs are compared in yardsticks: a machine that is half as fast makes nothing dearer', async (t) => {
    const before = { runs: rounds([100, 101, 102, 103, 104], { yardstickMicros: 5 }) }
    const after = { runs: rounds([200, 202, 204, 206, 208], { yardstickMicros: 10 }) }
    t.match(compareReports(before, after), [{ verdict: 'tie', before: 20.4, after: 20.4 }])
  })
  t.test('what costs more beyond the noise is dearer', async (t) => {
    const before = { runs: rounds([100, 101, 102, 103, 104]) }
    const after = { runs: rounds([110, 111, 112, 113, 114]) }
    t.match(compareReports(before, after), [{ verdict: 'dearer' }])
    t.match(compareReports(after, before), [{ verdict: 'cheaper' }])
    t.match(compareReports(before, before), [{ verdict: 'tie' }])
    t.match(compareReports(before, { runs: rounds([90, 120, 95, 102, 111]) }), [{ verdict: 'tie' }])
  })
  t.test('three rounds are too few, and rounds with failures do not count', async (t) => {
    const few = { runs: rounds([100, 101, 102]) }
    t.match(compareReports(few, { runs: rounds([200, 201, 202]) }), [{ verdict: 'too few rounds' }])
    t.same(compareReports(few, { runs: rounds([200, 201, 202], { failed: 900 }) }), [])
  })
  t.test('of open loops the tail is compared too', async (t) => {
    const before = { runs: rounds([100, 101, 102, 103], { rate: 500, p99Ms: 3 }) }
    const after = { runs: rounds([100, 101, 102, 103], { rate: 500, p99Ms: 9 }) }
    const rows = compareReports(before, after)
    t.match(rows, [
      { measure: 'CPU per operation', verdict: 'tie' },
      { measure: 'p99', verdict: 'dearer' },
    ])
    t.match(printComparison(rows), /\| p99 +\| 3.0 ms +\| 9.0 ms +\| 3.000 .*DEARER/)
  })
  t.test('what is in one of them only is left out', async (t) => {
    const rows = compareReports({ runs: rounds([1, 1, 1, 1]) }, { runs: rounds([1], { workload: 'get uniform' }) })
    t.same(rows, [])
    t.match(printComparison(rows), /nothing|no workload in common/)
  })
  t.test('a file that is no report is refused, and says what to do', async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'starling-test-'))
    t.teardown(() => rmSync(directory, { recursive: true }))
    const file = (name: string, words: string): string => {
      writeFileSync(join(directory, name), words)
      return join(directory, name)
    }
    const good = file('good.json', JSON.stringify({ schema: 1, runs: rounds([1, 2, 3, 4]) }))
    t.throws(() => compare([good]), /compare before.json after.json/)
    t.throws(
      () => compare([good, file('old.json', '{"schema": 0}')]),
      /has schema 0, and this bench reads 1: measure again/,
    )
    t.throws(() => compare([good, file('text.json', 'hello')]), /is no report of --json/)
    t.throws(() => compare([good, join(directory, 'absent.json')]), /is no report/)
    t.type(compare([good, good]), 'function')
  })
})

t.test('targets', async (t) => {
  const floor = { contestant: { system: 'floor', client: 'http' } } as const
  t.test('a row within its target is kept, and one within its stretch says so', async (t) => {
    t.match(verdictOn('put, HTTP, over the floor', [runOf({ cpuMicros: 124 }), runOf({ ...floor, cpuMicros: 100 })]), {
      ...{ outcome: 'kept', measured: 1.24, isStretchReached: false },
    })
    t.match(verdictOn('put, HTTP, over the floor', [runOf({ cpuMicros: 126 }), runOf({ ...floor, cpuMicros: 100 })]), {
      outcome: 'missed',
    })
    t.match(verdictOn('put, HTTP, over the floor', [runOf({ cpuMicros: 70 }), runOf({ ...floor, cpuMicros: 100 })]), {
      isStretchReached: true,
    })
  })
  t.test('systems that are not run are derived by the ratio of the floors, and it says so', async (t) => {
    // Riak cost 3121 us when the floor cost 162. The floor costs 81 here, so that Riak would cost 1560.5.
    const runs = [runOf({ cpuMicros: 100 }), runOf({ ...floor, cpuMicros: 81 })]
    const verdict = verdictOn('put, HTTP: Riak over Starling', runs)
    t.match(verdict, { outcome: 'kept', bound: 'at-least', isStretchReached: true, detail: /derived/ })
    t.equal(verdict?.measured.toFixed(3), '15.605')
  })
  t.test('writes to the disk are compared in yardsticks with those to the system', async (t) => {
    const runs = [
      runOf({ cpuMicros: 100, yardstickMicros: 5 }),
      runOf({ workload: 'put uniform disk', cpuMicros: 240, yardstickMicros: 6 }),
    ]
    t.match(verdictOn('put with durability disk over one with os, HTTP', runs), { measured: 2, outcome: 'kept' })
  })
  t.test('the tail at a share of the peak', async (t) => {
    const runs = [runOf({ workload: 'put uniform open-70%', rate: 500, p50Ms: 2, p99Ms: 13, p999Ms: 14 })]
    t.match(verdictOn('p99 over p50 of put at 70 % of the peak, HTTP', runs), { measured: 6.5, outcome: 'missed' })
    t.match(verdictOn('p99.9 of put at 70 % of the peak, HTTP', runs), { measured: 14, isStretchReached: true })
  })
  t.test('the table has a line for each, in Markdown', async (t) => {
    const lines = printTargets(
      verdictsOf(targets, [runOf({ cpuMicros: 124 }), runOf({ ...floor, cpuMicros: 100 })]),
    ).split('\n')
    t.match(lines[0], /^\| +\| measured \| target +\| stretch +\| verdict/)
    t.match(lines[2], /^\| put, HTTP, over the floor +\| 1.24 x +\| <= 1.25 +\| <= 0.74 +\| kept/)
  })
})

t.test('drawings are well formed', async (t) => {
  t.test('whatever their words say', async () => {
    const words = fc.string({ unit: 'grapheme-ascii' })
    fc.assert(
      fc.property(words, words, (one, other) => {
        const inner = [text(1, 2, one, { fill: other }), element('rect', { id: one, width: Number.NaN })]
        return isWellFormed(drawing(10, 10, [element('g', { title: other }, inner)]))
      }),
    )
  })
  t.test('and those of a report hold all its rows', async (t) => {
    const runs = [
      runOf({ cpuMicros: 100 }),
      runOf({ cpuMicros: 50, contestant: { system: 'floor', client: 'binary' } }),
      runOf({ workload: 'get <uniform> & "more"', operationsPerSecond: 0, answered: [] }),
    ]
    const svg = drawReport({ rows: rowsOf(runs), runs, at: '2026-11-23', environment: readEnvironment() })
    t.ok(isWellFormed(svg))
    t.notMatch(svg, /NaN|Infinity|undefined/)
    t.match(svg, /put uniform, floor binary/)
    t.match(svg, /get &lt;uniform&gt; &amp; &quot;more&quot;: latency/)
    t.equal(svg.match(/<polyline/g)?.length, 6, 'a line of latencies and one of rates for each')
  })
  t.test('of nothing too', async (t) => {
    t.ok(isWellFormed(drawReport({ rows: [], runs: [], at: '2026-11-23', environment: readEnvironment() })))
  })
})

t.test('a CPU profile', async (t) => {
  const frame = (id: number, functionName: string, url: string) => ({
    id,
    callFrame: { functionName, url, lineNumber: 9 },
  })
  const profile = {
    nodes: [
      frame(1, '(root)', ''),
      frame(2, 'put', 'file:///somewhere/dist/lib/node/coordinator.js'),
      frame(3, 'put', 'file:///somewhere/dist/lib/node/coordinator.js'),
      frame(4, '(garbage collector)', ''),
      frame(5, 'toString', 'file:///somewhere/node_modules/fastify/route.js'),
      frame(6, '(idle)', ''),
      frame(7, '', 'node:internal/streams'),
      frame(8, 'dispatch', ''),
    ],
    samples: [2, 6, 3, 4, 5, 7, 2, 8],
    timeDeltas: [100, 5000, 200, 150, 50, 30, -20, 9000],
  }
  t.test(
    'own times of one function are added up, over stacks and processes; idle time and the profiler’s are nobody’s',
    async (t) => {
      const [first, ...others] = dearestOf([profile, profile])
      t.match(first, { name: 'put', file: 'lib/node/coordinator.ts', selfMicros: 600 })
      t.same(
        others.map(({ name, file, selfMicros }) => [name, file, selfMicros]),
        [
          ['(garbage collector)', 'V8: scavenges and marking on the main thread', 300],
          ['toString', 'fastify/route.js', 100],
          ['(anonymous, line 10)', 'node:internal/streams', 60],
        ],
      )
      t.equal(first?.share.toFixed(3), (600 / 1060).toFixed(3))
    },
  )
  t.test('the dearest are listed, and what is no JavaScript behind them', async (t) => {
    const lines = printDearest(dearestOf([profile]), 2).split('\n')
    t.equal(lines.length, 5)
    t.match(lines[2], /^\| `put` +\| lib\/node\/coordinator.ts +\| 56.6 % \|$/)
    t.match(lines[3], /toString.*fastify/)
    t.match(lines[4], /garbage collector/)
  })
})

t.test('a yardstick is a time above nothing', async (t) => {
  t.ok(new Yardstick().microseconds() > 0)
})

function rounds(costs: readonly number[], others: Partial<Run> = {}): readonly Run[] {
  return costs.map((cpuMicros, round) => runOf({ cpuMicros, round, ...others }))
}

function verdictOn(name: string, runs: readonly Run[]) {
  return verdictsOf(targets, runs).find((verdict) => verdict.name === name)
}

/** Tags nest, attributes are quoted once each, and no sign stands for itself that must not. */
function isWellFormed(xml: string): boolean {
  const open: string[] = []
  let rest = xml.trim()
  let isFirst = true
  while (rest !== '') {
    const tag = /^<(\/?)([a-z]+)((?: [a-zA-Z][\w-]*="[^"<&]*(?:&(?:amp|lt|gt|quot);[^"<&]*)*")*)(\/?)>/.exec(rest)
    const words = tag === null ? /^[^<&]*(?:&(?:amp|lt|gt|quot);[^<&]*)*/.exec(rest)?.[0] : undefined
    if (tag !== null) {
      const [whole, closes, name = '', attributes = '', isEmpty] = tag
      const names = [...attributes.matchAll(/ ([\w-]+)="/g)].map(([, attribute]) => attribute)
      if (new Set(names).size !== names.length) return false
      if (closes === '/') {
        if (open.pop() !== name) return false
      } else if (isEmpty !== '/') open.push(name)
      if (isFirst && name !== 'svg') return false
      rest = rest.slice(whole.length)
    } else {
      if (words === undefined || words === '' || open.length === 0) return false
      rest = rest.slice(words.length)
    }
    isFirst = false
  }
  return open.length === 0
}
