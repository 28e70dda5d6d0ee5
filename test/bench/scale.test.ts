import t from 'tap'
import { positive } from '../../bench/options-of-scale.ts'
import { drawCurves } from '../../bench/report/curves.ts'
import { isKept, printJudged } from '../../bench/report/judged.ts'
import { growthMax, growthOf } from '../../bench/report/levelling.ts'
import { readStatus } from '../../bench/systems/process-resources.ts'

t.test('a curve that levels off', async (t) => {
  const samples = Array.from({ length: 90 }, (_, index) => index)
  t.ok((growthOf(samples) ?? 0) > growthMax, 'is not one that rises all the time')
  const levelled = growthOf(samples.map((index) => 100 * (1 - Math.exp(-index / 10)))) ?? Number.NaN
  t.ok(levelled < growthMax, 'may rise at first')
  t.equal(growthOf(samples.map(() => 7)), 1)
  t.equal(
    growthOf(samples.map((index) => (index % 10 === 0 ? 0 : 7))),
    1,
    'whoever is down for a moment does not count',
  )
  t.equal(growthOf(samples.map(() => 0)), 1, 'there may be nothing')
  t.equal(growthOf([1, 2, 3]), undefined, 'three samples are too few')
})

t.test('what a process holds is read from /proc/PID/status', async (t) => {
  const text = 'Name:\tnode\nVmRSS:\t  2048 kB\nRssAnon:\t  1024 kB\nRssFile:\t  1024 kB\nThreads:\t11\n'
  t.same(readStatus(text), { anonBytes: 1024 * 1024, residentBytes: 2048 * 1024, threads: 11 })
  t.throws(() => readStatus('Name:\tnode\n'), /RssAnon/)
})

t.test('a figure above its limit is missed, one without a limit is not judged', async (t) => {
  const figure = { what: 'memory', value: 251, unit: 'MiB', limit: 250, aim: 180 }
  t.notOk(isKept(figure))
  t.ok(isKept({ ...figure, value: 250 }))
  t.ok(isKept({ ...figure, limit: undefined }))
  t.notOk(isKept({ ...figure, value: Number.NaN }), 'nothing was measured')
  t.equal(printJudged([figure]), 'MISSED  memory: 251 MiB, at most 250 (aim 180)')
})

t.test('curves are drawn one panel below the other', async (t) => {
  const svg = drawCurves('a run', [0, 5], [{ title: 'memory & more', curves: [{ name: 'n1', values: [1, 2] }] }])
  t.match(svg, /^<svg .*<\/svg>\n$/)
  t.match(svg, 'memory &amp; more')
  t.match(svg, /<polyline points="[\d., ]+"/)
})

t.test('an option that is no number above 0 is refused by its name', async (t) => {
  t.equal(positive('keys', undefined, 7), 7)
  t.equal(positive('keys', '12', 7), 12)
  for (const text of ['0', '-1', 'many', 'Infinity']) t.throws(() => positive('keys', text, 7), /--keys/)
})
