import t from 'tap'
import type { EndedSpan } from '../../lib/platform/tracing/otlp-json.ts'
import { OtlpTracer } from '../../lib/platform/tracing/otlp-tracer.ts'
import { noTracer } from '../../lib/ports/tracer.ts'
import { serve } from './with-server.ts'

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const traceparent = `00-${traceId}-00f067aa0ba902b7-01`

t.test('a request is a span, described as other HTTP servers describe theirs', async (t) => {
  const { ask, node, spans } = await traced(t)
  await ask('/v1/kv/b/somebody?r=1', { headers: { traceparent, 'user-agent': 'curl/8' } })
  const [span] = spans.splice(0)
  t.match(span, {
    name: 'GET /v1/kv/{bucket}/{key}',
    kind: 'server',
    parentSpanId: '00f067aa0ba902b7',
    context: { traceId },
    failure: undefined,
    attributes: {
      'http.request.method': 'GET',
      'http.route': '/v1/kv/{bucket}/{key}',
      'http.response.status_code': 404,
      'url.path': '/v1/kv/b/REDACTED',
      'url.scheme': 'http',
      'network.protocol.version': '1.1',
      'user_agent.original': 'curl/8',
      'client.address': /127\.0\.0\.1$/,
    },
  })

  await t.test('that goes along to the node with the id of the request', async (t) => {
    await ask('/v1/kv/b/k', { method: 'PUT', body: 'v', headers: { traceparent, 'x-request-id': 'r-7' } })
    t.match(node.origins.at(-1), { requestId: 'r-7', waitedMs: 0, span: { context: { traceId } } })
    t.equal(node.origins.at(-1)?.span?.context.spanId, spans[0]?.context.spanId)
    spans.splice(0)
  })

  await t.test('and ends with what went wrong on this side, not on the other', async (t) => {
    node.bug = new Error('oops')
    await ask('/v1/kv/b/k', { headers: { traceparent } })
    node.bug = undefined
    await ask('/v1/kv/b/k?r=many', { headers: { traceparent } })
    t.same(
      spans.splice(0).map(({ attributes, failure }) => [attributes['http.response.status_code'], failure]),
      [
        [500, 'internal'],
        [400, undefined],
      ],
    )
  })

  await t.test('a trace begins with a request for data, and with nothing else', async (t) => {
    for (const path of ['/v1/kv/b/k', '/v1/kv/b', '/v1/node', '/livez', '/readyz', '/metrics', '/v1/nowhere'])
      await ask(path)
    t.same(
      spans.splice(0).map(({ name, parentSpanId }) => [name, parentSpanId]),
      [
        ['GET /v1/kv/{bucket}/{key}', ''],
        ['GET /v1/kv/{bucket}', ''],
      ],
    )
    await ask('/v1/node', { headers: { traceparent } })
    t.match(spans.splice(0), [{ name: 'GET /v1/node' }], 'unless somebody else has begun it')
  })
})

t.test('where nothing is recorded, a trace is handed on and named in the log', async (t) => {
  const { ask, node, logged } = await serve(t, {}, noTracer)
  await ask('/v1/kv/b/k', { headers: { traceparent, tracestate: 'rojo=1' } })
  t.match(node.origins.at(-1)?.span?.context, { traceId, spanId: '00f067aa0ba902b7', flags: 1, state: 'rojo=1' })
  await ask('/v1/kv/b/k')
  t.equal(node.origins.at(-1)?.span, undefined)
  await ask('/v1/kv/b/k', { headers: { traceparent: 'nonsense', tracestate: 'rojo=1' } })
  t.equal(node.origins.at(-1)?.span, undefined, 'one that is malformed is none')
  node.bug = new Error('oops')
  await ask('/v1/kv/b/k', { headers: { traceparent, 'x-request-id': 'r-8' } })
  t.match(logged.at(-1)?.fields, { requestId: 'r-8', traceId })
})

async function traced(t: Parameters<typeof serve>[0]) {
  const spans: EndedSpan[] = []
  const sink = { add: (span: EndedSpan) => spans.push(span), close: async () => {} }
  return { ...(await serve(t, {}, new OtlpTracer({ ratio: 1, isParentBased: true }, sink))), spans }
}
