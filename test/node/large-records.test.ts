import t from 'tap'
import { TestCluster } from './fixtures/test-cluster.ts'

t.test(
  'what several owners took at the same time is brought together, also beyond the limit of one record',
  async (t) => {
    const cluster = TestCluster.formed()
    const names = ['ada', 'bob', 'cyd']
    for (const name of names) cluster.isolate(name)
    for (const name of names) {
      for (const number of [1, 2]) {
        t.match(cluster.put(name, 'k', `${name}${number}`.padEnd(7_000_000, '.'), { w: 1 }), { code: 'ok' })
      }
    }
    cluster.heal()
    const read = cluster.get('ada', 'k', { r: 'all', timeoutMs: 30_000 })
    t.same(
      read.values?.map((value) => value.slice(0, 4)),
      ['ada1', 'ada2', 'bob1', 'bob2', 'cyd1', 'cyd2'],
    )
    t.match(cluster.put('bob', 'k', 'one more'.padEnd(7_000_000, '.'), { w: 1 }), { code: 'too-many-siblings' })
    t.match(
      cluster.put('bob', 'k', 'merged', { context: read.context }),
      { code: 'ok' },
      'writing back is never refused',
    )
    for (const name of names) t.match(cluster.get(name, 'k', { r: 'all' }).values, ['merged'])
  },
)
