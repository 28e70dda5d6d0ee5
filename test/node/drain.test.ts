import t from 'tap'
import { drainGraceMs } from '../../lib/node/drain.ts'
import { LibraryLoad } from './fixtures/library-load.ts'
import { bucket, TestCluster } from './fixtures/test-cluster.ts'

t.test('a drained node', async (t) => {
  const cluster = TestCluster.formed()
  const key = cluster.keyWhere((owners) => owners.includes('bob'))
  const answers: unknown[] = []
  cluster.world.inProcess('bob', () => cluster.node('bob').drain((error, answer) => answers.push(error ?? answer)))
  cluster.world.run(1)

  await t.test('is not ready at once, and says why; requests are taken for a moment longer', async (t) => {
    t.match(cluster.node('bob').notReadyBecause(), [/drained/])
    t.equal(cluster.node('bob').self().state, 'draining')
    t.equal(cluster.put('bob', key, 'in the grace').code, 'ok')
    t.same(answers, [])
  })

  await t.test('then coordinates nothing more: nothing has changed, and another node should be asked', async (t) => {
    cluster.world.run(drainGraceMs + 100)
    t.same(answers, [{ inFlight: 0 }])
    t.match(cluster.put('bob', key, 'too late'), {
      code: 'draining',
      aftermath: 'nothing-changed',
      retryable: true,
      hint: 'ask another node',
    })
    t.equal(cluster.get('bob', key).code, 'draining')
    t.throws(() => cluster.list('bob'), { code: 'draining' })
  })

  await t.test('serves as a replica still: all three acknowledge', async (t) => {
    t.match(cluster.put('ada', key, 'by ada', { w: 'all' }), { code: 'ok', quorum: 'w=3/3' })
    t.same(cluster.node('bob').hints().hints, [])
    t.equal(cluster.replica('bob', key).siblings.length > 0, true)
    t.equal(cluster.properties('bob', bucket).w, 'quorum', 'and knows the buckets')
  })

  await t.test('is drained at once when it is told so again', async (t) => {
    cluster.world.inProcess('bob', () => cluster.node('bob').drain((error, answer) => answers.push(error ?? answer)))
    cluster.world.run(1)
    t.same(answers.slice(1), [{ inFlight: 0 }])
  })

  await t.test('coordinates again after a restart', async (t) => {
    cluster.stop('bob')
    cluster.world.run(2_000)
    cluster.start('bob')
    cluster.awaitReady()
    t.equal(cluster.put('bob', key, 'again').code, 'ok')
  })
})

t.test('a drain waits for what runs', async (t) => {
  const cluster = TestCluster.formed()
  const key = cluster.keyWhere((owners) => owners.includes('bob'))
  const [answers, ended]: [unknown[], string[]] = [[], []]
  // No answer reaches bob any more, and nobody is known to be gone yet.
  for (const other of ['ada', 'cyd']) cluster.cut(other, 'bob')
  const request = cluster.putRequest(key, 'long', { w: 'all', sloppy: false, timeoutMs: 2_500 })
  cluster.begin('bob', [request], (_, end) => ended.push(end.code))
  cluster.world.inProcess('bob', () => cluster.node('bob').drain((error, answer) => answers.push(error ?? answer)))
  cluster.world.run(drainGraceMs + 100)
  t.same([answers, ended], [[], []])
  cluster.world.run(1_000)
  t.same([answers, ended.length], [[{ inFlight: 0 }], 1])
})

t.test('every node is restarted in turn under load of the client library', async (t) => {
  for (const isDrained of [false, true]) {
    await t.test(isDrained ? 'after a drain' : 'by a signal alone', async (t) => {
      const cluster = TestCluster.formed()
      const load = new LibraryLoad(cluster)
      load.start(3)
      await load.pass(500)
      for (const name of ['ada', 'bob', 'cyd']) {
        const before = load.answered
        if (isDrained) {
          cluster.world.inProcess(name, () => cluster.node(name).drain(() => {}))
          await load.pass(drainGraceMs + 200)
        }
        let hasEnded = false
        cluster.stop(name, () => {
          hasEnded = true
        })
        t.ok(await load.passUntil(() => hasEnded, 5_000), `${name} ends`)
        await load.pass(100)
        cluster.start(name)
        t.ok(await load.passUntil(() => cluster.node(name).notReadyBecause().length === 0), `${name} is back`)
        await load.pass(200)
        t.ok(load.answered > before + 50, `requests went on: ${load.answered - before}`)
      }
      await load.stop()
      t.same(load.failures, [], 'no request failed')
    })
  }
})
