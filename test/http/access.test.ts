import t from 'tap'
import { bucketScope, demand, makeTokens } from '../security/fixtures/tokens.ts'
import { type Answer, type Ask, type Served, serve } from './with-server.ts'

const tokens = makeTokens({
  reader: { role: 'read' },
  writer: { role: 'write' },
  operator: { role: 'operator' },
  admin: { role: 'admin' },
  scoped: { role: 'write', scopes: [bucketScope('carts'), bucketScope('users', 'eu/')] },
  scopedAdmin: { role: 'admin', scopes: [bucketScope('carts')] },
  expired: { role: 'admin', expiresAtMs: Date.now() - 1 },
  revoked: { role: 'admin', revokedAtMs: Date.now() },
})

t.test('where no tokens are asked for, nobody is asked', async (t) => {
  const served = await serve(t)
  t.equal((await served.ask('/v1/kv/carts/ada')).status, 404)
  t.equal((await served.ask('/v1/kv/carts/ada', { headers: bearing('nonsense') })).status, 404, 'nor listened to')
  t.same(served.node.turnedAway, [])
})

t.test('whoever shows nothing, or nothing good, is told so before anything is read', async (t) => {
  const served = await guarded(t)
  const answer = await served.ask('/v1/kv/carts/ada')
  problem(t, answer, 401, 'unauthenticated')
  t.equal(answer.headers['www-authenticate'], 'Bearer realm="starling"')
  t.match(String(answer.json.hint), /Authorization: Bearer/)

  for (const [name, words] of [
    ['expired', /has expired/],
    ['revoked', /was revoked/],
  ] as const) {
    const refused = await as(served, name, '/v1/kv/carts/ada')
    problem(t, refused, 401, 'unauthenticated')
    t.match(String(refused.json.detail), words)
    t.equal(refused.headers['www-authenticate'], 'Bearer realm="starling", error="invalid_token"')
  }
  const { reader } = tokens.texts
  for (const authorization of [
    `Bearer ${reader.slice(0, -1)}x`,
    `Bearer ${reader}x`,
    `Basic ${reader}`,
    `Bearer ${reader} ${reader}`,
    reader,
    'Bearer',
    'Bearer ',
    '',
  ]) {
    const refused = await served.ask('/v1/kv/carts/ada', { headers: { authorization } })
    problem(t, refused, 401, 'unauthenticated')
  }
  t.equal((await served.ask(`/v1/kv/carts/ada?token=${reader}`)).status, 401, 'a query carries no token')
  t.equal((await served.ask('/v1/kv/carts/ada', { headers: { cookie: `token=${reader}` } })).status, 401)
  t.same(served.node.requests, [], 'the node was never asked')
  t.same([...new Set(served.node.turnedAway)].sort(), ['bad-token', 'no-token'])
})

t.test('strangers cost no admission, and their bodies are not waited for', async (t) => {
  const served = await guarded(t)
  served.node.admit = () => void t.fail('a stranger was put in line')
  for (const path of ['/v1/kv/carts/ada', '/v1/batch']) {
    const method = path === '/v1/batch' ? 'POST' : 'PUT'
    const head = `${method} ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`
    t.match(
      await served.raw(`${head}Content-Length: 8000000\r\nConnection: close\r\n\r\n`),
      /^HTTP\/1\.1 401 /,
      'answered while nothing of the body has come',
    )
    const expecting = await served.raw(`${head}Content-Length: 10\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n`)
    t.match(expecting, /^HTTP\/1\.1 401 /, 'nobody is invited to send it')
  }
  const twice = await served.raw(
    'PUT /v1/kv/carts/ada HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi',
    'GET /v1/kv/carts/ada HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
  )
  t.equal(twice.match(/HTTP\/1\.1 401 Unauthorized/g)?.length, 2, 'and the connection goes on behind a short one')
})

t.test('only what says nothing about this cluster is open, and every other path is closed, known or not', async (t) => {
  const served = await guarded(t)
  for (const path of ['/livez', '/readyz', '/docs', '/docs/style.css', '/openapi.json', '/livez?']) {
    t.equal((await served.ask(path)).status, 200, path)
    t.equal((await served.ask(path, { method: 'HEAD' })).status, 200, `HEAD ${path}`)
    t.equal((await as(served, 'revoked', path)).status, 200, 'with whatever token')
  }
  for (const path of [
    '/',
    '/v1',
    '/v1/nonsense',
    '/livez/',
    '/livez/x',
    '//livez',
    '/v1/kv/livez',
    '/LIVEZ',
    '/metrics',
  ]) {
    t.equal((await served.ask(path)).status, 401, path)
  }
  t.equal((await served.ask('/v1/kv/a/b', { method: 'PATCH' })).status, 401)
  t.equal((await served.ask('/livez', { method: 'DELETE' })).status, 405)
  t.match(
    await served.raw('GET http://x/v1/kv/carts/ada HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'),
    /^HTTP\/1\.1 401 /,
    'in whatever form its target comes',
  )
})

t.test('a role is good for what it is made for', async (t) => {
  const served = await guarded(t)
  const put: Ask = { method: 'PUT', body: 'x' }
  t.equal((await as(served, 'reader', '/v1/kv/carts/ada')).status, 404)
  problem(t, await as(served, 'reader', '/v1/kv/carts/ada', put), 403, 'forbidden')
  t.equal((await as(served, 'writer', '/v1/kv/carts/ada', put)).status, 204)
  t.equal((await as(served, 'writer', '/v1/kv/carts/ada')).status, 200)
  problem(t, await as(served, 'writer', '/v1/cluster/status'), 403, 'forbidden')
  t.equal((await as(served, 'operator', '/v1/cluster/status')).status, 200)
  problem(t, await as(served, 'operator', '/v1/kv/carts/ada'), 403, 'forbidden')
  problem(t, await as(served, 'operator', '/v1/explain/carts/ada'), 403, 'forbidden')
  t.equal((await as(served, 'admin', '/v1/kv/carts/ada')).status, 200)
  t.same([...new Set(served.node.turnedAway)], ['role'])

  const { json } = await as(served, 'reader', '/v1/kv/carts/ada', put)
  t.match(json, {
    aftermath: 'nothing-changed',
    retryable: false,
    detail: /^this needs the permission "write", and "reader" \([0-9a-f]{12}\) has the role "read"$/,
    hint: 'Use a token with the role write or admin.',
  })
})

t.test('a token with scopes reaches no data outside of them', async (t) => {
  const served = await guarded(t)
  const put: Ask = { method: 'PUT', body: 'x' }
  const statusOf = async (path: string, ask: Ask = {}): Promise<number> =>
    (await as(served, 'scoped', path, ask)).status
  t.equal(await statusOf('/v1/kv/carts/ada', put), 204)
  t.equal(await statusOf('/v1/kv/users/eu%2Fada', put), 204)
  for (const path of ['/v1/kv/users/us%2Fada', '/v1/kv/users/eu', '/v1/kv/cart/ada', '/v1/kv/carts2/ada']) {
    t.equal(await statusOf(path, put), 403, path)
    t.equal(await statusOf(path), 403, path)
    t.equal(await statusOf(path, { method: 'HEAD' }), 403, path)
    t.equal(await statusOf(path, { method: 'DELETE' }), 403, path)
    t.equal(await statusOf(path.replace('/kv/', '/explain/')), 403, path)
    t.equal(await statusOf(path.replace('/kv/', '/replica/')), 403, path)
  }
  t.equal(await statusOf('/v1/explain/users/eu%2Fada'), 200)

  const listings = {
    '/v1/kv/carts': 200,
    '/v1/kv/carts?prefix=a': 200,
    '/v1/kv/users?prefix=eu%2F': 200,
    '/v1/kv/users?prefix=eu%2Fa&values=true': 200,
    '/v1/kv/users': 403,
    '/v1/kv/users?prefix=eu': 403,
    '/v1/kv/users?prefix=us%2F': 403,
    '/v1/kv/users?start=eu%2F&end=eu0': 403,
    '/v1/kv/users?prefix=eu%2F&prefix=us%2F': 400,
    '/v1/kv/others?prefix=eu%2F': 403,
  }
  for (const [path, status] of Object.entries(listings)) t.equal(await statusOf(path), status, path)
  const { json } = await as(served, 'scoped', '/v1/kv/users?prefix=us%2F')
  t.match(json, {
    detail:
      /needs the permission "read" on the keys of bucket "users" that begin with "us\/", and "scoped" \(.{12}\) is limited to carts, users\/eu\/$/,
    hint: /prefix inside of the scopes/,
  })
  t.ok(served.node.turnedAway.every((reason) => reason === 'scope'))
})

t.test('the operations of a batch are asked about one by one', async (t) => {
  const served = await guarded(t)
  const operations = [
    { op: 'put', bucket: 'carts', key: 'ada', value: 'x' },
    { op: 'get', bucket: 'users', key: 'us/ada' },
    { op: 'get', bucket: 'users', key: 'eu/ada' },
    { op: 'delete', bucket: 'users', key: 'us/ada' },
  ]
  const batch = async (token: keyof typeof tokens.texts) =>
    as(served, token, '/v1/batch', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ operations }),
    })
  const results = (await batch('scoped')).json.results as { status: number; problem?: object }[]
  t.same(
    results.map(({ status }) => status),
    [204, 403, 404, 403],
  )
  t.match(results[1]?.problem, { code: 'forbidden', aftermath: 'nothing-changed' })
  t.same(
    served.node.batches.at(-1)?.requests.map(({ key }) => key),
    ['ada', 'eu/ada'],
    'the node was asked for the others only',
  )
  const read = (await batch('reader')).json.results as { status: number }[]
  t.same(
    read.map(({ status }) => status),
    [403, 404, 404, 403],
  )
  problem(t, await batch('operator'), 403, 'forbidden')
})

t.test('of the buckets only those in the scopes are shown, and only whole ones can be set', async (t) => {
  const served = await guarded(t)
  const set = (bucket: string): [string, Ask] => [
    `/v1/buckets/${bucket}`,
    { method: 'PUT', headers: { 'content-type': 'application/json' }, body: '{"w":"all"}' },
  ]
  for (const bucket of ['carts', 'users', 'others']) t.equal((await as(served, 'admin', ...set(bucket))).status, 200)
  const shown = async (token: keyof typeof tokens.texts) =>
    ((await as(served, token, '/v1/buckets')).json.buckets as { bucket: string }[]).map(({ bucket }) => bucket)
  t.same(await shown('reader'), ['carts', 'others', 'users'])
  t.same(await shown('scoped'), ['carts', 'users'])
  t.equal((await as(served, 'scoped', '/v1/buckets/users')).status, 200, 'some of it is theirs')
  t.equal((await as(served, 'scoped', '/v1/buckets/others')).status, 403)
  t.equal((await as(served, 'writer', ...set('carts'))).status, 403)
  t.equal((await as(served, 'scopedAdmin', ...set('carts'))).status, 200)
  t.equal((await as(served, 'scopedAdmin', ...set('users'))).status, 403)
  t.equal(
    (await as(served, 'scopedAdmin', '/v1/cluster/abort', { method: 'POST' })).status,
    403,
    'an admin of some data changes no cluster',
  )
  t.equal((await as(served, 'scopedAdmin', '/v1/cluster/status')).status, 200)
})

t.test('a connection that was known is asked again as soon as the tokens change', async (t) => {
  const served = await guarded(t)
  t.equal((await as(served, 'reader', '/v1/kv/carts/ada')).status, 404)
  const { map } = makeTokens({ other: { role: 'read' } })
  served.node.authority.learn(map)
  t.equal((await as(served, 'reader', '/v1/kv/carts/ada')).status, 401)
  served.node.authority.learn(tokens.map)
  t.equal((await as(served, 'reader', '/v1/kv/carts/ada')).status, 404)

  const soon = makeTokens({ brief: { role: 'read', expiresAtMs: Date.now() + 300 } })
  served.node.authority.learn(soon.map)
  const ask = { headers: bearing(soon.texts.brief) }
  t.equal((await served.ask('/v1/kv/carts/ada', ask)).status, 404)
  await new Promise((resolve) => setTimeout(resolve, 350))
  t.match((await served.ask('/v1/kv/carts/ada', ask)).json, { status: 401, detail: 'the token has expired' })
})

t.test('the next request of a connection may come from somebody else', async (t) => {
  const served = await guarded(t)
  const get = (token: string) => `GET /v1/kv/carts/ada HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n`
  const { reader, operator } = tokens.texts
  const sameLength = `${operator.slice(0, -1)}!`
  const answers = await served.raw(
    `${get(reader)}\r\n${get(operator)}\r\n${get(sameLength)}\r\n${get(reader)}\r\n`,
    'GET /v1/kv/carts/ada HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
  )
  t.same(answers.match(/(?<=HTTP\/1\.1 )\d+/g), ['404', '403', '401', '404', '401'])
})

t.test('a node that has not learnt the tokens of its cluster sends its clients elsewhere', async (t) => {
  const served = await serve(t)
  served.node.authority.demandTokens([])
  const answer = await as(served, 'reader', '/v1/kv/carts/ada')
  problem(t, answer, 503, 'no-layout')
  t.equal(answer.headers['retry-after'], '1')
  t.equal(answer.json.retryable, true)
  t.equal(answer.headers['www-authenticate'], undefined)
})

async function guarded(t: Parameters<typeof serve>[0]): Promise<Served> {
  const served = await serve(t)
  demand(served.node.authority, tokens.map)
  return served
}

function bearing(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` }
}

function as(served: Served, token: keyof typeof tokens.texts, path: string, ask: Ask = {}): Promise<Answer> {
  return served.ask(path, { ...ask, headers: { ...ask.headers, ...bearing(tokens.texts[token]) } })
}

function problem(t: Parameters<typeof serve>[0], answer: Answer, status: number, code: string): void {
  t.equal(answer.status, status)
  t.match(answer.headers, { 'content-type': 'application/problem+json', 'cache-control': 'no-store' })
  t.match(answer.json, { status, code, aftermath: 'nothing-changed' })
}
