import t from 'tap'
import type { WriteOptions } from '../../lib/protocol/quorum/client-request.ts'
import { TestCluster } from '../node/fixtures/test-cluster.ts'

const small = { loggedBytesMin: 512, segmentBytesMax: 32 * 1024, lagBytesMax: 16 * 1024, lagMs: 50 }

t.test('a cluster whose nodes keep large values in a log', async (t) => {
  const cluster = TestCluster.formed(undefined, { valueLog: small })
  const written = new Map<string, number>()

  function writeAll(round: number, durability: WriteOptions['durability']): void {
    for (let index = 0; index < 30; index += 1) {
      const key = `k${index}`
      const { context } = cluster.get('bob', key)
      const { code } = cluster.put('ada', key, `${round}.`.padEnd(2000, 'x'), { context, durability })
      if (code === 'ok' && durability === 'disk') written.set(key, round)
    }
  }

  function startAll(): void {
    for (const name of cluster.names) cluster.start(name)
    cluster.awaitReady()
  }

  function checkAll(roundMax: number): void {
    for (const [key, round] of written) {
      const { values } = cluster.get('cyd', key)
      t.equal(values?.length, 1, `${key}: one value`)
      const found = Number.parseInt(values?.[0] ?? '', 10)
      if (!(found >= round && found <= roundMax)) t.fail(`${key}: ${found}, where ${round} was durable`)
      if (values?.[0]?.length !== 2000) t.fail(`${key} is another`)
    }
  }

  await t.test(
    'loses no durable write when the power fails everywhere while others are written over them',
    async () => {
      for (let round = 0; round < 6; round += 2) {
        writeAll(round, 'disk')
        writeAll(round + 1, 'os')
        for (const name of cluster.names) cluster.world.crash(name, 'power')
        startAll()
        checkAll(round + 1)
      }
    },
  )

  await t.test('gives the room of old values back', async (t) => {
    for (let round = 6; round < 14; round += 1) writeAll(round, 'os')
    cluster.world.run(60_000)
    for (const name of cluster.names) {
      const { segments } = cluster.world.machine(name).disk
      const bytes = segments.list().reduce((sum, segment) => sum + segment.bytes, 0)
      t.ok(bytes < 30 * 2100 * 2 + small.segmentBytesMax, `${name}: ${bytes} bytes for 30 values of 2,000`)
      t.ok(cluster.metric(name, 'starling_value_log_reclaimed_bytes') > 0, name)
    }
  })

  await t.test('and takes a killed node back with all it had', async () => {
    writeAll(14, 'disk')
    cluster.world.crash('ada', 'kill')
    cluster.start('ada')
    cluster.awaitReady()
    checkAll(14)
  })
})
