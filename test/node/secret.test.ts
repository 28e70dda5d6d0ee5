import t from 'tap'
import { createCryptography } from '../../lib/platform/node-cryptography.ts'
import type { Streams } from '../../lib/ports/network.ts'
import { DatagramSealer } from '../../lib/security/datagram-sealer.ts'
import { Keyring, type SecretKey } from '../../lib/security/keyring.ts'
import { toEndpoint } from '../../lib/vocabulary/ids.ts'
import { KeptSecrets, secretKeyOf } from '../security/fixtures/kept-secret.ts'
import { CapturedDatagrams } from './fixtures/captured-datagrams.ts'
import { TestCluster } from './fixtures/test-cluster.ts'

const [one, two] = [secretKeyOf(1), secretKeyOf(2)]
const bob = toEndpoint('bob:7101')

t.test('nodes with the same secret are a cluster, and what they say cannot be read', async (t) => {
  const { cluster, captured } = formed()
  t.match(cluster.put('ada', 'k', 'v', { w: 'all' }), { code: 'ok' })
  t.ok(captured.datagrams.length > 30)
  for (const { bytes } of captured.datagrams) {
    const text = Buffer.from(bytes).toString('latin1')
    if (/ada|bob|cyd|test|7101/.test(text)) t.fail('a name can be read')
  }
  t.equal(cluster.metricSum('starling_datagrams_dropped_total'), 0)
  t.match(
    cluster.world.log.lines().filter(({ message }) => /datagram/.test(message)),
    [],
  )
})

t.test('whoever has another secret, none, or another cluster cannot join, and the log says why', async (t) => {
  const cases = [
    [
      'another secret',
      { secret: new KeptSecrets(two).of('eve') },
      () => sealed(two, 'test'),
      'unknown-key',
      /a key which this node does not have/,
    ],
    ['none', { secret: undefined }, () => Uint8Array.of(0xd7, 1, 4), 'plain', /is not sealed/],
    [
      'another cluster, though the secret is the same',
      { cluster: 'other', expect: 1 },
      () => sealed(one, 'other'),
      'wrong-cluster',
      /of a cluster with another name/,
    ],
  ] as const
  for (const [who, changes, spoken, reason, line] of cases) {
    await t.test(who, async (t) => {
      const { cluster, captured } = formed()
      cluster.join('eve', changes)
      cluster.world.run(20_000)
      for (const name of ['ada', 'bob', 'cyd']) {
        t.same(
          cluster
            .node(name)
            .status()
            .members.map((member) => member.name)
            .sort(),
          ['ada', 'bob', 'cyd'],
        )
      }
      if (who === 'none') {
        captured.inject('eve', captured.from('ada'), 'ada')
        cluster.world.run(100)
        t.ok(cluster.metric('eve', 'starling_datagrams_dropped_total', 'sealed') > 0)
        t.ok(
          cluster.world.log.lines().some(({ message }) => /this node was started without --secret-file/.test(message)),
        )
      }
      // It has found nobody to send datagrams to; with better luck it would send these.
      const before = cluster.metric('ada', 'starling_datagrams_dropped_total', reason)
      captured.inject('ada', Array.from({ length: 5 }, spoken), 'eve')
      cluster.world.run(100)
      t.equal(cluster.metric('ada', 'starling_datagrams_dropped_total', reason), before + 5)
      t.equal(cluster.world.log.lines().filter(({ message }) => line.test(message)).length, 1, 'which is said once')
      t.match(cluster.put('ada', 'k', 'v', { w: 'all' }), { code: 'ok' })
    })
  }
})

t.test('a captured datagram that is sent again changes nothing', async (t) => {
  const { cluster, captured } = formed()
  cluster.world.run(5_000)
  const before = states(cluster)
  const heard = cluster.metric('ada', 'starling_datagrams_dropped_total', 'replayed')
  const recorded = captured.to('ada')
  captured.inject('ada', recorded, 'eve')
  cluster.world.run(1_000)
  t.equal(
    cluster.metric('ada', 'starling_datagrams_dropped_total', 'replayed') - heard,
    recorded.length,
    'none was read',
  )
  t.same(states(cluster), before)

  await t.test('nor when the one it was for has started anew, nor the one who sent it', async (t) => {
    const old = captured.to('ada')
    cluster.world.crash('ada', 'kill')
    cluster.world.crash('bob', 'kill')
    cluster.world.run(500)
    cluster.start('ada')
    cluster.start('bob')
    cluster.awaitReady()
    captured.inject('ada', old, 'eve')
    captured.inject('cyd', captured.to('bob'), 'eve')
    cluster.world.run(10_000)
    t.match(states(cluster), Object.fromEntries(['ada', 'bob', 'cyd'].map((name) => [name, 'alive alive alive'])))
    t.equal(cluster.metricSum('starling_internal_errors_total'), 0)
    t.match(cluster.put('cyd', 'k', 'v', { w: 'all' }), { code: 'ok' })
  })
})

t.test(
  'a connection that is led astray on its way asks no other member in the place of the one that is meant',
  async (t) => {
    for (const elsewhere of ['cyd', 'ada']) {
      await t.test(elsewhere === 'ada' ? 'nor the one who asks itself' : 'not a third one', async (t) => {
        const secrets = new KeptSecrets(one)
        let isAstray = false
        const cluster = TestCluster.formed(undefined, {
          change: (settings) => ({ ...settings, secret: secrets.of(settings.name) }),
          wrap: (name, ports) => {
            if (name !== 'ada') return ports
            const connect: Streams['connect'] = (to, ...rest) =>
              ports.streams.connect(isAstray && to === bob ? toEndpoint(`${elsewhere}:7101`) : to, ...rest)
            const listen: Streams['listen'] = (...given) => ports.streams.listen(...given)
            return { ...ports, streams: { connect, listen } }
          },
        })
        isAstray = true
        cluster.world.resetConnections('ada', 'bob')
        cluster.world.run(500)
        t.not(cluster.put('ada', 'k', 'v', { w: 'all', timeoutMs: 1_000 }).code, 'ok', 'of three copies one is missing')
        t.ok(cluster.world.log.lines().some(({ message }) => /another node than bob/.test(message)))
        isAstray = false
        cluster.awaitReady()
        cluster.world.run(6_000)
        t.match(cluster.put('ada', 'k', 'v', { w: 'all' }), { code: 'ok' })
      })
    }
  },
)

t.test('a flood from a member’s address does not cut the member off', async (t) => {
  const { cluster, captured } = formed()
  const [sample] = captured.to('ada')
  // What anybody can send who has seen one datagram: the right cluster and key, and senders of its own making.
  const forged = Array.from({ length: 3_000 }, (_, count) => {
    const bytes = (sample as Uint8Array).slice()
    bytes.set([count >> 8, count & 255], 10)
    return bytes
  })
  captured.inject('ada', forged, 'bob')
  cluster.world.run(2_000)
  t.ok(cluster.metric('ada', 'starling_datagrams_dropped_total', 'cut-off') > 2_000)
  t.ok(cluster.world.log.lines().some(({ message }) => /only members that are known are listened to/.test(message)))
  t.equal(states(cluster).ada, 'alive alive alive')
  const dropped = cluster.metric('ada', 'starling_datagrams_dropped_total', 'cut-off')
  cluster.world.run(5_000)
  t.equal(cluster.metric('ada', 'starling_datagrams_dropped_total', 'cut-off'), dropped, 'bob is heard')
})

function sealed(key: SecretKey, cluster: string): Uint8Array {
  return new DatagramSealer(new Keyring([key]), cluster, createCryptography()).seal(Uint8Array.of(1, 2, 3))
}

function formed(): { readonly cluster: TestCluster; readonly captured: CapturedDatagrams } {
  const secrets = new KeptSecrets(one)
  const captured = new CapturedDatagrams()
  const cluster = TestCluster.formed(undefined, {
    change: (settings) => ({ ...settings, secret: secrets.of(settings.name) }),
    wrap: (name, ports) => captured.wrap(name, ports),
  })
  return { cluster, captured }
}

/** How each of them sees all. */
function states(cluster: TestCluster): Readonly<Record<string, string>> {
  return Object.fromEntries(
    ['ada', 'bob', 'cyd'].map((name) => [
      name,
      cluster
        .node(name)
        .status()
        .members.map(({ state }) => state)
        .join(' '),
    ]),
  )
}
