import t from 'tap'
import type { AttemptReport, ClientMetrics, RequestReport } from '../../lib/client/client-metrics.ts'
import type { Database } from '../../lib/client/database.ts'
import type { DatabaseEvents } from '../../lib/client/events.ts'
import { connect } from '../../lib/connect.ts'
import { refusal, ScriptedCluster } from './fixtures/scripted-cluster.ts'

t.test('those who listen hear what changes in the cluster', async (t) => {
  const cluster = new ScriptedCluster()
  const db = cluster.client()
  const { heard } = listen(db)
  await cluster.settle(db.connected())
  t.match(heard.splice(0), [
    ['layout', { number: 1, clusterId: /^[0-9a-f]+$/ }],
    ['member', { name: 'ada', peer: 'ada:7071', state: 'alive', before: undefined }],
    ['member', { name: 'bob' }],
    ['member', { name: 'cyd' }],
    ['member', { name: 'dan' }],
  ])
  t.match(db.status(), { layoutNumber: 1, requests: { inFlight: 0, waiting: 0 } })

  await t.test('another layout, once', async (t) => {
    cluster.changeLayout()
    await cluster.settle(db.bucket('b').get('k'))
    await cluster.pass(500)
    await cluster.settle(db.bucket('b').get('k'))
    t.match(heard.splice(0), [['layout', { number: 2 }]])
  })

  await t.test('a member in another state, and one that was started again', async (t) => {
    cluster.states.set('dan', 'dead')
    cluster.node('cyd').kill()
    cluster.node('cyd').restart()
    await cluster.pass(34_000)
    t.match(
      heard.splice(0).filter(([name]) => name === 'member'),
      [
        ['member', { name: 'cyd', state: 'alive', before: 'alive' }],
        ['member', { name: 'dan', state: 'dead', before: 'alive' }],
      ],
    )
  })

  await t.test('breakers that open, and close again', async (t) => {
    for (const node of cluster.nodes.values()) node.kill()
    await cluster.settle(Promise.allSettled(Array.from({ length: 10 }, () => db.bucket('b').get('k'))))
    t.ok(heard.some(([name, event]) => name === 'breaker' && 'state' in event && event.state === 'open'))
    for (const node of cluster.nodes.values()) node.restart()
    for (let turn = 0; turn < 40; turn += 1) {
      await cluster.pass(250)
      await cluster.settle(
        db
          .bucket('b')
          .get(`k${turn}`)
          .catch(() => undefined),
      )
    }
    const last = new Map<string, string>()
    for (const [name, event] of heard.splice(0)) {
      if (name === 'breaker' && 'state' in event) last.set(event.name, event.state)
    }
    t.ok(last.size > 0 && [...last.values()].every((state) => state === 'closed'))
  })
})

t.test('who no longer listens hears nothing, and who throws disturbs nobody', async (t) => {
  const cluster = new ScriptedCluster()
  const db = cluster.client()
  const { heard, off } = listen(db)
  off()
  const again: unknown[] = []
  const listener = (event: unknown): unknown => again.push(event)
  const throwNoMore = db.on('layout', () => {
    throw new RangeError('of a listener')
  })
  db.on('layout', listener)
  const uncaught: unknown[] = []
  const note = (error: unknown): unknown => uncaught.push(error)
  const before = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', note)
  await cluster.settle(db.connected())
  process.removeListener('uncaughtException', note)
  for (const one of before) process.on('uncaughtException', one)
  t.match(uncaught, [{ message: 'of a listener' }], 'like every uncaught error')
  t.equal(again.length, 1)
  t.same(heard, [])
  throwNoMore()
  db.off('layout', listener)
  cluster.changeLayout()
  await cluster.settle(db.bucket('b').get('k'))
  await cluster.pass(500)
  t.equal(again.length, 1)
  t.throws(() => db.on('toString' as 'layout', listener), { code: 'invalid-parameter' })
})

t.test('who counts hears of each request, and of each question to a node', async (t) => {
  const cluster = new ScriptedCluster()
  const { reports, attempts, metrics } = counting()
  const db = await cluster.connected({ metrics, retries: 1 })
  const bucket = db.bucket('b')
  attempts.length = 0

  await t.test('that succeeded', async (t) => {
    await cluster.settle(bucket.get('k'))
    const [report] = reports.splice(0)
    t.match(report, { operation: 'get', bucket: 'b', outcome: 'ok', attempts: 1, isHedged: false })
    t.ok((report?.durationMs ?? 0) > 0 && (report?.durationMs ?? 0) < 10)
    const [attempt] = attempts.splice(0)
    t.match(attempt, { peer: /:7071$/, operation: 'get', outcome: 'ok' })
    t.ok((attempt?.durationMs ?? 1) <= (report?.durationMs ?? 0))
  })

  await t.test('that failed, with all that was tried', async (t) => {
    for (const node of cluster.nodes.values()) node.script = (_request, respond) => respond(refusal('storage-failed'))
    await cluster.settle(bucket.put('k', new Uint8Array(1)).catch(() => undefined))
    t.match(reports.splice(0), [{ operation: 'put', outcome: 'storage-failed', attempts: 2 }])
    t.match(attempts.splice(0), [{ outcome: 'storage-failed' }, { operation: 'put', outcome: 'storage-failed' }])
  })

  await t.test('that was hedged, or had no answer, or was called off', async (t) => {
    for (const node of cluster.nodes.values()) node.script = () => undefined
    await cluster.settle(bucket.get('k', { deadlineMs: 900 }).catch(() => undefined))
    t.match(reports.splice(0), [{ operation: 'get', outcome: 'deadline-exceeded', isHedged: true }])
    await cluster.pass(1000)
    t.ok(attempts.length >= 2)
    t.ok(attempts.splice(0).every(({ outcome }) => outcome === 'deadline-exceeded'))
    const abort = new AbortController()
    const deleted = bucket.delete('k', { signal: abort.signal })
    abort.abort()
    await cluster.settle(deleted.catch(() => undefined))
    t.match(reports.splice(0), [{ operation: 'delete', outcome: 'aborted' }])
  })
})

t.test('connecting can be called off', async (t) => {
  await t.rejects(connect(['127.0.0.1:9'], { signal: AbortSignal.abort(new RangeError('never')) }), RangeError)
  const abort = new AbortController()
  const connecting = connect(['127.0.0.1:9'], { signal: abort.signal })
  setTimeout(() => abort.abort(new RangeError('enough')), 20)
  await t.rejects(connecting, { message: 'enough' })
})

function listen(db: Database) {
  const heard: [name: string, event: DatabaseEvents[keyof DatabaseEvents]][] = []
  const offs = (['layout', 'member', 'breaker'] as const).map((name) =>
    db.on(name, (event) => {
      heard.push([name, event])
    }),
  )
  return {
    heard,
    off: () => {
      for (const off of offs) off()
    },
  }
}

function counting() {
  const reports: RequestReport[] = []
  const attempts: AttemptReport[] = []
  const metrics: ClientMetrics = {
    request: (report) => {
      reports.push(report)
    },
    attempt: (report) => {
      attempts.push(report)
    },
  }
  return { reports, attempts, metrics }
}
