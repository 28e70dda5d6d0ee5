import { readFileSync, writeFileSync } from 'node:fs'
import { connect as connectTo } from 'node:net'
import { join } from 'node:path'
import { inspect } from 'node:util'
import t from 'tap'
import { connect } from '../../lib/connect.ts'
import { HttpClient } from '../../lib/http-client/http-client.ts'
import { starling } from '../cli/fixtures/run-starling.ts'
import { eventually, NodeProcess, type Reachable } from '../node/fixtures/real-nodes.ts'
import { Collector } from '../platform/fixtures/collector.ts'
import { scratchDirectory } from '../platform/fixtures/scratch.ts'

/** In any encoding that text takes on its way it stays recognisable. */
const mark = 'zebra-crossing-at-midnight'
const good = `${mark}-good-${'x'.repeat(20)}`
const wrong = `${mark}-wrong-${'x'.repeat(20)}`

t.setTimeout(120_000)

t.test('no token is found in what a node or a client says of its work', async (t) => {
  const directory = scratchDirectory(t)
  const tokenFile = join(directory, 'tokens')
  const auditLog = join(directory, 'audit.log')
  writeFileSync(tokenFile, good)
  const collector = await Collector.start(t)
  const flags = ['--token-file', tokenFile, '--log-level', 'debug', '--slow-request-ms', '1', '--audit-log', auditLog]
  const node = await NodeProcess.start(
    t,
    ['--name', 'ada', '--data', join(directory, 'ada'), ...flags, '--audit-data', 'all'],
    { env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint, OTEL_BSP_SCHEDULE_DELAY: '50' } },
  )
  await isReady(node)
  const heard: string[] = []
  const hear = (what: unknown): void =>
    void heard.push(typeof what === 'string' ? what : inspect(what, { depth: 9, showHidden: true }))

  const url = `http://${node.http}`
  const statuses = new Set<number>()
  for (const authorization of [`Bearer ${good}`, `Bearer ${wrong}`, `Basic ${good}`, `Bearer ${good} ${good}`, good]) {
    for (const [method, path, body] of requests) {
      const response = await fetch(`${url}${path}`, {
        method,
        headers: {
          authorization,
          traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
          ...bodyHeaders(body),
        },
        ...(body === undefined ? {} : { body }),
      })
      statuses.add(response.status)
      hear(await response.text())
      hear([...response.headers])
    }
  }
  for (const status of [200, 204, 400, 401, 404, 405, 412, 415])
    t.ok(statuses.has(status), `${status} was among the answers`)
  for (const bytes of [
    `GET /v1/node HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${good}\r\nBad Header ${good}\r\n\r\n`,
    `GET /v1/node HTTP/1.1\r\nAuthorization: Bearer ${good}\r\n\r\n`,
    `GET /v1/kv/a/b HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${good}\r\nX: ${'x'.repeat(70_000)}\r\n\r\n`,
    `PUT /v1/kv/a/b HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${good}\r\nContent-Length: 9000000\r\n\r\n`,
  ]) {
    hear(await saidTo(node.http, bytes))
  }

  for (const token of [good, wrong]) {
    const client = new HttpClient({ endpoints: [url], token })
    hear(client)
    await client.put('carts', 'bob', new Uint8Array([1])).catch(hear)
    await client.get('carts', '').catch(hear)
    await client.commit({ plan: '0'.repeat(16) }).catch(hear)
    hear(await connect([node.peer], { token, connectTimeoutMs: 2_000 }).then(useAndClose, (error) => error))
  }
  const elsewhere = new HttpClient({ endpoints: ['http://127.0.0.1:9'], token: good })
  await elsewhere.get('carts', 'ada').catch(hear)
  hear(await connect(['127.0.0.1:9'], { token: good, connectTimeoutMs: 300 }).catch((error) => error))
  for (const broken of [`${good}\n`, `${good} `, `${good}\u{1f511}`]) {
    await new HttpClient({ endpoints: [url], token: () => broken }).get('carts', 'ada').catch(hear)
    hear(thrownBy(() => new HttpClient({ endpoints: [url], token: broken })))
    await connect([node.peer], { token: broken }).catch(hear)
  }

  for (const token of [good, wrong, `${good} ${good}`]) {
    for (const words of [
      ['node', 'status'],
      ['kv', 'get', 'carts', 'ada'],
      ['explain', 'carts', 'ada'],
      ['config', '--json'],
      ['bucket', 'list', '--json'],
    ]) {
      const isClient = words[0] !== 'config'
      const ran = await starling([...words, ...(isClient ? ['--endpoint', url] : [])], {
        env: { STARLING_TOKEN: token, STARLING_TOKEN_FILE: tokenFile },
      })
      hear(ran.stdout.toString() + ran.stderr)
      if (isClient) t.equal(ran.code === 0, token === good, `${words.join(' ')} ${ran.code}`)
    }
  }

  hear(await (await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${good}` } })).text())
  await eventually(
    'spans have come',
    async () => collector.spans.length,
    (count) => count > 10,
  )
  hear(collector.spans)
  node.signal('SIGTERM')
  await node.ended
  hear(node.log)
  hear(readFileSync(auditLog, 'utf8'))
  t.match(node.log, /"requestId"|slow/, 'something was logged')
  t.match(readFileSync(auditLog, 'utf8'), /bootstrap-/, 'and who it was is known')

  const found = heard.filter(
    (text) => text.includes(mark) || text.includes(Buffer.from(mark).toString('base64').slice(0, 20)),
  )
  t.same(
    found.map((text) => around(text)),
    [],
    `${heard.length} texts`,
  )
})

/** Of every kind: done, refused for what it asks, refused for how, and never routed. */
const requests: readonly (readonly [method: string, path: string, body?: string])[] = [
  ['PUT', '/v1/kv/carts/ada', 'x'],
  ['PUT', '/v1/kv/carts/ada', 'x'],
  ['GET', '/v1/kv/carts/ada'],
  ['GET', '/v1/kv/carts/nobody'],
  ['GET', '/v1/kv/carts?limit=0'],
  ['GET', '/v1/kv/carts'],
  ['GET', '/v1/kv/carts/ada?r=99'],
  ['GET', '/v1/kv/%24starling/tokens'],
  ['DELETE', '/v1/kv/carts/nobody'],
  ['POST', '/v1/batch', '{"operations":[{"op":"get","bucket":"carts","key":"ada"}]}'],
  ['POST', '/v1/batch', 'nonsense'],
  ['POST', '/v1/cluster/commit', '{"plan":"0000000000000000"}'],
  ['GET', '/v1/explain/carts/ada'],
  ['GET', '/v1/cluster/status'],
  ['GET', '/v1/node'],
  ['GET', '/nowhere'],
  ['PATCH', '/v1/node'],
  ['GET', '/livez'],
  ['GET', '/v1/whoami'],
  // By mistake.
  ['GET', `/v1/node?token=${good}`],
  ['GET', `/nowhere?access_token=${good}`],
  ['GET', `/v1/kv/carts?token=${good}&limit=1`],
]

function bodyHeaders(body: string | undefined): Record<string, string> {
  if (body === 'x') return { 'if-none-match': '*' }
  if (body === 'nonsense') return { 'content-type': 'text/plain' }
  return body === undefined ? {} : { 'content-type': 'application/json' }
}

async function useAndClose(db: Awaited<ReturnType<typeof connect>>): Promise<unknown> {
  await db.bucket('carts').get('ada')
  const shown = [inspect(db, { depth: 9, showHidden: true }), db.status()]
  await db.close()
  return shown
}

function thrownBy(act: () => unknown): unknown {
  try {
    return act()
  } catch (error) {
    return error
  }
}

function saidTo(endpoint: string, bytes: string): Promise<string> {
  const [host = '', port = ''] = endpoint.split(':')
  return new Promise((resolve) => {
    const socket = connectTo(Number(port), host)
    let text = ''
    socket.on('data', (part) => {
      text += part.toString()
      socket.end()
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(text))
    socket.write(bytes)
  })
}

function around(text: string): string {
  const at = text.indexOf(mark)
  return text.slice(Math.max(0, at - 200), at + 100)
}

/** Without a token nobody is told more. */
async function isReady({ http }: Reachable): Promise<void> {
  const statusOf = async (): Promise<number> =>
    (await fetch(`http://${http}/readyz`).catch(() => undefined))?.status ?? 0
  await eventually('the node is ready', statusOf, (status) => status === 200)
}
