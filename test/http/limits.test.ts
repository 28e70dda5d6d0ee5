import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { HttpLimits } from '../../lib/http/http-limits.ts'
import { ClientGate } from '../../lib/node/client-gate.ts'
import { type ClientLimitSettings, clientLimitsOff } from '../../lib/protocol/overload/client-limits.ts'
import { valueBytesMax } from '../../lib/vocabulary/limits.ts'
import { type Served, serve as serveOn } from './with-server.ts'

const cut = (reason: string): string => `starling_http_connections_cut_total{reason="${reason}"}`
const met = (limit: string): string => `starling_http_limits_met_total{limit="${limit}"}`
const get = 'GET /v1/kv/b/k HTTP/1.1\r\nHost: a\r\n\r\n'
const getLarge = 'GET /v1/kv/b/large HTTP/1.1\r\nHost: a\r\n\r\n'

t.test('what one client may ask for', async (t) => {
  await t.test('is bounded in requests a second, and the answer says by what and for how long', async (t) => {
    const served = await serve(t)
    const gate = limit(served, { requestsPerSecond: 4 })
    const answers = []
    for (let count = 0; count < 5; count += 1) answers.push(await served.ask('/v1/kv/b/k'))
    t.same(
      answers.map(({ status }) => status),
      [404, 404, 404, 404, 429],
    )
    const refused = answers[4]
    t.match(refused?.json, { code: 'overloaded', retryable: true, aftermath: 'nothing-changed' })
    t.match(refused?.json.hint, /--client-requests-per-second/)
    t.match(Number(refused?.headers['retry-after']) >= 1, true)
    t.same(gate.met, ['client-requests-per-second'])
    t.equal((await served.ask('/livez')).status, 200, 'nobody is kept from asking whether the process lives')
    t.equal((await served.ask('/metrics')).status, 429)
    gate.nowMs += 1_000
    t.equal((await served.ask('/v1/kv/b/k')).status, 404)
    gate.nowMs += 1_000
    t.equal((await served.ask('/v1/kv/b/k', { method: 'HEAD' })).status, 404)
  })

  await t.test('counts a batch as its operations, and a page as what it costs', async (t) => {
    const served = await serve(t)
    const { ask, node } = served
    const gate = limit(served, { requestsPerSecond: 100 })
    const operations = Array.from({ length: 500 }, () => ({ op: 'get', bucket: 'b', key: 'k' }))
    const headers = { 'content-type': 'application/json' }
    const batch = await ask('/v1/batch', { method: 'POST', headers, body: JSON.stringify({ operations }) })
    t.equal(batch.status, 200)
    t.match(await ask('/v1/kv/b/k'), { status: 429, headers: { 'retry-after': '4' } })
    gate.nowMs += 10_000
    for (let index = 0; index < 900; index += 1) node.plant('many', `k${index}`, { value: Buffer.from('x') })
    t.equal((await ask('/v1/kv/many')).status, 200)
    t.match(await ask('/v1/kv/b/k'), { status: 429, headers: { 'retry-after': '1' } }, 'keys: eight for one request')
    gate.nowMs += 10_000
    t.equal((await ask('/v1/kv/many?values=true')).status, 200)
    t.match(await ask('/v1/kv/b/k'), { status: 429, headers: { 'retry-after': '9' } }, 'values: one for each')
  })

  await t.test('is bounded in bytes a second, in and out', async (t) => {
    const served = await serve(t)
    const { ask, node } = served
    const gate = limit(served, { bytesPerSecond: 100_000 })
    node.plant('b', 'large', { value: Buffer.alloc(500_000) })
    t.equal((await ask('/v1/kv/b/large')).status, 200)
    await until(() => gate.isIdle)
    t.match(await ask('/v1/kv/b/k'), { status: 429, headers: { 'retry-after': '5' } })
    gate.nowMs += 10_000
    t.equal((await ask('/v1/kv/b/k', { method: 'PUT', body: Buffer.alloc(300_000) })).status, 204)
    await until(() => gate.isIdle)
    t.match(await ask('/v1/kv/b/k'), { status: 429, headers: { 'retry-after': '3' } })
    t.match((await ask('/v1/kv/b/k')).json.hint, /--client-bytes-per-second/)
  })

  await t.test('is bounded in requests under way, which end with their clients', async (t) => {
    const served = await serve(t)
    const { ask, node, port } = served
    limit(served, { requestsInFlightMax: 2 })
    node.isHolding = true
    const sockets = [await connected(port), await connected(port)]
    for (const socket of sockets) socket.write(get)
    await until(() => node.requests.length === 2)
    t.match(await ask('/v1/kv/b/k'), { status: 429, json: { hint: /--client-requests-in-flight/ } })
    for (const socket of sockets) socket.destroy()
    await sleep(50)
    node.isHolding = false
    t.equal((await ask('/v1/kv/b/k')).status, 404)
  })
})

t.test('requests that stand behind another one of their connection are so many at most', async (t) => {
  const { node, raw, port, metrics } = await serve(t, { pipelinedMax: 8 })
  node.isHolding = true
  const socket = await connected(port)
  const received: Buffer[] = []
  socket.on('data', (chunk) => received.push(chunk))
  let made = 0
  const count = (): void => {
    made += 1
  }
  subscribe('http.server.request.start', count)
  socket.write(get.repeat(1_000))
  await until(() => metrics.of(met('pipelinedMax')) === 1)
  await sleep(20)
  unsubscribe('http.server.request.start', count)
  t.equal(made, 10, 'of what was read with it no more is made')
  t.equal(node.requests.length, 9, 'one, and eight behind it')
  node.release()
  node.isHolding = false
  await gone(socket)
  const answers = Buffer.concat(received).toString()
  t.same(statusesIn(answers), [...Array.from({ length: 9 }, () => 404), 429], 'in their order')
  t.match(
    answers.slice(answers.indexOf(' 429 ')),
    /Connection: close.*pipelinedMax/s,
    'nothing behind it was looked at',
  )
  t.equal(node.requests.length, 9)
  t.match(await raw(get.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')), /^HTTP\/1.1 404/)
})

t.test('requests that ask for no data are so many at most, and health is always told', async (t) => {
  const { node, ask, metrics } = await serve(t, { otherRequestsMax: 1 })
  node.isHolding = true
  const held = ask('/v1/explain/b/k')
  await sleep(20)
  t.match(await ask('/v1/cluster/status'), { status: 429, json: { code: 'overloaded', hint: /otherRequestsMax/ } })
  t.equal((await ask('/livez')).status, 200)
  t.equal((await ask('/readyz')).status, 200)
  t.equal(metrics.of(met('otherRequestsMax')), 1)
  node.release()
  await held
})

t.test('what is open to strangers takes no place of those who may ask for more', async (t) => {
  const { node, ask, port } = await serve(t, { otherRequestsMax: 1 })
  node.isHolding = true
  const stranger = await connected(port)
  stranger.write(`${get}GET /docs HTTP/1.1\r\nHost: a\r\n\r\n`)
  await until(() => node.requests.length === 1)
  await sleep(20)
  t.match(await ask('/docs'), { status: 429, json: { hint: /otherRequestsMax/ } })
  t.equal((await ask('/metrics')).status, 200)
  node.release()
})

t.test('when all connections are taken', async (t) => {
  await t.test('the address with most gives one up that is idle, so others still come in', async (t) => {
    const { port, metrics, node } = await serve(t, { connectionsMax: 5 })
    node.isHolding = true
    const flood: net.Socket[] = []
    for (let count = 0; count < 4; count += 1) flood.push(await connected(port, '127.0.0.2'))
    const [busy] = flood as [net.Socket]
    busy.write(get)
    await until(() => node.requests.length === 1)
    const friend = await connected(port, '127.0.0.3')
    const another = await connected(port, '127.0.0.4')
    await until(() => flood.filter((socket) => socket.destroyed).length === 1)
    t.equal(flood.indexOf(flood.find((socket) => socket.destroyed) as net.Socket), 1, 'the first that was idle')
    t.equal(friend.destroyed, false)
    await connected(port, '127.0.0.2')
    await until(() => flood.filter((socket) => socket.destroyed).length === 2)
    t.equal(another.destroyed, false)
    t.equal(busy.destroyed, false)
    t.equal(metrics.of(cut('full')), 2)
    t.equal(metrics.of('starling_http_connections'), 5)
    node.release()
  })

  await t.test('one that has begun to say something and does not go on is idle too', async (t) => {
    const { port, metrics } = await serve(t, { connectionsMax: 2 })
    const slow = [await connected(port, '127.0.0.2'), await connected(port, '127.0.0.2')]
    for (const socket of slow) socket.write('GET /v1/kv/b/k HTTP/1.1\r\nHost: a\r\nX-')
    await sleep(20)
    const friend = await connected(port, '127.0.0.3')
    friend.write(get)
    const [answer] = await once(friend, 'data')
    t.match(String(answer), /^HTTP\/1.1 404/)
    t.equal(metrics.of(cut('full')), 1)
  })

  await t.test('one more of those who have most and are all being served is closed', async (t) => {
    const { port, metrics, node } = await serve(t, { connectionsMax: 2 })
    node.isHolding = true
    for (let count = 0; count < 2; count += 1) (await connected(port, '127.0.0.2')).write(get)
    await until(() => node.requests.length === 2)
    const third = await connected(port, '127.0.0.2')
    await gone(third)
    t.equal(metrics.of('starling_http_connections_refused_total'), 1)
    node.release()
  })

  await t.test('nobody is cut off whose body comes well', async (t) => {
    const { port, metrics } = await serve(t, { connectionsMax: 1 })
    const sending = await connected(port, '127.0.0.2')
    const answer = once(sending, 'data')
    sending.write(`PUT /v1/kv/b/s HTTP/1.1\r\nHost: a\r\nContent-Length: 120000\r\n\r\n${'x'.repeat(60_000)}`)
    await sleep(50)
    await gone(await connected(port, '127.0.0.3'))
    sending.write('x'.repeat(60_000))
    t.match(String((await answer)[0]), /^HTTP\/1.1 204/)
    t.equal(metrics.of(cut('full')), 0)
  })

  await t.test('of one address there may be a bound of its own', async (t) => {
    const { port, metrics } = await serve(t, { connectionsPerAddressMax: 2 })
    const first = await connected(port, '127.0.0.2')
    for (let count = 0; count < 2; count += 1) await connected(port, '127.0.0.2')
    await gone(first)
    await connected(port, '127.0.0.3')
    t.equal(metrics.of(cut('address-full')), 1)
    t.equal(metrics.of('starling_http_connections'), 3)
  })
})

t.test('whoever sends what is no HTTP, again and again', async (t) => {
  const { port, metrics, ask } = await serve(t)
  t.match(await garbageFrom('127.0.0.2'), /^HTTP\/1.1 400/, 'is told so at first')
  while (metrics.of(cut('misbehaved')) === 0) {
    await Promise.all(Array.from({ length: 60 }, () => garbageFrom('127.0.0.2')))
  }
  t.ok(metrics.of('starling_http_malformed_requests_total') > 50, 'and then nothing any more')
  t.equal((await ask('/livez')).status, 200, 'others are served on')
  await sleep(1_100)
  t.match(await garbageFrom('127.0.0.2'), /^HTTP\/1.1 400/, 'it may try again after a while')
  const before = metrics.of(cut('misbehaved'))
  while (metrics.of(cut('misbehaved')) === before) {
    const tooLong = `PUT /v1/kv/b/k HTTP/1.1\r\nHost: a\r\nContent-Length: ${valueBytesMax + 1}\r\n\r\n`
    for (const bytes of [tooLong, get.repeat(200)]) await sendFrom('127.0.0.3', bytes)
  }
  t.equal((await ask('/livez')).status, 200)

  function garbageFrom(localAddress: string): Promise<string> {
    return sendFrom(localAddress, '\x16\x03garbage\r\n\r\n')
  }

  async function sendFrom(localAddress: string, bytes: string): Promise<string> {
    const socket = net.connect({ port, host: '127.0.0.1', localAddress })
    const received: Buffer[] = []
    socket.on('error', () => {})
    socket.on('data', (chunk) => received.push(chunk))
    socket.end(bytes)
    await gone(socket)
    return Buffer.concat(received).toString()
  }
})

t.test('bodies that come slowly', async (t) => {
  await t.test('take no room for what they promise', async (t) => {
    const { port, ask, metrics } = await serve(t, { bodiesBytesMax: valueBytesMax })
    for (let count = 0; count < 20; count += 1) {
      ;(await connected(port)).write(
        `PUT /v1/kv/b/s${count} HTTP/1.1\r\nHost: a\r\nContent-Length: ${valueBytesMax}\r\n\r\nx`,
      )
    }
    await until(() => metrics.of('starling_http_bodies_bytes') > 0)
    t.equal((await ask('/v1/kv/b/k', { method: 'PUT', body: Buffer.alloc(1_000_000) })).status, 204)
  })

  await t.test('are refused when others need the room they take', async (t) => {
    const { port, ask, metrics, node } = await serve(t, { bodiesBytesMax: 1_000_000 })
    const slow = await connected(port)
    const answer = once(slow, 'data')
    slow.write(`PUT /v1/kv/b/s HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n${'x'.repeat(60_000)}`)
    await until(() => metrics.of('starling_http_bodies_bytes') > 0)
    await sleep(1_100)
    t.equal((await ask('/v1/kv/b/k', { method: 'PUT', body: Buffer.alloc(960_000) })).status, 204)
    t.match(String((await answer)[0]), /^HTTP\/1.1 429 .*"aftermath":"nothing-changed".*bodiesBytesMax/s)
    t.equal(metrics.of(cut('slow-upload')), 1)
    t.equal(node.requests.length, 1)
  })

  await t.test('also of those who sent most of it at once, and then stopped', async (t) => {
    const { port, ask, metrics } = await serve(t, { bodiesBytesMax: 1_000_000, connectionsCheckMs: 20 })
    const stopped = await connected(port)
    const answer = once(stopped, 'data')
    stopped.write(`PUT /v1/kv/b/s HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n${'x'.repeat(800_000)}`)
    await until(() => metrics.of('starling_http_bodies_bytes') >= 800_000)
    await sleep(2_200)
    t.equal((await ask('/v1/kv/b/k', { method: 'PUT', body: Buffer.alloc(960_000) })).status, 204)
    t.match(String((await answer)[0]), /^HTTP\/1.1 429 /)
    t.equal(metrics.of(cut('slow-upload')), 1)
  })

  await t.test('are refused when they come too slowly for too long', async (t) => {
    const { port, metrics } = await serve(t, { slowMs: 100, connectionsCheckMs: 20, lingerMs: 20 })
    const slow = await connected(port)
    slow.write('PUT /v1/kv/b/s HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n')
    const trickle = setInterval(() => slow.write('x'), 20)
    t.teardown(() => clearInterval(trickle))
    const [answer] = await once(slow, 'data')
    t.match(String(answer), /^HTTP\/1.1 504 .*"code":"deadline-exceeded".*uploadBytesPerSecondMin/s)
    await gone(slow)
    t.equal(metrics.of(cut('slow-upload')), 1)
    t.equal(metrics.of('starling_http_bodies_bytes'), 0)
  })

  await t.test('and one that comes well is not', async (t) => {
    const { port, metrics } = await serve(t, { slowMs: 100, connectionsCheckMs: 20 })
    const steady = await connected(port)
    steady.write('PUT /v1/kv/b/s HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n')
    for (let count = 0; count < 10; count += 1) {
      steady.write('x'.repeat(10_000))
      await sleep(30)
    }
    const [answer] = await once(steady, 'data')
    t.match(String(answer), /^HTTP\/1.1 204/)
    t.equal(metrics.of(cut('slow-upload')), 0)
  })
})

t.test('bodies that are far too much', async (t) => {
  await t.test('are read on after the answer for so many bytes', async (t) => {
    const { port } = await serve(t, { lingerBytesMax: 1_000_000 })
    const endless = await connected(port)
    const answer = once(endless, 'data')
    endless.write('PUT /v1/kv/b/k HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n')
    t.match(String((await answer)[0]), /^HTTP\/1.1 413 .*Connection: close/s)
    const more = setInterval(() => endless.write(Buffer.alloc(200_000)), 5)
    await gone(endless)
    clearInterval(more)
    t.ok(endless.bytesWritten > 1_000_000)
  })

  await t.test('are not read to their end where what has come of it is enough to know', async (t) => {
    const { port, metrics } = await serve(t)
    const sender = await connected(port)
    const answer = once(sender, 'data')
    sender.write(
      `POST /v1/batch HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 16000000\r\n\r\n${'['.repeat(300_000)}`,
    )
    t.match(String((await answer)[0]), /^HTTP\/1.1 400 .*Connection: close.*200000 values/s)
    await gone(sender)
    t.equal(metrics.of('starling_http_bodies_bytes'), 0)
  })
})

t.test('answers that are read slowly', async (t) => {
  await t.test('are held up to a bound for all clients together, whatever they ask for in one breath', async (t) => {
    const { node, port, metrics, ask } = await serve(t, { unreadBytesMax: 4 * valueBytesMax })
    node.plant('b', 'large', { value: Buffer.alloc(valueBytesMax, 'x') })
    const slow = await connected(port)
    slow.pause().write(getLarge.repeat(12))
    await until(() => metrics.of(met('unreadBytesMax')) > 0)
    t.ok(metrics.of('starling_http_unread_bytes') <= 4 * valueBytesMax)
    const put = await ask('/v1/kv/b/large?return=value', { method: 'PUT', body: 'x' })
    t.match(put, { status: 429, json: { aftermath: 'may-have-changed', hint: /unreadBytesMax/ } }, 'it was written')
    slow.destroy()
    await until(() => metrics.of('starling_http_unread_bytes') === 0)
    t.not((await ask('/v1/kv/b/large')).status, 429)
  })

  await t.test('make room: their readers are cut off first', async (t) => {
    const { node, port, metrics, ask } = await serve(t, { unreadBytesMax: 2 * valueBytesMax, connectionsCheckMs: 20 })
    node.plant('b', 'large', { value: Buffer.alloc(valueBytesMax, 'x') })
    const slow = await Promise.all([connected(port), connected(port)])
    for (const socket of slow) socket.pause().write(getLarge)
    await until(() => metrics.of('starling_http_unread_bytes') === 2 * valueBytesMax)
    await ask('/v1/kv/b/large')
    await sleep(1_100)
    await ask('/v1/kv/b/large')
    await until(() => metrics.of(cut('slow-reader')) === 2)
    t.equal((await ask('/v1/kv/b/large')).status, 200)
    await until(() => metrics.of('starling_http_unread_bytes') === 0)
  })

  await t.test('end when they are taken too slowly for too long, also where a byte moves now and then', async (t) => {
    const { node, port, metrics } = await serve(t, { slowMs: 150, connectionsCheckMs: 20 })
    // More than sockets take.
    for (let index = 0; index < 4; index += 1) node.plant('big', `k${index}`, { value: Buffer.alloc(8_000_000, 'x') })
    const [value, listing] = [await connected(port), await connected(port)]
    value.pause().write('GET /v1/kv/big/k1 HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(3))
    listing.pause().write('GET /v1/kv/big?values=true HTTP/1.1\r\nHost: a\r\n\r\n')
    const trickle = setInterval(() => [value, listing].map((socket) => socket.read(1)), 20)
    t.teardown(() => clearInterval(trickle))
    await until(() => metrics.of(cut('slow-reader')) === 2)
    await until(() => metrics.of('starling_http_pages_bytes') === 0)
    t.equal(metrics.of('starling_http_unread_bytes'), 0)
  })
})

/** What is left of slow clients does not keep a test waiting. */
function serve(t: Test, limits: Partial<HttpLimits> = {}): Promise<Served> {
  return serveOn(t, { closeTimeoutMs: 20, ...limits })
}

/** A gate in front of the fake node, whose time stands still until it is moved. */
function limit({ node }: Served, settings: Partial<ClientLimitSettings>) {
  const gate = {
    nowMs: 0,
    met: [] as string[],
    get isIdle(): boolean {
      return idle()
    },
  }
  const time = { nowMs: () => gate.nowMs } as ConstructorParameters<typeof ClientGate>[0]['time']
  const clients = new ClientGate(
    { time, limited: (name) => ({ add: () => void gate.met.push(name) }) },
    { ...clientLimitsOff, ...settings },
  )
  let under = 0
  const begin = clients.begin.bind(clients)
  clients.begin = (client) => {
    const visit = begin(client)
    if ('limit' in visit) return visit
    under += 1
    const end = visit.end.bind(visit)
    visit.end = () => {
      end()
      under -= 1
    }
    return visit
  }
  const idle = (): boolean => under === 0
  node.clients = clients
  return gate
}

async function connected(port: number, localAddress = '127.0.0.1'): Promise<net.Socket> {
  const socket = net.connect({ port, host: '127.0.0.1', localAddress })
  socket.on('error', () => {})
  await once(socket, 'connect')
  // The server has seen it: it accepts one in each turn.
  await sleep(5)
  return socket
}

async function gone(socket: net.Socket): Promise<void> {
  socket.resume()
  if (!socket.destroyed) await new Promise((resolve) => socket.once('close', resolve))
}

function statusesIn(answers: string): number[] {
  return [...answers.matchAll(/HTTP\/1\.1 ([0-9]{3}) /g)].map(([, status]) => Number(status))
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(2)
}
