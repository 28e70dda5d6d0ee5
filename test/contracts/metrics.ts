import type { Test } from 'tap'
import type { Metrics } from '../../lib/ports/metrics.ts'

/** What every implementation of the metrics port promises. Other metrics may stand between those declared here. */
export function metricsContract(t: Test, makeMetrics: () => Metrics): void {
  t.test('a name without labels is there at 0 from its declaration on, one with labels when it is used', async (t) => {
    const metrics = makeMetrics()
    metrics.counter({ name: 'starling_test_plain_total', help: 'Plain' })
    metrics.gauge({ name: 'starling_test_gauge', help: 'Gauge' })
    metrics.histogram({ name: 'starling_test_seconds', help: 'Seconds', buckets: [0.1, 1] })
    metrics.counter({ name: 'starling_test_labelled_total', help: 'Labelled', labels: ['kind'] })
    t.same(await exposed(metrics), {
      starling_test_plain_total: 0,
      starling_test_gauge: 0,
      'starling_test_seconds_bucket{le="0.1"}': 0,
      'starling_test_seconds_bucket{le="1"}': 0,
      'starling_test_seconds_bucket{le="+Inf"}': 0,
      starling_test_seconds_sum: 0,
      starling_test_seconds_count: 0,
    })
  })

  t.test('a series is one, however often it is looked up', async (t) => {
    const metrics = makeMetrics()
    const counter = metrics.counter({ name: 'starling_test_total', help: 'Test', labels: ['method', 'code'] })
    counter('get', '200').add(1)
    counter('get', '200').add(2)
    counter('put', '200').add(5)
    const gauge = metrics.gauge({ name: 'starling_test_open', help: 'Open', labels: ['peer'] })
    gauge('a"b\\c').set(7)
    gauge('a"b\\c').set(3)
    t.same(await exposed(metrics), {
      'starling_test_total{method="get",code="200"}': 3,
      'starling_test_total{method="put",code="200"}': 5,
      'starling_test_open{peer="a\\"b\\\\c"}': 3,
    })
  })

  t.test('a histogram counts what is at most each bound', async (t) => {
    const metrics = makeMetrics()
    const histogram = metrics.histogram({ name: 'starling_test_size', help: 'Sizes', labels: ['op'], buckets: [1, 10] })
    const cell = histogram('get')
    for (const value of [0.5, 1, 2, 10, 11]) cell.observe(value)
    t.same(await exposed(metrics), {
      'starling_test_size_bucket{op="get",le="1"}': 2,
      'starling_test_size_bucket{op="get",le="10"}': 4,
      'starling_test_size_bucket{op="get",le="+Inf"}': 5,
      'starling_test_size_sum{op="get"}': 24.5,
      'starling_test_size_count{op="get"}': 5,
    })
  })

  t.test('what is computed is computed when somebody looks', async (t) => {
    const metrics = makeMetrics()
    let looks = 0
    metrics.gauge({ name: 'starling_test_looks', help: 'Looks' }, () => {
      looks += 1
      return looks
    })
    let members = [{ labels: ['alive'], value: 3 }]
    metrics.sampled({ name: 'starling_test_members', help: 'Members', labels: ['state'] }, () => members)
    t.equal(looks, 0)
    t.same(await exposed(metrics), { starling_test_looks: 1, 'starling_test_members{state="alive"}': 3 })
    members = [{ labels: ['dead'], value: 1 }]
    t.same(await exposed(metrics), { starling_test_looks: 2, 'starling_test_members{state="dead"}': 1 })
  })

  t.test('the text says what each name means', async (t) => {
    const metrics = makeMetrics()
    metrics.counter({ name: 'starling_test_total', help: 'How many' })
    metrics.histogram({ name: 'starling_test_seconds', help: 'How long', buckets: [1] })
    metrics.sampled({ name: 'starling_test_members', help: 'Who', labels: ['state'] }, () => [])
    const lines = (await textOf(metrics)).split('\n')
    for (const line of [
      '# HELP starling_test_total How many',
      '# TYPE starling_test_total counter',
      '# TYPE starling_test_seconds histogram',
      '# TYPE starling_test_members gauge',
    ]) {
      t.ok(lines.includes(line), line)
    }
  })
}

/** The declared series, whatever the order of their labels, and their values. */
async function exposed(metrics: Metrics): Promise<Readonly<Record<string, number>>> {
  const lines = (await textOf(metrics)).split('\n').filter((line) => line.startsWith('starling_test'))
  return Object.fromEntries(lines.map((line) => [seriesOf(line), Number(line.slice(line.lastIndexOf(' ') + 1))]))
}

/** Where `le` stands among the labels is a matter of taste: here it is the last. */
function seriesOf(line: string): string {
  return line.slice(0, line.lastIndexOf(' ')).replace(/\{(le="[^"]*"),(.*)\}$/, '{$2,$1}')
}

function textOf(metrics: Metrics): Promise<string> {
  return new Promise((resolve) => metrics.expose(resolve))
}
