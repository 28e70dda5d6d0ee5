import t from 'tap'
import { resources } from '../../lib/http/resources.ts'
import { serve } from './with-server.ts'

const evil = 'https://evil.example'
const shop = 'https://shop.example'
const script = '<script>fetch("/v1/kv/b/k", {method: "DELETE"})</script>'

t.test('a page of another origin', async (t) => {
  const { ask, node } = await serve(t)
  await ask('/v1/kv/b/k', { method: 'PUT', body: 'secret' })
  const asked = node.requests.length

  await t.test('is told nothing that would let it read an answer', async (t) => {
    const answer = await ask('/v1/kv/b/k', { headers: { origin: evil } })
    t.equal(answer.headers['access-control-allow-origin'], undefined)
    t.equal(answer.headers['cross-origin-resource-policy'], 'same-origin', 'nor as a script or an image')
  })

  await t.test('is not allowed what a browser asks for it first: PUT, DELETE, POST of JSON', async (t) => {
    for (const method of ['PUT', 'DELETE', 'POST']) {
      const headers = { origin: evil, 'access-control-request-method': method }
      const preflight = await ask('/v1/kv/b/k', { method: 'OPTIONS', headers })
      t.not(preflight.status, 204)
      t.notOk(Object.keys(preflight.headers).some((name) => name.startsWith('access-control')))
    }
  })

  await t.test('changes nothing by what a browser sends without asking, at any route', async (t) => {
    const posts = resources.flat().filter(({ method }) => method === 'POST')
    t.ok(posts.length > 5)
    for (const { path } of posts) {
      for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x']) {
        const form = {
          method: 'POST',
          headers: { 'content-type': type },
          body: '{"action":"clear","node":""}',
        } as const
        t.match(await ask(path, form), { status: 415, json: { code: 'unsupported-encoding' } }, `${path} ${type}`)
      }
      for (const origin of [evil, 'null']) {
        const empty = await ask(path, { method: 'POST', headers: { origin } })
        t.match(empty, { status: 403, json: { code: 'forbidden', aftermath: 'nothing-changed' } }, `${path} ${origin}`)
      }
    }
    t.match(await ask('/v1/kv/b/k', { method: 'PUT', headers: { origin: evil }, body: 'x' }), { status: 403 })
    t.match(await ask('/v1/kv/b/k', { method: 'DELETE', headers: { origin: evil } }), { status: 403 })
    t.equal(node.requests.length, asked + 1, 'the node was asked for one read')
  })

  await t.test('but one of the same origin may, behind a proxy that ends TLS too', async (t) => {
    for (const origin of ['http://node.example:7070', 'https://node.example:7070']) {
      const headers = { origin, host: 'node.example:7070' }
      t.equal((await ask('/v1/kv/b/k', { method: 'PUT', headers, body: 'x' })).status, 204)
    }
  })
})

t.test('a page of an origin that was allowed', async (t) => {
  const { ask, node, metrics } = await serve(t, {}, undefined, { corsOrigins: [shop] })

  await t.test('is told so by an answer that no route gives', async (t) => {
    const preflight = await ask('/v1/kv/b/k', {
      method: 'OPTIONS',
      headers: {
        origin: shop,
        'access-control-request-method': 'PUT',
        'access-control-request-headers': 'authorization,content-type,starling-context,starling-meta-colour',
      },
    })
    t.match(preflight, {
      status: 204,
      headers: {
        'access-control-allow-origin': shop,
        'access-control-allow-methods': /PUT/,
        'access-control-allow-headers': 'authorization,content-type,starling-context,starling-meta-colour',
        vary: /Origin/,
      },
    })
    t.equal(preflight.headers['access-control-allow-credentials'], undefined)
    t.equal(node.requests.length, 0)
  })

  await t.test('may write and read, headers included, and never with credentials', async (t) => {
    const headers = { origin: shop }
    const put = await ask('/v1/kv/b/k', { method: 'PUT', headers, body: 'x' })
    for (const answer of [put, await ask('/v1/kv/b/k', { headers }), await ask('/v1/kv/b/none', { headers })]) {
      t.equal(answer.headers['access-control-allow-origin'], shop)
      t.equal(answer.headers['access-control-expose-headers'], '*')
      t.equal(answer.headers['access-control-allow-credentials'], undefined)
    }
    node.isOverloaded = true
    t.match(await ask('/v1/kv/b/k', { headers }), { status: 429, headers: { 'access-control-allow-origin': shop } })
    node.isOverloaded = false
  })

  await t.test('does not let in others with it: origins are compared whole', async (t) => {
    for (const origin of [evil, `${shop}.evil.example`, 'http://shop.example', `${shop}:8443`, 'null']) {
      t.equal((await ask('/v1/kv/b/k', { headers: { origin } })).headers['access-control-allow-origin'], undefined)
      t.equal((await ask('/v1/kv/b/k', { method: 'DELETE', headers: { origin } })).status, 403, origin)
    }
    t.equal((await ask('/v1/kv/b/k')).headers['cache-control'], 'no-store', 'so no cache need tell them apart')
    t.equal(metrics.of('starling_http_limits_met_total{limit="origin"}'), 5)
  })

  await t.test('does not get names of headers back that are none', async (t) => {
    const headers = {
      origin: shop,
      'access-control-request-method': 'PUT',
      'access-control-request-headers': 'x"y, <b>',
    }
    const preflight = await ask('/v1/kv/b/k', { method: 'OPTIONS', headers })
    t.equal(preflight.headers['access-control-allow-headers'], undefined)
  })
})

t.test('a node that serves its own machine is asked for by its names only', async (t) => {
  const { ask, node, metrics } = await serve(t, {}, undefined, { hostNames: ['Ada.internal'] })
  for (const host of [
    '127.0.0.1:7070',
    '[::1]:7070',
    'localhost',
    'api.localhost:1',
    'ada.internal:7070',
    'ADA.internal.',
  ]) {
    t.equal((await ask('/v1/kv/b/k', { headers: { host } })).status, 404, host)
  }
  const asked = node.requests.length
  for (const host of ['evil.example', 'evil.example:7070', '127.0.0.1.evil.example', 'localhost.evil.example']) {
    for (const path of ['/v1/kv/b/k', '/metrics', '/docs', '/v1/node/drain']) {
      const method = path.endsWith('drain') ? 'POST' : 'GET'
      t.match(await ask(path, { method, headers: { host } }), { status: 400, json: { code: 'invalid-header' } }, host)
    }
  }
  t.equal(node.requests.length, asked)
  t.equal(metrics.of('starling_http_limits_met_total{limit="host"}'), 16)
})

t.test('what is stored is never executed in the origin of the API', async (t) => {
  const { ask, node } = await serve(t)
  for (const type of ['text/html', 'image/svg+xml', 'application/xhtml+xml', 'text/javascript', 'application/pdf']) {
    const path = `/v1/kv/types/${encodeURIComponent(type)}`
    await ask(path, { method: 'PUT', headers: { 'content-type': type }, body: script })
    for (const method of ['GET', 'HEAD'] as const) {
      const { headers } = await ask(path, { method })
      t.match(headers, safe, `${method} ${type}`)
      t.match(headers['content-security-policy'], /(^|; )sandbox($|;)/, 'without allow-scripts or allow-same-origin')
    }
  }
  node.plant('b', 'large', { value: Buffer.alloc(200_000, script), contentType: 'text/html' })
  t.match((await ask('/v1/kv/b/large')).headers, safe, 'past the short way of small answers too')
  const returned = await ask('/v1/kv/b/page?return=value', {
    method: 'PUT',
    headers: { 'content-type': 'text/html' },
    body: script,
  })
  t.ok([200, 300].includes(returned.status))
  t.match(returned.headers, { 'x-content-type-options': 'nosniff' })
  await ask('/v1/kv/b/page', { method: 'PUT', headers: { 'content-type': 'text/html' }, body: `${script}2` })
  const parts = await ask('/v1/kv/b/page', { headers: { accept: 'multipart/mixed' } })
  t.equal(parts.status, 300)
  t.match(parts.headers, { ...safe, 'content-type': /^multipart\/mixed/ })
  const siblings = await ask('/v1/kv/b/page')
  t.match(siblings.headers, { 'content-type': 'application/json', 'x-content-type-options': 'nosniff' })
})

t.test("the page of documentation runs no script, and stands in nobody else's page", async (t) => {
  const { ask } = await serve(t)
  for (const path of ['/docs', '/docs/style.css', '/openapi.json']) {
    const { headers } = await ask(path)
    const policy = String(headers['content-security-policy'])
    t.match(policy, /default-src 'none'/)
    t.notMatch(policy, /script-src|unsafe/)
    t.match(policy, /frame-ancestors 'none'/)
    t.match(headers, {
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'x-content-type-options': 'nosniff',
    })
  }
  t.notMatch((await ask('/docs')).text, /<script|onload=|javascript:/i)
})

t.test('nothing is decompressed: an encoding is refused, not undone', async (t) => {
  const { ask, node } = await serve(t)
  for (const encoding of ['gzip', 'br', 'deflate', 'zstd', 'x-gzip', 'identity, gzip']) {
    const headers = { 'content-encoding': encoding }
    t.match(await ask('/v1/kv/b/k', { method: 'PUT', headers, body: 'x' }), { status: 415 }, encoding)
    const json = { ...headers, 'content-type': 'application/json' }
    t.match(await ask('/v1/batch', { method: 'POST', headers: json, body: '{}' }), { status: 415 }, encoding)
  }
  t.equal(node.requests.length, 0)
  await ask('/v1/kv/b/k', { method: 'PUT', body: 'x'.repeat(5000) })
  const answer = await ask('/v1/kv/b/k', { headers: { 'accept-encoding': 'gzip' } })
  t.equal(answer.headers['content-encoding'], undefined)
})

const safe = {
  'content-security-policy': "default-src 'none'; sandbox",
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'same-origin',
}
