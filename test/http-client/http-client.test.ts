import { createServer } from 'node:net'
import t, { type Test } from 'tap'
import { undiciTransport } from '../../lib/cli/undici-transport.ts'
import { HttpClient } from '../../lib/http-client/http-client.ts'
import { formatSibling, parseSibling } from '../../lib/http-client/sibling.ts'
import type { Transport } from '../../lib/http-client/transport.ts'
import {
  type Aftermath,
  DeadlineExceeded,
  Draining,
  InternalError,
  InvalidBucket,
  InvalidHeader,
  InvalidKey,
  InvalidParameter,
  PlanRefused,
  PreconditionFailed,
  StarlingError,
  Unreachable,
} from '../../lib/vocabulary/errors.ts'
import { FakeNode } from './fixtures/fake-node.ts'

const bytes = Buffer.from([0, 255, 10, 13, 128, 0])
const transports: readonly (readonly [string, Transport | undefined])[] = [
  ['fetch', undefined],
  ['undici', undiciTransport()],
]

for (const [name, transport] of transports) {
  t.test(`over ${name}`, async (t) => {
    t.test('a value comes back as it was put, with its type, metadata and context', async (t) => {
      const { client, node } = await nodeAndClient(t)
      const metadata = { author: 'Ada', place: 'Zürich, 東京' }
      const written = await client.put('a b', 'x/y?é', bytes, { contentType: 'image/x-ö', metadata })
      const found = await client.get('a b', 'x/y?é')
      t.same(found.siblings, [
        { value: new Uint8Array(bytes), contentType: 'image/x-ö', metadata, expiresAt: undefined },
      ])
      t.equal(found.context, written.context)
      t.notOk(found.tombstone)
      t.equal(node.seen[0]?.path, '/v1/kv/a%20b/x%2Fy%3F%C3%A9', 'a slash is part of the key')
    })

    t.test('several values are siblings, until a put with their context', async (t) => {
      const { client, node } = await nodeAndClient(t)
      await client.put('b', 'k', 'one')
      await client.put('b', 'k', bytes)
      const { siblings, context } = await client.get('b', 'k')
      t.same(
        siblings.map(({ value }) => Buffer.from(value)),
        [Buffer.from('one'), bytes],
      )
      await client.put('b', 'k', 'merged', { context })
      t.same(node.values('b', 'k'), ['merged'])
    })

    t.test('nothing there is an answer; deleted is one that has a context', async (t) => {
      const { client } = await nodeAndClient(t)
      t.match(await client.get('b', 'k'), { siblings: [], context: undefined, tombstone: false })
      t.equal((await client.delete('b', 'k')).context, undefined)
      await client.put('b', 'k', 'x')
      t.ok((await client.delete('b', 'k')).context)
      t.match(await client.get('b', 'k'), { siblings: [], context: String, tombstone: true })
    })

    t.test('what its caller has is not sent again', async (t) => {
      const { client } = await nodeAndClient(t)
      await client.put('b', 'k', 'x')
      const { etag, context, notModified } = await client.get('b', 'k')
      t.notOk(notModified)
      const same = await client.get('b', 'k', { ifNoneMatch: etag })
      t.match(same, { notModified: true, siblings: [], etag, context, tombstone: false })
      await client.put('b', 'k', 'y', { context })
      const changed = await client.get('b', 'k', { ifNoneMatch: etag })
      t.match(changed, { notModified: false, siblings: [{ value: Buffer.from('y') }] })
    })

    t.test('options go as parameters and headers, and only those that are given', async (t) => {
      const { client, node } = await nodeAndClient(t)
      await client.put('b', 'k', 'x', {
        w: 'all',
        pw: 1,
        sloppy: false,
        durability: 'disk',
        timeoutMs: 500,
        ttlSeconds: 9,
      })
      await client.get('b', 'k', { r: 2, pr: 0 })
      await client.delete('b', 'k')
      const [put, get, deleted] = node.seen
      t.same(Object.fromEntries(put?.query ?? []), {
        w: 'all',
        pw: '1',
        sloppy: 'false',
        durability: 'disk',
        timeout: '500',
      })
      t.equal(put?.headers['starling-ttl'], '9')
      t.same(Object.fromEntries(get?.query ?? []), { r: '2', pr: '0' })
      t.equal(deleted?.query.size, 0)
      await rejects(
        t,
        client.put('b', 'k', 'x', { onlyIfAbsent: true }).then(() => client.put('b', 'k', 'y', { onlyIfAbsent: true })),
        PreconditionFailed,
        'nothing-changed',
      )
    })

    t.test('a listing streams page after page, and says when it is partial', async (t) => {
      const { client, node } = await nodeAndClient(t)
      for (let index = 0; index < 25; index += 1) node.put('b', `k${String(index).padStart(2, '0')}`, `v${index}`)
      const whole = client.list('b', { pageLimit: 10 })
      t.equal((await keysOf(whole)).length, 25)
      t.equal(node.seen.length, 3)
      t.ok(whole.complete)
      t.same(await keysOf(client.list('b', { prefix: 'k1', limit: 3, pageLimit: 2 })), ['k10', 'k11', 'k12'])
      for await (const { siblings } of client.list('b', { values: true, limit: 1 }))
        t.match(siblings, [{ value: 'v0' }])
      t.same(await keysOf(client.list('b', { reverse: true, prefix: 'k1', pageLimit: 4 })), keysFrom(19, 10))
      const first = client.list('b', { limit: 20, pageLimit: 8 })
      t.same(await keysOf(first), keysFrom(0, 19))
      const second = client.list('b', { cursor: first.cursor })
      t.same(await keysOf(second), keysFrom(20, 24))
      t.equal(second.cursor, undefined, 'nothing is left')
      node.missing = [7, 3]
      const partial = client.list('b', { pageLimit: 10 })
      await keysOf(partial)
      t.notOk(partial.complete)
      t.same(partial.missing, [3, 7])
    })

    t.test('a listing that is cut goes on where it ended, without a key lost or doubled', async (t) => {
      const { client, node } = await nodeAndClient(t)
      // Beyond the basic plane UTF-16 order and key order differ.
      const keys = ['a', 'b', 'b\u{ffff}', 'b\u{1f600}', 'b\u{1f600}x', 'c', 'd', 'e'].sort((a, b) =>
        Buffer.compare(Buffer.from(a), Buffer.from(b)),
      )
      for (const key of keys) node.put('b', key, 'v')
      let cuts = 0
      node.trouble = () => (cuts++ < 2 ? 'cut' : undefined)
      t.same(await keysOf(client.list('b')), keys)
      cuts = 0
      t.same(await keysOf(client.list('b', { reverse: true })), [...keys].reverse())
      node.trouble = () => 'cut'
      await rejects(t, keysOf(client.list('b')), Unreachable, 'nothing-changed')
    })

    t.test('an error has the code, aftermath and hint of the answer', async (t) => {
      const { client, node } = await nodeAndClient(t)
      node.trouble = () => 'timeout-after'
      const error = await rejects(t, client.put('b', 'k', 'x'), DeadlineExceeded, 'may-have-changed')
      t.match(error, {
        code: 'deadline-exceeded',
        message: 'the detail of deadline-exceeded',
        hint: 'the hint of deadline-exceeded',
      })
      node.trouble = () => undefined
      node.answers.set('/v1/kv/b/proxy', { status: 502, body: 'bad gateway' })
      await rejects(t, client.put('b', 'proxy', 'x'), Unreachable, 'may-have-changed')
      await rejects(t, client.get('b', 'proxy'), Unreachable, 'nothing-changed')
      node.answers.set('/v1/cluster/status', { status: 418, body: {} })
      await rejects(t, client.status(), InternalError, 'nothing-changed')
    })

    t.test('reads go on to the next node; writes only when no node can have seen them', async (t) => {
      const { client, node } = await nodeAndClient(t, [await freePortUrl()])
      await client.put('b', 'k', 'x')
      t.equal(node.seen.length, 1, 'the first endpoint refused the connection')
      const flaky = await started(t)
      flaky.trouble = () => 'reset-after'
      const both = new HttpClient({ endpoints: [flaky.url, node.url], transport })
      t.equal((await both.get('b', 'k')).siblings.length, 1)
      t.equal(flaky.seen.length, 1)
      await both.get('b', 'k')
      t.equal(flaky.seen.length, 1, 'for a while it is asked last')
      const fresh = new HttpClient({ endpoints: [flaky.url, node.url], transport })
      await rejects(t, fresh.put('b', 'k2', 'x'), Unreachable, 'may-have-changed')
      t.same(node.values('b', 'k2'), [])
    })

    t.test('writes with an idempotency key go on to the next node, whatever became of them', async (t) => {
      const { node } = await nodeAndClient(t)
      const flaky = await started(t)
      flaky.trouble = () => 'reset-after'
      const client = new HttpClient({ endpoints: [flaky.url, node.url], transport })
      await client.put('b', 'k', 'x', { idempotencyKey: 'order-17' })
      t.same(node.values('b', 'k'), ['x'])
      t.same(
        [flaky, node].map(({ seen }) => seen[0]?.headers['idempotency-key']),
        ['order-17', 'order-17'],
      )
      node.trouble = () => 'refuse'
      const fresh = new HttpClient({ endpoints: [flaky.url, node.url], transport })
      await rejects(t, fresh.delete('b', 'k', { idempotencyKey: 'order-18' }), Draining, 'may-have-changed')
      await rejects(t, fresh.put('b', 'k', 'x', { idempotencyKey: 'a b' }), InvalidHeader, 'nothing-changed')
    })

    t.test('a node that says it is stopping sends its callers to the next one', async (t) => {
      const stopping = await started(t)
      const { node } = await nodeAndClient(t)
      stopping.trouble = () => 'refuse'
      const client = new HttpClient({ endpoints: [stopping.url, node.url], transport })
      await client.put('b', 'k', 'x')
      t.same(node.values('b', 'k'), ['x'])
      await rejects(
        t,
        new HttpClient({ endpoints: [stopping.url], transport }).put('b', 'k', 'x'),
        Draining,
        'nothing-changed',
      )
    })

    t.test('a node that never answers is given up after the deadline and a second', async (t) => {
      const silent = createServer()
      await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
      t.teardown(() => silent.close())
      const sockets = new Set<{ destroy(): void }>()
      silent.on('connection', (socket) => sockets.add(socket))
      t.teardown(() => {
        for (const socket of sockets) socket.destroy()
      })
      const url = `http://127.0.0.1:${(silent.address() as { port: number }).port}`
      const client = new HttpClient({ endpoints: [url], transport })
      await rejects(t, client.put('b', 'k', 'x', { timeoutMs: 1 }), DeadlineExceeded, 'may-have-changed')
      const abort = new AbortController()
      const aborted = client.get('b', 'k', { signal: abort.signal })
      abort.abort(new RangeError('enough'))
      await t.rejects(aborted, RangeError)
    })

    async function nodeAndClient(t: Test, before: readonly string[] = []) {
      const node = await started(t)
      return { node, client: new HttpClient({ endpoints: [...before, node.url], transport }) }
    }
  })
}

t.test('an operator', async (t) => {
  const node = await started(t)
  const client = new HttpClient({ endpoints: [node.url] })
  const decided = { decided: true, number: 2, plan: 'ff' } as const
  for (const path of ['commit', 'abort', 'forget']) {
    node.answers.set(`/v1/cluster/${path}`, { status: 200, body: decided })
  }
  node.answers.set('/v1/cluster/stage', { status: 200, body: { staged: [{ name: 'dan', action: 'join' }] } })
  node.answers.set('/v1/cluster/plan', { status: 200, body: { plan: 'ff', staged: [] } })
  node.answers.set('/v1/node/drain', { status: 200, body: { inFlight: 1 } })

  await t.test('is understood', async (t) => {
    t.match(await client.stage({ action: 'join', node: 'dan', weight: 2 }), { staged: [{ name: 'dan' }] })
    t.match(await client.plan(), { plan: 'ff' })
    t.same(await client.commit({ plan: 'ff', force: true }, { timeoutMs: 500 }), decided)
    t.same(await client.abort(), decided)
    t.same(await client.forget('bob'), decided)
    t.same(await client.drain(), { inFlight: 1 })
    t.same(
      node.seen.map(({ method, path, query, body }) => [method, path, query.get('timeout'), body]),
      [
        ['POST', '/v1/cluster/stage', null, '{"action":"join","node":"dan","weight":2}'],
        ['GET', '/v1/cluster/plan', null, ''],
        ['POST', '/v1/cluster/commit', '500', '{"plan":"ff","force":true}'],
        ['POST', '/v1/cluster/abort', null, '{}'],
        ['POST', '/v1/cluster/forget', null, '{"node":"bob"}'],
        ['POST', '/v1/node/drain', null, '{}'],
      ],
    )
  })

  await t.test('is told that it is not decided yet, which is no error', async (t) => {
    node.answers.set('/v1/cluster/commit', { status: 202, body: { decided: false, waitingFor: ['bob'] } })
    t.same(await client.commit(), { decided: false, waitingFor: ['bob'] })
  })

  await t.test('is told why a plan is refused', async (t) => {
    const checks = [{ name: 'members', ok: false, detail: 'bob: not alive' }]
    const refusal = { code: 'plan-refused', detail: 'no', aftermath: 'nothing-changed', checks: [...checks, 7, {}] }
    node.answers.set('/v1/cluster/commit', { status: 409, body: refusal })
    const error = await rejects(t, client.commit(), PlanRefused, 'nothing-changed')
    t.same(error instanceof PlanRefused && error.checks, checks, 'and what is no check is left out')
  })

  await t.test('does not send a decision twice when nobody knows what became of it', async (t) => {
    const other = await started(t)
    const both = new HttpClient({ endpoints: [node.url, other.url] })
    node.trouble = () => 'reset'
    await rejects(t, both.abort(), Unreachable, 'may-have-changed')
    t.same(other.seen, [])
  })
})

t.test('requests can be spread over the endpoints', async (t) => {
  const nodes = [await started(t), await started(t), await started(t)]
  const client = new HttpClient({ endpoints: nodes.map(({ url }) => url), spread: true })
  for (let index = 0; index < 6; index += 1) await client.get('b', 'k')
  t.same(
    nodes.map(({ seen }) => seen.length),
    [2, 2, 2],
  )
})

t.test('what cannot be sent is refused before anything is', async (t) => {
  const client = new HttpClient({ endpoints: ['127.0.0.1:1'] })
  await rejects(t, client.get('b', '..'), InvalidKey, 'nothing-changed')
  await rejects(t, client.put('$b', 'k', 'x'), InvalidBucket, 'nothing-changed')
  await rejects(t, client.get('b', 'k'.repeat(1025)), InvalidKey, 'nothing-changed')
  for (const endpoints of [[], ['ftp://a'], ['http://a/path'], ['http://']])
    t.throws(() => new HttpClient({ endpoints }), InvalidParameter)
})

t.test('readiness is an answer, ready or not', async (t) => {
  const node = await started(t)
  const client = new HttpClient({ endpoints: [node.url] })
  node.answers.set('/readyz', { status: 503, body: { code: 'no-layout', reasons: ['no layout is decided'] } })
  t.same(await client.ready(), { ready: false, reasons: ['no layout is decided'] })
  node.answers.set('/readyz', { status: 200, body: 'ok' })
  t.same(await client.ready(), { ready: true, reasons: [] })
})

t.test('a sibling as JSON holds text as text and other bytes as base64', async (t) => {
  const common = { contentType: 'a/b', metadata: { a: 'b' } }
  for (const value of [
    Buffer.from('text é\n'),
    Buffer.alloc(0),
    bytes,
    Buffer.alloc(100_000, 0x81),
    Buffer.from('\ufeffbom'),
  ]) {
    const json = formatSibling({ value, ...common })
    t.equal(json.value === undefined, value.includes(0x81) || value === bytes)
    t.ok(Buffer.from(parseSibling(JSON.parse(JSON.stringify(json))).value).equals(value))
  }
  t.throws(() => parseSibling({}), TypeError)
  t.throws(() => parseSibling({ value: 'a', valueBase64: 'YQ==' }), TypeError)
  t.throws(() => parseSibling({ valueBase64: 'no!' }), TypeError)
})

async function started(t: Test): Promise<FakeNode> {
  const node = await FakeNode.start()
  t.teardown(() => node.stop())
  return node
}

/** `k00` and so on, in either direction. */
function keysFrom(first: number, last: number): string[] {
  const step = Math.sign(last - first)
  const numbers = Array.from({ length: Math.abs(last - first) + 1 }, (_, index) => first + step * index)
  return numbers.map((number) => `k${String(number).padStart(2, '0')}`)
}

async function keysOf(listing: AsyncIterable<{ readonly key: string }>): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of listing) keys.push(key)
  return keys
}

async function rejects(
  t: Test,
  promise: Promise<unknown>,
  type: new (message: string) => StarlingError,
  aftermath: Aftermath,
): Promise<unknown> {
  try {
    await promise
  } catch (error) {
    t.ok(error instanceof type, String(error))
    t.equal(error instanceof StarlingError && error.aftermath, aftermath)
    return error
  }
  t.fail(`resolved instead of ${type.name}`)
  return undefined
}

/** Where nobody listens. */
async function freePortUrl(): Promise<string> {
  const node = await FakeNode.start()
  const { url } = node
  await node.stop()
  return url
}
