import t from 'tap'
import { createCryptography } from '../../lib/platform/node-cryptography.ts'
import { parseBootstrapTokens } from '../../lib/security/bootstrap-tokens.ts'
import { type Answer, type Served, serve } from './with-server.ts'

const bootstrap = 'correct-horse-battery-staple-and-more'
const asAdmin = { Authorization: `Bearer ${bootstrap}` }

t.test('an admin makes a token, which is told once', async (t) => {
  const served = await asking(t)
  const order = { name: 'shop', role: 'write', scopes: ['carts', 'team-*/user-'], expiresInSeconds: 60 }
  const made = await create(served, order)
  t.equal(made.status, 200)
  t.match(made.json, {
    token: /^starling_[0-9a-f]{12}_[\w-]{43}$/,
    name: 'shop',
    role: 'write',
    scopes: order.scopes,
    createdBy: /^bootstrap-/,
    state: 'in-force',
    revokedAt: null,
  })
  t.equal(Date.parse(String(made.json.expiresAt)) - Date.parse(String(made.json.createdAt)), 60_000)
  const text = String(made.json.token)
  const listed = await served.ask('/v1/tokens', { headers: asAdmin })
  const { token: _text, ...view } = made.json
  t.same(listed.json, { tokens: [view], knownSecondsAgo: 0 })
  const hash = served.node.authority.tokens.entries.values().next().value?.hash as Uint8Array
  for (const word of [
    text,
    text.split('_')[2],
    Buffer.from(hash).toString('hex'),
    Buffer.from(hash).toString('base64'),
  ]) {
    t.notOk(listed.text.includes(String(word)), 'neither what its bearer shows nor its hash')
  }

  await t.test('and its bearer may ask who they are', async (t) => {
    const whoami = await served.ask('/v1/whoami', { headers: { Authorization: `Bearer ${text}` } })
    t.same(whoami.json, {
      isAsked: true,
      id: made.json.id,
      name: 'shop',
      role: 'write',
      scopes: order.scopes,
      expiresAt: made.json.expiresAt,
      may: ['present', 'read', 'write'],
    })
    t.match((await served.ask('/v1/whoami', { headers: asAdmin })).json, {
      ...{ id: /^bootstrap-/, name: 'token file', role: 'admin', scopes: null, expiresAt: null },
      may: ['present', 'read', 'write', 'observe', 'operate', 'administer'],
    })
    t.match(await served.ask('/v1/whoami'), { status: 401, json: { code: 'unauthenticated' } })
  })

  await t.test('until it is revoked', async (t) => {
    const path = `/v1/tokens/${made.json.id}`
    const revoked = await served.ask(path, { method: 'DELETE', headers: asAdmin })
    t.match(revoked, { status: 200, json: { id: made.json.id, state: 'revoked', revokedAt: /Z$/ } })
    t.match(await served.ask('/v1/whoami', { headers: { Authorization: `Bearer ${text}` } }), { status: 401 })
    t.match(await served.ask('/v1/tokens', { headers: asAdmin }), { json: { tokens: [{ state: 'revoked' }] } })
  })
})

t.test('whoever is no admin makes, sees and revokes none', async (t) => {
  const served = await asking(t)
  for (const role of ['read', 'write', 'operator', 'admin']) {
    const scoped = role === 'admin' ? { scopes: ['*'] } : {}
    const made = await create(served, { name: role, role, ...scoped })
    const headers = { Authorization: `Bearer ${made.json.token}` }
    t.match(
      await create(served, { name: 'x', role: 'read' }, headers),
      { status: 403, json: { code: 'forbidden' } },
      role,
    )
    t.match(await served.ask('/v1/tokens', { headers }), { status: 403 })
    t.match(await served.ask(`/v1/tokens/${made.json.id}`, { method: 'DELETE', headers }), { status: 403 })
    t.match(await served.ask('/v1/whoami', { headers }), { status: 200, json: { role } })
  }
  t.match(await create(served, { name: 'x', role: 'read' }, {}), { status: 401 })
  t.equal(served.node.authority.tokens.entries.size, 4)
})

t.test('nobody makes a token that outlives their own', async (t) => {
  const served = await asking(t)
  const admin = await create(served, { name: 'deputy', role: 'admin', expiresInSeconds: 600 })
  const headers = { Authorization: `Bearer ${admin.json.token}` }
  t.match(await create(served, { name: 'x', role: 'read' }, headers), { status: 403, json: { code: 'forbidden' } })
  const shorter = await create(served, { name: 'x', role: 'read', expiresInSeconds: 60 }, headers)
  t.match(shorter, { status: 200, json: { createdBy: admin.json.id } })
})

t.test('what is no order for a token is refused, and says what is wrong', async (t) => {
  const served = await asking(t)
  for (const [body, detail, code] of [
    [{ role: 'read' }, /"name"/, 'invalid-parameter'],
    [{ name: 'x', role: 'root' }, /read, write, operator or admin, not "root"/, 'invalid-parameter'],
    [{ name: 'x', role: 'read', scopes: ['carts/'] }, /no key prefix/, 'invalid-parameter'],
    [{ name: 'x', role: 'read', scopes: [] }, /no scope in the list/, 'invalid-parameter'],
    [{ name: 'x', role: 'read', expiresInSeconds: -1 }, /"expiresInSeconds"/, 'invalid-parameter'],
    [{ name: 'x', role: 'read', secret: 'hunter2' }, /no field "secret"/, 'invalid-body'],
    [undefined, /empty/, 'invalid-body'],
  ] as const) {
    const answer = await create(served, body)
    t.match(answer, { status: 400, json: { code, detail, aftermath: 'nothing-changed' } })
    t.notMatch(answer.text, /hunter2/)
  }
  t.equal(served.node.authority.tokens.entries.size, 0)
})

t.test('what is no token cannot be revoked', async (t) => {
  const served = await asking(t)
  for (const id of ['0123456789ab', 'x', '0123456789AB', '..%2F..', `${bootstrap}`]) {
    const answer = await served.ask(`/v1/tokens/${id}`, { method: 'DELETE', headers: asAdmin })
    t.match(answer, { status: 404, json: { code: 'not-found', aftermath: 'nothing-changed' } }, id)
    t.notMatch(answer.text, /horse/, 'a text that might be a token is not sent back')
  }
  t.match(await served.ask('/v1/tokens/0123456789ab', { headers: asAdmin }), {
    status: 405,
    headers: { allow: 'DELETE' },
  })
})

t.test('where nobody is asked everybody may do everything, and is told so', async (t) => {
  const served = await serve(t)
  t.match((await served.ask('/v1/whoami')).json, { isAsked: false, id: null, role: null, may: { length: 6 } })
  t.match((await create(served, { name: 'x', role: 'admin' }, {})).json, { createdBy: null })
})

async function asking(t: Parameters<typeof serve>[0]): Promise<Served> {
  const served = await serve(t)
  served.node.authority.demandTokens(parseBootstrapTokens(bootstrap, createCryptography()))
  return served
}

function create(served: Served, body: object | undefined, headers: Record<string, string> = asAdmin): Promise<Answer> {
  return served.ask('/v1/tokens', {
    method: 'POST',
    headers: { ...headers, 'Content-Type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
}
