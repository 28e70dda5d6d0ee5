import * as api from '@opentelemetry/api'
import t from 'tap'
import { ApiTracer } from '../../lib/platform/tracing/api-tracer.ts'
import { registerSdk } from './fixtures/recording-sdk.ts'
import { coordinated, refusal, ScriptedCluster } from './fixtures/scripted-cluster.ts'

const { SpanKind, SpanStatusCode } = api

t.test('without an SDK nothing is made and nothing is sent', async (t) => {
  const cluster = tracedCluster()
  const db = await cluster.connected()
  t.equal(cluster.tracer?.isOn, false)
  await cluster.settle(db.bucket('carts').get('k'))
  t.same(tracesOf(cluster), [undefined])
})

t.test('with an SDK, also one that is registered later', async (t) => {
  const cluster = tracedCluster()
  const db = await cluster.connected()
  const carts = db.bucket('carts')
  await cluster.settle(carts.get('before'))
  cluster.asked.splice(0)
  const { spans } = registerSdk(t)

  await t.test('each request is a span, which the node hears of', async (t) => {
    await cluster.settle(carts.get('k'))
    const [span] = take(spans)
    t.match(span, {
      name: 'get carts',
      kind: SpanKind.CLIENT,
      parentSpanId: '',
      isEnded: true,
      status: undefined,
      attributes: {
        'db.system.name': 'starling',
        'db.operation.name': 'get',
        'db.collection.name': 'carts',
        'server.port': 7071,
        'server.address': /^(ada|bob|cyd|dan)$/,
      },
    })
    t.same(tracesOf(cluster), [{ ...idsOf(span), flags: 1, state: '' }])
  })

  await t.test('inside the span of whoever asks', async (t) => {
    const around = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7', traceFlags: 1 }
    const traceState = api.createTraceState('rojo=1')
    const active = api.trace.setSpanContext(api.ROOT_CONTEXT, { ...around, traceState })
    await cluster.settle(api.context.with(active, () => carts.put('k', new Uint8Array(1))))
    const [span] = take(spans)
    t.match(span, { name: 'put carts', parentSpanId: around.spanId })
    t.match(tracesOf(cluster), [{ traceId: around.traceId, spanId: span?.spanContext().spanId, state: 'rojo=1' }])
  })

  await t.test('retries are events, and an error is the end of it', async (t) => {
    for (const node of cluster.nodes.values()) node.script = (_request, respond) => respond(refusal('draining'))
    await t.rejects(cluster.settle(carts.put('k', new Uint8Array(1))), { code: 'draining' })
    const [span] = take(spans)
    t.match(span?.status, { code: SpanStatusCode.ERROR })
    t.match(span?.attributes, { 'error.type': 'draining', 'starling.aftermath': 'nothing-changed' })
    const traces = tracesOf(cluster)
    t.ok(traces.length > 1)
    t.equal(span?.events.length, traces.length - 1)
    t.ok(span?.events.every(({ name }) => name === 'starling.retry'))
    t.same(
      [...new Set(traces.map((trace) => trace?.spanId))],
      [idsOf(span).spanId],
      'every try is part of the one request',
    )
    await cluster.pass(6_000)
  })

  await t.test('a hedge is an event', async (t) => {
    for (const [name, node] of cluster.nodes) node.script = (request, respond) => respond(coordinated(name, request))
    for (let count = 0; count < 100; count += 1) await cluster.settle(carts.get(`k${count}`))
    take(spans)
    cluster.asked.splice(0)
    for (const node of cluster.nodes.values()) {
      node.script = (request, respond) => cluster.world.after(400, () => respond(coordinated('ada', request)))
    }
    await cluster.settle(carts.get('k'))
    const [span] = take(spans)
    t.match(
      span?.events.map(({ name }) => name),
      ['starling.hedge'],
    )
    t.equal(tracesOf(cluster).length, 2)
  })

  await t.test('one that is called off ends as aborted', async (t) => {
    const controller = new AbortController()
    const read = carts.get('k', { signal: controller.signal })
    controller.abort(new Error('enough'))
    await t.rejects(cluster.settle(read), { message: 'enough' })
    t.match(take(spans), [{ isEnded: true, attributes: { 'error.type': 'aborted' } }])
  })

  await t.test('several requests in one frame are one span', async (t) => {
    for (const [name, node] of cluster.nodes) node.script = (request, respond) => respond(coordinated(name, request))
    cluster.asked.splice(0)
    await cluster.settle(carts.getMany(['a', 'b', 'c', 'd']))
    const [span, ...others] = take(spans)
    t.same(others, [])
    t.match(span, { name: 'getMany carts', isEnded: true, attributes: { 'db.operation.batch.size': 4 } })
    t.same([...new Set(tracesOf(cluster).map((trace) => trace?.spanId))], [idsOf(span).spanId])
  })
})

t.test('where the program suppresses tracing nothing is sent: a trace without an id is damage to a node', async (t) => {
  const span = api.trace.wrapSpanContext(api.INVALID_SPAN_CONTEXT)
  const tracer = { startSpan: () => span, startActiveSpan: () => undefined as never }
  api.trace.setGlobalTracerProvider({ getTracer: () => tracer })
  t.teardown(() => api.trace.disable())
  const cluster = tracedCluster()
  const db = await cluster.connected()
  t.equal(cluster.tracer?.isOn, true)
  cluster.asked.splice(0)
  await cluster.settle(db.bucket('carts').get('k'))
  await cluster.settle(db.bucket('carts').getMany(['a', 'b']))
  const traces = tracesOf(cluster)
  t.ok(traces.length > 1)
  t.ok(traces.every((trace) => trace === undefined))
})

function tracedCluster(): ScriptedCluster {
  const cluster = new ScriptedCluster()
  cluster.wireVersion = 3
  cluster.tracer = new ApiTracer(api, 'starling-kv', undefined)
  return cluster
}

/** What stood in the frames since this was asked last. */
function tracesOf(cluster: ScriptedCluster) {
  return cluster.asked.splice(0).map(({ trace }) => trace)
}

function take<One>(from: readonly One[]): readonly One[] {
  return (from as One[]).splice(0)
}

function idsOf(span: api.Span | undefined): { readonly traceId: string; readonly spanId: string } {
  if (span === undefined) throw new Error('no span was made')
  const { traceId, spanId } = span.spanContext()
  return { traceId, spanId }
}
