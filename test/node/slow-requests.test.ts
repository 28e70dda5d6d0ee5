import t from 'tap'
import type { RequestOrigin } from '../../lib/node/trail.ts'
import { CarriedSpan } from '../../lib/ports/tracer.ts'
import { bucket, TestCluster } from './fixtures/test-cluster.ts'

const origin: RequestOrigin = {
  requestId: 'r-7',
  span: new CarriedSpan({
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    spanId: '00f067aa0ba902b7',
    flags: 1,
    state: '',
  }),
  waitedMs: 0,
}

t.test('a request that takes longer than allowed is logged with who was asked when', async (t) => {
  const cluster = slowAfter(400)
  const { world } = cluster
  cluster.put('ada', 'k', 'v', { w: 'all' })
  t.same(slowLines(cluster), [], 'one that is fast is not')
  world.pause('cyd')
  world.after(1_500, () => world.resume('cyd'))
  let ended = false
  world.inProcess('ada', () =>
    cluster.node('ada').serve(
      cluster.putRequest('k', 'w', { w: 'all', sloppy: false }),
      () => {
        ended = true
      },
      origin,
    ),
  )
  cluster.await('the write ends', () => ended)
  const [line, ...others] = slowLines(cluster)
  t.same(others, [])
  t.equal(line?.machine, 'ada')
  t.match(fieldsOf(line), {
    operation: 'put',
    bucket,
    keyHash: cluster.node('ada').ownersOf(bucket, 'k' as never)?.token,
    outcome: 'ok',
    requestId: 'r-7',
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    quorum: 'w=3/3; owners=3; fallbacks=0',
  })
  const { tookMs, replicas } = fieldsOf(line)
  t.ok(tookMs >= 1_400 && tookMs < 2_500, `it took ${tookMs} ms`)
  const byNode = new Map(replicas.map((step) => [step.node, step]))
  t.match(byNode.get('ada'), { what: 'store write', how: 'answered' })
  t.match(byNode.get('bob'), { what: 'write-record', how: 'answered' })
  t.match(byNode.get('cyd'), { what: 'write-record', how: 'answered' })
  t.ok((byNode.get('bob')?.endedAtMs ?? 9999) < 100)
  t.ok((byNode.get('cyd')?.endedAtMs ?? 0) > 1_400, 'and who it was that took so long')
  t.notOk(JSON.stringify(fieldsOf(line)).includes('"k"'), 'the key itself is not said')
  t.equal(cluster.metric('ada', 'starling_slow_requests_total', 'put'), 1)
})

t.test('so is one that fails, with who has not answered', async (t) => {
  const cluster = slowAfter(400)
  cluster.world.pause('cyd')
  t.match(cluster.get('ada', 'k', { r: 'all', sloppy: false, timeoutMs: 900 }), { code: 'deadline-exceeded' })
  const [line] = slowLines(cluster)
  t.match(fieldsOf(line), { operation: 'get', outcome: 'deadline-exceeded', quorum: /^r=2\/3/ })
  const { replicas } = fieldsOf(line)
  t.match(
    replicas.find(({ node }) => node === 'cyd'),
    { what: 'read-record', how: 'no answer yet', endedAtMs: undefined },
  )
  t.notOk('requestId' in fieldsOf(line), 'nobody gave it an id')
})

t.test('a node that forwards says to whom', async (t) => {
  const cluster = slowAfter(400, ['ada', 'bob', 'cyd', 'dan'])
  const key = cluster.keyWhere((owners) => !owners.includes('ada'))
  cluster.put('ada', key, 'v')
  const owners = cluster.ownersOf(key)
  for (const owner of owners) {
    const link = cluster.world.network.link(cluster.world.machine('ada'), cluster.world.machine(owner))
    link.settings = { ...link.settings, delayMs: 500 }
  }
  t.match(cluster.get('ada', key), { code: 'ok' })
  const [line] = slowLines(cluster).filter(({ machine }) => machine === 'ada')
  const { replicas } = fieldsOf(line)
  t.match(replicas, [{ what: 'coordinate', how: 'answered' }])
  t.ok(owners.includes(replicas[0]?.node ?? ''))
})

t.test('when many are slow, a few are logged, and the next line says how many were not', async (t) => {
  const cluster = slowAfter(400)
  cluster.world.pause('cyd')
  const requests = Array.from({ length: 40 }, (_, at) =>
    cluster.getRequest(`k${at}`, { r: 'all', sloppy: false, timeoutMs: 900 }),
  )
  cluster.askAll('ada', requests)
  t.equal(slowLines(cluster).length, 5)
  t.equal(cluster.metric('ada', 'starling_slow_requests_total', 'get'), 40)
  cluster.world.resume('cyd')
  cluster.world.run(10_000)
  cluster.awaitReady()
  cluster.world.pause('cyd')
  cluster.get('ada', 'k', { r: 'all', sloppy: false, timeoutMs: 900 })
  t.match(fieldsOf(slowLines(cluster).at(-1)), { keptBack: 35 })
  t.equal(slowLines(cluster).length, 6)
})

t.test('at 0 nobody is told, and nothing is kept', async (t) => {
  const cluster = slowAfter(0)
  cluster.world.pause('cyd')
  t.match(cluster.get('ada', 'k', { r: 'all', sloppy: false, timeoutMs: 900 }), { code: 'deadline-exceeded' })
  t.same(slowLines(cluster), [])
  t.equal(cluster.metric('ada', 'starling_slow_requests_total', 'get'), 0)
})

interface Told {
  readonly node: string
  readonly what: string
  readonly askedAtMs: number
  readonly endedAtMs?: number
  readonly how: string
}

function slowAfter(slowRequestMs: number, names = ['ada', 'bob', 'cyd']): TestCluster {
  return TestCluster.formed(names, { change: (settings) => ({ ...settings, slowRequestMs }) })
}

function fieldsOf(line: { readonly fields: Readonly<Record<string, unknown>> } | undefined) {
  if (line === undefined) throw new Error('no line was logged')
  return line.fields as { readonly tookMs: number; readonly replicas: readonly Told[] }
}

function slowLines({ world }: TestCluster) {
  return world.log.lines().filter(({ message }) => message === 'a request was slow')
}
