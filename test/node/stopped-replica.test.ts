import t from 'tap'
import { TestCluster } from './fixtures/test-cluster.ts'

t.test('reads go on while one replica of three is stopped, long before anybody takes it for dead', async (t) => {
  const cluster = TestCluster.formed()
  const { world } = cluster
  const keys = Array.from({ length: 50 }, (_, number) => `k${number}`)
  for (const key of keys) cluster.put('ada', key, key)
  for (const key of keys) for (const name of cluster.names) cluster.get(name, key)
  world.pause('bob')
  const tookMs: number[] = []
  const codes = new Set<string>()
  for (let number = 0; number < 400; number += 1) {
    const at = number % 2 === 0 ? 'ada' : 'cyd'
    world.after(number * 2, () => {
      const beganMs = world.nowMs
      cluster.begin(at, [cluster.getRequest(keys[number % keys.length] as string)], (_index, { code }) => {
        tookMs.push(world.nowMs - beganMs)
        codes.add(code)
      })
    })
  }
  world.run(3_500)
  t.equal(tookMs.length, 400)
  t.same([...codes], ['ok'])
  t.ok(Math.max(...tookMs) < 250, `the longest took ${Math.max(...tookMs)} ms`)
  const late = tookMs.slice(100).filter((ms) => ms > 60).length
  t.ok(late < 20, `${late} of 300 were late after the first moment`)
})

t.test('and while the other one is only far away, they are asked of the stopped one within the budget', async (t) => {
  const cluster = TestCluster.formed()
  const { world } = cluster
  cluster.put('ada', 'k', 'v')
  const link = world.network.link(world.machine('cyd'), world.machine('ada'))
  link.settings = { ...link.settings, delayMs: 80 }
  for (let count = 0; count < 20; count += 1) cluster.get('ada', 'k', { r: 'all' })
  world.pause('bob')
  for (let number = 0; number < 300; number += 1) {
    world.after(number * 5, () => cluster.begin('ada', [cluster.getRequest('k')], () => {}))
  }
  world.run(400)
  const before = cluster.metric('ada', 'starling_speculative_reads_total')
  world.run(1_400)
  const more = cluster.metric('ada', 'starling_speculative_reads_total') - before
  t.ok(more < 40, `${more} of 220`)
})

t.test(
  'a node that owns nothing of a key hands a read on to another owner when the first has fallen silent',
  async (t) => {
    const cluster = TestCluster.formed(['ada', 'bob', 'cyd', 'dan', 'eve'])
    const { world } = cluster
    const key = cluster.keyWhere((owners) => !owners.includes('ada'))
    cluster.put('ada', key, 'v')
    for (const paused of cluster.ownersOf(key)) {
      for (let count = 0; count < 20; count += 1) cluster.get('ada', key)
      world.pause(paused)
      const tookMs: number[] = []
      for (let number = 0; number < 100; number += 1) {
        world.after(number * 10, () => {
          const beganMs = world.nowMs
          cluster.begin('ada', [cluster.getRequest(key)], (_index, { code }) => {
            t.equal(code, 'ok')
            tookMs.push(world.nowMs - beganMs)
          })
        })
      }
      world.run(1_500)
      t.equal(tookMs.length, 100)
      t.ok(Math.max(...tookMs) < 300, `with ${paused} stopped the longest took ${Math.max(...tookMs)} ms`)
      world.resume(paused)
      world.run(5_000)
    }
  },
)
