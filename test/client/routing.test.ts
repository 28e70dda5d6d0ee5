import t from 'tap'
import { backoffMs } from '../../lib/client/backoff.ts'
import { hedgeBudget } from '../../lib/client/budgets.ts'
import { chooseHedge, chooseNode } from '../../lib/client/choose-node.ts'
import { breakerSettingsDefault, CircuitBreaker } from '../../lib/client/circuit-breaker.ts'
import { KnownNode } from '../../lib/client/known-node.ts'
import type { Outcome } from '../../lib/links/frame-link.ts'
import type { MemberState } from '../../lib/protocol/membership/member.ts'
import { type Endpoint, type NodeId, toEndpoint } from '../../lib/vocabulary/ids.ts'
import type { Refusal } from '../../lib/wire/messages.ts'

const random = { uint32: () => 0, fraction: () => 0.5, below: () => 0 }
const answered: Outcome = { type: 'answered', message: { type: 'row-kept' } }
const lost: Outcome = { type: 'unknown', reason: 'reset' }

t.test('a request goes to the owner that answers quickest', async (t) => {
  const { choose, ada, bob, cyd } = newCluster()
  for (const [node, tookMs] of [
    [ada, 3],
    [bob, 1],
    [cyd, 2],
  ] as const)
    tell(node, answered, { atMs: 0, tookMs })
  t.equal(choose('get', [], 10), bob)
  t.equal(choose('get', [bob], 10), cyd, 'and then to the next one')
  t.equal(choose('get', [bob, cyd], 10), ada)

  await t.test('counting those that wait there already', async (t) => {
    bob.asked(10, 1000, true)
    bob.asked(10, 1000, true)
    t.equal(choose('get', [], 10), cyd)
    bob.heard(answered, { ticket: 0, atMs: 10, deadlineMs: 1000, isRead: true }, 11)
    bob.heard(answered, { ticket: 0, atMs: 10, deadlineMs: 1000, isRead: true }, 11)
  })

  await t.test('gets and writes by what each takes', async (t) => {
    tell(ada, answered, { atMs: 0, tookMs: 5, isRead: false })
    tell(bob, answered, { atMs: 0, tookMs: 50, isRead: false })
    tell(cyd, answered, { atMs: 0, tookMs: 50, isRead: false })
    t.equal(choose('put', [], 60), ada)
    t.equal(choose('get', [], 60), bob)
  })

  await t.test('and to one that nobody has asked lately, to learn how it does', async (t) => {
    tell(bob, answered, { atMs: 9000, tookMs: 1 })
    tell(cyd, answered, { atMs: 9000, tookMs: 2 })
    t.equal(choose('get', [], 9100), bob)
    t.equal(choose('get', [], 10_500), ada)
  })
})

t.test('a burst does not go to one unknown node as a whole', async (t) => {
  const { choose, owners } = newCluster()
  for (let request = 0; request < 30; request += 1) choose('get', [], 0)?.asked(0, 1000, true)
  t.same(
    owners.map((node) => node.inFlight),
    [10, 10, 10],
  )
})

t.test('who cannot be expected to answer is asked last', async (t) => {
  const reasons: readonly [string, (node: KnownNode) => void][] = [
    ['dead', (node) => setState(node, 'dead')],
    ['left', (node) => setState(node, 'left')],
    ['being stopped', (node) => tell(node, refused('draining'), { atMs: 0, tookMs: 0 })],
    ['without a layout', (node) => tell(node, refused('no-layout'), { atMs: 0, tookMs: 0 })],
    ['silent', (node) => node.asked(-501, 3000, true)],
  ]
  for (const [name, spoil] of reasons) {
    await t.test(name, async (t) => {
      const { choose, ada, bob, cyd, dan } = newCluster()
      spoil(ada)
      t.not(choose('get', [], 0), ada)
      t.equal(choose('get', [bob, cyd], 0), dan, 'rather than it another member, which forwards')
      t.equal(choose('get', [bob, cyd, dan], 0), ada, 'but before nobody')
    })
  }
  await t.test('a suspect may still answer', async (t) => {
    const { choose, ada, bob, cyd } = newCluster()
    setState(ada, 'suspect')
    t.equal(choose('get', [bob, cyd], 0), ada)
  })
})

t.test('a node whose breaker is open is not asked at all', async (t) => {
  const { choose, owners, ada, bob, cyd, dan } = newCluster()
  for (const node of owners) for (let failure = 0; failure < 5; failure += 1) tell(node, lost, { atMs: 0, tookMs: 0 })
  t.equal(choose('get', [], 1), dan)
  t.equal(choose('get', [dan], 1), undefined)

  await t.test('until it may be probed: by a get first of all', async (t) => {
    for (const node of [bob, cyd]) node.breaker.close()
    t.equal(choose('get', [], 250), ada)
  })
  await t.test('and by a write only if no other owner is left', async (t) => {
    t.equal(choose('put', [], 250), bob)
    t.equal(choose('put', [bob, cyd], 250), ada)
  })
  await t.test('a deadline too short for anybody is not held against it', async (t) => {
    const { choose, owners } = newCluster()
    for (const node of owners)
      for (let failure = 0; failure < 9; failure += 1) tell(node, lost, { atMs: 0, tookMs: 20, deadlineMs: 20 })
    t.ok(choose('get', [], 21))
    for (const node of owners)
      for (let failure = 0; failure < 9; failure += 1) tell(node, lost, { atMs: 0, tookMs: 500, deadlineMs: 500 })
    t.equal(choose('get', [], 501)?.name, 'dan', 'a fair one is')
  })
})

t.test('addresses of the seeds come after every member', async (t) => {
  const gateway = newNode('seed', undefined)
  const { choose, owners, dan } = newCluster([gateway])
  t.equal(choose('get', owners, 0), dan)
  t.equal(choose('get', [...owners, dan], 0), gateway)
})

t.test('a second question goes to another owner that is well, and to nobody else', async (t) => {
  const { owners, ada, bob, cyd } = newCluster()
  tell(bob, answered, { atMs: 0, tookMs: 9 })
  tell(cyd, answered, { atMs: 0, tookMs: 4 })
  t.equal(chooseHedge(owners, [ada], 10), cyd)
  setState(cyd, 'dead')
  t.equal(chooseHedge(owners, [ada], 10), bob)
  for (let failure = 0; failure < 5; failure += 1) tell(bob, lost, { atMs: 0, tookMs: 0 })
  t.equal(chooseHedge(owners, [ada], 10), undefined)
})

t.test('it is asked when the first one is late for its own habits, within 5 and 50 ms', async (t) => {
  const { ada } = newCluster()
  t.equal(ada.hedgeAfterMs(0), 50, 'of a node nobody knows')
  for (let request = 0; request < 100; request += 1) tell(ada, answered, { atMs: request, tookMs: 0.5 })
  t.equal(ada.hedgeAfterMs(100), 5)
  for (let request = 0; request < 100; request += 1) tell(ada, answered, { atMs: request, tookMs: 20 })
  t.ok(ada.hedgeAfterMs(200) > 20 && ada.hedgeAfterMs(200) < 50)
  for (let request = 0; request < 100; request += 1) tell(ada, answered, { atMs: request, tookMs: 400 })
  t.equal(ada.hedgeAfterMs(500), 50)
})

t.test('second questions are at most one in twenty, with ten saved up for a bad moment', async (t) => {
  const budget = hedgeBudget()
  const spend = () => Array.from({ length: 100 }, () => budget.spend()).filter((isSpent) => isSpent).length
  t.equal(spend(), 10)
  for (let get = 0; get < 19; get += 1) budget.note()
  t.equal(spend(), 0)
  budget.note()
  t.equal(spend(), 1)
  for (let get = 0; get < 10_000; get += 1) budget.note()
  t.equal(spend(), 10)
})

t.test('between retries lies a time by chance, from nothing to a bound that doubles', async (t) => {
  const at = (fraction: number, retry: number) => backoffMs(retry, { ...random, fraction: () => fraction })
  t.same(
    [0, 1, 2, 3].map((retry) => at(1, retry)),
    [50, 100, 200, 400],
  )
  t.same(
    [0, 1, 2, 3].map((retry) => at(0, retry)),
    [0, 0, 0, 0],
  )
  t.equal(at(1, 50), 1000)
})

function newCluster(gateways: readonly KnownNode[] = []) {
  const [ada, bob, cyd, dan] = ['ada', 'bob', 'cyd', 'dan'].map((name) => newNode(name, name as NodeId)) as [
    KnownNode,
    KnownNode,
    KnownNode,
    KnownNode,
  ]
  const owners = [ada, bob, cyd]
  const view = { members: [...owners, dan], gateways }
  const choose = (type: 'get' | 'put', tried: readonly KnownNode[], nowMs: number) =>
    chooseNode(view, owners, type === 'get', tried, nowMs)
  return { choose, owners, ada, bob, cyd, dan }
}

function newNode(name: string, id: NodeId | undefined): KnownNode {
  const endpoint: Endpoint = toEndpoint(`${name}:7071`)
  return new KnownNode(
    { id, name, endpoint, startNumber: 1, state: 'alive' },
    new CircuitBreaker(breakerSettingsDefault, random),
  )
}

function tell(
  node: KnownNode,
  outcome: Outcome,
  {
    atMs,
    tookMs,
    isRead = true,
    deadlineMs = 3000,
  }: { atMs: number; tookMs: number; isRead?: boolean; deadlineMs?: number },
): void {
  node.heard(outcome, node.asked(atMs, deadlineMs, isRead), atMs + tookMs)
}

function setState(node: KnownNode, state: MemberState): void {
  node.state = state
}

function refused(code: Refusal['code']): Outcome {
  return { type: 'refused', refusal: { type: 'refused', code, message: '', aftermath: 'nothing-changed', hint: '' } }
}
