import t from 'tap'
import { SimulatedMetrics } from '../../lib/simulator/simulated-metrics.ts'
import { Probes } from './probes.ts'
import { requiredProbes } from './required-probes.ts'

t.test('what happened is counted by names that say nothing of one run only', async (t) => {
  const probes = new Probes()
  const lines: string[] = []
  const add = (_fields: unknown, message: string): void => {
    lines.push(message)
  }
  const log = probes.listening({ debug: add, info: add, warn: add, error: add })
  log.info({}, 'waiting for 0123456789abcdef, fedcba9876543210 to acknowledge the first layout')
  log.warn({}, 'ada belongs to a cluster already: waiting for its layout')
  log.error({}, '3 of 4 starters are here')
  const metrics = new SimulatedMetrics()
  metrics
    .counter({ name: 'starling_reads_total', help: '', labels: ['kind', 'peer'] })('blocking', 'bob')
    .add(2)
  metrics.counter({ name: 'starling_never_total', help: '' })()
  probes.takeCounters(metrics)
  probes.takeHistory([
    { i: 0, t: 'fail', p: 1, f: 'get', error: 'no-layout', ns: 0 },
    { i: 1, t: 'ok', p: 2, f: 'put', tries: 2, ns: 0 },
    { i: 2, t: 'info', p: 'nemesis', f: 'mid-move', v: { moment: 'copying' }, ns: 0 },
  ])
  t.same(probes.counts, {
    'said waiting for * to acknowledge the first layout': 1,
    'said * belongs to a cluster already: waiting for its layout': 1,
    'said * of * starters are here': 1,
    'counted reads blocking': 2,
    'told get fail no-layout': 1,
    'told put ok after a retry': 1,
    'done mid-move': 1,
    'done mid-move when copying': 1,
  })
  t.equal(lines.length, 3, 'and every line is still logged')
})

t.test('the more seeds, the more must happen', async (t) => {
  t.same(requiredProbes(299, 'brief'), [])
  const ofTests = requiredProbes(300, 'brief')
  const ofAll = requiredProbes(2000, 'full')
  t.ok(ofTests.length > 100)
  t.ok(ofAll.length > ofTests.length)
  t.equal(new Set(ofAll).size, ofAll.length)
  t.same(
    ofTests.filter((name) => !ofAll.includes(name)),
    [],
  )
})
