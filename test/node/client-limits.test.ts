import t from 'tap'
import { type ClientLimitSettings, clientLimitsOff } from '../../lib/protocol/overload/client-limits.ts'
import { type Hello, type Request, wireVersion } from '../../lib/wire/messages.ts'
import { hello, RawPeer } from '../links/parties.ts'
import { TestCluster } from './fixtures/test-cluster.ts'

t.test('an embedded client is held to what one may ask of a node', async (t) => {
  await t.test('in a second, and is told which limit it met; others are not held back by it', async (t) => {
    const cluster = limited({ requestsPerSecond: 3 })
    const eager = callerFrom(cluster, 'eager')
    const ask = eager.connect()
    const read = coordinate(cluster)
    const answers = ask(read, read, read, read)
    t.same(answers.map(codeOf), [undefined, undefined, undefined, 'overloaded'])
    t.match(answers[3], { aftermath: 'nothing-changed', hint: /--client-requests-per-second/ })
    const again = eager.connect()
    const otherAsks = callerFrom(cluster, 'other').connect()
    cluster.world.run(1_000)
    t.same(ask(read, read, read).map(codeOf), [undefined, undefined, undefined])
    t.same(ask({ type: 'discover' }).map(codeOf), [undefined], 'it finds its way all the same')
    t.same(again(read, read, read).map(codeOf).at(-1), 'overloaded', 'by its address, whatever connection it uses')
    t.same(otherAsks(read).map(codeOf), [undefined])
    t.ok(cluster.metric('ada', 'starling_client_limits_met_total', 'client-requests-per-second') >= 2)
    cluster.world.run(1_000)
    t.same(ask(read).map(codeOf), [undefined])
  })

  await t.test('by all that a batch does', async (t) => {
    const cluster = limited({ requestsPerSecond: 10 })
    const ask = callerFrom(cluster, 'eager').connect()
    const read = coordinate(cluster)
    const requests = Array.from({ length: 40 }, () => read.request)
    t.match(ask({ type: 'coordinate-many', requests, hops: 0, answerBytesMax: 1e6 }), [{ type: 'coordinated-many' }])
    t.same(ask(read).map(codeOf), ['overloaded'])
    cluster.world.run(2_000)
    t.same(ask(read).map(codeOf), ['overloaded'])
    cluster.world.run(2_000)
    t.same(ask(read).map(codeOf), [undefined])
  })

  await t.test('in bytes', async (t) => {
    const cluster = limited({ bytesPerSecond: 20_000 })
    const ask = callerFrom(cluster, 'eager').connect()
    const read = coordinate(cluster)
    t.same(ask({ ...read, request: cluster.putRequest('k', 'x'.repeat(60_000)) }).map(codeOf), [undefined])
    t.same(ask(read).map(codeOf), ['overloaded'])
    t.equal(cluster.metric('ada', 'starling_client_limits_met_total', 'client-bytes-per-second'), 1)
    cluster.world.run(4_000)
    t.same(ask(read).map(codeOf), [undefined])
  })

  await t.test('but members are not: what they ask for was let in somewhere', async (t) => {
    const cluster = limited({ requestsPerSecond: 1 })
    const id = cluster.node('bob').self().id as never
    const ask = callerFrom(cluster, 'bobs-machine', { role: 'peer', nodeId: id }).connect()
    const answers = ask(...Array.from({ length: 20 }, () => coordinate(cluster)))
    t.same(
      answers.map(codeOf).filter((code) => code !== undefined),
      [],
    )
  })
})

function limited(settings: Partial<ClientLimitSettings>): TestCluster {
  return TestCluster.formed(['ada', 'bob', 'cyd'], {
    change: (given) => ({ ...given, clientLimits: { ...clientLimitsOff, ...settings } }),
  })
}

function coordinate(cluster: TestCluster) {
  return { type: 'coordinate', request: cluster.putRequest('k', 'v'), hops: 0 } as const
}

/** Somebody on `machine` with connections to Ada; what is asked at once is answered in any order. */
function callerFrom(cluster: TestCluster, machine: string, changes: Partial<Hello> = { role: 'client', nodeId: '' }) {
  const ports = cluster.world.portsFor(machine)
  return {
    connect() {
      const peer = RawPeer.connect(cluster.world, ports, 'ada')
      peer.say({ kind: 'hello', message: hello({ wireVersion, ...changes }) })
      cluster.await('a greeting', () => peer.heard.length > 0)
      let asked = 0
      return (...messages: readonly Request[]): readonly unknown[] => {
        const ids = messages.map((_message, index) => asked + index + 1)
        asked += messages.length
        const digest = { number: 0, documentHash: 0 }
        peer.say(
          ...messages.map(
            (message, index) => ({ kind: 'request', id: ids[index] as number, digest, message }) as const,
          ),
        )
        const answerTo = (id: number): unknown =>
          peer.heard.flatMap((frame) => (frame.kind === 'response' && frame.id === id ? [frame.message] : []))[0]
        cluster.await('answers', () => ids.every((id) => answerTo(id) !== undefined))
        return ids.map(answerTo)
      }
    },
  }
}

function codeOf(answer: unknown): string | undefined {
  return (answer as { readonly code?: string }).code
}
