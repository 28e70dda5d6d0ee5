import { once } from 'node:events'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createHttpServer } from '../../lib/http/http-server.ts'
import { seededRandom } from '../../lib/ports/random.ts'
import { toEndpoint } from '../../lib/vocabulary/ids.ts'
import { valueBytesMax } from '../../lib/vocabulary/limits.ts'
import { RecordedMetrics, serve } from './with-server.ts'

const putAborted = 'starling_requests_total{operation="put",outcome="aborted"}'

const chunkedPut = 'PUT /v1/kv/b/k HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'

t.test('what is not HTTP is answered with a problem, and the connection ends', async (t) => {
  const { raw, node, metrics, ask } = await serve(t)
  const cases: readonly [name: string, bytes: string, status: number][] = [
    ['noise', '\x16\x03\x01\x02\x00\r\n\r\n', 400],
    ['an unknown version', 'GET /livez HTTP/9.0\r\n\r\n', 400],
    ['an unknown method', 'FROB /livez HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['a space in a header name', 'GET /livez HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n', 400],
    ['two lengths', 'PUT /v1/kv/b/k HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx', 400],
    [
      'length and chunks',
      'PUT /v1/kv/b/k HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
    ['a negative length', 'PUT /v1/kv/b/k HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n', 400],
    ['a wrong chunk', `${chunkedPut}zz\r\nhello\r\n`, 400],
    ['headers beyond 64 KiB', `GET /livez HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(66_000)}\r\n\r\n`, 431],
  ]
  for (const [name, bytes, status] of cases) {
    const [head = '', body = ''] = (await raw(bytes)).split('\r\n\r\n')
    t.match(head, new RegExp(`^HTTP/1.1 ${status} `), name)
    t.match(head, /Content-Type: application\/problem\+json\r\n/, name)
    t.match(head, /Connection: close/, name)
    t.match(JSON.parse(body), { status, code: 'invalid-header', aftermath: 'nothing-changed', requestId: /./ }, name)
  }
  t.equal(node.requests.length, 0)
  t.equal(metrics.of('starling_http_malformed_requests_total'), cases.length)
  t.equal((await ask('/livez')).status, 200, 'others are served on')
})

t.test('a request without Host is refused, except in HTTP/1.0', async (t) => {
  const { raw } = await serve(t)
  t.match(await raw('GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n'), /^HTTP\/1.1 400 .*"code":"invalid-header"/s)
  t.match(await raw('GET /livez HTTP/1.0\r\n\r\n'), /^HTTP\/1.1 200 /)
})

t.test('nearly 64 KiB of headers are room enough', async (t) => {
  const { ask, node } = await serve(t)
  const context = 'c'.repeat(30_000)
  const headers = { 'starling-context': context, 'x-of-a-proxy': 'p'.repeat(30_000) }
  const put = await ask('/v1/kv/b/k', { method: 'PUT', body: 'x', headers })
  t.equal(put.json.code, 'invalid-context', 'it is for the node to say what a context is')
  t.match(node.requests.at(-1), { context })
})

t.test('a request that does not come to its end', async (t) => {
  const limits = { headersTimeoutMs: 100, requestTimeoutMs: 200, connectionsCheckMs: 25 }
  const { raw, node, metrics, port } = await serve(t, limits)

  await t.test('is 408 when its headers stop', async (t) => {
    const answer = await raw('GET /livez HTTP/1.1\r\nHost: a\r\n')
    t.match(answer, /^HTTP\/1.1 408 .*"code":"deadline-exceeded"/s)
  })

  await t.test('is 408 when its body stops', async (t) => {
    const answer = await raw(`${put('b', 'k', 100)}only this`)
    t.match(answer, /^HTTP\/1.1 408 .*"aftermath":"nothing-changed"/s)
  })

  await t.test('is forgotten when its client goes away', async (t) => {
    const aborted = metrics.of(putAborted)
    const socket = net.connect(port, '127.0.0.1')
    socket.write(`${put('b', 'k', 100)}only this`)
    await until(() => metrics.of('starling_http_bodies_bytes') === 100)
    socket.destroy()
    await until(() => metrics.of('starling_http_bodies_bytes') === 0)
    t.equal(metrics.of(putAborted), aborted + 1)
  })

  t.equal(node.requests.length, 0, 'the node never heard of them')
})

t.test('a value that takes longer than the deadline is 504', async (t) => {
  const { node, port } = await serve(t)
  const socket = net.connect(port, '127.0.0.1')
  socket.write(`PUT /v1/kv/b/k?timeout=20 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nx`)
  await sleep(60)
  socket.write('y')
  const answer = await everythingFrom(socket)
  t.match(answer, /^HTTP\/1.1 504 .*"code":"deadline-exceeded","aftermath":"nothing-changed"/s)
  t.equal(node.requests.length, 0)
})

t.test('too large a value', async (t) => {
  const { node, port, raw } = await serve(t, { lingerMs: 300 })

  await t.test('is refused by its length, before it is sent', async (t) => {
    const socket = net.connect(port, '127.0.0.1')
    socket.write(put('b', 'k', valueBytesMax + 1))
    const [head] = await once(socket, 'data')
    t.match(String(head), /^HTTP\/1.1 413 .*Connection: close.*"code":"value-too-large"/s)
    socket.destroy()
  })

  await t.test('is answered even to those who send it all first', async (t) => {
    const answer = await raw(put('b', 'k', valueBytesMax + 1), Buffer.alloc(valueBytesMax + 1))
    t.match(answer, /^HTTP\/1.1 413 .*"aftermath":"nothing-changed"/s)
  })

  await t.test('is refused as soon as its chunks are too many', async (t) => {
    const chunk = Buffer.concat([Buffer.from('100000\r\n'), Buffer.alloc(0x100000), Buffer.from('\r\n')])
    const answer = await raw(chunkedPut, ...Array.from({ length: 12 }, () => chunk), '0\r\n\r\n')
    t.match(answer, /^HTTP\/1.1 413 .*"code":"value-too-large"/s)
  })

  await t.test('does not hold its connection for ever', async (t) => {
    t.match(await raw(put('b', 'k', valueBytesMax + 1)), /^HTTP\/1.1 413 /, 'the server ends it')
  })

  t.equal(node.requests.length, 0)
})

t.test('chunks make a value', async (t) => {
  const { raw, ask } = await serve(t)
  const answer = await raw(`${chunkedPut}5\r\nhello\r\n`, '6\r\n world\r\n0\r\n\r\n', get('/livez'))
  t.match(answer, /^HTTP\/1.1 204 /)
  t.equal((await ask('/v1/kv/b/k')).text, 'hello world')
})

t.test('Expect: 100-continue', async (t) => {
  const { port, node } = await serve(t)

  await t.test('invites a body that will be taken', async (t) => {
    const socket = net.connect(port, '127.0.0.1')
    socket.write(put('b', 'k', 5, 'Expect: 100-continue\r\nConnection: close\r\n'))
    const [invitation] = await once(socket, 'data')
    t.equal(String(invitation), 'HTTP/1.1 100 Continue\r\n\r\n')
    socket.write('hello')
    t.match(await everythingFrom(socket), /^HTTP\/1.1 204 /)
    t.match(node.requests.at(-1), { value: Buffer.from('hello') })
  })

  await t.test('spares one that will not', async (t) => {
    for (const [request, status] of [
      [put('b', 'k', valueBytesMax + 1, 'Expect: 100-continue\r\n'), 413],
      [put('b', '%2E', 5, 'Expect: 100-continue\r\n'), 400],
      [put('b', 'k', 5, 'Expect: 100-continue\r\nContent-Encoding: gzip\r\n'), 415],
    ] as const) {
      const socket = net.connect(port, '127.0.0.1')
      socket.write(request)
      const [answer] = await once(socket, 'data')
      t.match(String(answer), new RegExp(`^HTTP/1.1 ${status} .*Connection: close`, 's'))
      socket.destroy()
    }
  })
})

t.test('a connection', async (t) => {
  const { raw, node, ask, port } = await serve(t)

  await t.test('answers requests sent together in their order', async (t) => {
    await ask('/v1/kv/b/one', { method: 'PUT', body: '1' })
    const answer = await raw(
      `${put('b', 'two', 1)}2${put('b', 'three', 1)}3`,
      `GET /v1/kv/b/one HTTP/1.1\r\nHost: a\r\n\r\nGET /v1/kv/b/none HTTP/1.1\r\nHost: a\r\n\r\n`,
      get('/v1/kv/b/one'),
    )
    t.same(statusesIn(answer), [204, 204, 200, 404, 200])
    t.ok(answer.endsWith('\r\n\r\n1'))
  })

  await t.test('says nothing of noise while a write in front of it is not answered', async (t) => {
    node.isHolding = true
    const asked = node.requests.length
    const answer = raw(`${put('b', 'noisy', 1)}1`, '\x16\x03\r\n\r\n')
    await until(() => node.requests.length === asked + 1)
    t.equal(await answer, '', 'that nothing was changed would be taken for the answer to the write')
    node.release()
    t.equal((await ask('/v1/kv/b/noisy')).text, '1')
  })

  await t.test('stays good after a refusal whose body was short', async (t) => {
    const answer = await raw(`${put('b', '%2e', 5)}hello`, `${put('b', 'k?w=x', 5)}hello`, get('/livez'))
    t.same(statusesIn(answer), [400, 400, 200])
  })

  await t.test('stays good after a body that nobody asked for', async (t) => {
    const remove = 'DELETE /v1/kv/b/k HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}'
    const read = 'GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}'
    const post = 'POST /v1/kv/b/k HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}'
    t.same(statusesIn(await raw(remove, read, post, get('/livez'))), [204, 200, 405, 200])
  })

  await t.test('carries no byte of a body after HEAD', async (t) => {
    await ask('/v1/kv/b/k', { method: 'PUT', body: 'hello' })
    const request = 'HEAD /v1/kv/b/k HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
    const answer = await raw(request)
    t.match(answer, /Content-Length: 5\r\n/)
    t.ok(answer.endsWith('\r\n\r\n'))
    t.match(await raw(request.replace('/b/k', '/b/none')), /^HTTP\/1.1 404 .*\r\n\r\n$/s)
  })

  await t.test('speaks HTTP/1.0 and takes whole URLs', async (t) => {
    t.match(await raw('GET /v1/kv/b/k HTTP/1.0\r\n\r\n'), /^HTTP\/1.1 200 .*\r\n\r\nhello$/s)
    t.match(await raw(get('http://node.example:7070/v1/kv/b/k')), /\r\n\r\nhello$/)
  })

  await t.test('may end before the answer does', async (t) => {
    node.isHolding = true
    const asked = node.requests.length
    const socket = net.connect(port, '127.0.0.1')
    socket.write(get('/v1/kv/b/k'))
    await until(() => node.requests.length === asked + 1)
    socket.destroy()
    await once(socket, 'close')
    node.release()
    await sleep(10)
    t.equal((await ask('/v1/kv/b/k')).text, 'hello')
  })
})

t.test('bounds', async (t) => {
  await t.test('on standing still: a client that takes nothing is cut off', async (t) => {
    const { node, port } = await serve(t, { stalledTimeoutMs: 100 })
    node.plant('b', 'large', { value: Buffer.alloc(valueBytesMax) })
    const socket = net.connect(port, '127.0.0.1')
    socket.pause()
    for (let index = 0; index < 4; index += 1) socket.write('GET /v1/kv/b/large HTTP/1.1\r\nHost: a\r\n\r\n')
    await until(() => node.requests.length > 0)
    await sleep(300)
    t.ok((await everythingFrom(socket)).length < valueBytesMax * 4)
  })

  await t.test('on connections: one too many is closed at once, and counted', async (t) => {
    const { port, metrics, node } = await serve(t, { connectionsMax: 2 })
    node.isHolding = true
    const sockets = [net.connect(port, '127.0.0.1'), net.connect(port, '127.0.0.1')]
    // Those that are idle would make room.
    for (const socket of sockets) socket.write('GET /v1/kv/b/k HTTP/1.1\r\nHost: a\r\n\r\n')
    await until(() => node.requests.length === 2)
    const third = net.connect(port, '127.0.0.1')
    t.equal(await everythingFrom(third), '')
    t.equal(metrics.of('starling_http_connections_refused_total'), 1)
    for (const socket of sockets) socket.destroy()
    await until(() => metrics.of('starling_http_connections') === 0)
    node.release()
  })

  await t.test('on bytes of bodies: 429 until others have been answered', async (t) => {
    const { ask, node, metrics } = await serve(t, { bodiesBytesMax: 10 })
    node.isHolding = true
    const first = ask('/v1/kv/b/one', { method: 'PUT', body: '12345678' })
    await until(() => node.requests.length === 1)
    const second = await ask('/v1/kv/b/two', { method: 'PUT', body: '12345678' })
    t.match(second, { status: 429, headers: { 'retry-after': '1' }, json: { code: 'overloaded' } })
    const chunked = { method: 'PUT', body: '12345678', headers: { 'transfer-encoding': 'chunked' } } as const
    t.equal((await ask('/v1/kv/b/two', chunked)).status, 429)
    node.release()
    t.equal((await first).status, 204)
    t.equal(metrics.of('starling_http_bodies_bytes'), 0)
    t.equal((await ask('/v1/kv/b/two', { method: 'PUT', body: '12345678' })).status, 204)
  })
})

t.test('closing', async (t) => {
  await t.test('lets requests in flight end, and ends their connections', async (t) => {
    const { ask, node, server, port } = await serve(t)
    await ask('/livez')
    node.isHolding = true
    const answer = ask('/v1/kv/b/k', { method: 'PUT', body: 'x' })
    await until(() => node.requests.length === 1)
    const idle = net.connect(port, '127.0.0.1')
    await once(idle, 'connect')
    const closed = new Promise<void>((resolve) => server.close(resolve))
    await once(idle, 'close')
    const late = net.connect(port, '127.0.0.1')
    const [refusal] = await once(late, 'error')
    t.equal(refusal.code, 'ECONNREFUSED')
    node.release()
    t.match(await answer, { status: 204, headers: { connection: 'close' } })
    await closed
    t.equal(server.address, undefined)
  })

  await t.test('cuts what does not end', async (t) => {
    const { ask, node, server } = await serve(t, { closeTimeoutMs: 50 })
    node.isHolding = true
    const answer = ask('/v1/kv/b/k').catch((error: Error & { code?: string }) => error.code)
    await until(() => node.requests.length === 1)
    await new Promise<void>((resolve) => server.close(resolve))
    t.equal(await answer, 'ECONNRESET')
  })
})

t.test('pages that clients do not take', async (t) => {
  const page = 'GET /v1/kv/big?values=true HTTP/1.1\r\nHost: a\r\n\r\n'

  await t.test('are held up to a bound, and let go with their connections', async (t) => {
    const { node, port, metrics, ask } = await serve(t, { pagesBytesMax: 70_000_000, stalledTimeoutMs: 60_000 })
    // More than sockets take.
    for (let index = 0; index < 4; index += 1) node.plant('big', `k${index}`, { value: Buffer.alloc(8_000_000, 'x') })
    const slow = await Promise.all([connected(port), connected(port)])
    for (const socket of slow) socket.pause().write(page)
    await until(() => metrics.of('starling_http_pages_bytes') > 60_000_000)
    t.match(await ask('/v1/kv/big?values=true'), { status: 429, json: { code: 'overloaded' } })
    t.match(await ask('/v1/kv/other'), { status: 200 }, 'small ones go on')
    for (const socket of slow) socket.destroy()
    await until(() => metrics.of('starling_http_pages_bytes') === 0)
    t.match(await ask('/v1/kv/big?values=true'), { status: 200 })
    await until(() => metrics.of('starling_http_pages_bytes') === 0)
  })

  await t.test('are let go, too, behind an answer of the same connection that never ends', async (t) => {
    const { node, port, metrics } = await serve(t, { stalledTimeoutMs: 60_000 })
    for (let index = 0; index < 4; index += 1) node.plant('big', `k${index}`, { value: Buffer.alloc(8_000_000, 'x') })
    const slow = await connected(port)
    slow.pause().write(page + page)
    await until(() => metrics.of('starling_http_pages_bytes') > 60_000_000)
    slow.destroy()
    await until(() => metrics.of('starling_http_pages_bytes') === 0)
    node.isHolding = true
    const gone = await connected(port)
    gone.pause().write(page + page)
    await until(() => node.listRequests.length === 4)
    t.equal(node.listRequests[3]?.isWanted?.(), true)
    gone.destroy()
    await until(() => node.listRequests[3]?.isWanted?.() === false)
    node.release()
    await until(() => metrics.of('starling_requests_total{operation="list",outcome="aborted"}') === 2)
    t.equal(metrics.of('starling_http_pages_bytes'), 0)
  })

  await t.test('are not made any more when the client has gone', async (t) => {
    const { node, port, metrics, raw } = await serve(t)
    node.isHolding = true
    const socket = await connected(port)
    socket.write('GET /v1/kv/b HTTP/1.1\r\nHost: a\r\n\r\n')
    await until(() => node.listRequests.length === 1)
    t.equal(node.listRequests[0]?.isWanted?.(), true)
    socket.destroy()
    await until(() => node.listRequests[0]?.isWanted?.() === false)
    node.release()
    await until(() => metrics.of('starling_requests_total{operation="list",outcome="aborted"}') === 1)
    t.match(await raw(get('/v1/kv/b')), /"end":true/, 'others are served on')
  })
})

t.test('listening', async (t) => {
  const { port, node, server } = await serve(t)
  t.equal(server.address, `127.0.0.1:${port}`)
  const log = { debug() {}, info() {}, warn() {}, error() {} }
  const hash = { hash64: () => 0n, hash32: () => 0 }
  const options = { node, log, hash, random: seededRandom([1, 1, 1, 1]), metrics: new RecordedMetrics() }
  const second = createHttpServer(options)
  const failure = await new Promise((resolve) => second.listen(toEndpoint(`127.0.0.1:${port}`), resolve))
  t.match(failure, { kind: 'in-use', message: /EADDRINUSE/ })
  t.equal(second.address, undefined)
  await new Promise<void>((resolve) => second.close(resolve))
})

function put(bucket: string, key: string, length: number, headers = ''): string {
  return `PUT /v1/kv/${bucket}/${key} HTTP/1.1\r\nHost: a\r\n${headers}Content-Length: ${length}\r\n\r\n`
}

/** The last request of a connection. */
function get(target: string): string {
  return `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`
}

function statusesIn(answers: string): number[] {
  return [...answers.matchAll(/HTTP\/1.1 ([0-9]{3}) /g)].map(([, status]) => Number(status))
}

async function connected(port: number): Promise<net.Socket> {
  const socket = net.connect(port, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

async function everythingFrom(socket: net.Socket): Promise<string> {
  const received: Buffer[] = []
  socket.on('data', (chunk) => received.push(chunk))
  socket.on('error', () => {})
  socket.resume()
  await once(socket, 'close')
  return Buffer.concat(received).toString('latin1')
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(2)
}
