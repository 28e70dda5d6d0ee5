import t from 'tap'
import type { ConnectOptions } from '../../lib/client/client-settings.ts'
import { json, text } from '../../lib/client/codec.ts'
import type { Database } from '../../lib/client/database.ts'
import type { StarlingError } from '../../lib/vocabulary/errors.ts'
import { coordinated, nodeNames, refusal, ScriptedCluster } from './fixtures/scripted-cluster.ts'

const keys = Array.from({ length: 40 }, (_, index) => `k${index}`)

t.test('many keys are asked of their owners in one frame each', async (t) => {
  const { cluster, db } = await connected()
  const bucket = db.bucket('b', { codec: text })
  const found = await cluster.settle(bucket.getMany(keys, { r: 1, deadlineMs: 500 }))
  t.same(
    found.map(({ key }) => key),
    keys,
    'the results are in the order of the keys',
  )
  t.ok(found.every((one) => one.ok && one.found?.siblings.length === 1))
  t.same(
    framesOf(cluster).filter((frames) => frames.length > 1),
    [],
    'at most one frame for each node',
  )
  t.equal(sum(framesOf(cluster).flat()), keys.length)
  for (const { node, request } of cluster.asked.splice(0)) {
    t.ok(cluster.ownersOf('b', request.key).includes(node), 'of an owner')
    t.match(request, { options: { r: 1 }, timeoutMs: 490 })
  }
  for (const name of nodeNames) cluster.node(name).frames.length = 0

  const entries = keys.map((key, index) => ({ key, value: `v-${key}`, ttlSeconds: index + 1, metadata: { at: key } }))
  const put = await cluster.settle(bucket.putMany(entries, { w: 'all' }))
  t.ok(put.every((one) => one.ok && one.context !== undefined))
  t.ok(framesOf(cluster).every((frames) => frames.length <= 1))
  const asked = cluster.asked.splice(0).map(({ request }) => request)
  for (const [index, key] of keys.entries()) {
    t.match(
      asked.find((request) => request.key === key),
      {
        type: 'put',
        value: new TextEncoder().encode(`v-${key}`),
        ttlSeconds: index + 1,
        metadata: [['at', key]],
        options: { w: 'all' },
        idempotency: { isFirst: true },
      },
    )
  }
  t.same(await bucket.getMany([]), [])
})

t.test('each of many is counted', async (t) => {
  const reports: string[] = []
  const request = ({ operation, outcome, attempts }: { operation: string; outcome: string; attempts: number }) =>
    reports.push(`${operation} ${outcome} ${attempts}`)
  const { cluster, db } = await connected({ metrics: { request } })
  for (const name of nodeNames) {
    cluster.node(name).script = (asked, respond) =>
      respond(asked.key === 'k0' ? refusal('internal') : coordinated(name, asked))
  }
  await cluster.settle(db.bucket('b').getMany(['k0', 'k1', 'k2']))
  t.same(reports.splice(0).sort(), ['get internal 1', 'get ok 1', 'get ok 1'])
  for (const name of nodeNames) cluster.node(name).script = () => undefined
  const abort = new AbortController()
  const aborted = db.bucket('b').getMany(['k0', 'k1'], { signal: abort.signal })
  await cluster.pass(5)
  abort.abort(new Error('enough'))
  await t.rejects(aborted, { message: 'enough' })
  t.same(reports, ['get aborted 1', 'get aborted 1'])
})

t.test('one that fails does not fail the others', async (t) => {
  const { cluster, db } = await connected()
  const bucket = db.bucket('b', { codec: json as typeof text })

  await t.test('for what it is', async (t) => {
    const put = await cluster.settle(
      bucket.putMany([
        { key: 'fine', value: 'v' },
        { key: '', value: 'v' },
        { key: 'nothing', value: undefined as never },
        { key: 'large', value: 'x'.repeat(8 * 1024 * 1024) },
        { key: 'also fine', value: 'v' },
      ]),
    )
    t.same(codesOf(put), ['ok', 'invalid-key', 'invalid-body', 'value-too-large', 'ok'])
    t.equal(cluster.asked.splice(0).length, 2)
    t.match(put[1], { ok: false, key: '', error: { aftermath: 'nothing-changed' } })
  })

  await t.test('for what its node says', async (t) => {
    for (const name of nodeNames) {
      cluster.node(name).script = (request, respond) =>
        respond(request.key === 'k3' ? refusal('too-many-siblings') : coordinated(name, request))
    }
    const put = await cluster.settle(bucket.putMany(keys.map((key) => ({ key, value: 'v' }))))
    t.same(
      codesOf(put).filter((code) => code !== 'ok'),
      ['too-many-siblings'],
    )
    t.equal(cluster.asked.splice(0).length, keys.length, 'and is not asked again')
  })

  await t.test('while a wrong option is told at once', async (t) => {
    await t.rejects(bucket.getMany(keys, { r: 0 }), { code: 'invalid-parameter' })
    await t.rejects(bucket.putMany([], { w: 'two' as never }), { code: 'invalid-parameter' })
    await t.rejects(bucket.getMany(keys, { deadlineMs: 0 }), { code: 'invalid-parameter' })
    t.equal(cluster.asked.length, 0)
  })
})

t.test('a mistake in the call rejects, and nothing of it is sent', async (t) => {
  const { cluster, db } = await connected()
  const bucket = db.bucket('b', { codec: text })
  const entry = { key: 'fine', value: 'v' }
  await t.rejects(bucket.getMany(null as never), TypeError)
  await t.rejects(bucket.putMany([entry, null as never]), TypeError)
  await t.rejects(bucket.putMany([entry, { key: 'k', value: 'v', metadata: null as never }]), TypeError)
  const got = await cluster.settle(bucket.getMany([5 as never, 'k']))
  t.same(codesOf(got), ['invalid-key', 'ok'], 'a key that is no string is a wrong key')
  t.same(
    cluster.asked.map(({ request }) => request.type),
    ['get'],
  )
})

t.test('only what may be tried again is', async (t) => {
  await t.test('when a node turns part of it away, elsewhere', async (t) => {
    const { cluster, db } = await connected()
    const turnedAway = new Set(['k1', 'k2'])
    for (const name of nodeNames) {
      cluster.node(name).script = (request, respond) =>
        respond(turnedAway.delete(request.key) ? refusal('draining') : coordinated(name, request))
    }
    const found = await cluster.settle(db.bucket('b').getMany(keys))
    t.ok(found.every(({ ok }) => ok))
    t.equal(cluster.asked.length, keys.length + 2)
  })

  await t.test('when the connection is lost: reads, and writes that have an id', async (t) => {
    for (const [idempotencyKey, code] of [
      [undefined, 'ok'],
      [false, 'unreachable'],
    ] as const) {
      const { cluster, db } = await connected()
      const [dying] = cluster.ownersOf('b', 'k')
      for (const name of nodeNames) {
        cluster.node(name).script = (request, respond) => {
          if (name !== dying) return respond(coordinated(name, request))
          cluster.node(name).kill()
        }
      }
      const entries = keys.map((key) => ({ key, value: new Uint8Array(1), idempotencyKey }))
      const put = await cluster.settle(db.bucket('b').putMany(entries))
      const lost = new Set<string>(cluster.asked.filter(({ node }) => node === dying).map(({ request }) => request.key))
      t.ok(lost.size > 0)
      for (const one of put) t.equal(codeOf(one), lost.has(one.key) ? code : 'ok')
      const again = cluster.asked.filter(({ node, request }) => node !== dying && lost.has(request.key))
      t.equal(again.length, idempotencyKey === undefined ? lost.size : 0)
      for (const { request } of again) t.match(request, { idempotency: { isFirst: false } })
      if (code !== 'ok')
        t.match(
          put.find(({ ok }) => !ok),
          { error: { aftermath: 'may-have-changed' } },
        )
    }
  })

  await t.test('when its node has fallen silent', async (t) => {
    const { cluster, db } = await connected()
    const [silent] = cluster.ownersOf('b', 'k')
    for (const name of nodeNames) {
      cluster.node(name).script = (request, respond) => {
        if (name !== silent) respond(coordinated(name, request))
      }
    }
    const startMs = cluster.world.nowMs
    const found = await cluster.settle(db.bucket('b').getMany(keys))
    t.ok(found.every(({ ok }) => ok))
    t.ok(cluster.world.nowMs - startMs < 2_000, 'long before the deadline')
  })

  await t.test('but by the deadline everything has ended', async (t) => {
    const { cluster, db } = await connected()
    for (const name of nodeNames) cluster.node(name).script = () => undefined
    const startMs = cluster.world.nowMs
    const put = await cluster.settle(
      db.bucket('b').putMany([{ key: 'k', value: new Uint8Array(1) }], { deadlineMs: 400 }),
    )
    t.match(put, [{ ok: false, error: { code: 'deadline-exceeded', aftermath: 'may-have-changed' } }])
    t.ok(cluster.world.nowMs - startMs < 500)
  })
})

t.test('what is too large for one answer is asked for by itself', async (t) => {
  const { cluster, db } = await connected()
  const large = new Set(['k5', 'k6', 'k7'])
  for (const name of nodeNames) {
    cluster.node(name).script = (request, respond) =>
      respond(large.delete(request.key) ? refusal('busy') : coordinated(name, request))
  }
  const found = await cluster.settle(db.bucket('b').getMany(keys))
  t.ok(found.every(({ ok }) => ok))
})

t.test('more than a frame may hold goes in several, one after the other', async (t) => {
  const { cluster, db } = await connected()
  const many = Array.from({ length: 3_500 }, (_, index) => `key-${index}`)
  const found = await cluster.settle(db.bucket('b').getMany(many))
  t.ok(found.every(({ ok }) => ok))
  t.ok(
    framesOf(cluster)
      .flat()
      .every((count) => count <= 1_000),
  )
  t.equal(sum(framesOf(cluster).flat()), many.length)
  for (const name of nodeNames) cluster.node(name).frames.length = 0
  const values = Array.from({ length: 6 }, (_, index) => ({
    key: `key-${index}`,
    value: new Uint8Array(7 * 1024 * 1024),
  }))
  t.ok((await cluster.settle(db.bucket('b').putMany(values))).every(({ ok }) => ok))
  t.ok(
    framesOf(cluster)
      .flat()
      .every((count) => count <= 2),
    'nor more bytes',
  )
})

t.test('nodes of an older release are asked for one key after the other', async (t) => {
  const { cluster, db } = await connected({}, 1)
  const found = await cluster.settle(db.bucket('b').getMany(keys))
  t.ok(found.every(({ ok }) => ok))
  t.same(framesOf(cluster).flat(), [])
  t.equal(cluster.asked.length, keys.length)
})

t.test('an abort ends the waiting, and closing ends all of it', async (t) => {
  const { cluster, db } = await connected()
  for (const name of nodeNames) cluster.node(name).script = () => undefined
  const abort = new AbortController()
  const aborted = db.bucket('b').getMany(keys, { signal: abort.signal })
  abort.abort(new Error('enough'))
  await t.rejects(aborted, { message: 'enough' })
  await t.rejects(db.bucket('b').getMany(keys, { signal: abort.signal }), { message: 'enough' })
  const closed = db.bucket('b').getMany(keys)
  const written = db.bucket('b').putMany([{ key: 'k', value: new Uint8Array(1) }])
  await cluster.pass(5)
  await cluster.settle(db.close())
  t.same(new Set(codesOf(await cluster.settle(closed))), new Set(['closed']))
  t.match(await cluster.settle(written), [{ error: { code: 'closed', aftermath: 'may-have-changed' } }])
})

async function connected(
  options: ConnectOptions = {},
  wireVersion = 3,
): Promise<{ readonly cluster: ScriptedCluster; readonly db: Database }> {
  const cluster = new ScriptedCluster()
  cluster.wireVersion = wireVersion
  return { cluster, db: await cluster.connected(options) }
}

function framesOf(cluster: ScriptedCluster): readonly (readonly number[])[] {
  return nodeNames.map((name) => cluster.node(name).frames)
}

function codeOf(one: { readonly ok: true } | { readonly ok: false; readonly error: StarlingError }): string {
  return one.ok ? 'ok' : one.error.code
}

function codesOf(many: readonly ({ readonly ok: true } | { readonly ok: false; readonly error: StarlingError })[]) {
  return many.map(codeOf)
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0)
}
