import t from 'tap'
import { QuorumUnavailable } from '../../lib/vocabulary/errors.ts'
import { type Answer, type Served, serve } from './with-server.ts'

const defaults = {
  r: 'quorum',
  w: 'quorum',
  pr: 0,
  pw: 0,
  conflict: 'siblings',
  durability: 'os',
  readRepair: 'blocking',
  readRepairOfNode: true,
  ttlSeconds: null,
  siblingsMax: 100,
  valueBytesMax: 8 * 1024 * 1024,
  version: 0,
}

t.test('the properties of a bucket', async (t) => {
  const served = await serve(t)
  const { ask, node } = served

  await t.test('are the defaults where nobody has set any', async (t) => {
    const answer = await ask('/v1/buckets/carts')
    t.equal(answer.status, 200)
    t.same(answer.json, defaults)
    t.same((await ask('/v1/buckets')).json, { buckets: [], complete: true, missing: [] })
  })

  await t.test('are replaced as a whole by a PUT, which answers with what is in force', async (t) => {
    const first = await put(served, 'carts', { conflict: 'lww', r: 1, ttlSeconds: 60 })
    t.equal(first.status, 200)
    t.same(first.json, { ...defaults, conflict: 'lww', r: 1, ttlSeconds: 60, version: 1 })
    const second = await put(served, 'carts', { w: 'all' })
    t.same(second.json, { ...defaults, w: 'all', version: 2 })
    t.same((await ask('/v1/buckets/carts')).json, second.json)
    await put(served, 'a%2Fb', {}, '?timeout=700')
    t.match(node.bucketRequests.at(-1), { bucket: 'a/b', timeoutMs: 700 })
    await ask('/v1/kv/keys-only/k', { method: 'PUT', body: 'v' })
    node.missing = [3]
    t.same((await ask('/v1/buckets?timeout=500')).json, {
      buckets: [
        { bucket: 'a/b', ...defaults, version: 1, holdsKeys: false },
        { bucket: 'carts', ...defaults, w: 'all', version: 2, holdsKeys: false },
        { bucket: 'keys-only', ...defaults, holdsKeys: true },
      ],
      complete: false,
      missing: [3],
    })
    node.missing = []
  })

  await t.test('may be sent back as they were read, and then replace just that version', async (t) => {
    const read = (await ask('/v1/buckets/carts')).json
    t.match(await put(served, 'carts', { ...read, pw: 1 }), { status: 200, json: { w: 'all', pw: 1, version: 3 } })
    t.match(await put(served, 'carts', { ...read, pw: 2 }), { status: 412, json: { code: 'precondition-failed' } })
    t.match((await ask('/v1/buckets/carts')).json, { pw: 1, version: 3 })
    t.match(node.bucketRequests.at(-1), { given: { readRepair: null } }, 'what is shown as the node does it stays open')
  })

  await t.test('say of read repair whether it is set, and set it where it was changed', async (t) => {
    const read = (await ask('/v1/buckets/carts')).json
    const set = { readRepair: 'off', readRepairOfNode: false }
    t.match((await put(served, 'carts', { ...read, readRepair: 'off' })).json, set)
    t.match((await put(served, 'carts', { ...(await ask('/v1/buckets/carts')).json, pw: 0 })).json, set)
    t.match(await put(served, 'carts', { readRepairOfNode: 'yes' }), { status: 400, json: { code: 'invalid-body' } })
    const given = { readRepair: 'blocking' }
    t.match((await put(served, 'carts', given)).json, { ...given, readRepairOfNode: false }, 'also to what it was')
  })
})

t.test('what cannot be properties is refused', async (t) => {
  const served = await serve(t)
  const { ask, node } = served
  t.match(await put(served, 'carts', { r: 4 }), {
    status: 400,
    json: { code: 'invalid-parameter', aftermath: 'nothing-changed', detail: /"r" must be an integer from 1 to 3/ },
  })
  t.match(await put(served, 'carts', { durabilty: 'disk' }), {
    status: 400,
    json: { code: 'invalid-parameter', hint: /"durability"/ },
  })
  const sent = node.bucketRequests.length
  for (const body of ['', '[]', 'null', '"r"', '{', '{"r":1']) {
    const answer = await ask('/v1/buckets/carts', { method: 'PUT', headers: json, body })
    t.match(answer, { status: 400, json: { code: 'invalid-body' } }, body)
  }
  t.match(await ask('/v1/buckets/carts', { method: 'PUT', body: '{}', headers: { 'content-type': 'text/plain' } }), {
    status: 415,
  })
  t.match(await put(served, '%24starling', {}), { status: 400, json: { code: 'invalid-bucket' } })
  t.match(await put(served, 'carts', {}, '?w=1'), { status: 400, json: { code: 'invalid-parameter' } })
  t.match(await ask('/v1/buckets/%24starling'), { status: 400, json: { code: 'invalid-bucket' } })
  t.match(await ask('/v1/buckets/'), { status: 400, json: { code: 'invalid-bucket' } })
  t.match(await ask('/v1/buckets/a/b'), { status: 404, json: { code: 'unknown-route' } })
  t.match(await ask('/v1/buckets/carts', { method: 'DELETE' }), { status: 405, headers: { allow: 'GET, HEAD, PUT' } })
  t.equal(node.bucketRequests.length, sent, 'none of them reached the node')
})

t.test('a failure of the node is answered with its code', async (t) => {
  const served = await serve(t)
  served.node.failures.push(new QuorumUnavailable('one of three', { aftermath: 'may-have-changed' }))
  t.match(await put(served, 'carts', {}), {
    status: 503,
    headers: { 'retry-after': '1' },
    json: { code: 'quorum-unavailable', aftermath: 'may-have-changed' },
  })
})

t.test('HEAD works wherever GET does', async (t) => {
  const { ask } = await serve(t)
  for (const path of ['/v1/buckets', '/v1/buckets/carts']) {
    t.match(await ask(path, { method: 'HEAD' }), { status: 200, text: '' })
  }
})

const json = { 'content-type': 'application/json' }

function put({ ask }: Served, bucket: string, properties: object, query = ''): Promise<Answer> {
  const body = JSON.stringify(properties)
  return ask(`/v1/buckets/${bucket}${query}`, { method: 'PUT', headers: json, body })
}
