import { join } from 'node:path'
import t, { type Test } from 'tap'
import { connect } from '../lib/connect.ts'
import type { RunningNode } from '../lib/start-node.ts'
import { registerSdk } from './client/fixtures/recording-sdk.ts'
import { eventually, nodeIn, ready } from './node/fixtures/real-nodes.ts'
import { Collector, type HeardSpan } from './platform/fixtures/collector.ts'
import { scratchDirectory } from './platform/fixtures/scratch.ts'

const asked = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' }
const traceparent = `00-${asked.traceId}-${asked.spanId}-01`
const failing = '5bf92f3577b34da6a3ce929d0e0e4736'
const tracestate = 'congo=t61rcWkgMzE,rojo=00f067aa0ba902b7'

// Real nodes on a machine that may be busy.
t.setTimeout(120_000)

t.test('three nodes and a collector', async (t) => {
  const collector = await Collector.start(t)
  const nodes = await cluster(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
    OTEL_BSP_SCHEDULE_DELAY: '100',
    OTEL_SERVICE_NAME: 'basket-store',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
    OTEL_TRACES_SAMPLER: 'parentbased_always_off',
  })
  const [ada] = nodes as [RunningNode]

  await t.test('a write is one trace, from who asked to every replica and its store', async (t) => {
    const headers = { traceparent, tracestate, 'x-request-id': 'r-7' }
    t.equal(await ask(ada, 'PUT', '/v1/kv/carts/somebody%40example.org?w=all', headers), 204)
    const spans = await eventually(
      'all spans have come',
      async () => collector.spans.filter(({ traceId }) => traceId === asked.traceId),
      (found) => found.length >= 9,
    )
    t.equal(spans.length, 9)
    const [root] = spans.filter(({ parentSpanId }) => parentSpanId === asked.spanId) as [HeardSpan]
    t.match(root, { node: 'ada', name: 'PUT /v1/kv/{bucket}/{key}', kind: 'server', failure: undefined })
    t.match(root.attributes, {
      'http.request.method': 'PUT',
      'http.route': '/v1/kv/{bucket}/{key}',
      'http.response.status_code': 204,
      'url.path': '/v1/kv/carts/REDACTED',
      'starling.request.id': 'r-7',
    })
    const [coordination, ...none] = collector.childrenOf(root) as [HeardSpan]
    t.same(none, [])
    t.match(coordination, { node: 'ada', name: 'put carts', kind: 'internal' })
    t.match(coordination.attributes, {
      'db.system.name': 'starling',
      'db.operation.name': 'put',
      'db.collection.name': 'carts',
      'starling.quorum.answered': 3,
      'starling.quorum.needed': 3,
    })
    const parts = collector.childrenOf(coordination)
    t.same(parts.map(({ node, name, kind }) => [node, name, kind]).sort(), [
      ['ada', 'starling/write-record', 'client'],
      ['ada', 'starling/write-record', 'client'],
      ['ada', 'store write', 'internal'],
    ])
    const served = parts.flatMap((part) => collector.childrenOf(part))
    t.same(served.map(({ node, name, kind }) => [node, name, kind]).sort(), [
      ['bob', 'starling/write-record', 'server'],
      ['cyd', 'starling/write-record', 'server'],
    ])
    t.same(
      served
        .flatMap((part) => collector.childrenOf(part))
        .map(({ node, name }) => [node, name])
        .sort(),
      [
        ['bob', 'store write'],
        ['cyd', 'store write'],
      ],
    )
    for (const span of spans) t.equal(span.traceState, tracestate, 'who asked may say something to whoever looks')
    for (const span of spans) t.ok(span.endedAtNs >= span.startedAtNs)
    t.notOk(JSON.stringify(spans, asText).includes('somebody'), 'keys go nowhere')
    t.match(collector.resources[0], { 'service.name': 'basket-store', 'deployment.environment.name': 'test' })
  })

  await t.test('a request that fails says how, and who did not answer', async (t) => {
    const headers = { traceparent: `00-${failing}-${asked.spanId}-01` }
    t.equal(await ask(ada, 'GET', '/v1/kv/carts/nothing', headers), 404)
    t.equal(await ask(ada, 'PUT', '/v1/kv/carts/k?sloppy=maybe', headers), 400)
    const found = await eventually(
      'the spans have come',
      async () => collector.spans.filter((span) => span.traceId === failing && span.name.includes('/v1/')),
      (servers) => servers.length === 2,
    )
    t.same(found.map(({ attributes, failure }) => [attributes['http.response.status_code'], failure]).sort(), [
      [400, undefined],
      [404, undefined],
    ])
  })

  await t.test('what nobody traces is not recorded, and neither is what is not to be', async (t) => {
    const other = '7bf92f3577b34da6a3ce929d0e0e4736'
    await ask(ada, 'PUT', '/v1/kv/carts/k')
    await ask(ada, 'PUT', '/v1/kv/carts/k', { traceparent: `00-${other}-${asked.spanId}-00` })
    await ask(ada, 'PUT', '/v1/kv/carts/k', { traceparent: `00-${other}-${asked.spanId}-01-01` })
    await ask(ada, 'GET', '/livez', { traceparent: `00-${other}-${asked.spanId}-01` })
    await new Promise((resolve) => setTimeout(resolve, 300))
    t.same([...new Set(collector.spans.map(({ traceId }) => traceId))].sort(), [asked.traceId, failing])
  })

  await t.test('a program with an SDK of its own sees its requests go on in the nodes', async (t) => {
    const sdk = registerSdk(t)
    const db = await connect([ada.peer])
    t.teardown(() => db.close())
    await db.bucket('carts').put('k', new TextEncoder().encode('v'), { w: 'all' })
    const [own] = sdk.spans
    t.match(own, { name: 'put carts', isEnded: true })
    const { traceId, spanId } = own?.spanContext() ?? {}
    const spans = await eventually(
      'the spans of the nodes have come',
      async () => collector.spans.filter((span) => span.traceId === traceId),
      (found) => found.length >= 9,
    )
    const [first, ...others] = spans.filter(({ parentSpanId }) => parentSpanId === spanId) as [HeardSpan]
    t.same(others, [])
    t.match(first, { name: 'starling/coordinate', kind: 'server' })
    t.match(collector.childrenOf(first), [{ name: 'put carts', kind: 'internal' }])
    t.same([...new Set(spans.map(({ node }) => node))].sort(), ['ada', 'bob', 'cyd'])

    const before = sdk.spans.length
    for await (const _entry of db.bucket('carts').scan());
    const scan = sdk.spans[before]
    t.match(scan, { name: 'scan carts', isEnded: true })
    const asked = await eventually(
      'the spans of the scan have come',
      async () => collector.spans.filter((span) => span.traceId === scan?.spanContext().traceId),
      (found) => found.length >= 5,
    )
    t.same(asked.map(({ name, kind }) => `${name} ${kind}`).sort(), [
      'starling/list-index client',
      'starling/list-index client',
      'starling/list-index server',
      'starling/list-index server',
      'starling/scan server',
    ])
  })

  await t.test('a node that is stopped sends its last spans first', async (t) => {
    const traceId = '6bf92f3577b34da6a3ce929d0e0e4736'
    await ask(ada, 'GET', '/v1/kv/carts/k', { traceparent: `00-${traceId}-${asked.spanId}-01` })
    await ada.stop()
    t.ok(collector.spans.some((span) => span.traceId === traceId && span.name.startsWith('GET ')))
  })
})

t.test(
  'without the environment variables nothing is recorded, and a trace goes on to whoever records it',
  async (t) => {
    const collector = await Collector.start(t)
    const directory = scratchDirectory(t)
    const plain = await nodeIn(t, join(directory, 'ada'), { name: 'ada', expect: 2, replicas: 2 })
    const traced = await withEnvironment(
      { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint, OTEL_BSP_SCHEDULE_DELAY: '50' },
      () => nodeIn(t, join(directory, 'bob'), { name: 'bob', join: [plain.peer], expect: 2, replicas: 2 }),
    )
    await ready([plain, traced])
    t.equal(await ask(plain, 'PUT', '/v1/kv/carts/k?w=2', { traceparent }), 204)
    const [span] = await eventually(
      'the span has come',
      async () => collector.spans.filter(({ traceId, kind }) => traceId === asked.traceId && kind === 'server'),
      (servers) => servers.length > 0,
    )
    t.match(span, { node: 'bob', name: 'starling/write-record', parentSpanId: asked.spanId, traceId: asked.traceId })
  },
)

/** @returns the status */
async function ask(
  node: RunningNode,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<number> {
  const body = method === 'PUT' ? { body: 'tea' } : {}
  const response = await fetch(`http://${node.http}${path}`, { method, headers, ...body })
  await response.arrayBuffer()
  return response.status
}

async function cluster(t: Test, env: Readonly<Record<string, string>>): Promise<readonly RunningNode[]> {
  const directory = scratchDirectory(t)
  return withEnvironment(env, async () => {
    const first = await nodeIn(t, join(directory, 'ada'), { name: 'ada', expect: 3 })
    const others = ['bob', 'cyd'].map((name) =>
      nodeIn(t, join(directory, name), { name, join: [first.peer], expect: 3 }),
    )
    const nodes = [first, ...(await Promise.all(others))]
    await ready(nodes)
    return nodes
  })
}

/** The environment is read when a node starts. */
async function withEnvironment<Result>(
  env: Readonly<Record<string, string>>,
  run: () => Promise<Result>,
): Promise<Result> {
  Object.assign(process.env, env)
  try {
    return await run()
  } finally {
    for (const name of Object.keys(env)) delete process.env[name]
  }
}

function asText(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value
}
