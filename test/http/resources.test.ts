import t from 'tap'
import { httpMetricDeclarations } from '../../lib/http/http-metrics.ts'
import { NoLayout } from '../../lib/vocabulary/errors.ts'
import { type Answer, type Served, serve, smallHash } from './with-server.ts'

t.test('a listing', async (t) => {
  const served = await serve(t)
  const { ask, node } = served
  for (const key of ['b', 'a', '%C3%A4', 'ab', 'b%2Fc', '%EF%BF%BF', '%F0%9F%90%A6']) await put(served, key)
  const all = ['a', 'ab', 'b', 'b/c', 'ä', '\uffff', '🐦']

  await t.test('has every live key in the order of its bytes, and an end', async (t) => {
    await put(served, 'gone')
    await ask('/v1/kv/birds/gone', { method: 'DELETE' })
    const list = await ask('/v1/kv/birds')
    t.equal(list.status, 200)
    t.equal(list.headers['content-type'], 'application/x-ndjson')
    t.same(keysOf(list), all)
    t.same(endOf(list), { end: true, count: 7, cursor: null, complete: true, missing: [] })
    t.match(node.listRequests.at(-1), { limit: 1000, timeoutMs: 3000, withValues: false })
  })

  await t.test('of an empty bucket is only the end', async (t) => {
    t.same(linesOf(await ask('/v1/kv/nothing')), [{ end: true, count: 0, cursor: null, complete: true, missing: [] }])
  })

  await t.test('has values, contexts and siblings on request', async (t) => {
    await put(served, 'ab')
    const [, line] = linesOf(await ask('/v1/kv/birds?values=true&timeout=100'))
    t.match(line, { key: 'ab', context: /./, siblings: [{ value: 'v' }, { value: 'v', contentType: 'text/plain' }] })
    t.match(node.listRequests.at(-1), { withValues: true, timeoutMs: 100 })
  })

  await t.test('can be narrowed by prefix, start and end', async (t) => {
    const cases: readonly [string, readonly string[]][] = [
      ['prefix=a', ['a', 'ab']],
      ['prefix=b%2F', ['b/c']],
      ['start=b', ['b', 'b/c', 'ä', '\uffff', '🐦']],
      ['start=b%00', ['b/c', 'ä', '\uffff', '🐦']],
      ['start=%EF%BF%BF', ['\uffff', '🐦']],
      ['start=%F0%9F%90%A6', ['🐦']],
      ['start=%EE%80%80', ['\uffff', '🐦']],
      ['end=b', ['a', 'ab']],
      ['end=%F0%9F%90%A6', ['a', 'ab', 'b', 'b/c', 'ä', '\uffff']],
      ['start=ab&end=b%2Fc', ['ab', 'b']],
      ['prefix=a&start=ab', ['ab']],
      ['start=b&end=b', []],
      ['prefix=a&start=b', []],
      ['reverse=true', [...all].reverse()],
      ['reverse=false', all],
      ['reverse=true&start=ab&end=%EF%BF%BF', ['ä', 'b/c', 'b', 'ab']],
      ['reverse=true&prefix=b', ['b/c', 'b']],
    ]
    for (const [query, expected] of cases) {
      const list = await ask(`/v1/kv/birds?${query}`)
      t.same(keysOf(list), expected, query)
      t.match(endOf(list), { count: expected.length, cursor: null }, query)
    }
  })

  await t.test('goes on where the page before ended, at any node', async (t) => {
    for (const narrowed of ['', '&start=ab', '&end=%EF%BF%BF', '&prefix=b', '&reverse=true', '&reverse=true&start=b']) {
      const whole = keysOf(await ask(`/v1/kv/birds?limit=100${narrowed}`))
      const other = await serve(t)
      for (const key of all) await put(other, encodeURIComponent(key))
      const found: unknown[] = []
      let cursor: unknown
      let pages = 0
      do {
        const resume = cursor === undefined ? '' : `&cursor=${cursor}`
        const page = await (pages % 2 === 0 ? ask : other.ask)(`/v1/kv/birds?limit=2${narrowed}${resume}`)
        found.push(...keysOf(page))
        cursor = endOf(page).cursor
        pages += 1
      } while (cursor !== null && pages < 10)
      t.same(found, whole, narrowed)
    }
  })

  await t.test('refuses a cursor that is not its own', async (t) => {
    const { cursor } = endOf(await ask('/v1/kv/birds?limit=2&prefix=a')) as { cursor: string | null }
    t.equal(cursor, null, 'two keys begin with a')
    const next = String(endOf(await ask('/v1/kv/birds?limit=2')).cursor)
    t.match(next, /^[A-Za-z0-9_-]+$/)
    const flipped = (next[7] === 'A' ? 'B' : 'A') + next.slice(8)
    for (const query of [
      `cursor=${next}&prefix=a`,
      `cursor=${next}&end=z`,
      `cursor=${next}&reverse=true`,
      `cursor=${next.slice(0, 7)}${flipped}`,
      'cursor=x',
      `cursor=${next}=`,
    ]) {
      t.match(await ask(`/v1/kv/birds?${query}`), { status: 400, json: { code: 'invalid-parameter' } }, query)
    }
    t.equal((await ask(`/v1/kv/other?cursor=${next}`)).status, 400, 'of another bucket')
    // Anybody can make the checksum; other nodes end the connection of a node that asks for what is no key.
    const listing = ['birds', '', '', '']
    const asked = node.listRequests.length
    for (const bytes of [Buffer.alloc(1025, 'k'), Buffer.alloc(1024, 0xff), Buffer.from([0xed, 0xa0, 0x80])]) {
      const cursor = forgedCursor(listing, bytes)
      t.match(await ask(`/v1/kv/birds?cursor=${cursor}`), { status: 400, json: { code: 'invalid-parameter' } })
    }
    t.equal(node.listRequests.length, asked)
    t.equal((await ask(`/v1/kv/birds?cursor=${forgedCursor(listing, Buffer.alloc(1024, 'k'))}`)).status, 200)
  })

  await t.test('says when keys may be missing', async (t) => {
    node.missing = [3, 9]
    t.match(endOf(await ask('/v1/kv/birds')), { complete: false, missing: [3, 9] })
    node.missing = []
  })

  await t.test('is refused where it makes no sense', async (t) => {
    for (const query of ['limit=0', 'limit=10001', 'values=1', 'prefix=', 'w=1', `prefix=${'p'.repeat(1025)}`]) {
      t.match(await ask(`/v1/kv/birds?${query}`), { status: 400, json: { code: 'invalid-parameter' } }, query)
    }
    for (const query of ['start=z&end=a', 'start=z&end=a&reverse=true', 'start=%F0%9F%90%A6&end=%EF%BF%BF']) {
      const refused = await ask(`/v1/kv/birds?${query}`)
      t.match(refused, { status: 400, json: { code: 'invalid-parameter', aftermath: 'nothing-changed' } }, query)
      t.match(refused.json.hint, /start is the lesser of the two/)
    }
    t.match((await ask('/v1/kv/birds?limt=1')).json.hint, /"limit"/)
    t.match(await ask('/v1/kv/'), { status: 400, json: { code: 'invalid-bucket' } })
    t.equal((await ask('/v1/kv/birds', { method: 'PUT', body: 'x' })).headers.allow, 'GET, HEAD')
    node.failures.push(new NoLayout('not yet'))
    t.match(await ask('/v1/kv/birds'), { status: 503, json: { code: 'no-layout' } })
  })

  await t.test('larger than any buffer arrives whole', async (t) => {
    for (let index = 0; index < 40; index += 1) {
      node.plant('big', `key-${String(index).padStart(3, '0')}`, { value: Buffer.alloc(100_000, 'x') })
    }
    const list = await ask('/v1/kv/big?values=true')
    t.equal(linesOf(list).length, 41)
    t.equal(endOf(list).count, 40)
  })
})

t.test('one node’s own copy', async (t) => {
  const served = await serve(t)
  t.same((await served.ask('/v1/replica/birds/a')).json, {
    present: false,
    tombstone: false,
    hint: false,
    siblings: [],
    context: null,
    stateHash: null,
  })
  await put(served, 'a')
  t.match((await served.ask('/v1/replica/birds/a')).json, {
    present: true,
    siblings: [{ value: 'v' }],
    context: /./,
    stateHash: /^[0-9a-f]{16}$/,
  })
  await served.ask('/v1/kv/birds/a', { method: 'DELETE' })
  t.match((await served.ask('/v1/replica/birds/a')).json, { present: true, tombstone: true, siblings: [] })
  t.equal((await served.ask('/v1/replica/birds/a?r=1')).status, 400)
  t.equal((await served.ask('/v1/replica/birds/a%2')).status, 400)
})

t.test('why a key reads as it does', async (t) => {
  const served = await serve(t)
  await put(served, 'a')
  const explain = await served.ask('/v1/explain/birds/a?timeout=500')
  t.match(explain.json, {
    bucket: 'birds',
    key: 'a',
    partition: 7,
    owners: [
      {
        name: 'ada',
        holds: 'siblings',
        comparisons: [{ name: 'bob', secondsAgo: 61.5 }],
        dots: [{ counter: 1, writtenAtMs: 1_700_000_000_000, writtenBy: 'ada' }],
      },
      {
        name: 'bob',
        holds: 'unreachable',
        stateHash: null,
        changedAtMs: null,
        hintsWaiting: [{ holderName: 'cyd', holds: 'siblings', changedAtMs: 1_700_000_000_000 }],
        tombstoneWaitingFor: 'grace',
      },
    ],
    fallbacks: [{ name: 'cyd', isReachable: true, hints: [{ targetName: 'bob' }] }],
    summary: /./,
  })
})

t.test('the cluster and the node', async (t) => {
  const { ask, node } = await serve(t)
  t.match((await ask('/v1/cluster/status')).json, {
    cluster: 'starling',
    clusterId: '0123456789abcdef',
    converged: true,
    layout: { number: 1, live: [1], hash: null },
    members: [
      { name: 'ada', http: '127.0.0.1:7070', hintsHeld: 0, hintsFor: 0 },
      { name: 'böb', hintsFor: 12 },
      { name: 'cyd', http: null, hintsHeld: null },
    ],
  })
  t.match((await ask('/v1/cluster/ring')).json, {
    partitionCount: 2,
    replicaCount: 2,
    nodes: [{ name: 'ada' }, { name: 'bob' }],
    partitions: [
      [0, 1],
      [1, 0],
    ],
  })
  t.match((await ask('/v1/node')).json, { name: 'ada', state: 'serving', startNumber: 3, clusterId: null })
  node.hasLayout = false
  t.match((await ask('/v1/cluster/status')).json, { clusterId: null, layout: { number: 0, live: [] } })
  t.match(await ask('/v1/cluster/ring'), { status: 503, json: { code: 'no-layout' }, headers: { 'retry-after': '1' } })
})

t.test('what is being repaired', async (t) => {
  const { ask, node } = await serve(t)
  t.same((await ask('/v1/cluster/hints')).json, {
    hints: [
      {
        target: 'b'.repeat(32),
        name: 'böb',
        count: 12,
        bytes: 3456,
        oldestSeconds: 61.5,
        state: 'waiting',
        lastError: null,
        dirtyPartitions: 2,
      },
    ],
    held: { count: 12, bytes: 3456 },
  })
  t.match((await ask('/v1/cluster/transfers')).json, {
    transfers: [{ kind: 'hints', name: 'böb', partitionsLeft: null, keysLeft: 12, etaSeconds: 3.456 }],
  })
  t.match((await ask('/v1/cluster/anti-entropy')).json, {
    exchanges: [{ name: 'böb', ageSeconds: null, partitions: 682, differences: 3, state: 'idle' }],
    rebuilding: 0,
    suspendedBecause: null,
  })
  t.equal(node.exchangesRun, 0, 'looking changes nothing')

  await t.test('an exchange runs when it is asked for, with or without a body', async (t) => {
    const json = { 'content-type': 'application/json' }
    t.match(await ask('/v1/cluster/anti-entropy', { method: 'POST' }), {
      status: 200,
      json: { exchanges: [{ ageSeconds: 0 }] },
    })
    t.match(await ask('/v1/cluster/anti-entropy', { method: 'POST', body: '{}', headers: json }), { status: 200 })
    t.equal(node.exchangesRun, 2)
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    t.match(await ask('/v1/cluster/anti-entropy', { method: 'POST', body: 'a=b', headers: form }), {
      status: 415,
      json: { code: 'unsupported-encoding' },
    })
    t.equal((await ask('/v1/cluster/anti-entropy', { method: 'POST', body: '{"x":1}', headers: json })).status, 400)
    t.equal(node.exchangesRun, 2, 'what was refused has not run')
  })

  await t.test('a recovery is ended only by who agrees to the loss', async (t) => {
    const headers = { 'content-type': 'application/json' }
    const end = (body: string) => ask('/v1/node/recovered', { method: 'POST', headers, body })
    node.recoveringPartitions = 7
    for (const body of [
      '',
      '{}',
      '{"acceptLoss":false}',
      '{"acceptLoss":"true"}',
      '[true]',
      '{',
      '{"acceptLoss":true,"x":1}',
    ])
      t.match(await end(body), { status: 400, json: { code: 'invalid-body', aftermath: 'nothing-changed' } }, body)
    t.equal((await ask('/v1/node/recovered', { method: 'POST', body: '{"acceptLoss":true}' })).status, 415)
    t.equal(node.recoveringPartitions, 7)
    t.match(await end('{"acceptLoss":true}'), { status: 200, json: { partitions: 7 } })
    t.match(await end('{"acceptLoss":true}'), { status: 200, json: { partitions: 0 } })
    t.equal((await end(`{"acceptLoss":true${' '.repeat(70_000)}}`)).status, 413)
    t.equal((await ask('/v1/node/recovered')).headers.allow, 'POST')
  })
})

t.test('health', async (t) => {
  const { ask, node } = await serve(t)
  t.match(await ask('/livez'), { status: 200, text: 'ok\n' })
  t.match(await ask('/readyz'), { status: 200, text: 'ok\n' })
  node.reasons = ['the clock is 12 s ahead', 'the store refuses writes']
  const cases = [
    ['starting', 'no-layout'],
    ['waiting-for-layout', 'no-layout'],
    ['storage-failed', 'storage-failed'],
    ['stopping', 'draining'],
    ['draining', 'draining'],
    ['left', 'draining'],
    ['excluded', 'draining'],
    ['serving', 'clock-skew'],
    ['outsider', 'clock-skew'],
    ['leaving', 'clock-skew'],
  ] as const
  for (const [state, code] of cases) {
    node.state = state
    const ready = await ask('/readyz')
    t.match(ready, { status: 503, headers: { 'retry-after': '1', 'content-type': 'application/problem+json' } })
    t.match(ready.json, { code, reasons: node.reasons, detail: 'the clock is 12 s ahead; the store refuses writes' })
  }
  t.equal((await ask('/livez')).status, 200, 'a node that is not ready still lives')
})

t.test('metrics', async (t) => {
  const { ask, metrics } = await serve(t)
  const exposed = await ask('/metrics')
  t.match(exposed.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
  t.match(exposed.text, /^starling_http_connections 1$/m)
  t.same(
    metrics.declared.map(({ name }) => name).sort(),
    Object.values(httpMetricDeclarations)
      .map(({ name }) => name)
      .sort(),
  )
})

t.test('the documentation page', async (t) => {
  const { ask } = await serve(t)
  const page = await ask('/docs')
  t.equal(page.headers['content-type'], 'text/html; charset=utf-8')
  t.match(page.headers['content-security-policy'], /^default-src 'none'; style-src 'self';/)
  t.notMatch(page.text, /<script|style=|https?:\/\//, 'nothing inline and nothing from elsewhere')
  t.match(page.text, 'PUT /v1/kv/{bucket}/{key}')
  t.match(page.text, 'id="error-quorum-unavailable"', 'where the type of a problem leads')
  const [, style] = /rel="stylesheet" href="([^"]+)"/.exec(page.text) ?? []
  t.match((await ask(String(style))).headers['content-type'], 'text/css')
})

t.test('HEAD works wherever GET does', async (t) => {
  const { ask } = await serve(t)
  const paths = ['/v1/kv/b', '/v1/replica/b/k', '/v1/explain/b/k', '/v1/cluster/status', '/v1/cluster/ring', '/v1/node']
  paths.push('/v1/cluster/hints', '/v1/cluster/transfers', '/v1/cluster/anti-entropy')
  for (const path of [...paths, '/livez', '/readyz', '/metrics', '/openapi.json', '/docs']) {
    const head = await ask(path, { method: 'HEAD' })
    t.equal(head.status, 200, path)
    t.equal(head.body.length, 0)
  }
})

function put({ ask }: Served, key: string): Promise<Answer> {
  return ask(`/v1/kv/birds/${key}`, { method: 'PUT', body: 'v', headers: { 'content-type': 'text/plain' } })
}

function linesOf(answer: Answer): Record<string, unknown>[] {
  return answer.text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

function keysOf(answer: Answer): unknown[] {
  return linesOf(answer)
    .slice(0, -1)
    .map(({ key }) => key)
}

function endOf(answer: Answer): Record<string, unknown> {
  return linesOf(answer).at(-1) ?? {}
}

function forgedCursor(listing: readonly string[], key: Buffer): string {
  const head = Buffer.alloc(5, 1)
  head.writeUInt32BE(smallHash.hash32(Buffer.concat([Buffer.from(JSON.stringify(listing)), key])), 1)
  return Buffer.concat([head, key]).toString('base64url')
}
