import { once } from 'node:events'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import tls, { type ConnectionOptions, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import type { HttpLimits } from '../../lib/http/http-limits.ts'
import type { HttpsSettings } from '../../lib/http/https-server.ts'
import { toPeerCertificate } from '../../lib/platform/tls/stream-identity.ts'
import { type MadeCertificate, TestAuthority } from '../fixtures/certificates.ts'
import { type Served, serve } from './with-server.ts'

const authority = new TestAuthority()
const ada = authority.issue('ada')
const chunkedPut = 'PUT /v1/kv/b/k HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'

t.test('behind TLS every guard stands as before', async (t) => {
  const { raw, metrics, node } = await serveTls(t, { headersTimeoutMs: 200, connectionsCheckMs: 25 })
  const once = 'Host: a\r\nConnection: close\r\n'
  t.match(await raw(`GET /livez HTTP/1.1\r\n${once}\r\n`), /^HTTP\/1.1 200 /)
  t.match(await raw(`PUT /v1/kv/b/k HTTP/1.1\r\n${once}Content-Length: 1\r\n\r\nv`), /^HTTP\/1.1 204 /)
  t.match(await raw('FROB /livez HTTP/1.1\r\nHost: a\r\n\r\n'), /^HTTP\/1.1 400 .*"code":"invalid-header"/s)
  t.match(await raw(`GET /livez HTTP/1.1\r\nX: ${'x'.repeat(66_000)}\r\n\r\n`), /^HTTP\/1.1 431 /)
  t.match(await raw(`${chunkedPut}zz\r\nhello\r\n`), /^HTTP\/1.1 400 /)
  t.match(await raw('GET /livez HTTP/1.1\r\nHost: a\r\n'), /^HTTP\/1.1 408 /, 'headers that do not come to their end')
  t.equal(metrics.of('starling_http_malformed_requests_total'), 4)
  t.match(
    await raw(`PUT /v1/kv/b/k HTTP/1.1\r\n${once}Expect: 100-continue\r\nContent-Length: 1\r\n\r\n`, 'v'),
    /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 204 /,
  )
  t.match(await raw(`PUT /v1/kv/b/k HTTP/1.1\r\n${once}Content-Length: 9000000\r\n\r\n`), /^HTTP\/1.1 413 /)
  node.isOverloaded = true
  t.match(await raw(`GET /v1/kv/b/k HTTP/1.1\r\n${once}\r\n`), /^HTTP\/1.1 429 .*"code":"overloaded"/s)
})

t.test('behind TLS slow clients and those who take all places are seen too', async (t) => {
  const limits = { connectionsMax: 2, pipelinedMax: 2, slowMs: 100, connectionsCheckMs: 20, lingerMs: 20 }
  const { connect, metrics, node } = await serveTls(t, limits)
  const ended = (socket: TLSSocket): Promise<unknown> => new Promise((resolve) => socket.once('close', resolve))
  const [first] = [await connect(), await connect()]
  const gone = ended(first as TLSSocket)
  const third = await connect()
  await gone
  t.equal(metrics.of('starling_http_connections_cut_total{reason="full"}'), 1)
  t.equal(metrics.of('starling_http_connections'), 2)
  node.isHolding = true
  third.write('GET /v1/kv/b/k HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(9))
  await until(() => metrics.of('starling_http_limits_met_total{limit="pipelinedMax"}') === 1)
  node.release()
  node.isHolding = false
  await ended(third.resume())
  const slow = await connect()
  const answer = heardFrom(slow)
  slow.write('PUT /v1/kv/b/s HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\nx')
  t.match(await answer, /^HTTP\/1.1 504 .*uploadBytesPerSecondMin/s)
})

t.test('many requests go over one connection, in turn', async (t) => {
  const { connect } = await serveTls(t)
  const socket = await connect()
  let heard = ''
  socket.on('data', (part) => {
    heard += part
  })
  for (let count = 1; count <= 3; count += 1) {
    socket.write('GET /livez HTTP/1.1\r\nHost: a\r\n\r\n')
    while (heard.split('HTTP/1.1 200').length - 1 < count) await sleep(5)
  }
  t.equal(heard.split('HTTP/1.1 200').length - 1, 3)
})

t.test('whoever does not speak TLS, or nothing that is safe, comes to nothing, and is counted', async (t) => {
  const { port, metrics, raw, connect } = await serveTls(t, { headersTimeoutMs: 300 })
  const failed = (): number => metrics.of('starling_http_handshakes_failed_total') ?? 0
  t.equal(await ending(port, 'GET /livez HTTP/1.1\r\nHost: a\r\n\r\n'), '', 'not a word in the open')
  t.equal((await ending(port, Buffer.alloc(500, 0x16))).includes('HTTP'), false)
  await t.rejects(connect({ maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' }))
  await until(() => failed() === 3)
  await ending(port, Buffer.from([0x16, 3, 1]))
  await until(() => failed() === 4)
  t.pass('nor is a handshake waited for that does not come to its end')
  t.equal((await connect({ maxVersion: 'TLSv1.2' })).getProtocol(), 'TLSv1.2', 'clients may be older than nodes')
  t.match(await raw('GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'), /^HTTP\/1.1 200 /)
})

t.test('a client may show a certificate, and is known by it if that is good', async (t) => {
  const app = authority.issue('app', { purposes: ['clientAuth'] })
  const { connect, known } = await serveTls(t, {}, { ca: authority.cert })
  const asked = async (shown: Partial<MadeCertificate>): Promise<void> => {
    const socket = await connect(shown)
    socket.write('GET /v1/node HTTP/1.1\r\nHost: a\r\n\r\n')
    await once(socket, 'data')
  }
  await asked(app)
  await asked({})
  await asked(new TestAuthority('another').issue('app'))
  await asked(authority.issue('app', { until: new Date(Date.now() - 1000) }))
  t.same(known, ['app', undefined, undefined, undefined])

  t.test('on each connection anew: none continues an older one', async (t) => {
    let session: Buffer | undefined
    const first = await connect(app)
    first.on('session', (given) => {
      session = given
    })
    first.write('GET /livez HTTP/1.1\r\nHost: a\r\n\r\n')
    await once(first, 'data')
    const again = await connect({ ...app, ...(session === undefined ? {} : { session }) })
    t.notOk(again.isSessionReused())
  })
})

t.test('a renewed certificate is shown from the next connection on', async (t) => {
  const { connect, renew, raw } = await serveTls(t)
  const before = await connect()
  renew(authority.issue('ada'))
  const after = await connect()
  t.not(after.getPeerX509Certificate()?.serialNumber, before.getPeerX509Certificate()?.serialNumber)
  before.write('GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  t.match(String((await once(before, 'data'))[0]), /^HTTP\/1.1 200 /, 'and the others go on')
  t.match(await raw('GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'), /^HTTP\/1.1 200 /)
})

t.test('closing waits neither for connections that ask nothing nor for handshakes', async (t) => {
  const { server, connect, port } = await serveTls(t, { closeTimeoutMs: 20_000 })
  const idle = await connect()
  const shaking = net.connect(port, '127.0.0.1')
  await once(shaking, 'connect')
  shaking.write(Buffer.from([0x16, 3, 1]))
  await sleep(20)
  const ended = Promise.all(
    [idle, shaking].map((socket) => once(socket.on('error', () => undefined).resume(), 'close')),
  )
  const beganMs = performance.now()
  await new Promise<void>((resolve) => server.close(resolve))
  await ended
  t.ok(performance.now() - beganMs < 10_000)
})

interface ServedTls extends Served {
  readonly known: (string | undefined)[]
  connect(options?: ConnectionOptions): Promise<TLSSocket>
  renew(made: MadeCertificate): void
}

async function serveTls(
  t: Test,
  limits: Partial<HttpLimits> = {},
  trusted: { readonly ca?: string } = {},
): Promise<ServedTls> {
  let shown = ada
  let onRenewed = (): void => undefined
  const known: (string | undefined)[] = []
  const https: HttpsSettings = {
    certificates: () => ({ ...shown, ...trusted }),
    onRenewed(listener) {
      onRenewed = listener
      return () => undefined
    },
    certificateOf(socket) {
      const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined
      const name = certificate === undefined ? undefined : toPeerCertificate(certificate)
      known.push(name?.name)
      return name
    },
  }
  const served = await serve(t, limits, undefined, { https })
  if (trusted.ca !== undefined) served.node.asksForCertificates = true
  const connect = async (options: ConnectionOptions = {}): Promise<TLSSocket> => {
    const socket = tls.connect({ port: served.port, host: '127.0.0.1', ca: authority.cert, ...options })
    t.teardown(() => socket.destroy())
    await once(socket, 'secureConnect')
    return socket.on('error', () => undefined)
  }
  return {
    ...served,
    known,
    connect,
    renew(made) {
      shown = made
      onRenewed()
    },
    async raw(...pieces) {
      const socket = await connect()
      for (const piece of pieces) {
        socket.write(piece)
        if (pieces.length > 1) await sleep(50)
      }
      return heardFrom(socket)
    },
  }
}

/** What comes until the other side ends it. */
async function heardFrom(socket: net.Socket): Promise<string> {
  let heard = ''
  socket.on('data', (part) => {
    heard += part
  })
  await once(
    socket.on('error', () => undefined),
    'close',
  )
  return heard
}

function ending(port: number, bytes: string | Buffer): Promise<string> {
  const socket = net.connect(port, '127.0.0.1', () => socket.write(bytes))
  return heardFrom(socket)
}

async function until(isSo: () => boolean): Promise<void> {
  for (let waitedMs = 0; !isSo(); waitedMs += 10) {
    if (waitedMs > 10_000) throw new Error('it has not come to that')
    await sleep(10)
  }
}
