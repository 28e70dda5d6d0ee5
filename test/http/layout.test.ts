import t from 'tap'
import { PlanRefused, StalePlan, TransitionRunning, UnknownNode } from '../../lib/vocabulary/errors.ts'
import { toNodeId } from '../../lib/vocabulary/ids.ts'
import { type Served, serve } from './with-server.ts'

const headers = { 'content-type': 'application/json' }
const hash = '0123456789abcdef'

t.test('a change is staged as it was asked for', async (t) => {
  const served = await serve(t)
  const { node } = served
  const orders = [
    { action: 'join', node: 'cyd', zone: 'z2', weight: 2.5 },
    { action: 'leave', node: 'cyd' },
    { action: 'replace', node: 'bob', with: 'cyd', force: true },
    { action: 'exclude', node: 'bob' },
    { action: 'set', node: 'bob', weight: 1000 },
    { action: 'clear', node: 'bob' },
    { action: 'clear', node: '' },
  ]
  for (const order of orders) {
    const answer = await post(served, '/v1/cluster/stage', order)
    t.same(answer.json, {
      staged: [
        {
          node: 'c'.repeat(32),
          name: 'cyd',
          action: 'join',
          with: null,
          withName: null,
          zone: 'z2',
          weight: null,
          force: false,
          setAtMs: 1_700_000_000_000,
        },
      ],
    })
  }
  t.same(node.layoutRequests, orders)

  await t.test('and refused where it cannot be meant', async (t) => {
    node.layoutRequests.length = 0
    const slips: readonly [object, RegExp][] = [
      [{}, /"action" must be one of join, leave/],
      [{ action: 'jion', node: 'cyd' }, /"action"/],
      [{ action: 'join' }, /"node" must name a node/],
      [{ action: 'join', node: 7 }, /"node" must be a string/],
      [{ action: 'join', node: 'x'.repeat(256) }, /longer than/],
      [{ action: 'replace', node: 'bob' }, /"with"/],
      [{ action: 'leave', node: 'bob', with: 'cyd' }, /"with"/],
      [{ action: 'set', node: 'bob' }, /set needs/],
      [{ action: 'set', node: 'bob', weight: 0 }, /"weight" must be/],
      [{ action: 'set', node: 'bob', weight: '2' }, /"weight" must be/],
      [{ action: 'leave', node: 'bob', zone: 'z' }, /"zone" and "weight" belong/],
      [{ action: 'leave', node: 'bob', force: 'yes' }, /"force" must be/],
      [{ action: 'leave', node: 'bob', nodes: [] }, /no field "nodes"/],
    ]
    for (const [slip, detail] of slips) {
      const answer = await post(served, '/v1/cluster/stage', slip)
      t.match(answer, { status: 400, json: { code: 'invalid-body', aftermath: 'nothing-changed' } })
      t.match(answer.json.detail, detail)
    }
    t.same(node.layoutRequests, [])
    node.failures.push(new UnknownNode('no member is called "eve"'))
    t.match(await post(served, '/v1/cluster/stage', { action: 'join', node: 'eve' }), { status: 404 })
  })
})

t.test('the plan can be read before it happens', async (t) => {
  const { ask } = await serve(t)
  t.match((await ask('/v1/cluster/plan')).json, {
    plan: hash,
    number: 2,
    amendment: false,
    staged: [{ name: 'cyd' }],
    changes: ['cyd joins'],
    shares: [{ name: 'cyd', before: 0, after: 1 / 3, partitionsBefore: 0, partitionsAfter: 1 }],
    moves: [{ partition: 1, from: ['b'.repeat(32)], to: ['c'.repeat(32)], bytes: 4096 }],
    partitions: 1,
    bytes: 4096,
    estimateSeconds: 0.5,
    maxToTarget: 1.5,
    checks: [{ name: 'members', ok: true, detail: /alive/ }],
  })
  t.equal((await ask('/v1/cluster/plan', { method: 'HEAD' })).status, 200)
})

t.test('a decision of the members', async (t) => {
  const served = await serve(t)
  const { node } = served

  await t.test('is 200 when it is made', async (t) => {
    const decided = { status: 200, json: { decided: true, number: 2, plan: hash } }
    t.match(await post(served, '/v1/cluster/commit', { plan: hash }), decided)
    t.match(await post(served, '/v1/cluster/commit?timeout=500', { plan: null, force: true }), decided)
    t.match(await post(served, '/v1/cluster/commit'), decided)
    t.match(await post(served, '/v1/cluster/abort'), decided)
    t.match(await post(served, '/v1/cluster/forget?timeout=9', { node: 'bob' }), decided)
    t.same(node.layoutRequests, [
      { plan: hash, force: false, timeoutMs: 3000 },
      { plan: undefined, force: true, timeoutMs: 500 },
      { plan: undefined, force: false, timeoutMs: 3000 },
      { timeoutMs: 3000 },
      { node: 'bob', timeoutMs: 9 },
    ])
  })

  await t.test('is 202 with the names of those who have not answered, when it is not', async (t) => {
    node.silent = ['bob', 'cyd']
    for (const [path, body] of decisions) {
      const answer = await post(served, path, body)
      t.same(answer.json, { decided: false, waitingFor: ['bob', 'cyd'] }, path)
      t.equal(answer.status, 202)
    }
    node.silent = []
  })

  await t.test('is 409 when it must not be made', async (t) => {
    const checks = [
      { name: 'zones', ok: true, detail: 'fine' },
      { name: 'members', ok: false, detail: 'bob: not alive' },
    ]
    for (const [path, body] of decisions) {
      node.failures.push(new PlanRefused('the plan is refused', { checks }))
      t.match(await post(served, path, body), { status: 409, json: { code: 'plan-refused', checks } }, path)
      node.failures.push(new StalePlan('another plan has won'))
      const stale = await post(served, path, body)
      t.match(stale, { status: 409, json: { code: 'stale-plan', retryable: false } }, path)
      t.notOk('checks' in stale.json)
      node.failures.push(new TransitionRunning('data still moves'))
      t.match(await post(served, path, body), { status: 409, json: { code: 'transition-running', retryable: true } })
    }
  })

  await t.test('is not asked for by who does not say what', async (t) => {
    node.layoutRequests.length = 0
    const slips: readonly [string, object][] = [
      ['/v1/cluster/commit', { plan: 7 }],
      ['/v1/cluster/commit', { force: 1 }],
      ['/v1/cluster/commit', { pln: hash }],
      ['/v1/cluster/abort', { plan: hash }],
      ['/v1/cluster/forget', {}],
      ['/v1/cluster/forget', { node: '' }],
    ]
    for (const [path, body] of slips) {
      t.match(await post(served, path, body), { status: 400, json: { code: 'invalid-body' } }, path)
    }
    t.equal((await served.ask('/v1/cluster/commit', { method: 'POST', body: '{}' })).status, 415)
    t.equal((await served.ask('/v1/cluster/commit')).headers.allow, 'POST')
    t.same(node.layoutRequests, [])
  })
})

t.test('the status tells how far a change of owners has come', async (t) => {
  const { ask, node } = await serve(t)
  t.match((await ask('/v1/cluster/status')).json, { transition: null, staged: [], excluded: [], awaited: [] })
  const waitingFor = [{ id: toNodeId('b'.repeat(32)), name: 'böb' }]
  node.transition = { from: 1, to: 2, stage: 'copying', waitingFor }
  t.match((await ask('/v1/cluster/status')).json, {
    transition: { from: 1, to: 2, stage: 'copying', waitingFor },
    staged: [{ name: 'cyd', action: 'join' }],
    excluded: waitingFor,
  })
})

t.test('a node is drained when it is told to', async (t) => {
  const served = await serve(t)
  t.match(await post(served, '/v1/node/drain'), { status: 200, json: { inFlight: 2 } })
  t.match(await post(served, '/v1/node/drain', {}), { status: 200 })
  t.equal(served.node.drains, 2)
  t.equal((await post(served, '/v1/node/drain', { now: true })).status, 400)
  t.equal((await served.ask('/v1/node/drain')).headers.allow, 'POST')
  t.equal(served.node.drains, 2)
})

const decisions: readonly [string, object | undefined][] = [
  ['/v1/cluster/commit', { plan: hash }],
  ['/v1/cluster/abort', undefined],
  ['/v1/cluster/forget', { node: 'bob' }],
]

function post({ ask }: Served, path: string, body?: object) {
  return ask(path, { method: 'POST', ...(body === undefined ? {} : { body: JSON.stringify(body), headers }) })
}
