import t from 'tap'
import {
  DeadlineExceeded,
  type ErrorCode,
  errorOf,
  IdempotencyKeyReused,
  NoLayout,
  QuorumUnavailable,
  SessionUnavailable,
} from '../../lib/vocabulary/errors.ts'
import { toNodeId } from '../../lib/vocabulary/ids.ts'
import { valueBytesMax } from '../../lib/vocabulary/limits.ts'
import { whoAnswered } from './fake-node.ts'
import { type Answer, type Ask, serve } from './with-server.ts'

t.test('a value', async (t) => {
  const { ask, node } = await serve(t)

  await t.test('is written with 204 and a context, and read back as it was', async (t) => {
    const put = await ask('/v1/kv/carts/ada', {
      method: 'PUT',
      body: Buffer.from([0, 255, 13, 10]),
      headers: { 'content-type': 'Image/PNG; Charset="x"' },
    })
    t.equal(put.status, 204)
    t.equal(put.body.length, 0)
    t.match(put.headers, { 'starling-context': /^\S+$/, 'starling-quorum': 'w=3/2; owners=2; fallbacks=1' })
    t.notOk('content-length' in put.headers)

    const get = await ask('/v1/kv/carts/ada')
    t.equal(get.status, 200)
    t.same(get.body, Buffer.from([0, 255, 13, 10]))
    t.match(get.headers, {
      'content-type': 'Image/PNG; Charset="x"',
      'content-length': '4',
      'starling-siblings': '1',
      'starling-context': /^\S+$/,
      'starling-quorum': 'r=3/2; owners=2; fallbacks=1',
      etag: /^"[0-9a-f]{16}"$/,
      'content-security-policy': "default-src 'none'; sandbox",
    })
    t.notOk('starling-tombstone' in get.headers)
  })

  await t.test('is application/octet-stream unless its writer says otherwise', async (t) => {
    await ask('/v1/kv/carts/plain', { method: 'PUT', body: Buffer.from('x') })
    t.equal((await ask('/v1/kv/carts/plain')).headers['content-type'], 'application/octet-stream')
    await ask('/v1/kv/carts/odd', { method: 'PUT', body: 'x', headers: { 'content-type': 'not a media type' } })
    t.equal((await ask('/v1/kv/carts/odd')).headers['content-type'], 'not a media type')
  })

  await t.test('may be empty', async (t) => {
    t.equal((await ask('/v1/kv/carts/empty', { method: 'PUT' })).status, 204)
    const get = await ask('/v1/kv/carts/empty')
    t.match({ status: get.status, length: get.body.length }, { status: 200, length: 0 })
    t.equal(get.headers['content-length'], '0')
  })

  await t.test('may be as large as 8 MiB, and comes back whole', async (t) => {
    const body = Buffer.alloc(valueBytesMax, 'starling')
    t.equal((await ask('/v1/kv/carts/large', { method: 'PUT', body })).status, 204)
    t.ok((await ask('/v1/kv/carts/large')).body.equals(body))
  })

  await t.test('is replaced by a write with its context, and joined by one without', async (t) => {
    await ask('/v1/kv/carts/bob', { method: 'PUT', body: 'one' })
    const { headers } = await ask('/v1/kv/carts/bob')
    const context = { 'starling-context': String(headers['starling-context']) }
    await ask('/v1/kv/carts/bob', { method: 'PUT', body: 'two', headers: context })
    t.equal((await ask('/v1/kv/carts/bob')).text, 'two')
    await ask('/v1/kv/carts/bob', { method: 'PUT', body: 'three' })
    t.equal((await ask('/v1/kv/carts/bob')).status, 300)
  })

  await t.test('comes back at once with ?return=value, as a GET would answer', async (t) => {
    const put = await ask('/v1/kv/carts/cyd?return=value', {
      method: 'PUT',
      body: 'one',
      headers: { 'content-type': 'text/plain', 'starling-meta-colour': 'red' },
    })
    const get = await ask('/v1/kv/carts/cyd')
    t.equal(put.status, 200)
    t.equal(put.text, 'one')
    for (const name of ['content-type', 'starling-context', 'starling-siblings', 'etag', 'starling-meta-colour']) {
      t.equal(put.headers[name], get.headers[name], name)
    }
    const second = await ask('/v1/kv/carts/cyd?return=value', { method: 'PUT', body: 'two' })
    t.equal(second.status, 300)
    t.same(second.json.siblings, (await ask('/v1/kv/carts/cyd')).json.siblings)
  })

  await t.test('carries metadata under lower-case names, and what it says is UTF-8', async (t) => {
    const shown = Buffer.from('grün 鳥', 'utf8').toString('latin1')
    await ask('/v1/kv/carts/meta', {
      method: 'PUT',
      body: 'x',
      headers: { 'Starling-Meta-Colour': shown, 'Starling-Meta-a': '', 'starling-meta-__proto__': 'p' },
    })
    t.same(node.requests.at(-1), {
      ...node.requests.at(-1),
      metadata: [
        ['__proto__', 'p'],
        ['a', ''],
        ['colour', 'grün 鳥'],
      ],
    })
    const get = await ask('/v1/kv/carts/meta')
    t.equal(get.headers['starling-meta-colour'], shown)
    t.equal(get.headers['starling-meta-a'], '')
  })

  await t.test('written through another door shows in headers only what headers can carry', async (t) => {
    node.plant('carts', 'planted', {
      contentType: 'bad\r\nvalue',
      metadata: [
        ['ok', 'yes'],
        ['bad name', 'x'],
        ['line', 'a\nb'],
      ],
    })
    const get = await ask('/v1/kv/carts/planted')
    t.equal(get.status, 200)
    t.equal(get.headers['content-type'], 'application/octet-stream')
    t.equal(get.headers['starling-meta-ok'], 'yes')
    t.notOk('starling-meta-line' in get.headers)
  })

  await t.test('expires when its writer says so', async (t) => {
    await ask('/v1/kv/carts/brief', { method: 'PUT', body: 'x', headers: { 'starling-ttl': '60' } })
    t.match(node.requests.at(-1), { ttlSeconds: 60 })
    t.equal((await ask('/v1/kv/carts/brief')).headers['starling-expires-at'], '2023-11-14T22:14:20.000Z')
  })
})

t.test('nothing', async (t) => {
  const { ask } = await serve(t)

  await t.test('is 404, without a context where nothing ever was', async (t) => {
    const get = await ask('/v1/kv/carts/nobody')
    t.equal(get.status, 404)
    t.equal(get.json.code, 'not-found')
    t.equal(get.headers['starling-siblings'], '0')
    t.notOk('starling-context' in get.headers)
    t.notOk('starling-tombstone' in get.headers)
    t.notOk('etag' in get.headers)
  })

  await t.test('is 404 with a context and a word about it after a delete', async (t) => {
    await ask('/v1/kv/carts/ada', { method: 'PUT', body: 'x' })
    const remove = await ask('/v1/kv/carts/ada', { method: 'DELETE' })
    t.equal(remove.status, 204)
    t.match(remove.headers, { 'starling-context': /./, 'starling-quorum': /^w=/ })
    const get = await ask('/v1/kv/carts/ada')
    t.equal(get.status, 404)
    t.match(get.headers, { 'starling-tombstone': 'true', 'starling-context': /./, 'starling-siblings': '0' })
  })

  await t.test('can be deleted, and then stays nothing', async (t) => {
    const remove = await ask('/v1/kv/carts/never', { method: 'DELETE' })
    t.equal(remove.status, 204)
    t.notOk('starling-context' in remove.headers)
    t.notOk('starling-tombstone' in (await ask('/v1/kv/carts/never')).headers)
  })
})

t.test('a session', async (t) => {
  const { ask, node } = await serve(t)
  const session = 'abc'
  const headers = { 'starling-session': session }

  await t.test('begins with any answer', async (t) => {
    t.equal((await ask('/v1/kv/carts/ada', { method: 'PUT', body: 'x' })).headers['starling-session'], '+')
    t.equal((await ask('/v1/kv/carts/ada')).headers['starling-session'], '+')
  })

  await t.test('comes with each request, and goes back with each answer', async (t) => {
    const etag = (await ask('/v1/kv/carts/ada')).headers.etag as string
    for (const [path, request, status] of [
      ['ada', { method: 'PUT', body: 'y' }, 204],
      ['ada', {}, 300],
      ['ada', { method: 'HEAD' }, 300],
      ['ada', { method: 'DELETE' }, 204],
      ['ada', {}, 404],
      ['bob', { method: 'PUT', body: 'x' }, 204],
    ] as const) {
      const answer = await ask(`/v1/kv/carts/${path}`, { ...request, headers })
      t.match([answer.status, answer.headers['starling-session']], [status, 'abc+'], JSON.stringify(request))
      t.equal(node.sessions.at(-1), session)
    }
    t.type(etag, 'string')
    const { headers: found } = await ask('/v1/kv/carts/bob')
    const unchanged = await ask('/v1/kv/carts/bob', { headers: { ...headers, 'if-none-match': found.etag as string } })
    t.match([unchanged.status, unchanged.headers['starling-session']], [304, 'abc+'])
  })

  await t.test('stays with its client when an answer cannot be given', async (t) => {
    node.failures.push(new SessionUnavailable('nobody knows'))
    const refused = await ask('/v1/kv/carts/ada', { headers })
    t.match([refused.status, refused.json.code], [412, 'session-unavailable'])
    t.match(refused.json, { retryable: true, aftermath: 'nothing-changed' })
    t.equal(refused.headers['starling-session'], session)
  })
})

t.test('an idempotency key goes with a write as it came, as one that may have been tried before', async (t) => {
  const { ask, node } = await serve(t)
  const headers = { 'idempotency-key': 'order-17' }
  for (const method of ['PUT', 'DELETE'] as const) {
    await ask('/v1/kv/carts/ada', { method, headers, ...(method === 'PUT' ? { body: 'x' } : {}) })
    t.match(node.requests.at(-1), { idempotency: { key: 'order-17', isFirst: false } })
  }
  await ask('/v1/kv/carts/ada', { method: 'DELETE' })
  t.match(node.requests.at(-1), { idempotency: undefined })
  node.failures.push(new IdempotencyKeyReused('another body'))
  const reused = await ask('/v1/kv/carts/ada', { method: 'PUT', body: 'y', headers })
  t.match([reused.status, reused.json.code, reused.json.retryable], [422, 'idempotency-key-reused', false])
})

t.test('siblings', async (t) => {
  const { ask, node } = await serve(t)
  await ask('/v1/kv/carts/ada', {
    method: 'PUT',
    body: 'bread',
    headers: { 'content-type': 'text/plain', 'starling-meta-from': 'phone', 'starling-ttl': '60' },
  })
  await ask('/v1/kv/carts/ada', { method: 'PUT', body: Buffer.from([0xff, 0x00]) })

  await t.test('are 300 with all of them, text as text and bytes in base64', async (t) => {
    const get = await ask('/v1/kv/carts/ada')
    t.equal(get.status, 300)
    t.match(get.headers, {
      'content-type': 'application/json',
      'starling-siblings': '2',
      etag: /^"[0-9a-f]{16}"$/,
      vary: 'Accept',
    })
    t.equal(get.json.context, get.headers['starling-context'])
    t.match(get.json, {
      siblings: [
        {
          value: 'bread',
          contentType: 'text/plain',
          metadata: { from: 'phone' },
          etag: /^".+"$/,
          writtenAt: '2023-11-14T22:13:20.000Z',
          expiresAt: '2023-11-14T22:14:20.000Z',
        },
        { valueBase64: '/wA=', contentType: 'application/octet-stream', metadata: {} },
      ],
    })
  })

  await t.test('come as multipart/mixed to those who ask for it', async (t) => {
    const get = await ask('/v1/kv/carts/ada', { headers: { accept: 'multipart/mixed, */*;q=0.5' } })
    t.equal(get.status, 300)
    const parts = partsOf(get)
    t.equal(parts.length, 2)
    t.match(parts[0]?.head, /Content-Type: text\/plain\r\n/)
    t.match(parts[0]?.head, /Starling-Meta-from: phone/)
    t.match(parts[0]?.head, /Starling-Written-At: 2023-11-14T22:13:20.000Z/)
    t.match(parts[0]?.head, /Starling-Expires-At: 2023-11-14T22:14:20.000Z/)
    t.equal(parts[0]?.body, 'bread')
    t.equal(parts[1]?.body, '\xff\x00')
  })

  await t.test('come as JSON to those who like it better, or ask for neither', async (t) => {
    for (const accept of [
      '*/*',
      'text/html',
      'multipart/mixed;q=0.5, application/json',
      'multipart/mixed;q=0, */*',
      'application/json, multipart/mixed;q=0.9',
    ]) {
      const { headers } = await ask('/v1/kv/carts/ada', { headers: { accept } })
      t.equal(headers['content-type'], 'application/json', accept)
    }
    for (const accept of ['multipart/mixed', 'multipart/*', 'MULTIPART/Mixed, application/json;q=0.2, */*']) {
      const { headers } = await ask('/v1/kv/carts/ada', { headers: { accept } })
      t.match(headers['content-type'], /^multipart\/mixed; boundary=/, accept)
    }
  })

  await t.test('keep their parts apart even if one holds the boundary', async (t) => {
    const ordinary = await ask('/v1/kv/carts/ada', { headers: { accept: 'multipart/mixed' } })
    const boundary = String(ordinary.headers['content-type']).split('boundary=')[1] as string
    node.plant('carts', 'trap', { value: Buffer.from('x') })
    node.plant('carts', 'trap', { value: Buffer.from('y') })
    const before = await ask('/v1/kv/carts/trap', { headers: { accept: 'multipart/mixed' } })
    t.not(String(before.headers['content-type']).split('boundary=')[1], boundary, 'each state has its own')
    t.equal(partsOf(before).length, 2)
  })

  await t.test('end when a write or a delete has seen them', async (t) => {
    const context = String((await ask('/v1/kv/carts/ada')).headers['starling-context'])
    await ask('/v1/kv/carts/ada', { method: 'DELETE', headers: { 'starling-context': context } })
    t.equal((await ask('/v1/kv/carts/ada')).status, 404)
  })
})

t.test('conditions', async (t) => {
  const { ask, node } = await serve(t)
  await ask('/v1/kv/carts/ada', { method: 'PUT', body: 'x', headers: { 'content-type': 'text/plain' } })
  const etag = String((await ask('/v1/kv/carts/ada')).headers.etag)

  await t.test('a read of a state the client has is 304', async (t) => {
    for (const given of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const get = await ask('/v1/kv/carts/ada', { headers: { 'if-none-match': given } })
      t.equal(get.status, 304, given)
      t.equal(get.body.length, 0)
      t.match(get.headers, { etag, 'starling-siblings': '1', 'starling-context': /./, 'cache-control': 'no-store' })
    }
    t.equal((await ask('/v1/kv/carts/ada', { headers: { 'if-none-match': '"other"' } })).status, 200)
    t.equal((await ask('/v1/kv/carts/nobody', { headers: { 'if-none-match': '*' } })).status, 404)
    await ask('/v1/kv/carts/two', { method: 'PUT', body: '1' })
    await ask('/v1/kv/carts/two', { method: 'PUT', body: '2' })
    const siblings = await ask('/v1/kv/carts/two')
    const again = await ask('/v1/kv/carts/two', { headers: { 'if-none-match': String(siblings.headers.etag) } })
    t.match(again, { status: 304, headers: { 'starling-siblings': '2' } })
  })

  await t.test('a write reaches the node with its conditions, and is 412 where they do not hold', async (t) => {
    const put = { method: 'PUT', body: 'y' } as const
    const refused = await ask('/v1/kv/carts/ada', { ...put, headers: { 'if-none-match': '*' } })
    t.match(refused, {
      status: 412,
      headers: { 'starling-quorum': /^r=/ },
      json: { code: 'precondition-failed', aftermath: 'nothing-changed' },
    })
    t.equal((await ask('/v1/kv/carts/new', { ...put, headers: { 'if-none-match': '*' } })).status, 204)
    t.equal((await ask('/v1/kv/carts/ada', { ...put, headers: { 'if-match': '"0000"' } })).status, 412)
    t.equal((await ask('/v1/kv/carts/ada', { ...put, headers: { 'if-match': `W/${etag}` } })).status, 412, 'weak')
    t.equal((await ask('/v1/kv/carts/void', { ...put, headers: { 'if-match': '*' } })).status, 412)
    t.equal((await ask('/v1/kv/carts/ada', { ...put, headers: { 'if-match': `"0000", ${etag}` } })).status, 204)
    t.match(node.requests.at(-1), { ifMatch: ['0000', etag.slice(1, -1)], ifNoneMatch: false })
    const remove = await ask('/v1/kv/carts/ada', { method: 'DELETE', headers: { 'if-match': '"0000"' } })
    t.equal(remove.status, 412)
  })
})

t.test('the parameters of a request reach the node', async (t) => {
  const { ask, node } = await serve(t)
  await ask('/v1/kv/carts/ada')
  t.match(node.requests.at(-1), {
    type: 'get',
    timeoutMs: 3000,
    options: { r: undefined, pr: undefined, sloppy: true },
  })
  await ask('/v1/kv/carts/ada?r=1&pr=one&sloppy=false&timeout=60000')
  t.match(node.requests.at(-1), { timeoutMs: 60_000, options: { r: 1, pr: 'one', sloppy: false } })
  await ask('/v1/kv/carts/ada?w=all&pw=quorum&durability=disk&timeout=500', { method: 'DELETE' })
  t.match(node.requests.at(-1), { timeoutMs: 500, options: { w: 'all', pw: 'quorum', durability: 'disk' } })
  await ask('/v1/kv/carts/ada?w=2&pw=0&durability=os&', { method: 'PUT', body: 'x' })
  t.match(node.requests.at(-1), { options: { w: 2, pw: 0, durability: 'os', sloppy: true }, returnValue: false })
  t.equal((await ask('/v1/kv/carts/ada?r=1&w=3')).status, 200, 'one set of parameters serves reads and writes')
  t.equal((await ask('/v1/kv/carts/ada?%72=1')).status, 200, 'escaped or not')
})

t.test('?receipt=full says who answered', async (t) => {
  const { ask, node } = await serve(t)
  const put = await ask('/v1/kv/carts/ada?receipt=full&durability=disk', { method: 'PUT', body: 'x' })
  t.match(JSON.parse(String(put.headers['starling-receipt'])), {
    operation: 'put',
    coordinator: { name: 'ada', zone: 'z1', state: 'alive' },
    repeated: false,
    partition: 7,
    owners: [{ name: 'ada' }, { name: 'böb' }, { name: 'cyd' }],
    quorum: { kind: 'w', answered: 3, needed: 2, owners: 2, fallbacks: 1 },
    nodes: [
      { name: 'ada', zone: 'z1', role: 'owner', for: null },
      { name: 'cyd', zone: 'z2', role: 'fallback', for: { name: 'böb' } },
    ],
    zones: ['z1', 'z2'],
    durability: 'disk',
    repairs: 0,
  })
  t.match(node.requests.at(-1), { wantsReceipt: true })
  t.notOk('starling-receipt' in (await ask('/v1/kv/carts/ada')).headers)
  t.match(JSON.parse(String((await ask('/v1/kv/carts/ada?receipt=full')).headers['starling-receipt'])), {
    operation: 'get',
    durability: null,
    repairs: 1,
  })

  await t.test('also of what too few answered', async (t) => {
    const details = { nodes: whoAnswered.slice(0, 1), durability: 'os', repairs: 0 } as const
    const coordinator = toNodeId('a'.repeat(32))
    const quorum = { kind: 'w', answered: 1, needed: 2, owners: 1, fallbacks: 0, coordinator, details } as const
    for (const error of [
      new QuorumUnavailable('too few', { aftermath: 'may-have-changed', quorum }),
      new DeadlineExceeded('too late', { aftermath: 'may-have-changed', quorum }),
    ]) {
      node.failures.push(error, error)
      const plain = await ask('/v1/kv/carts/ada', { method: 'PUT', body: 'x' })
      t.match(plain, { json: { code: error.code }, headers: { 'starling-quorum': 'w=1/2; owners=1; fallbacks=0' } })
      t.notOk('starling-receipt' in plain.headers)
      const full = await ask('/v1/kv/carts/ada?receipt=full', { method: 'DELETE' })
      t.match(JSON.parse(String(full.headers['starling-receipt'])), {
        operation: 'delete',
        quorum: { answered: 1, needed: 2 },
        nodes: [{ name: 'ada', role: 'owner' }],
      })
    }
    node.failures.push(new NoLayout('not yet'))
    const other = await ask('/v1/kv/carts/ada?receipt=full')
    t.notOk('starling-quorum' in other.headers, 'where no quorum was tried there is nothing to tell')
  })
})

t.test('HEAD is GET without the body', async (t) => {
  const { ask, node } = await serve(t)
  await ask('/v1/kv/carts/one', { method: 'PUT', body: 'x', headers: { 'starling-meta-a': 'b' } })
  for (const body of ['a', 'b']) await ask('/v1/kv/carts/two', { method: 'PUT', body })
  await ask('/v1/kv/carts/gone', { method: 'PUT', body: 'x' })
  await ask('/v1/kv/carts/gone', { method: 'DELETE' })
  const headers = { 'x-request-id': 'same' }
  const cases: readonly [string, Readonly<Record<string, string>>][] = [
    ['/v1/kv/carts/one', {}],
    ['/v1/kv/carts/one', { 'if-none-match': '*' }],
    ['/v1/kv/carts/two', {}],
    ['/v1/kv/carts/two', { accept: 'multipart/mixed' }],
    ['/v1/kv/carts/gone', {}],
    ['/v1/kv/carts/nobody', {}],
    ['/v1/kv/carts/one?r=0', {}],
    ['/v1/kv/carts/one?receipt=full', {}],
    ['/v1/kv/carts/%ff', {}],
  ]
  for (const [path, more] of cases) {
    const get = await ask(path, { headers: { ...headers, ...more } })
    const head = await ask(path, { method: 'HEAD', headers: { ...headers, ...more } })
    t.equal(head.status, get.status, path)
    t.same(ownHeaders(head), ownHeaders(get), `${path} ${JSON.stringify(more)}`)
    t.equal(head.body.length, 0)
  }
  t.match(node.requests.at(-1), { type: 'get' })
})

t.test('what is refused before the node hears of it', async (t) => {
  const { ask, node } = await serve(t)
  const put: Ask = { method: 'PUT', body: 'x' }
  const large = 'x'.repeat(4097)
  const cases: readonly [name: string, path: string, ask: Ask, status: number, code: ErrorCode, hint?: RegExp][] = [
    ['an empty bucket', '/v1/kv//k', {}, 400, 'invalid-bucket'],
    ['a reserved bucket', '/v1/kv/$system/k', {}, 400, 'invalid-bucket'],
    ['a reserved bucket, encoded', '/v1/kv/%24system/k', {}, 400, 'invalid-bucket'],
    ['a bucket of one dot, encoded', '/v1/kv/%2e/k', put, 400, 'invalid-bucket'],
    ['a bucket of two dots', '/v1/kv/%2E%2e/k', put, 400, 'invalid-bucket'],
    ['a bucket of 256 bytes', `/v1/kv/${'b'.repeat(256)}/k`, put, 400, 'invalid-bucket'],
    ['a bucket of 256 bytes in fewer characters', `/v1/kv/${'%C3%A4'.repeat(128)}/k`, put, 400, 'invalid-bucket'],
    ['a bucket that is not UTF-8', '/v1/kv/%ff/k', {}, 400, 'invalid-bucket'],
    ['an empty key', '/v1/kv/b/', put, 400, 'invalid-key'],
    ['a key of one dot', '/v1/kv/b/%2E', put, 400, 'invalid-key'],
    ['a key of two dots, half encoded', '/v1/kv/b/.%2e', put, 400, 'invalid-key'],
    ['a key of 1025 bytes', `/v1/kv/b/${'k'.repeat(1025)}`, put, 400, 'invalid-key'],
    ['a key with half an escape', '/v1/kv/b/k%2', {}, 400, 'invalid-key'],
    ['a key with a wrong escape', '/v1/kv/b/k%zz', {}, 400, 'invalid-key'],
    ['a key with an overlong encoding', '/v1/kv/b/%c0%af', {}, 400, 'invalid-key'],
    ['a key with a surrogate', '/v1/kv/b/%ed%a0%80', {}, 400, 'invalid-key'],
    ['a key with a bare slash', '/v1/kv/b/a/b', put, 400, 'invalid-key', /%2F/],
    ['an unknown parameter', '/v1/kv/b/k?timout=5', {}, 400, 'invalid-parameter', /"timeout"/],
    ['an unknown parameter near none', '/v1/kv/b/k?frobnicate=5', {}, 400, 'invalid-parameter', /Known here: r, w/],
    ['a parameter of PUT on GET', '/v1/kv/b/k?return=value', {}, 400, 'invalid-parameter'],
    ['a parameter twice', '/v1/kv/b/k?r=1&r=1', {}, 400, 'invalid-parameter'],
    ['a parameter twice, once encoded', '/v1/kv/b/k?r=1&%72=2', {}, 400, 'invalid-parameter'],
    ['an empty value', '/v1/kv/b/k?r=', {}, 400, 'invalid-parameter'],
    ['no value', '/v1/kv/b/k?r', {}, 400, 'invalid-parameter'],
    ['a fraction', '/v1/kv/b/k?r=1.5', {}, 400, 'invalid-parameter'],
    ['r=0', '/v1/kv/b/k?r=0', {}, 400, 'invalid-parameter'],
    ['r=-1', '/v1/kv/b/k?r=-1', {}, 400, 'invalid-parameter'],
    ['pr=-1', '/v1/kv/b/k?pr=-1', {}, 400, 'invalid-parameter'],
    ['r=1e0', '/v1/kv/b/k?r=1e0', {}, 400, 'invalid-parameter'],
    ['r=01', '/v1/kv/b/k?r=01', {}, 400, 'invalid-parameter'],
    ['r=most', '/v1/kv/b/k?r=most', {}, 400, 'invalid-parameter'],
    ['r with a space', '/v1/kv/b/k?r=+1', {}, 400, 'invalid-parameter'],
    ['w=0', '/v1/kv/b/k?w=0', put, 400, 'invalid-parameter'],
    ['timeout=0', '/v1/kv/b/k?timeout=0', {}, 400, 'invalid-parameter'],
    ['timeout=60001', '/v1/kv/b/k?timeout=60001', {}, 400, 'invalid-parameter'],
    ['sloppy=maybe', '/v1/kv/b/k?sloppy=maybe', {}, 400, 'invalid-parameter'],
    ['durability=none', '/v1/kv/b/k?durability=none', put, 400, 'invalid-parameter'],
    ['receipt=half', '/v1/kv/b/k?receipt=half', put, 400, 'invalid-parameter'],
    ['a query that is not UTF-8', '/v1/kv/b/k?%ff=1', {}, 400, 'invalid-parameter'],
    ['a parameter named like a property', '/v1/kv/b/k?__proto__=1', {}, 400, 'invalid-parameter'],
    ['an empty context', '/v1/kv/b/k', { ...put, headers: { 'starling-context': '' } }, 400, 'invalid-context'],
    ['a foreign context', '/v1/kv/b/k', { ...put, headers: { 'starling-context': 'x' } }, 400, 'invalid-context'],
    [
      'a context that no message has room for',
      '/v1/kv/b/k',
      { ...put, headers: { 'starling-context': 'A'.repeat(40_000) } },
      400,
      'invalid-context',
    ],
    [
      'a context that is no ASCII',
      '/v1/kv/b/k',
      { method: 'DELETE', headers: { 'starling-context': '\u00e9' } },
      400,
      'invalid-context',
    ],
    ['a TTL of 0', '/v1/kv/b/k', { ...put, headers: { 'starling-ttl': '0' } }, 400, 'invalid-header'],
    ['a TTL in words', '/v1/kv/b/k', { ...put, headers: { 'starling-ttl': '1h' } }, 400, 'invalid-header'],
    [
      'If-None-Match with a tag on PUT',
      '/v1/kv/b/k',
      { ...put, headers: { 'if-none-match': '"a"' } },
      400,
      'invalid-header',
    ],
    [
      'If-None-Match on DELETE',
      '/v1/kv/b/k',
      { method: 'DELETE', headers: { 'if-none-match': '*' } },
      400,
      'invalid-header',
    ],
    ['If-Match without quotes', '/v1/kv/b/k', { ...put, headers: { 'if-match': 'abc' } }, 400, 'invalid-header'],
    ['If-Match left open', '/v1/kv/b/k', { ...put, headers: { 'if-match': '"a",' } }, 400, 'invalid-header'],
    [
      'a long Idempotency-Key',
      '/v1/kv/b/k',
      { ...put, headers: { 'idempotency-key': 'k'.repeat(65) } },
      400,
      'invalid-header',
    ],
    [
      'an Idempotency-Key with a space',
      '/v1/kv/b/k',
      { method: 'DELETE', headers: { 'idempotency-key': 'a b' } },
      400,
      'invalid-header',
    ],
    ['an empty session', '/v1/kv/b/k', { headers: { 'starling-session': '' } }, 400, 'invalid-header'],
    [
      'metadata that is not UTF-8',
      '/v1/kv/b/k',
      { ...put, headers: { 'starling-meta-a': '\xff' } },
      400,
      'invalid-header',
    ],
    [
      'a long Content-Type',
      '/v1/kv/b/k',
      { ...put, headers: { 'content-type': 'x'.repeat(256) } },
      400,
      'invalid-header',
    ],
    [
      '8 KiB of metadata and more',
      '/v1/kv/b/k',
      { ...put, headers: { 'starling-meta-a': large, 'starling-meta-b': large } },
      413,
      'metadata-too-large',
    ],
    [
      'a compressed body',
      '/v1/kv/b/k',
      { ...put, headers: { 'content-encoding': 'gzip' } },
      415,
      'unsupported-encoding',
    ],
    ['an unknown route', '/v2/kv/b/k', put, 404, 'unknown-route'],
    ['a route of a later release', '/v1/watch', { method: 'POST', body: '{}' }, 404, 'unknown-route'],
    ['the root', '/', {}, 404, 'unknown-route'],
    ['a path that cannot be decoded', '/%ff', {}, 404, 'unknown-route'],
    ['a replica without a key', '/v1/replica/b', {}, 404, 'unknown-route'],
    ['POST to a key', '/v1/kv/b/k', { method: 'POST', body: 'x' }, 405, 'method-not-allowed'],
    ['OPTIONS of a key', '/v1/kv/b/k', { method: 'OPTIONS' }, 405, 'method-not-allowed'],
    ['PATCH of a key', '/v1/kv/b/k', { method: 'PATCH', body: 'x' }, 405, 'method-not-allowed'],
  ]
  for (const [name, path, what, status, code, hint] of cases) {
    const asked = node.requests.length
    const answer = await ask(path, what)
    t.match({ status: answer.status, ...answer.json }, { status, code, aftermath: 'nothing-changed' }, name)
    t.equal(answer.headers['content-type'], 'application/problem+json', name)
    if (hint !== undefined) t.match(answer.json.hint, hint, name)
    if (name !== 'a foreign context') t.equal(node.requests.length, asked, `${name}: the node was not asked`)
  }
  t.equal((await ask('/v1/kv/b/k', { method: 'POST' })).headers.allow, 'GET, HEAD, PUT, DELETE')
})

t.test('names go through as the client meant them', async (t) => {
  const { ask, node } = await serve(t)
  const cases: readonly [string, string, string][] = [
    ['/v1/kv/b/a%2Fb', 'b', 'a/b'],
    ['/v1/kv/a%2fb/%3Fx%23', 'a/b', '?x#'],
    ['/v1/kv/b/%E9%B3%A5', 'b', '鳥'],
    ['/v1/kv/b/a+b', 'b', 'a+b'],
    ['/v1/kv/b/%2525', 'b', '%25'],
    ['/v1/kv/b/...', 'b', '...'],
    ['/v1/kv/b/%00', 'b', '\0'],
    ['/v1/kv/b/$k', 'b', '$k'],
    ['/v1/kv/%E2%82%AC/-', '€', '-'],
    [`/v1/kv/${'b'.repeat(255)}/${'k'.repeat(1024)}`, 'b'.repeat(255), 'k'.repeat(1024)],
    [`/v1/kv/b/${'%F0%9F%90%A6'.repeat(256)}`, 'b', '🐦'.repeat(256)],
    ['/v1/kv/b/k;x=1,y', 'b', 'k;x=1,y'],
    ['/v1/kv/-/v1%2Fkv%2F-', '-', 'v1/kv/-'],
  ]
  for (const [path, bucket, key] of cases) {
    t.equal((await ask(path, { method: 'PUT', body: 'x' })).status, 204, path)
    t.match(node.requests.at(-1), { bucket, key })
    t.equal((await ask(path)).status, 200)
  }
})

t.test('failures of the node', async (t) => {
  const { ask, node, logged, metrics } = await serve(t)

  await t.test('keep their code, aftermath, retryable and hint', async (t) => {
    const cases: readonly [ErrorCode, number][] = [
      ['invalid-parameter', 400],
      ['invalid-context', 400],
      ['too-many-siblings', 409],
      ['overloaded', 429],
      ['quorum-unavailable', 503],
      ['no-layout', 503],
      ['draining', 503],
      ['storage-failed', 503],
      ['clock-skew', 503],
      ['deadline-exceeded', 504],
    ]
    for (const [code, status] of cases) {
      const failure = errorOf(code, 'said so', { aftermath: 'may-have-changed', hint: 'do this' })
      node.failures.push(failure)
      const answer = await ask('/v1/kv/b/k', { method: 'PUT', body: 'x', headers: { 'x-request-id': 'mine' } })
      t.equal(answer.status, status, code)
      t.same(
        answer.json,
        {
          type: `/docs#error-${code}`,
          title: answer.json.title,
          status,
          detail: 'said so',
          code,
          aftermath: 'may-have-changed',
          retryable: failure.retryable,
          requestId: 'mine',
          hint: 'do this',
        },
        code,
      )
      t.equal(answer.headers['retry-after'], status === 429 || status === 503 ? '1' : undefined, code)
    }
  })

  await t.test('say what to do even if the node does not', async (t) => {
    node.failures.push(new QuorumUnavailable('1 of 2 owners in reach'))
    t.match((await ask('/v1/kv/b/k')).json, { hint: /./, aftermath: 'nothing-changed' })
  })

  await t.test('that are bugs are 500, logged under the id the client was told', async (t) => {
    node.bug = new Error('oops')
    const read = await ask('/v1/kv/b/k')
    t.match(read, { status: 500, json: { code: 'internal', aftermath: 'nothing-changed' } })
    t.notMatch(read.text, /oops/, 'without showing the inside')
    const write = await ask('/v1/kv/b/k', { method: 'PUT', body: 'x' })
    t.match(write, { status: 500, json: { code: 'internal', aftermath: 'may-have-changed' } })
    t.match(logged.at(-1)?.fields, { requestId: write.json.requestId, error: { message: 'oops' } })
    node.bug = undefined
  })

  t.equal(metrics.of('starling_requests_total{operation="put",outcome="overloaded"}'), 1)
})

t.test('every answer', async (t) => {
  const { ask } = await serve(t)
  await ask('/v1/kv/b/k', { method: 'PUT', body: 'x' })
  for (const [path, what] of [
    ['/v1/kv/b/k', {}],
    ['/v1/kv/b/nobody', {}],
    ['/v1/kv/b/k?x=1', {}],
    ['/v1/kv/b/k', { method: 'DELETE' }],
    ['/nowhere', {}],
    ['/v1/kv/b/k', { method: 'POST' }],
  ] as const) {
    const { headers } = await ask(path, what)
    t.match(headers, { 'cache-control': 'no-store', vary: 'Accept', 'x-content-type-options': 'nosniff' })
    t.match(headers['x-request-id'], /^[0-9a-f]{8}-[0-9a-z]+$/)
  }
  const ids = await Promise.all([1, 2, 3].map(async () => (await ask('/v1/kv/b/k')).headers['x-request-id']))
  t.equal(new Set(ids).size, 3, 'has an id of its own')
  t.equal((await ask('/v1/kv/b/k', { headers: { 'x-request-id': 'a-b_c' } })).headers['x-request-id'], 'a-b_c')
  const odd = await ask('/v1/kv/b/k', { headers: { 'x-request-id': 'a b' } })
  t.match(odd.headers['x-request-id'], /^[0-9a-f]{8}-/, 'an unusable id is replaced')
})

t.test('requests are counted by operation and outcome', async (t) => {
  const { ask, metrics, node } = await serve(t)
  await ask('/v1/kv/b/k', { method: 'PUT', body: '12345' })
  await ask('/v1/kv/b/k')
  await ask('/v1/kv/b/k', { method: 'PUT', body: '123' })
  await ask('/v1/kv/b/k')
  await ask('/v1/kv/b/k', { method: 'HEAD', headers: { 'if-none-match': '*' } })
  await ask('/v1/kv/b/nobody')
  node.failures.push(new QuorumUnavailable('no'))
  await ask('/v1/kv/b/k', { method: 'DELETE' })
  await ask('/nowhere')
  const counted = {
    'starling_requests_total{operation="put",outcome="ok"}': 2,
    'starling_requests_total{operation="get",outcome="ok"}': 1,
    'starling_requests_total{operation="get",outcome="siblings"}': 1,
    'starling_requests_total{operation="get",outcome="not-found"}': 1,
    'starling_requests_total{operation="get",outcome="not-modified"}': 1,
    'starling_requests_total{operation="delete",outcome="quorum-unavailable"}': 1,
    'starling_requests_total{operation="unknown",outcome="unknown-route"}': 1,
    'starling_request_seconds{operation="get"}': 4,
    starling_http_request_body_bytes_total: 8,
    starling_http_bodies_bytes: 0,
  }
  for (const [name, value] of Object.entries(counted)) t.equal(metrics.of(name), value, name)
})

function partsOf(answer: Answer): { readonly head: string; readonly body: string }[] {
  const boundary = String(answer.headers['content-type']).split('boundary=')[1] as string
  const pieces = answer.body.toString('latin1').split(`--${boundary}`)
  return pieces.slice(1, -1).map((piece) => {
    const split = piece.indexOf('\r\n\r\n')
    return { head: `${piece.slice(2, split)}\r\n`, body: piece.slice(split + 4, -2) }
  })
}

/** Without what the connection adds: undici closes it after a HEAD. */
function ownHeaders(answer: Answer): Record<string, unknown> {
  const { date: _date, connection: _connection, 'keep-alive': _keepAlive, ...headers } = answer.headers
  return headers
}
