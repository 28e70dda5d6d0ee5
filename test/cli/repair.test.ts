import t, { type Test } from 'tap'
import type { FakeNode } from '../http-client/fixtures/fake-node.ts'
import { json, spawnStarling, starling, started, text } from './fixtures/run-starling.ts'

const idle = { partitions: 682, differences: 3, keysRepaired: 5, bytes: 2048, state: 'idle', reason: null }

t.test('hints of every node in one table', async (t) => {
  const { at, bob } = await cluster(t, { cyd: 'dead' })
  bob.answers.set('/v1/cluster/hints', {
    status: 200,
    body: {
      hints: [
        {
          target: 'c'.repeat(32),
          name: 'cyd',
          count: 1234,
          bytes: 3_500_000,
          oldestSeconds: 61,
          state: 'paused',
          lastError: 'reset',
          dirtyPartitions: 2,
        },
      ],
      held: { count: 1234, bytes: 3_500_000 },
    },
  })
  const [table, asJson, local] = await Promise.all([
    starling(['hints', ...at]),
    starling(['hints', '--json', ...at]),
    starling(['hints', '--local', ...at]),
  ])
  t.match(
    text(table),
    /^2 nodes asked: 1,234 hints, 3\.3 MiB\nHELD BY[^\n]*\nbob +cyd +1,234 +3\.3 MiB +61 s +paused +2 +reset\n$/,
  )
  t.match(table, { code: 0, stderr: /! cyd was not asked: it is dead/ }, 'who is gone is no failure of the command')
  t.match(json(asJson), {
    kind: 'Hints',
    hints: [{ holderName: 'bob', name: 'cyd', bytes: 3_500_000, oldestSeconds: 61 }],
    held: { count: 1234 },
    nodes: [{ name: 'ada', held: { count: 0 } }, { name: 'bob' }],
    missing: [{ name: 'cyd', state: 'dead' }],
  })
  t.match(text(local), /^1 nodes asked: 0 hints, 0 B\n$/, 'ada alone')
})

t.test('a living node that cannot be asked makes the answer partial', async (t) => {
  const { at } = await cluster(t, { cyd: 'alive' })
  const ran = await starling(['transfers', '--json', ...at])
  t.match(ran, { code: 7, stderr: /! cyd was not asked: / })
  t.match(json(ran), { kind: 'Transfers', transfers: [], missing: [{ name: 'cyd', state: 'alive', reason: /./ }] })
})

t.test('transfers say from whom to whom', async (t) => {
  const { at, ada, bob } = await cluster(t, {})
  const left = { partitionsLeft: null, keysLeft: 12, bytesLeft: 2048, bytesPerSecond: 1024, etaSeconds: 2 }
  ada.answers.set('/v1/cluster/transfers', {
    status: 200,
    body: { transfers: [{ kind: 'hints', peer: 'c'.repeat(32), name: 'cyd', ...left }] },
  })
  bob.answers.set('/v1/cluster/transfers', {
    status: 200,
    body: {
      transfers: [
        { kind: 'recovery', peer: 'a'.repeat(32), name: 'ada', ...left, partitionsLeft: 7, etaSeconds: null },
      ],
    },
  })
  const ran = await starling(['transfers', ...at])
  t.match(
    text(ran),
    /ada +cyd +hints +- +12 +2\.0 KiB +1\.0 KiB\/s +2\.0 s\nada +bob +recovery +7 +12 +2\.0 KiB +1\.0 KiB\/s +-\n/,
  )
  t.equal(ran.code, 0)
})

t.test('repair status says how old the exchanges are, and what holds them up', async (t) => {
  const { at, ada, bob } = await cluster(t, {})
  repairs(ada, [{ peer: 'b'.repeat(32), name: 'bob', ...idle, ageSeconds: 300 }])
  repairs(bob, [{ peer: 'a'.repeat(32), name: 'ada', ...idle, ageSeconds: null, state: 'suspended', reason: 'busy' }], {
    rebuilding: 4,
    suspendedBecause: 'the disk is slow',
  })
  const [table, asJson] = await Promise.all([
    starling(['repair', 'status', ...at]),
    starling(['repair', 'status', '--json', ...at]),
  ])
  t.match(text(table), /^2 nodes asked: 1 of 2 exchanges have not run since the start\n/)
  t.match(text(table), /\nada +bob +idle +5 min ago +682 +3 +5 +2\.0 KiB +-\nbob +ada +suspended +never +[^\n]*busy\n/)
  t.match(text(table), /! bob builds 4 trees anew\n! bob begins no exchange: the disk is slow\n$/)
  t.match(json(asJson), {
    kind: 'Repair',
    exchanges: [
      { nodeName: 'ada', name: 'bob', ageSeconds: 300 },
      { nodeName: 'bob', state: 'suspended' },
    ],
    nodes: [{ suspendedBecause: null }, { rebuilding: 4, suspendedBecause: 'the disk is slow' }],
  })
})

t.test('repair begins an exchange at every node', async (t) => {
  const { at, ada, bob } = await cluster(t, {})
  repairs(ada, [{ peer: 'b'.repeat(32), name: 'bob', ...idle, state: 'running', ageSeconds: 300 }])
  repairs(bob, [{ peer: 'a'.repeat(32), name: 'ada', ...idle, ageSeconds: 0 }])
  const ran = await starling(['repair', ...at])
  t.equal(ran.code, 0)
  for (const node of [ada, bob]) t.same(ordersOf(node), ['POST /v1/cluster/anti-entropy'])

  await t.test('and with --wait returns when all are younger than the order', async (t) => {
    let looks = 0
    ada.trouble = ({ method, path }) => {
      if (method === 'GET' && path === '/v1/cluster/anti-entropy' && ++looks === 2)
        repairs(ada, [{ peer: 'b'.repeat(32), name: 'bob', ...idle, ageSeconds: 0 }])
      return undefined
    }
    const waited = await starling(['repair', '--wait', '--json', ...at])
    t.equal(looks, 2, 'it looked until the exchange was done')
    t.equal(waited.code, 0)
    t.match(json(waited), { kind: 'RepairRun', waited: true, unfinished: [], exchanges: [{ ageSeconds: 0 }, {}] })
  })

  await t.test('and with --watch shows how far they are, having begun them once', async (t) => {
    const child = spawnStarling(['repair', '--watch', '--json', ...at])
    const first = await new Promise<Buffer>((resolve) => child.stdout?.once('data', resolve))
    child.kill('SIGTERM')
    t.match(JSON.parse(first.toString()), { kind: 'Repair', exchanges: [{ nodeName: 'ada' }, {}] })
    t.equal(ordersOf(ada).length, 3, 'one more than before')
    t.match(await starling(['repair', '--watch', '--wait', ...at]), { code: 2, stderr: /one of them is meant/ })
  })

  await t.test('and gives up on those that do not run', async (t) => {
    ada.trouble = () => undefined
    repairs(ada, [{ peer: 'b'.repeat(32), name: 'bob', ...idle, ageSeconds: null, reason: 'bob does not answer' }])
    const waited = await starling(['repair', 'run', '--wait', ...at])
    t.match(waited, { code: 7, stderr: /! ada has not compared with bob: bob does not answer/ })
  })
})

t.test('a recovery is ended only on purpose', async (t) => {
  const { at, ada } = await cluster(t, {})
  ada.answers.set('/v1/node/recovered', { status: 200, body: { partitions: 7 } })
  const [bare, unconfirmed, dry] = await Promise.all([
    starling(['node', 'recovered', '--yes', ...at]),
    starling(['node', 'recovered', '--accept-loss', '--json', ...at]),
    starling(['node', 'recovered', '--accept-loss', '--dry-run', ...at]),
  ])
  t.match(bare, { code: 2, stderr: /needs --accept-loss/ })
  t.equal(unconfirmed.code, 4)
  t.match(JSON.parse(unconfirmed.stderr), { kind: 'Error', code: 'not-confirmed', hint: /--yes/, exitCode: 4 })
  t.match(dry, { code: 0, stderr: /ada has not recovered 7 partitions; nothing was done/ })
  t.same(ordersOf(ada), [], 'nothing was done')
  const done = await starling(['node', 'recovered', '--accept-loss', '--yes', ...at])
  t.match(done, { code: 0, stderr: /7 partitions were given up/ })
  t.same(ordersOf(ada), ['POST /v1/node/recovered'])
})

/** Two nodes that answer, and a third that does not. */
async function cluster(t: Test, third: { readonly cyd?: 'alive' | 'dead' }) {
  const [ada, bob] = await Promise.all([started(t), started(t)])
  const common = { peer: '127.0.0.1:7071', zone: 'z', weight: 1, version: '0.1.0', owns: 1, ownsAfter: 1 }
  const members = [
    { id: 'a'.repeat(32), name: 'ada', state: 'alive', http: '127.0.0.1:9', ...common },
    { id: 'b'.repeat(32), name: 'bob', state: 'alive', http: new URL(bob.url).host, ...common },
    ...(third.cyd === undefined
      ? []
      : [{ id: 'c'.repeat(32), name: 'cyd', state: third.cyd, http: '127.0.0.1:9', ...common }]),
  ]
  const status = { cluster: 'starling', converged: true, layout: { number: 1, live: [1] }, members }
  ada.answers.set('/v1/node', { status: 200, body: { id: 'a'.repeat(32), name: 'ada', recoveringPartitions: 7 } })
  ada.answers.set('/v1/cluster/status', { status: 200, body: status })
  for (const node of [ada, bob]) {
    node.answers.set('/v1/cluster/hints', { status: 200, body: { hints: [], held: { count: 0, bytes: 0 } } })
    node.answers.set('/v1/cluster/transfers', { status: 200, body: { transfers: [] } })
    repairs(node, [])
  }
  return { at: ['--endpoint', ada.url], ada, bob }
}

function repairs(node: FakeNode, exchanges: readonly object[], more: object = {}): void {
  const body = { exchanges, rebuilding: 0, suspendedBecause: null, ...more }
  node.answers.set('/v1/cluster/anti-entropy', { status: 200, body })
}

function ordersOf(node: FakeNode): readonly string[] {
  return node.seen.filter(({ method }) => method === 'POST').map(({ method, path }) => `${method} ${path}`)
}
