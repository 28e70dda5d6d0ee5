import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Admitted } from '../../lib/node/entrance.ts'
import { serve } from './with-server.ts'

t.test('a node that has too much to do', async (t) => {
  const { node, ask, raw, metrics } = await serve(t)
  await ask('/v1/kv/carts/k', { method: 'PUT', body: 'before' })
  const asked = node.requests.length
  node.isOverloaded = true

  await t.test('refuses reads and writes with 429 and Retry-After, and has changed nothing', async (t) => {
    for (const method of ['GET', 'PUT', 'DELETE', 'HEAD'] as const) {
      const body = method === 'PUT' ? { body: 'x'.repeat(1024) } : {}
      const answer = await ask('/v1/kv/carts/k', { method, headers: { 'X-Request-Id': 'a"b\\c' }, ...body })
      t.equal(answer.status, 429, method)
      t.match(answer.headers, {
        'retry-after': '1',
        'x-request-id': 'a"b\\c',
        'cache-control': 'no-store',
        vary: 'Accept',
        'x-content-type-options': 'nosniff',
        'content-type': 'application/problem+json',
        date: /GMT$/,
        'keep-alive': 'timeout=65',
      })
      if (method === 'HEAD') continue
      t.match(answer.json, {
        code: 'overloaded',
        status: 429,
        aftermath: 'nothing-changed',
        retryable: true,
        requestId: 'a"b\\c',
      })
    }
    t.equal((await ask('/v1/kv/carts')).status, 429, 'a listing')
    const wholeUrl = 'GET http://h/v1/kv/carts/k HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n'
    t.same(statusesIn(await raw(wholeUrl)), ['429'], 'a whole URL')
    t.equal(node.requests.length, asked, 'the node was asked nothing')
  })

  await t.test('answers whoever looks after it all the same', async (t) => {
    for (const path of ['/livez', '/readyz', '/metrics', '/v1/cluster/status'])
      t.equal((await ask(path)).status, 200, path)
  })

  await t.test('keeps the connection, whatever the request looked like', async (t) => {
    const get = 'GET /v1/kv/carts/k HTTP/1.1\r\nHost: h\r\n\r\n'
    const put = `PUT /v1/kv/carts/k HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nvalue`
    const chunked = 'PUT /v1/kv/carts/k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'
    t.equal(statusesIn(await raw(get + put, get, chunked)).join(), '429,429,429,429', 'also sent all at once')
    const last = 'GET /livez HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n'
    t.equal(statusesIn(await raw(get, put, last)).join(), '429,429,200')
    t.same(statusesIn(await raw('GET /v1/kv/carts/k HTTP/1.0\r\n\r\n')), ['429'])
  })

  await t.test('is not troubled by what comes behind a request after which it ends the connection', async (t) => {
    const chunked =
      'PUT /v1/kv/carts/k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nvalue\r\n0\r\n\r\n'
    const get = 'GET /v1/kv/carts/k HTTP/1.1\r\nHost: h\r\n\r\n'
    t.same(statusesIn(await raw(chunked + chunked + get)), ['429'])
    t.equal((await ask('/livez')).status, 200)
  })

  await t.test('does not invite a body that it will not take', async (t) => {
    const answered = await raw(
      'PUT /v1/kv/carts/k HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 9999\r\n\r\n',
    )
    t.same(statusesIn(answered), ['429'])
  })

  await t.test('counts them', async (t) => {
    t.ok(metrics.of('starling_requests_total{operation="get",outcome="overloaded"}') >= 5)
    t.ok(metrics.of('starling_requests_total{operation="put",outcome="overloaded"}') >= 5)
  })

  await t.test('serves as before when it is over', async (t) => {
    node.isOverloaded = false
    t.equal((await ask('/v1/kv/carts/k')).text, 'before')
  })
})

t.test('whoever goes away while in line leaves nothing behind', async (t) => {
  const { node, port, metrics } = await serve(t)
  const waiting: Admitted[] = []
  node.admit = (kind, done) => (kind === 'read' ? done(true, 0) : void waiting.push(done))
  node.isHolding = true
  const put = 'PUT /v1/kv/carts/k HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nabc'
  for (const requests of [put, `GET /v1/kv/carts/k HTTP/1.1\r\nHost: h\r\n\r\n${put}`]) {
    const socket = net.connect(port, '127.0.0.1')
    socket.write(requests)
    await until(() => waiting.length > 0)
    socket.destroy()
    await until(() => metrics.of('starling_http_connections') === 0)
    t.ok(metrics.of('starling_http_bodies_bytes') > 0, 'what has come of the body counts while it waits')
    for (const done of waiting.splice(0)) done(true, 10)
    t.equal(metrics.of('starling_http_bodies_bytes'), 0)
  }
  t.equal(metrics.of('starling_requests_total{operation="put",outcome="aborted"}'), 2)
})

t.test('who waits with a body when the room for bodies is taken is turned away at once', async (t) => {
  const { node, ask } = await serve(t, { bodiesBytesMax: 100 })
  const waiting: Admitted[] = []
  node.admit = (_kind, done) => void waiting.push(done)
  const answer = await ask('/v1/kv/carts/k', { method: 'PUT', body: 'x'.repeat(200) })
  t.equal(answer.status, 429)
  for (const done of waiting.splice(0)) done(true, 10)
  t.equal(node.requests.length, 0, 'and is not served when its turn comes')
})

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(2)
}

function statusesIn(bytes: string): readonly string[] {
  return [...bytes.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => status as string)
}
