import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { readOtelEnvironment } from '../../lib/platform/tracing/otel-environment.ts'
import { OtlpExporter } from '../../lib/platform/tracing/otlp-exporter.ts'
import type { EndedSpan } from '../../lib/platform/tracing/otlp-json.ts'
import { OtlpTracer } from '../../lib/platform/tracing/otlp-tracer.ts'
import type { Log } from '../../lib/ports/log.ts'
import { eventually } from '../node/fixtures/real-nodes.ts'
import { Collector } from './fixtures/collector.ts'

const parent = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7', flags: 1, state: 'rojo=1' }
const unsampled = { ...parent, flags: 0 }

t.test('the environment', async (t) => {
  t.test('switches tracing on by an endpoint or an exporter, and by nothing else', async (t) => {
    t.equal(read({}), undefined)
    t.equal(read({ OTEL_SERVICE_NAME: 'x', OTEL_TRACES_SAMPLER: 'always_on' }), undefined)
    t.equal(read({ OTEL_TRACES_EXPORTER: 'none', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318' }), undefined)
    t.equal(read({ OTEL_SDK_DISABLED: 'TRUE', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318' }), undefined)
    t.equal(read({ OTEL_EXPORTER_OTLP_ENDPOINT: ' ' }), undefined, 'empty is not given')
    t.equal(read({ OTEL_TRACES_EXPORTER: 'otlp' })?.url, 'http://localhost:4318/v1/traces')
    t.equal(read({ OTEL_EXPORTER_OTLP_ENDPOINT: 'https://c:4318/base/' })?.url, 'https://c:4318/base/v1/traces')
    t.equal(read({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://c:4318/as/it/is' })?.url, 'http://c:4318/as/it/is')
  })

  t.test('says how much is recorded, and who decides', async (t) => {
    for (const [name, argument, sampler] of [
      [undefined, undefined, { ratio: 1, isParentBased: true }],
      ['always_on', undefined, { ratio: 1, isParentBased: false }],
      ['always_off', undefined, { ratio: 0, isParentBased: false }],
      ['parentbased_always_off', undefined, { ratio: 0, isParentBased: true }],
      ['traceidratio', '0.25', { ratio: 0.25, isParentBased: false }],
      ['parentbased_traceidratio', '0.01', { ratio: 0.01, isParentBased: true }],
      ['parentbased_traceidratio', undefined, { ratio: 1, isParentBased: true }],
    ] as const) {
      t.same(read({ ...on, OTEL_TRACES_SAMPLER: name, OTEL_TRACES_SAMPLER_ARG: argument })?.sampler, sampler)
    }
  })

  t.test('names the service, and gives headers', async (t) => {
    t.same(read(on)?.resource, { 'service.name': 'starling' })
    t.same(
      read({
        ...on,
        OTEL_RESOURCE_ATTRIBUTES: 'service.name=a,deployment.environment.name=pro%20d,odd',
        OTEL_SERVICE_NAME: 'b',
      })?.resource,
      { 'service.name': 'b', 'deployment.environment.name': 'pro d' },
    )
    t.same(
      read({
        ...on,
        OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20x,a=1',
        OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'a=2',
      })?.headers,
      { authorization: 'Bearer x', a: '2' },
    )
  })

  t.test('is told what it says wrong, and the rest goes on', async (t) => {
    for (const [env, isOn, said] of [
      [{ OTEL_TRACES_EXPORTER: 'zipkin' }, false, /zipkin/],
      [{ ...on, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, false, /grpc is not spoken/],
      [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'c:4318' }, false, /not an http address/],
      [{ ...on, OTEL_TRACES_SAMPLER: 'jaeger_remote' }, true, /jaeger_remote/],
      [{ ...on, OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '2' }, true, /from 0 to 1/],
      [{ ...on, OTEL_BSP_MAX_QUEUE_SIZE: '-1' }, true, /OTEL_BSP_MAX_QUEUE_SIZE=-1/],
    ] as const) {
      const problems: string[] = []
      t.equal(readOtelEnvironment(env, (problem) => problems.push(problem)) !== undefined, isOn)
      t.match(problems, [said])
      t.equal(problems.length, 1)
    }
    t.ok(read({ ...on, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf' }), 'collectors take JSON at the same address')
  })
})

t.test('the tracer', async (t) => {
  t.test('records what whoever asks records, and begins traces of its own by its ratio', async (t) => {
    const spans: EndedSpan[] = []
    const tracer = tracerTo(spans, { ratio: 0.5, isParentBased: true })
    tracer.begin('asked', 'server', parent)?.end()
    t.match(spans[0], {
      name: 'asked',
      parentSpanId: parent.spanId,
      context: { traceId: parent.traceId, flags: 1, state: 'rojo=1' },
    })
    t.not(spans[0]?.context.spanId, parent.spanId)
    const carried = tracer.begin('not to be recorded', 'server', unsampled)
    t.same(
      [carried?.isRecorded, carried?.context, carried?.child('x', 'client').context],
      [false, unsampled, unsampled],
    )
    carried?.end()
    t.equal(spans.length, 1)
    let begun = 0
    for (let count = 0; count < 1000; count += 1)
      if (tracer.begin('root', 'server', undefined) !== undefined) begun += 1
    t.ok(begun > 400 && begun < 600, `${begun} of 1000 at a half`)
  })

  t.test('decides alone where it is told to', async (t) => {
    const never = tracerTo([], { ratio: 0, isParentBased: false })
    t.match(never.begin('x', 'server', parent), { isRecorded: false, context: { traceId: parent.traceId, flags: 0 } })
    const always = tracerTo([], { ratio: 1, isParentBased: false })
    t.match(always.begin('x', 'server', unsampled), { isRecorded: true, context: { flags: 1 } })
  })

  t.test('decides the same for a trace wherever it is asked', async (t) => {
    const [one, other] = [0, 1].map(() => tracerTo([], { ratio: 0.3, isParentBased: false }))
    for (let count = 0; count < 200; count += 1) {
      const asked = {
        ...parent,
        traceId: `${'a'.repeat(24)}${((count * 0x9e3779b1) >>> 0).toString(16).padStart(8, '0')}`,
      }
      t.equal(one?.begin('x', 'server', asked)?.isRecorded, other?.begin('x', 'server', asked)?.isRecorded)
    }
  })

  t.test('keeps what a span is told until its end, and nothing after it', async (t) => {
    const spans: EndedSpan[] = []
    const root = tracerTo(spans, { ratio: 1, isParentBased: true }).begin('root', 'server', undefined, { a: 1 })
    const child = root?.child('child', 'client', { b: true })
    child?.event('retry', { node: 'bob' })
    child?.fail('overloaded', 'too much')
    child?.end()
    child?.end()
    child?.set({ late: 1 })
    for (let count = 0; count < 200; count += 1) root?.event('again')
    root?.set({ c: 'd' })
    root?.end()
    t.equal(spans.length, 2)
    t.match(spans, [
      {
        name: 'child',
        kind: 'client',
        parentSpanId: root?.context.spanId,
        attributes: { b: true, 'error.type': 'overloaded' },
        events: [{ name: 'retry', attributes: { node: 'bob' } }],
        failure: 'too much',
      },
      { name: 'root', parentSpanId: '', attributes: { a: 1, c: 'd' }, failure: undefined },
    ])
    t.equal(spans[1]?.events.length, 128)
    t.notOk('late' in (spans[0]?.attributes ?? {}))
    t.ok(Math.abs((spans[0]?.startedAtMs ?? 0) - Date.now()) < 60_000, 'by the wall clock')
  })
})

t.test('the exporter', async (t) => {
  t.test('sends batches as the environment says, and again when the collector asks for patience', async (t) => {
    const collector = await Collector.start(t)
    collector.statuses.push(503)
    const { exporter, counted } = exporting(t, collector, {
      OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
      OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=7',
    })
    for (const name of ['one', 'two']) exporter.add(span(name))
    await eventually(
      'the spans have come',
      async () => collector.spans.map(({ name }) => name),
      (names) => names.length === 2,
    )
    t.same(
      collector.requests.map(({ path, headers }) => [path, headers['x-tenant'], headers['content-encoding']]),
      [
        ['/v1/traces', '7', 'gzip'],
        ['/v1/traces', '7', 'gzip'],
      ],
    )
    await exporter.close(1000)
    t.same(counted, { exported: 2, 'queue-full': 0, 'not-taken': 0 })
    const [first] = collector.spans
    t.match(first, {
      node: 'ada',
      kind: 'client',
      failure: 'too late',
      attributes: { text: 'x', whole: 7, part: 0.5, is: true },
    })
    t.equal((first?.endedAtNs ?? 0n) - (first?.startedAtNs ?? 0n), 1_500_000n)
  })

  t.test('drops and counts what is too much for a collector that says nothing, and waits for nobody', async (t) => {
    const collector = await Collector.start(t)
    collector.isSilent = true
    const { exporter, counted } = exporting(t, collector, {
      OTEL_BSP_MAX_QUEUE_SIZE: '10',
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '5',
    })
    const startedMs = performance.now()
    for (let count = 0; count < 100; count += 1) exporter.add(span('one'))
    t.ok(performance.now() - startedMs < 1_000)
    t.equal(exporter.waiting, 10)
    t.equal(counted['queue-full'], 85)
    await exporter.close(50)
    t.ok(performance.now() - startedMs < 5_000, 'its end is no matter of the collector either')
    t.same(counted, { exported: 0, 'queue-full': 85, 'not-taken': 15 })
    exporter.add(span('late'))
    t.equal(exporter.waiting, 0)
  })

  t.test('ends in time where nobody collects, and whoever waits for that hears of it', async (t) => {
    const exporter = new URL('../../lib/platform/tracing/otlp-exporter.js', import.meta.url)
    const settings = { url: 'http://127.0.0.1:1/', headers: {}, timeoutMs: 100, queueSpansMax: 1, batchSpansMax: 1 }
    // Nothing else keeps this process, as nothing keeps a node that has stopped.
    const program = `
      const { OtlpExporter } = await import(${JSON.stringify(exporter.href)})
      const cell = { add() {} }
      const parts = { metrics: { exported: cell, dropped: () => cell }, log: { warn() {} } }
      const exporter = new OtlpExporter(${JSON.stringify(settings)}, { resource: {}, version: '1' }, parts)
      exporter.add(${JSON.stringify(span('one'))})
      await exporter.close(200)
      console.log('closed')`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program])
    t.equal(stdout, 'closed\n')
  })

  t.test('does not try again what the collector refuses for good, and says so once', async (t) => {
    const collector = await Collector.start(t)
    collector.statuses.push(400, 400)
    const { exporter, counted, logged } = exporting(t, collector)
    exporter.add(span('one'))
    await eventually(
      'the first has been refused',
      async () => counted['not-taken'],
      (count) => count === 1,
    )
    exporter.add(span('two'))
    await eventually(
      'the second, too',
      async () => counted['not-taken'],
      (count) => count === 2,
    )
    t.equal(collector.requests.length, 2)
    t.match(logged, [{ problem: 'it answered 400' }])
    t.equal(logged.length, 1)
  })
})

const on = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318' }

function read(env: Readonly<Record<string, string | undefined>>) {
  return readOtelEnvironment(env, () => {})
}

function tracerTo(
  spans: EndedSpan[],
  sampler: { readonly ratio: number; readonly isParentBased: boolean },
): OtlpTracer {
  return new OtlpTracer(sampler, { add: (ended) => spans.push(ended), close: async () => {} })
}

function exporting(t: Test, collector: Collector, env: Readonly<Record<string, string>> = {}) {
  const settings = read({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint, OTEL_BSP_SCHEDULE_DELAY: '20', ...env })
  if (settings === undefined) throw new Error('the environment switches it on')
  const counted = { exported: 0, 'queue-full': 0, 'not-taken': 0 }
  const cell = (name: keyof typeof counted) => ({
    add: (amount: number) => {
      counted[name] += amount
    },
  })
  const logged: Readonly<Record<string, unknown>>[] = []
  const log: Log = { debug() {}, info() {}, warn: (fields) => logged.push(fields), error() {} }
  const about = { resource: { 'service.instance.id': 'ada' }, version: '0' }
  const exporter = new OtlpExporter(settings, about, { metrics: { exported: cell('exported'), dropped: cell }, log })
  t.teardown(() => exporter.close(0))
  return { exporter, counted, logged }
}

function span(name: string): EndedSpan {
  return {
    context: parent,
    parentSpanId: '',
    name,
    kind: 'client',
    startedAtMs: 1_700_000_000_000,
    endedAtMs: 1_700_000_000_001.5,
    attributes: { text: 'x', whole: 7, part: 0.5, is: true },
    events: [],
    failure: 'too late',
  }
}
