import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { DeadlineExceeded, Draining, QuorumUnavailable } from '../../lib/vocabulary/errors.ts'
import { batchBytesMax, batchOperationsMax, conditionCharsMax, contextCharsMax } from '../../lib/vocabulary/limits.ts'
import { type Answer, type Served, serve } from './with-server.ts'

t.test('a batch', async (t) => {
  const { ask, node, metrics } = await serve(t)

  await t.test('is answered with one result for each operation, in order', async (t) => {
    const answer = await batch(ask, [
      put('a', 'first'),
      { op: 'get', bucket: 'carts', key: 'a' },
      { op: 'get', bucket: 'carts', key: 'nobody' },
      { op: 'delete', bucket: 'carts', key: 'a' },
      { op: 'get', bucket: 'carts', key: 'a' },
    ])
    t.equal(answer.status, 200)
    const [written, found, missing, deleted, gone] = resultsOf(answer)
    t.match(written, { status: 204, context: /./, quorum: 'w=3/2; owners=2; fallbacks=1' })
    t.match(found, { status: 200, context: /./, etag: /^".+"$/, siblings: [{ value: 'first' }], quorum: /^r=/ })
    t.match(missing, { status: 404, problem: { status: 404, code: 'not-found', aftermath: 'nothing-changed' } })
    t.notOk('context' in (missing ?? {}))
    t.match(deleted, { status: 204 })
    t.match(gone, { status: 404, tombstone: true, context: /./, problem: { code: 'not-found' } })
  })

  await t.test('carries everything that a single request could say', async (t) => {
    const value = Buffer.from([0xff, 0x00, 0x80])
    const whole = {
      ...put('k', undefined),
      valueBase64: value.toString('base64'),
      contentType: 'image/png',
      metadata: { From: 'Zürich', by: 'x' },
      ttlSeconds: 60,
      context: 'AQ',
      ifMatch: '"abc", W/"def"',
      idempotencyKey: 'once',
    }
    node.batches.length = 0
    await batch(ask, [whole, { op: 'get', bucket: 'b/ü', key: '.a%2F', ifNoneMatch: null }], {
      query: '?r=all&w=1&pr=1&pw=0&sloppy=false&durability=disk&timeout=700',
      headers: { 'starling-session': 'token' },
    })
    const [asked] = node.batches
    t.match(asked, { session: 'token' })
    t.ok((asked?.timeoutMs ?? 0) > 600 && (asked?.timeoutMs ?? 0) <= 700)
    t.match(asked?.requests[0], {
      type: 'put',
      bucket: 'carts',
      key: 'k',
      value,
      contentType: 'image/png',
      metadata: [
        ['by', 'x'],
        ['from', 'Zürich'],
      ],
      ttlSeconds: 60,
      context: 'AQ',
      ifMatch: ['abc'],
      ifNoneMatch: false,
      idempotency: { key: 'once', isFirst: false },
      options: { w: 1, pw: 0, sloppy: false, durability: 'disk' },
    })
    t.match(asked?.requests[1], {
      type: 'get',
      bucket: 'b/ü',
      key: '.a%2F',
      options: { r: 'all', pr: 1, sloppy: false },
    })
  })

  await t.test('shows siblings as a GET does, and leaves out what the client has', async (t) => {
    await batch(ask, [put('two', 'x'), put('two', 'y')])
    const [both] = resultsOf(await batch(ask, [get('two')]))
    t.match(both, { status: 300, siblings: [{ value: 'x' }, { value: 'y' }] })
    const [same] = resultsOf(await batch(ask, [{ ...get('two'), ifNoneMatch: both?.etag }]))
    t.match(same, { status: 304, etag: both?.etag, context: /./ })
    t.notOk('siblings' in (same ?? {}))
  })

  await t.test('tells of each operation by itself what became of it', async (t) => {
    node.failures.push(
      new QuorumUnavailable('too few', { aftermath: 'may-have-changed', hint: 'read it' }),
      new DeadlineExceeded('late', { aftermath: 'may-have-changed' }),
    )
    const results = resultsOf(
      await batch(
        ask,
        [put('p', '1'), put('q', '2'), { ...put('a', 'v'), ifNoneMatch: '*' }, { ...put('a', 'v'), ifNoneMatch: '*' }],
        { headers: { 'x-request-id': 'me' } },
      ),
    )
    t.match(results[0], {
      status: 503,
      problem: {
        code: 'quorum-unavailable',
        aftermath: 'may-have-changed',
        retryable: true,
        hint: 'read it',
        requestId: 'me',
      },
    })
    t.match(results[1], { status: 504, problem: { code: 'deadline-exceeded', aftermath: 'may-have-changed' } })
    t.match(results[2], { status: 204 })
    t.match(results[3], { status: 412, problem: { code: 'precondition-failed', aftermath: 'nothing-changed' } })
  })

  await t.test('carries out the others where one cannot be carried out', async (t) => {
    const asked = node.requests.length
    const tooLong = 'k'.repeat(1025)
    const results = resultsOf(
      await batch(ask, [
        put('', 'v'),
        put(tooLong, 'v'),
        put('.', 'v'),
        { ...put('a', 'v'), bucket: '$system' },
        { ...put('a', 'v'), context: '' },
        { ...put('a', 'v'), context: 'A'.repeat(contextCharsMax + 1) },
        { op: 'delete', bucket: 'carts', key: 'a', context: '\u00e9' },
        { ...put('a', 'v'), ifMatch: `"${'a'.repeat(conditionCharsMax)}"` },
        { ...get('a'), ifNoneMatch: `"${'a'.repeat(conditionCharsMax)}"` },
        { ...put('a', 'v'), metadata: { big: 'x'.repeat(9000) } },
        { ...put('a', 'v'), metadata: { 'no name': 'x' } },
        { ...put('a', 'v'), ttlSeconds: 0 },
        { ...put('a', 'v'), ifMatch: 'unquoted' },
        { ...put('a', 'v'), ifNoneMatch: '"tag"' },
        { ...get('a'), ifNoneMatch: 'unquoted' },
        { ...put('a', 'v'), idempotencyKey: 'two words' },
        { ...put('a', 'x'.repeat(8 * 1024 * 1024 + 1)) },
        put('fine', 'v'),
      ]),
    )
    t.same(
      results.map(({ status, problem }) => `${status} ${(problem as { code?: string })?.code ?? 'ok'}`),
      [
        '400 invalid-key',
        '400 invalid-key',
        '400 invalid-key',
        '400 invalid-bucket',
        '400 invalid-context',
        '400 invalid-context',
        '400 invalid-context',
        '400 invalid-header',
        '400 invalid-header',
        '413 metadata-too-large',
        '400 invalid-header',
        '400 invalid-parameter',
        '400 invalid-header',
        '400 invalid-header',
        '400 invalid-header',
        '400 invalid-header',
        '413 value-too-large',
        '204 ok',
      ],
    )
    t.equal(node.requests.length - asked, 1, 'the node heard of nothing else')
  })

  await t.test('may be empty, and may have a thousand operations', async (t) => {
    t.same((await batch(ask, [])).json, { results: [] })
    const many = Array.from({ length: batchOperationsMax }, (_, index) => put(`many-${index}`, `${index}`))
    const results = resultsOf(await batch(ask, many))
    t.equal(results.length, batchOperationsMax)
    t.ok(results.every(({ status }) => status === 204))
    const read = resultsOf(
      await batch(
        ask,
        many.map(({ key }) => get(key)),
      ),
    )
    t.same(
      read.map(({ siblings }) => (siblings as { value: string }[])[0]?.value),
      many.map((_, index) => `${index}`),
    )
  })

  await t.test('brings large values back in pieces, whole', async (t) => {
    const large = ['a', 'b', 'c'].map((letter) => letter.repeat(3 * 1024 * 1024))
    await batch(
      ask,
      large.map((value, index) => put(`large-${index}`, value)),
    )
    const answer = await batch(
      ask,
      large.map((_, index) => get(`large-${index}`)),
    )
    t.same(
      resultsOf(answer).map(({ siblings }) => (siblings as { value: string }[])[0]?.value.length),
      large.map(({ length }) => length),
    )
  })

  await t.test('has one session and one idempotency key for all of its operations', async (t) => {
    node.batches.length = 0
    const answer = await batch(
      ask,
      [put('s', '1'), put('t', '2'), put('s', '3'), { ...put('s', '4'), idempotencyKey: 'own' }],
      {
        headers: { 'starling-session': 'mine', 'idempotency-key': 'all' },
      },
    )
    t.equal(answer.headers['starling-session'], 'mine+')
    t.same(
      node.batches[0]?.requests.map((request) => (request.type === 'put' ? request.idempotency?.key : undefined)),
      ['all', 'all', 'all~2', 'own'],
    )
    const long = { headers: { 'idempotency-key': 'x'.repeat(64) } }
    t.equal((await batch(ask, [put('s', '1')], long)).status, 200)
    t.match(await batch(ask, [put('s', '1'), put('s', '2')], long), { status: 400, json: { code: 'invalid-header' } })
  })

  await t.test('is counted once, and each of its operations', async (t) => {
    t.ok(metrics.of('starling_requests_total{operation="batch",outcome="ok"}') > 0)
    t.ok(metrics.of('starling_batch_operations_total{operation="put",outcome="ok"}') > batchOperationsMax)
    t.ok(metrics.of('starling_batch_operations_total{operation="get",outcome="not-found"}') > 0)
    t.equal(metrics.of('starling_batch_operations_total{operation="put",outcome="invalid-key"}'), 3)
  })
})

t.test('a batch that is refused as a whole has carried out nothing', async (t) => {
  const { ask, node } = await serve(t)
  const json = { 'content-type': 'application/json' }
  const operation = put('k', 'v')

  await t.test('for what it is', async (t) => {
    const cases: readonly [name: string, body: unknown, message: RegExp, hint?: RegExp][] = [
      ['no object', [], /not a JSON object/],
      ['no operations', {}, /operations must be an array/],
      ['another field', { operations: [], operation: 1 }, /no field "operation"/],
      ['operations that are none', { operations: {} }, /must be an array/],
      ['one that is no object', { operations: [operation, 'get'] }, /operations\[1\] is not an object/],
      ['an unknown op', { operations: [{ ...operation, op: 'putt' }] }, /operations\[0\].op must be/, /"put"/],
      ['an unknown field', { operations: [{ ...operation, contnetType: 'x' }] }, /"contnetType"/, /"contentType"/],
      ['a field of another op', { operations: [{ ...operation, op: 'delete' }] }, /a delete takes no "value"/],
      ['a get with a value', { operations: [{ ...get('k'), value: 'v' }] }, /a get takes no "value"/],
      ['no key', { operations: [{ op: 'get', bucket: 'b' }] }, /operations\[0\].key must be a string/],
      ['a key that is a number', { operations: [{ ...operation, key: 7 }] }, /operations\[0\].key must be a string/],
      ['no value', { operations: [{ ...operation, value: undefined }] }, /neither a value nor a valueBase64/],
      ['two values', { operations: [{ ...operation, valueBase64: '' }] }, /both a value and a valueBase64/],
      ['a value that is no text', { operations: [{ ...operation, value: { a: 1 } }] }, /value must be a string/],
      ['no base64', { operations: [{ ...put('k', undefined), valueBase64: 'a-b_' }] }, /not base64/],
      ['half of a base64', { operations: [{ ...put('k', undefined), valueBase64: 'abcde' }] }, /not base64/],
      ['half of a pair', { operations: [{ ...operation, value: '\ud800' }] }, /not well-formed/],
      ['metadata that are no texts', { operations: [{ ...operation, metadata: { a: 1 } }] }, /must hold strings/],
      ['a ttl that is no number', { operations: [{ ...operation, ttlSeconds: '60' }] }, /must be a number/],
      [
        'too many',
        { operations: new Array(batchOperationsMax + 1).fill(operation) },
        /up to 1000 operations, not 1001/,
      ],
    ]
    for (const [name, body, detail, hint] of cases) {
      const answer = await ask('/v1/batch', { method: 'POST', headers: json, body: JSON.stringify(body) })
      t.match(
        answer,
        {
          status: 400,
          json: { code: 'invalid-body', aftermath: 'nothing-changed', detail, ...(hint === undefined ? {} : { hint }) },
        },
        name,
      )
    }
    for (const [name, body, headers, status, code] of [
      ['no JSON', '{"operations": [', json, 400, 'invalid-body'],
      ['too deep', '['.repeat(1_000_000), json, 400, 'invalid-body'],
      [
        'more values than a parser should be given',
        `{"operations": [${'0,'.repeat(200_000)}0]}`,
        json,
        400,
        'invalid-body',
      ],
      ['nothing', '', json, 400, 'invalid-body'],
      ['not UTF-8', Buffer.from([0x7b, 0xff]), json, 400, 'invalid-body'],
      ['another type', '{}', { 'content-type': 'text/plain' }, 415, 'unsupported-encoding'],
      ['a form', 'operations=', { 'content-type': 'application/x-www-form-urlencoded' }, 415, 'unsupported-encoding'],
      ['no type', '{"operations":[]}', {}, 415, 'unsupported-encoding'],
      ['an encoding', '{}', { ...json, 'content-encoding': 'gzip' }, 415, 'unsupported-encoding'],
      ['a bad session', '{"operations":[]}', { ...json, 'starling-session': 'a b' }, 400, 'invalid-header'],
      ['too large', Buffer.alloc(batchBytesMax + 1, ' '), json, 413, 'value-too-large'],
    ] as const) {
      const answer = await ask('/v1/batch', { method: 'POST', headers, body })
      t.match(answer, { status, json: { code } }, name)
    }
    for (const [query, hint] of [
      ['?timeuot=1', /"timeout"/],
      ['?r=0', /./],
      ['?receipt=full', /./],
      ['?limit=1', /./],
    ] as const) {
      t.match(
        await batch(ask, [operation], { query }),
        { status: 400, json: { code: 'invalid-parameter', hint } },
        query,
      )
    }
    t.match(await ask('/v1/batch'), { status: 405, headers: { allow: 'POST' } })
    t.equal(node.batches.length, 0)
  })

  await t.test('for what the node is', async (t) => {
    node.batchFailures.push(new Draining('the node is being stopped', { hint: 'ask another node' }))
    t.match(await batch(ask, [operation]), {
      status: 503,
      headers: { 'retry-after': '1' },
      json: { code: 'draining', aftermath: 'nothing-changed' },
    })
    const heard = node.batches.length
    node.isOverloaded = true
    t.match(await batch(ask, [operation]), { status: 429, json: { code: 'overloaded', aftermath: 'nothing-changed' } })
    node.isOverloaded = false
    t.equal(node.batches.length, heard)
    t.equal((await batch(ask, [operation])).status, 200)
  })
})

t.test('whoever goes away in the middle', async (t) => {
  const served = await serve(t)
  const { node, port, ask } = served
  const bytesHeld = () => served.metrics.of('starling_http_bodies_bytes')

  await t.test('of sending is asked for nothing, and leaves nothing behind', async (t) => {
    const body = JSON.stringify({ operations: [put('k', 'x'.repeat(1000))] })
    const socket = net.connect(port, '127.0.0.1')
    socket.write(`${head(body.length + 1_000_000)}${body}`)
    await until(() => bytesHeld() > 0)
    socket.destroy()
    await until(() => bytesHeld() === 0)
    t.equal(node.batches.length, 0)
  })

  await t.test('of waiting is no longer worth beginning anything for', async (t) => {
    node.isHolding = true
    const body = JSON.stringify({ operations: [put('k', 'v'), put('l', 'v')] })
    const socket = net.connect(port, '127.0.0.1')
    socket.write(`${head(body.length)}${body}`)
    await until(() => node.batches.length === 1)
    t.equal(node.batches[0]?.isAbandoned?.(), false)
    socket.destroy()
    await until(() => node.batches[0]?.isAbandoned?.() === true)
    node.release()
    await until(() => bytesHeld() === 0)
  })

  await t.test('of reading a large answer keeps none of it', async (t) => {
    const keys = Array.from({ length: 8 }, (_, index) => `big-${index}`)
    for (const key of keys) await ask(`/v1/kv/carts/${key}`, { method: 'PUT', body: 'x'.repeat(2 * 1024 * 1024) })
    const body = JSON.stringify({ operations: keys.map((key) => get(key)) })
    const socket = net.connect(port, '127.0.0.1')
    socket.pause()
    const before = node.batches.length
    socket.write(`${head(body.length)}${body}`)
    await until(() => node.batches.length > before)
    await sleep(50)
    socket.destroy()
    await until(() => bytesHeld() === 0 && served.metrics.of('starling_http_connections') <= 1)
    t.equal((await batch(ask, [put('after', 'v')])).status, 200)
  })
})

function put<Value extends string | undefined>(key: string, value: Value) {
  return { op: 'put', bucket: 'carts', key, value }
}

function get(key: string) {
  return { op: 'get', bucket: 'carts', key }
}

function batch(
  ask: Served['ask'],
  operations: readonly object[],
  { query = '', headers = {} }: { readonly query?: string; readonly headers?: Readonly<Record<string, string>> } = {},
): Promise<Answer> {
  return ask(`/v1/batch${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ operations }),
  })
}

function resultsOf(answer: Answer): readonly Readonly<Record<string, unknown>>[] {
  return answer.json.results as readonly Readonly<Record<string, unknown>>[]
}

function head(length: number): string {
  return `POST /v1/batch HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`
}

async function until(isSo: () => boolean): Promise<void> {
  for (let waited = 0; waited < 1000; waited += 1) {
    if (isSo()) return
    await sleep(5)
  }
  throw new Error('not within five seconds')
}
