import t from 'tap'
import { OfferedLoad } from './fixtures/offered-load.ts'

t.test('three nodes whose work takes time', async (t) => {
  const load = new OfferedLoad()
  const { cluster } = load

  await t.test('serve all that comes while that is less than they can do', async (t) => {
    const { done, refused, failed } = load.offer({ writes: 150, reads: 150, seconds: 2 })
    t.same({ refused: refused.length, failed }, { refused: 0, failed: [] })
    t.equal(done.length, 600)
    t.equal(cluster.metricSum('starling_background_paused'), 0)
  })

  const peak = load.peak(2)

  await t.test('at three times that', async (t) => {
    const half = (peak * 3) / 2
    const counted = (metric: string): number => cluster.metricSum(metric, 'read') + cluster.metricSum(metric, 'write')
    const before = {
      shed: counted('starling_requests_shed_total'),
      admitted: counted('starling_requests_admitted_total'),
    }
    const { done, refused, failed, longestMs } = load.offer({ writes: half, reads: half, seconds: 2 })

    t.test('finish most of what they could, and refuse the rest', async (t) => {
      t.ok(done.length / 2 > 0.7 * peak, `${done.length / 2} a second of ${peak}`)
      t.ok(refused.length > done.length)
      t.same(failed, [])
    })
    t.test('say so within 100 ms, once they have seen that it is no burst', async (t) => {
      t.ok(longestMs.refused < 100, `${longestMs.refused} ms`)
      t.ok(longestMs.done < 1_000, `what is served takes ${longestMs.done} ms`)
    })
    t.test('refuse reads before writes', async (t) => {
      const share = (isWrite: boolean): number => {
        const refusals = refused.filter((one) => one.isWrite === isWrite).length
        return refusals / (refusals + done.filter((one) => one.isWrite === isWrite).length)
      }
      t.ok(share(false) > share(true), `${share(false)} of the reads, ${share(true)} of the writes`)
      t.ok(share(false) < 1, 'some are served even then')
    })
    t.test('let work in the background pause', async (t) => {
      for (const name of cluster.names) {
        t.equal(cluster.metric(name, 'starling_background_paused'), 1, name)
        t.equal(cluster.node(name).antiEntropy().suspendedBecause, 'requests of clients wait in line', name)
      }
    })
    t.test('count what they did', async (t) => {
      t.equal(counted('starling_requests_shed_total') - before.shed, refused.length)
      t.equal(counted('starling_requests_admitted_total') - before.admitted, done.length)
    })
    t.test('have changed nothing where they refused, and kept what they acknowledged', async (t) => {
      load.costs.costMs = 0
      cluster.world.run(5_000)
      const sample = <One>(all: readonly One[]) => all.filter((_, index) => index % 10 === 0)
      for (const { key } of sample(refused.filter(({ isWrite }) => isWrite))) {
        for (const name of cluster.names) t.equal(cluster.replica(name, key).present, false, key)
      }
      for (const { key } of sample(done.filter(({ isWrite }) => isWrite))) {
        t.same(cluster.get('ada', key, { r: 'all' }).values, [key])
      }
    })
  })

  await t.test('are as before 5 s after it', async (t) => {
    const { done, refused, failed, longestMs } = load.offer({ writes: 150, reads: 150, seconds: 2 })
    t.same({ refused: refused.length, failed }, { refused: 0, failed: [] })
    t.equal(done.length, 600)
    t.ok(longestMs.done < 100)
    t.equal(cluster.metricSum('starling_background_paused'), 0)
    t.equal(cluster.metricSum('starling_requests_waiting'), 0)
    t.equal(cluster.node('ada').antiEntropy().suspendedBecause, undefined)
  })
})
