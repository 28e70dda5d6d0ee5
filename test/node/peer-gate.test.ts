import t from 'tap'
import { RawPeer } from '../links/parties.ts'
import { TestCluster } from './fixtures/test-cluster.ts'

t.test('an address whose connections are never welcome is cut off, and nobody else is', async (t) => {
  const cluster = TestCluster.formed()
  const { world } = cluster
  const eve = world.portsFor('eve')
  const knock = (times: number): void => {
    for (let count = 0; count < times; count += 1) {
      eve.streams.connect(
        cluster.node('ada').peer,
        { onBytes: () => undefined, onClosed: () => undefined },
        (_failure, stream) => stream?.write([new Uint8Array(16).fill(0xff)]),
      )
      world.run(2)
    }
  }
  const cutOff = (): number => cluster.metric('ada', 'starling_connections_cut_off_total')
  knock(40)
  world.run(2_000)
  t.equal(cutOff(), 0, 'some are nothing')
  knock(500)
  t.ok(cutOff() > 300, 'most of them are ended before anything is read')
  const malformed = cluster.metric('ada', 'starling_malformed_frames_total')
  t.ok(malformed < 240, 'and cost nothing more')
  const said = world.log.lines().filter(({ message }) => /not welcome, again and again/.test(message))
  t.equal(said.length, 1)
  t.match(said[0]?.fields, { from: /^eve:/, forMs: 1000 })

  await t.test('members come in while that goes on', async (t) => {
    world.resetConnections('ada', 'bob')
    knock(100)
    t.match(cluster.put('bob', 'k', 'v', { w: 'all' }), { code: 'ok' })
  })
  await t.test('and who stops is let in again', async (t) => {
    world.run(70_000)
    const before = cutOff()
    RawPeer.connect(world, eve, 'ada').stream?.destroy()
    world.run(100)
    t.equal(cutOff(), before)
  })
})
