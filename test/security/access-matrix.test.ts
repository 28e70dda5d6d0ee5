import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { connect } from '../../lib/connect.ts'
import { resources } from '../../lib/http/resources.ts'
import { isOpen, type RoutePermission } from '../../lib/http/route-permission.ts'
import type { CreatedToken, Done } from '../../lib/node/node-api.ts'
import { checkNewToken } from '../../lib/security/new-token.ts'
import type { RunningNode } from '../../lib/start-node.ts'
import { eventually, nodeIn, type Reachable } from '../node/fixtures/real-nodes.ts'
import { scratchDirectory } from '../platform/fixtures/scratch.ts'
import { askers, httpRows, type PermissionRow } from '../references/permissions-table.ts'

const bootstrap = 'correct-horse-battery-staple-and-more'
const routes = resources.flat()

t.test('every route, asked by everybody', async (t) => {
  const node = await guardedNode(t)
  const tokens = new Map<string, string | undefined>([
    ['nobody', undefined],
    ['somebody', `${bootstrap}s`],
  ])
  for (const role of ['read', 'write', 'operator', 'admin']) tokens.set(role, await create(node, { name: role, role }))
  tokens.set('scoped', await create(node, { name: 'scoped', role: 'admin', scopes: ['elsewhere'] }))
  tokens.set('expired', await create(node, { name: 'expired', role: 'admin', expiresInSeconds: 1 }))
  const revoked = await created(node, { name: 'revoked', role: 'admin' })
  await answered((done: Done<unknown>) => node.node.revokeToken(revoked.token.id, 3_000, done))
  tokens.set('revoked', revoked.text)
  await new Promise((resolve) => setTimeout(resolve, 1_100))

  const open = routes.filter(({ permission }) => isOpen(permission)).map(({ path }) => path)
  t.same([...new Set(open)].sort(), ['/docs', '/docs/style.css', '/livez', '/openapi.json', '/readyz'], 'few are open')

  for (const route of routes) {
    const { method, path, permission } = route
    const name = `${method} ${path}`
    const statusFor = async (asker: string): Promise<number> =>
      (await ask(node, method, path, tokens.get(asker))).status
    for (const stranger of ['nobody', 'somebody', 'expired', 'revoked']) {
      const status = await statusFor(stranger)
      if (isOpen(permission)) t.notOk(isDenial(status), `${name}: ${stranger} ${status}`)
      else t.equal(status, 401, `${name}: ${stranger}`)
    }
    const row = httpRows().find(
      ({ request }) => request === (method === 'HEAD' ? `GET ${path}` : name),
    ) as PermissionRow
    for (const asker of askers) {
      const status = await statusFor(asker)
      const denied = asker === 'nobody' ? 401 : 403
      if (row.mayAsk[asker]) t.notOk(isDenial(status), `${name}: ${asker} may, ${status}`)
      else t.equal(status, denied, `${name}: ${asker} may not`)
    }
    const status = await statusFor('scoped')
    if (reachesBeyondScopes(permission)) t.equal(status, 403, `${name}: outside of the scopes`)
    else t.notOk(isDenial(status), `${name}: scopes are no matter, ${status}`)
  }
  t.equal((await ask(node, 'GET', '/livez', undefined)).status, 200, 'it all left the node as it was')
})

t.test('the client inside of a node needs no token, and is one at every node', async (t) => {
  const directory = scratchDirectory(t)
  const [first, second] = await guardedPair(t, directory)
  for (const node of [first, second]) {
    const carts = node.db.bucket(`carts-${node.id}`)
    for (let key = 0; key < 20; key += 1) await carts.put(`k${key}`, new Uint8Array([key]), { w: 'all' })
    t.equal((await carts.get('k7', { r: 'all' }))?.siblings.length, 1)
    await node.db.setBucketProperties(`carts-${node.id}`, { w: 'all' })
    let count = 0
    for await (const _entry of carts.scan()) count += 1
    t.equal(count, 20)
  }
  await t.rejects(connect([first.peer]), { code: 'unauthenticated' }, 'as others do')
  await t.rejects(connect([first.peer, second.peer], { token: `${bootstrap}s` }), { code: 'unauthenticated' })
  const db = await connect([first.peer], { token: () => bootstrap })
  t.teardown(() => db.close())
  t.equal((await db.bucket(`carts-${first.id}`).get('k7'))?.siblings.length, 1)
})

/** Scopes limit data, and keep from whatever changes the cluster. */
function reachesBeyondScopes(permission: RoutePermission): boolean {
  if (typeof permission === 'string') return permission === 'operate' || permission === 'administer'
  return 'at' in permission
}

function isDenial(status: number): boolean {
  return status === 401 || status === 403
}

async function guardedNode(t: Test): Promise<RunningNode> {
  const directory = scratchDirectory(t)
  const tokenFile = join(directory, 'tokens')
  writeFileSync(tokenFile, `# of the operators\n${bootstrap}\n`)
  const node = await nodeIn(t, join(directory, 'ada'), { tokenFile, name: 'ada' })
  await isReady(node)
  await eventually(
    'the node knows the tokens of its cluster',
    async () => (await ask(node, 'GET', '/v1/node', `${bootstrap}s`)).status,
    (status) => status === 401,
  )
  return node
}

async function guardedPair(t: Test, directory: string): Promise<[RunningNode, RunningNode]> {
  const tokenFile = join(directory, 'tokens')
  writeFileSync(tokenFile, bootstrap)
  const first = await nodeIn(t, join(directory, 'ada'), { tokenFile, name: 'ada', expect: 2, replicas: 2 })
  const second = await nodeIn(t, join(directory, 'bob'), {
    ...{ tokenFile, name: 'bob', expect: 2, replicas: 2 },
    join: [first.peer],
  })
  for (const node of [first, second]) await isReady(node)
  return [first, second]
}

async function create(node: RunningNode, given: Readonly<Record<string, unknown>>): Promise<string> {
  return (await created(node, given)).text
}

function created(node: RunningNode, given: Readonly<Record<string, unknown>>): Promise<CreatedToken> {
  const order = checkNewToken(given)
  return answered((done: Done<CreatedToken>) => node.node.createToken(order, undefined, 3_000, done))
}

function answered<Answer>(ask: (done: Done<Answer>) => void): Promise<Answer> {
  return new Promise((resolve, reject) => ask((error, answer) => (error ? reject(error) : resolve(answer as Answer))))
}

/** With a body that no route takes for an order: what is allowed fails for that, and changes nothing. */
async function ask(node: RunningNode, method: string, path: string, token: string | undefined): Promise<Response> {
  const names: Readonly<Record<string, string>> = { bucket: 'carts', key: 'ada' }
  const filled = path.replaceAll(/\{([a-z]+)\}/g, (_whole, name: string) => names[name] ?? 'nothing')
  const hasBody = method === 'POST' || method === 'PUT'
  const response = await fetch(`http://${node.http}${filled}`, {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(hasBody ? { 'content-type': 'application/json' } : {}),
    },
    ...(hasBody ? { body: 'no JSON' } : {}),
  })
  await response.arrayBuffer()
  return response
}

/** Without a token nobody is told more. */
async function isReady({ http }: Reachable): Promise<void> {
  const statusOf = async (): Promise<number> =>
    (await fetch(`http://${http}/readyz`).catch(() => undefined))?.status ?? 0
  await eventually('the node is ready', statusOf, (status) => status === 200)
}
