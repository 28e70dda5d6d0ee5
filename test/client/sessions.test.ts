import t from 'tap'
import { ClientSession, coversSeen } from '../../lib/client/client-session.ts'
import { text } from '../../lib/client/codec.ts'
import { emptyContext } from '../../lib/protocol/causality/context.ts'
import type { Dot } from '../../lib/protocol/causality/dot.ts'
import type { CausalContext } from '../../lib/protocol/causality/record.ts'
import type { Hlc } from '../../lib/protocol/clock/hlc.ts'
import type { ClientRequest } from '../../lib/protocol/quorum/client-request.ts'
import { type Bucket, type Key, type RecordKey, toRecordKey } from '../../lib/vocabulary/key.ts'
import { encodeContext } from '../../lib/wire/context-token.ts'
import { testHash } from '../simulator/test-hash.ts'
import { coordinated, nodeNames, ScriptedCluster } from './fixtures/scripted-cluster.ts'

const clusterId = '0123456789abcdef'
const tea = keyOf('tea')
const [first, second, third] = [dot(1, 5), dot(2, 7), dot(3, 9)]

t.test('S1: a session of a client', async (t) => {
  t.test('asks for what it has seen, and for nothing of a key it never touched', async (t) => {
    const session = new ClientSession()
    t.equal(session.needOf(session.of(tea)), undefined)
    session.note(tea, token(covering(first)), undefined, true)
    t.same(session.needOf(session.of(tea)), { vv: [first], hlc: 5 })
    t.equal(session.needOf(session.of(keyOf('milk'))), undefined)
  })

  t.test('forgets nothing by a write that did not know what it had seen', async (t) => {
    const session = new ClientSession()
    session.note(tea, token(covering(first)), undefined, true)
    const asked = session.of(tea)
    t.notOk(coversSeen(undefined, asked), 'a blind write')
    session.note(tea, token({ ...emptyContext, hlc: 7 as Hlc, dots: [second] }), asked, false)
    t.same(session.needOf(session.of(tea)), { vv: [first, second], hlc: 7 })
  })

  t.test('keeps one context where the write was based on what it had seen', async (t) => {
    const session = new ClientSession()
    session.note(tea, token(covering(first)), undefined, true)
    const asked = session.of(tea)
    t.ok(coversSeen(token(covering(first)), asked))
    session.note(tea, token(covering(first, second)), asked, true)
    t.equal(session.of(tea)?.tokens.length, 1)
  })

  t.test('forgets nothing when two answers cross', async (t) => {
    const session = new ClientSession()
    const asked = session.of(tea)
    session.note(tea, token(covering(first)), asked, true)
    session.note(tea, token(covering(second)), asked, true)
    t.same(session.needOf(session.of(tea)), { vv: [first, second], hlc: 7 })
  })

  t.test('brings many blind writes of one key together', async (t) => {
    const session = new ClientSession()
    for (let counter = 1; counter <= 100; counter += 1) {
      session.note(
        tea,
        token({ ...emptyContext, hlc: counter as Hlc, dots: [dot(counter, 3)] }),
        session.of(tea),
        false,
      )
      t.ok((session.of(tea)?.tokens.length ?? 0) <= 8)
    }
    const need = session.needOf(session.of(tea))
    t.equal(typeof need === 'object' && need.vv.length, 100)
  })

  t.test('notes an answer that says nothing new without a trace', async (t) => {
    const session = new ClientSession()
    session.note(tea, token(covering(first)), undefined, true)
    const seen = session.of(tea)
    session.note(tea, token(covering(first)), seen, true)
    t.equal(session.of(tea), seen)
  })

  t.test('reads at a quorum what it may have forgotten', async (t) => {
    const session = new ClientSession()
    session.note(tea, token(covering(first)), undefined, true)
    for (let number = 0; number < 30_000; number += 1) {
      const key = keyOf(`${number}`)
      session.note(key, token(covering(second), key), undefined, true)
      // What is used stays.
      if (number % 5_000 === 0) session.of(tea)
    }
    t.same(session.needOf(session.of(tea)), { vv: [first], hlc: 5 })
    const [old, young, never] = ['0', '29999', 'never'].map(keyOf) as [RecordKey, RecordKey, RecordKey]
    t.equal(session.needOf(session.of(old)), 'quorum')
    t.equal(session.needOf(session.of(never)), 'quorum')
    t.equal(typeof session.needOf(session.of(young)), 'object')
  })

  t.test('asks for a quorum when it cannot read what it was given', async (t) => {
    const session = new ClientSession()
    session.note(tea, 'no context at all', undefined, true)
    t.equal(session.needOf(session.of(tea)), 'quorum')
  })
})

t.test('S1: a client', async (t) => {
  const cluster = new ScriptedCluster()
  const db = await cluster.connected()
  const bucket = db.bucket('b', { codec: text })
  let shown = covering(first)
  for (const name of nodeNames) {
    cluster.node(name).script = (request, respond) => {
      const answer = coordinated(name, request)
      const context = encodeContext(shown, cluster.layout?.clusterId ?? '', keyOf(request.key), testHash)
      if (answer.type === 'coordinated') respond({ ...answer, answer: { ...answer.answer, context } })
    }
  }

  await t.test('is one session', async (t) => {
    await cluster.settle(bucket.put('k', 'v'))
    t.equal(lastOf(cluster)?.session, undefined, 'a put waits for nothing')
    await cluster.settle(bucket.get('k', { r: 1 }))
    t.same(lastOf(cluster)?.session, { vv: [first], hlc: 5 })
    await cluster.settle(bucket.get('other'))
    t.equal(lastOf(cluster)?.session, undefined)
  })

  await t.test('deletes what the session has seen', async (t) => {
    await cluster.settle(bucket.delete('k'))
    t.same(lastOf(cluster)?.session, { vv: [first], hlc: 5 })
    await cluster.settle(bucket.delete('k', { context: (await cluster.settle(bucket.get('k')))?.context }))
    t.equal(lastOf(cluster)?.session, undefined, 'or what its context says')
  })

  await t.test('has others beside it', async (t) => {
    const session = db.session().bucket('b', { codec: text })
    await cluster.settle(session.get('k'))
    t.equal(lastOf(cluster)?.session, undefined)
    shown = covering(first, second)
    await cluster.settle(session.get('k'))
    await cluster.settle(session.get('k'))
    t.same(lastOf(cluster)?.session, { vv: [first, second], hlc: 7 })
    await cluster.settle(bucket.get('k'))
    t.same(lastOf(cluster)?.session, { vv: [first], hlc: 5 })
  })

  await t.test('leaves it where it is told so', async (t) => {
    shown = covering(first, second, third)
    await cluster.settle(bucket.get('k', { session: false }))
    t.equal(lastOf(cluster)?.session, undefined)
    await cluster.settle(bucket.get('k'))
    t.same(lastOf(cluster)?.session, { vv: [first, second], hlc: 7 }, 'and has not seen what it read')
    const other = new ScriptedCluster()
    const without = (await other.connected({ session: false })).bucket('b')
    await other.settle(without.get('k'))
    await other.settle(without.get('k'))
    t.equal(lastOf(other)?.session, undefined)
  })
})

function lastOf(cluster: ScriptedCluster): ClientRequest | undefined {
  return cluster.asked.splice(0).at(-1)?.request
}

function covering(...dots: readonly Dot[]): CausalContext {
  return { vv: dots, hlc: Math.max(...dots.map(({ counter }) => counter)) as Hlc, dots: [] }
}

function token(context: CausalContext, key = tea): string {
  return encodeContext(context, clusterId, key, testHash)
}

function keyOf(key: string): RecordKey {
  return toRecordKey('b' as Bucket, key as Key, testHash)
}

function dot(shortId: number, counter: number): Dot {
  return { shortId, generation: 4, born: 2, counter }
}
