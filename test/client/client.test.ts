import t from 'tap'
import { text } from '../../lib/client/codec.ts'
import type { Database } from '../../lib/client/database.ts'
import type { StarlingError } from '../../lib/vocabulary/errors.ts'
import {
  coordinated,
  type NodeName,
  nodeNames,
  refusal,
  type Script,
  ScriptedCluster,
} from './fixtures/scripted-cluster.ts'

const silence: Script = () => undefined

t.test('a request goes straight to an owner of its key', async (t) => {
  const cluster = new ScriptedCluster()
  const db = await cluster.connected()
  for (let key = 0; key < 20; key += 1) {
    await cluster.settle(db.bucket('b').get(`k${key}`))
    const [asked] = cluster.askedNodes()
    t.ok(cluster.ownersOf('b', `k${key}`).includes(asked as NodeName))
  }
  t.ok(
    nodeNames.every((name) => cluster.node(name).connections === 1),
    'over one connection to each node',
  )

  await t.test('with everything the options say, and as much time as is left', async (t) => {
    const bucket = db.bucket('b', { codec: text })
    const { context } = (await cluster.settle(bucket.get('k', { r: 'all', pr: 1, sloppy: false }))) ?? {}
    await cluster.settle(
      bucket.put('k', 'v', {
        context,
        w: 1,
        pw: 'one',
        durability: 'disk',
        metadata: { B: '2', a: '1' },
        ttlSeconds: 60,
        deadlineMs: 500,
      }),
    )
    await cluster.settle(bucket.delete('k', { context, sloppy: false, w: 3 }))
    const [get, put, del] = cluster.asked.splice(0).map(({ request }) => request)
    t.match(get, { type: 'get', bucket: 'b', key: 'k', options: { r: 'all', pr: 1, sloppy: false }, timeoutMs: 2990 })
    t.match(put, {
      type: 'put',
      context,
      value: new TextEncoder().encode('v'),
      contentType: 'text/plain; charset=utf-8',
      metadata: [
        ['a', '1'],
        ['b', '2'],
      ],
      ttlSeconds: 60,
      options: { w: 1, pw: 'one', sloppy: true, durability: 'disk' },
      timeoutMs: 490,
    })
    t.match(del, { type: 'delete', context, options: { w: 3, pw: undefined, sloppy: false, durability: undefined } })
  })
})

t.test('a condition goes with the write, and the refusal says what it was compared with', async (t) => {
  const cluster = new ScriptedCluster()
  const db = await cluster.connected()
  const bucket = db.bucket('b', { codec: text })
  const { etag = '' } = (await cluster.settle(bucket.get('k'))) ?? {}
  t.equal(etag, '"0123456789abcdef"')
  cluster.asked.length = 0
  await cluster.settle(bucket.put('k', 'v', { ifMatch: etag }))
  await cluster.settle(bucket.put('k', 'v', { ifMatch: ['"1"', `W/${etag}`, '*'] }))
  await cluster.settle(bucket.put('k', 'v', { ifNoneMatch: '*' }))
  await cluster.settle(bucket.delete('k', { ifMatch: etag }))
  await cluster.settle(bucket.put('k', 'v'))
  t.match(
    cluster.asked.splice(0).map(({ request }) => request),
    [
      { ifMatch: ['0123456789abcdef'], ifNoneMatch: false },
      { ifMatch: ['1', '*'] },
      { ifMatch: undefined, ifNoneMatch: true },
      { type: 'delete', ifMatch: ['0123456789abcdef'] },
      { ifMatch: undefined, ifNoneMatch: false },
    ],
  )
  const quorum = { kind: 'r', answered: 2, needed: 2, owners: 2, fallbacks: 0, coordinator: 'a'.repeat(32) } as never
  for (const name of nodeNames) {
    cluster.node(name).script = (_request, respond) => respond({ ...refusal('precondition-failed'), quorum })
  }
  await t.rejects(cluster.settle(bucket.put('k', 'v', { ifMatch: etag })), {
    code: 'precondition-failed',
    aftermath: 'nothing-changed',
    quorum,
  })
  t.equal(cluster.asked.length, 1, 'and is not asked for again')
  await t.rejects(bucket.put('k', 'v', { ifMatch: '0123456789abcdef' }), { code: 'invalid-header' })
  await t.rejects(bucket.put('k', 'v', { ifNoneMatch: etag as '*' }), { code: 'invalid-header' })
})

t.test('a node that cannot be reached costs nothing but the next one', async (t) => {
  const cluster = new ScriptedCluster()
  const db = await cluster.connected()
  const [first, second, third] = cluster.ownersOf('b', 'k') as [NodeName, NodeName, NodeName]
  for (const name of [first, second]) cluster.node(name).kill()
  await cluster.pass(10)
  const before = cluster.world.nowMs
  t.equal(await cluster.settle(db.bucket('b').put('k', new Uint8Array(1))), `seen-by-${third}`)
  t.ok(cluster.world.nowMs - before < 20)
  t.same(cluster.askedNodes(), [third])

  await t.test('and when no owner can, any other member forwards', async (t) => {
    const other = nodeNames.find((name) => !cluster.ownersOf('b', 'k').includes(name)) as NodeName
    cluster.node(third).kill()
    await cluster.pass(10)
    t.equal(await cluster.settle(db.bucket('b').put('k', new Uint8Array(1))), `seen-by-${other}`)

    await t.test('and when nobody can, that is the error, long before the deadline', async (t) => {
      cluster.node(other).kill()
      await cluster.pass(10)
      const before = cluster.world.nowMs
      const error = await failure(cluster, db.bucket('b').get('k'))
      t.match(error, { code: 'unreachable', aftermath: 'nothing-changed', retryable: true })
      t.ok(cluster.world.nowMs - before < 1600)
    })

    await t.test('until somebody is back', async (t) => {
      for (const name of nodeNames) cluster.node(name).restart()
      await cluster.pass(6000)
      cluster.asked.splice(0)
      await cluster.settle(db.bucket('b').get('k'))
      t.ok(cluster.ownersOf('b', 'k').includes(cluster.askedNodes()[0] as NodeName), 'an owner again')
    })
  })
})

t.test('what is safe to repeat is repeated within the deadline', async (t) => {
  await t.test('anything that a node refused before it did anything', async (t) => {
    for (const code of [
      'draining',
      'no-layout',
      'clock-skew',
      'overloaded',
      'busy',
      'storage-failed',
      'not-owner',
    ] as const) {
      const { cluster, db, fail } = await failing((_request, respond) => respond(refusal(code)), 1)
      t.match(await cluster.settle(db.bucket('b').put('k', new Uint8Array(1))), /^seen-by-/, code)
      const asked = cluster.askedNodes()
      t.equal(asked.length, 2, code)
      t.not(asked[0], asked[1], 'by another node')
      t.equal(fail.count, 1)
    }
  })

  await t.test('what all nodes turn away because they have too much to do, when they say, and no sooner', async (t) => {
    const { cluster, db } = await failing((_request, respond) => respond(refusal('overloaded')))
    const asked = cluster.asked
    const put = failure(cluster, db.bucket('b').put('k', new Uint8Array(1), { deadlineMs: 20_000 }))
    t.match(await put, { code: 'overloaded', aftermath: 'nothing-changed', retryAfterMs: 1000 })
    const atMs = asked.map((one) => one.atMs)
    const pausesMs = atMs.slice(1).map((at, index) => at - (atMs[index] as number))
    t.same([...new Set(asked.slice(0, 3).map(({ node }) => node))].length, 3, 'first of everybody')
    t.ok(pausesMs.slice(0, 2).every((pauseMs) => pauseMs < 100))
    const longMs = pausesMs.find((pauseMs) => pauseMs >= 100) as number
    t.ok(longMs >= 1000 && longMs < 1600, `then again after ${longMs} ms`)
  })

  await t.test('but not by everybody: one in ten, and twenty that were saved up', async (t) => {
    const { cluster, db } = await failing((_request, respond) => respond(refusal('overloaded')))
    const bucket = db.bucket('b')
    const puts = Array.from({ length: 300 }, (_, number) =>
      bucket.put(`k${number}`, new Uint8Array(1)).catch((error) => error.code),
    )
    const ended = await cluster.settle(Promise.all(puts))
    t.same([...new Set(ended)], ['overloaded'])
    t.ok(cluster.asked.length <= 300 * 1.1 + 20, `300 puts were asked ${cluster.asked.length} times`)
    t.ok(cluster.asked.length > 300)
    cluster.asked.length = 0
    for (const name of nodeNames) cluster.node(name).script = answer(name)
    t.match(await cluster.settle(bucket.put('k', new Uint8Array(1))), /^seen-by-/, 'no breaker is open: they answered')
    t.equal(cluster.asked.length, 1)
  })

  await t.test('a missing quorum after a pause, so often and no more', async (t) => {
    const { cluster, db } = await failing((_request, respond) => respond(refusal('quorum-unavailable')))
    const error = await failure(cluster, db.bucket('b').put('k', new Uint8Array(1)))
    t.match(error, { code: 'quorum-unavailable', aftermath: 'nothing-changed' })
    t.equal(cluster.asked.length, 6, 'once and five retries')
    const times = cluster.asked.splice(0).map(({ atMs }) => atMs)
    t.ok((times[5] as number) - (times[0] as number) > 50)
  })

  await t.test('a get whose connection is lost', async (t) => {
    const { cluster, db } = await failing(silence)
    const found = db.bucket('b', { codec: text }).get('k')
    await cluster.pass(3)
    const [asked] = cluster.askedNodes() as [NodeName]
    cluster.node(asked).kill()
    for (const name of nodeNames) cluster.node(name).script = answer(name)
    t.match(await cluster.settle(found), { siblings: [{ value: /./ }] })
    t.not(cluster.askedNodes()[0], asked)
  })

  await t.test('but never a refusal that asking again cannot change', async (t) => {
    for (const code of ['invalid-context', 'too-many-siblings', 'invalid-parameter', 'precondition-failed'] as const) {
      const { cluster, db } = await failing((_request, respond) => respond(refusal(code)))
      t.match(await failure(cluster, db.bucket('b').put('k', new Uint8Array(1))), { code, message: `refused: ${code}` })
      t.equal(cluster.askedNodes().length, 1)
    }
  })
})

const keyless = { idempotencyKey: false } as const

t.test('a write without an id that may have taken effect is asked once, and never called failed', async (t) => {
  await t.test('when the connection is lost', async (t) => {
    const { cluster, db } = await failing(silence)
    for (const write of ['put', 'delete'] as const) {
      const bucket = db.bucket('b')
      const written = write === 'put' ? bucket.put('k', new Uint8Array(1), keyless) : bucket.delete('k', keyless)
      await cluster.pass(3)
      const asked = cluster.askedNodes() as [NodeName]
      t.equal(asked.length, 1)
      cluster.node(asked[0]).kill()
      t.match(await failure(cluster, written), { code: 'unreachable', aftermath: 'may-have-changed' })
      t.same(cluster.askedNodes(), [])
    }
  })

  await t.test('when its deadline passes', async (t) => {
    const { cluster, db } = await failing(silence)
    const before = cluster.world.nowMs
    const error = await failure(cluster, db.bucket('b').put('k', new Uint8Array(1), { ...keyless, deadlineMs: 700 }))
    t.match(error, { code: 'deadline-exceeded', aftermath: 'may-have-changed' })
    const tookMs = cluster.world.nowMs - before
    t.ok(tookMs >= 700 && tookMs < 740, `${tookMs}`)
    t.equal(cluster.askedNodes().length, 1)
  })

  await t.test('when a node says so', async (t) => {
    for (const code of ['quorum-unavailable', 'storage-failed', 'deadline-exceeded'] as const) {
      const { cluster, db } = await failing((_request, respond) => respond(refusal(code, 'may-have-changed')))
      const error = await failure(cluster, db.bucket('b').put('k', new Uint8Array(1), keyless))
      t.match(error, { code, aftermath: 'may-have-changed' })
      t.equal(cluster.askedNodes().length, 1)
    }
  })

  await t.test('while a get changed nothing, whatever became of it', async (t) => {
    const { cluster, db } = await failing(silence)
    const error = await failure(cluster, db.bucket('b').get('k', { deadlineMs: 300 }))
    t.match(error, { code: 'deadline-exceeded', aftermath: 'nothing-changed' })
  })
})

t.test('I2: a write with an id is tried again, and says so', async (t) => {
  await t.test('when the connection is lost', async (t) => {
    const { cluster, db } = await failing(silence)
    for (const write of ['put', 'delete'] as const) {
      const bucket = db.bucket('b')
      const written = write === 'put' ? bucket.put('k', new Uint8Array(1)) : bucket.delete('k')
      await cluster.pass(3)
      const [first] = cluster.asked.splice(0)
      for (const name of nodeNames) cluster.node(name).script = answer(name)
      cluster.node(first?.node as NodeName).kill()
      await cluster.settle(written)
      const [second, ...others] = cluster.asked.splice(0)
      t.same(others, [])
      t.not(second?.node, first?.node)
      t.match(triesOf([first, second]), [{ key: /^ \S+$/, isFirst: true }, { isFirst: false }])
      t.equal(triesOf([second])[0]?.key, triesOf([first])[0]?.key, 'it is the same write')
      cluster.node(first?.node as NodeName).restart()
      for (const name of nodeNames) cluster.node(name).script = silence
      await cluster.pass(3000)
    }
  })

  await t.test('when its node has fallen silent, and both answers are good', async (t) => {
    const { cluster, db } = await failing(silence)
    const startedMs = cluster.world.nowMs
    const written = db.bucket('b').put('k', new Uint8Array(1))
    await cluster.pass(3)
    const [first] = cluster.askedNodes()
    for (const name of nodeNames) if (name !== first) cluster.node(name).script = answer(name)
    await cluster.settle(written)
    const tookMs = cluster.world.nowMs - startedMs
    t.ok(tookMs > 500 && tookMs < 800, `${tookMs}`)
  })

  await t.test('when a node says that it may have changed something', async (t) => {
    for (const code of ['quorum-unavailable', 'storage-failed'] as const) {
      const { cluster, db } = await failing((_request, respond) => respond(refusal(code, 'may-have-changed')), 1)
      await cluster.settle(db.bucket('b').put('k', new Uint8Array(1)))
      t.match(triesOf(cluster.asked.splice(0)).at(-1), { isFirst: false })
    }
  })

  await t.test('and is never called failed, whatever the last one says', async (t) => {
    const { cluster, db } = await failing(silence)
    const written = db.bucket('b').put('k', new Uint8Array(1))
    await cluster.pass(3)
    const [first] = cluster.askedNodes()
    for (const name of nodeNames)
      cluster.node(name).script = (_request, respond) => respond(refusal('too-many-siblings'))
    cluster.node(first as NodeName).kill()
    t.match(await failure(cluster, written), { code: 'too-many-siblings', aftermath: 'may-have-changed' })
  })

  await t.test('each with another id, unless its user gave it one', async (t) => {
    const cluster = new ScriptedCluster()
    const db = await cluster.connected()
    const bucket = db.bucket('b')
    for (let write = 0; write < 50; write += 1) await cluster.settle(bucket.put('k', new Uint8Array(1)))
    const keys = triesOf(cluster.asked.splice(0)).map((tried) => tried?.key)
    t.equal(new Set(keys).size, 50)
    t.ok(keys.every((key) => key !== undefined && key.length <= 12))
    await cluster.settle(bucket.delete('k', { idempotencyKey: 'order-17' }))
    t.same(triesOf(cluster.asked.splice(0)), [{ key: 'order-17', isFirst: false, since: 0 }])
    for (const idempotencyKey of ['', 'a b', 'é', 'k'.repeat(65)])
      t.match(await failure(cluster, bucket.delete('k', { idempotencyKey })), { code: 'invalid-header' })
  })
})

t.test('a late get is asked of one other owner too, and the first answer counts', async (t) => {
  const cluster = new ScriptedCluster()
  const db = await cluster.connected()
  const bucket = db.bucket('b', { codec: text })
  // Who was quickest so far is asked next.
  for (let get = 0; get < 20; get += 1) {
    cluster.askedNodes()
    await cluster.settle(bucket.get('k'))
  }
  const [slow] = cluster.askedNodes() as [NodeName]
  for (const name of nodeNames) {
    cluster.node(name).script = (request, respond) => {
      const delayMs = name === slow ? 400 : 1
      cluster.world.inProcess(name, () => respond(coordinated(name, request)), delayMs)
    }
  }
  const results: string[] = []
  for (let get = 0; get < 30; get += 1) {
    const before = cluster.world.nowMs
    const found = await cluster.settle(bucket.get('k'))
    const asked = cluster.askedNodes()
    if (asked[0] !== slow) continue
    results.push(`${asked.length} asked, ${cluster.world.nowMs - before < 100 ? 'quick' : 'slow'}`)
    t.not(found?.siblings[0]?.value, slow)
  }
  t.ok(results.length > 0)
  t.ok(
    results.every((result) => result === '2 asked, quick'),
    results.join('; '),
  )

  await t.test('a late write is not', async (t) => {
    for (const name of nodeNames) {
      cluster.node(name).script = (request, respond) =>
        cluster.world.inProcess(name, () => respond(coordinated(name, request)), 200)
    }
    await cluster.settle(bucket.put('k', 'v'))
    t.equal(cluster.askedNodes().length, 1)
  })

  await t.test('nor is a get, when hedging is off', async (t) => {
    await cluster.settle(db.close())
    cluster.world.crash('client', 'kill')
    const plain = await cluster.connected({ hedging: false })
    await cluster.settle(plain.bucket('b').get('k'))
    t.equal(cluster.askedNodes().length, 1)
  })

  await t.test('and of all gets that are late, few: everybody being slow is no reason to ask for more', async (t) => {
    cluster.world.crash('client', 'kill')
    const other = await cluster.connected()
    for (let get = 0; get < 100; get += 1) await cluster.settle(other.bucket('b').get('k'))
    const asked = cluster.askedNodes().length
    t.ok(asked > 105 && asked <= 116, `${asked} asked for 100 gets`)
  })
})

t.test('a node that goes silent without a word', async (t) => {
  const cluster = new ScriptedCluster()
  const db = await cluster.connected({ hedging: false })
  const bucket = db.bucket('b', { codec: text })
  const [silent] = cluster.ownersOf('b', 'k') as [NodeName]
  for (let request = 0; request < 30; request += 1) {
    await cluster.settle(bucket.get('k'))
    await cluster.settle(bucket.put('k', 'v'))
  }
  cluster.world.pause(silent)
  const gets = Array.from({ length: 20 }, () => bucket.get('k'))
  const before = cluster.world.nowMs
  for (const get of gets) await cluster.settle(get)
  t.ok(cluster.world.nowMs - before < 700, 'keeps gets for little more than half a second')
  cluster.askedNodes()

  await t.test('is asked for no writes any more', async (t) => {
    for (let put = 0; put < 20; put += 1) await cluster.settle(bucket.put('k', 'v'))
    t.notOk(cluster.askedNodes().includes(silent))
  })

  await t.test('and for everything again once it is back', async (t) => {
    cluster.world.resume(silent)
    await cluster.pass(12_000)
    cluster.askedNodes()
    for (let get = 0; get < 20; get += 1) await cluster.settle(bucket.get('k'))
    t.ok(cluster.askedNodes().includes(silent))
  })
})

t.test('the layout is followed', async (t) => {
  const cluster = new ScriptedCluster()
  const db = await cluster.connected()
  const discoveries = () => nodeNames.reduce((sum, name) => sum + cluster.node(name).discoveries, 0)
  t.equal(discoveries(), 1)
  const isNew = (name: NodeName) => cluster.ownersOf('b', 'k').includes(name)
  cluster.changeLayout()
  t.equal(db.status().layoutNumber, 1)
  const burst = Array.from({ length: 50 }, () => db.bucket('b').get('k'))
  for (const get of burst) await cluster.settle(get)
  await cluster.pass(60)
  t.equal(db.status().layoutNumber, 2, 'as soon as an answer shows that there is a newer one')
  t.equal(discoveries(), 2, 'asked for once')
  cluster.askedNodes()
  for (let get = 0; get < 30; get += 1) await cluster.settle(db.bucket('b').get('k'))
  t.ok(cluster.askedNodes().every(isNew))

  await t.test('and who the members are is asked every half minute', async (t) => {
    cluster.states.set('ada', 'dead')
    const before = discoveries()
    await cluster.pass(34_000)
    t.equal(discoveries(), before + 1)
    t.equal(db.status().nodes.find(({ name }) => name === 'ada')?.state, 'dead')
  })
})

t.test('when nobody answers any more the seeds are resolved anew', async (t) => {
  const cluster = new ScriptedCluster()
  const db = await cluster.connected({}, ['ada:7071', 'bob:7071', 'nobody:7071'])
  for (const name of nodeNames) cluster.node(name).kill()
  await failure(cluster, db.bucket('b').get('k'))
  cluster.node('bob').restart()
  await cluster.pass(6000)
  t.ok(cluster.node('bob').discoveries > 0)
  await cluster.settle(db.bucket('b').put('k', new Uint8Array(1)))
  t.same(cluster.askedNodes(), ['bob'])
})

t.test('an update reads, merges and writes back with the context of the read', async (t) => {
  await t.test('again while the write meets siblings it has not seen', async (t) => {
    const { cluster, db } = await failing(shown(['one', 'two'], ['a|one|two', 'three'], ['all']))
    const merged: string[][] = []
    const result = await cluster.settle(
      db.bucket('b', { codec: text }).update('k', (siblings) => {
        merged.push(siblings.map(({ value }) => value))
        return `merged ${merged.length}`
      }),
    )
    t.same(merged, [
      ['one', 'two'],
      ['a|one|two', 'three'],
    ])
    t.match(result, { value: 'merged 2', context: /^seen-by/, othersLeft: 0 })
    const asked = cluster.asked.splice(0).map(({ request }) => request)
    t.same(
      asked.map(({ type }) => type),
      ['get', 'put', 'put'],
    )
    t.ok(asked.slice(1).every((request) => request.type === 'put' && request.context?.startsWith('seen-by')))
  })

  await t.test('but ten times at most', async (t) => {
    const { cluster, db } = await failing(shown(['one', 'two']))
    const result = await cluster.settle(db.bucket('b', { codec: text }).update('k', () => 'merged'))
    t.match(result, { value: 'merged', othersLeft: 1 })
    t.equal(cluster.askedNodes().length, 11)
  })

  await t.test('and deletes when there is nothing left to write', async (t) => {
    const { cluster, db } = await failing(shown(['one'], []))
    const result = await cluster.settle(db.bucket('b', { codec: text }).update('k', async () => undefined))
    t.match(result, { value: undefined, context: /^seen-by/, othersLeft: 0 })
    t.same(
      cluster.asked.splice(0).map(({ request }) => request.type),
      ['get', 'delete', 'get'],
    )
    await cluster.settle(db.bucket('b', { codec: text }).update('k', () => undefined))
    t.same(
      cluster.asked.map(({ request }) => request.type),
      ['get'],
      'nothing to delete',
    )
  })

  await t.test('within one deadline for everything', async (t) => {
    const cluster = new ScriptedCluster()
    const db = await cluster.connected()
    for (const name of nodeNames) {
      cluster.node(name).script = (request, respond) =>
        cluster.world.inProcess(name, () => respond(coordinated(name, request, ['one', 'two'])), 300)
    }
    const before = cluster.world.nowMs
    const update = db.bucket('b', { codec: text }).update('k', () => 'merged', { deadlineMs: 1000 })
    t.match(await failure(cluster, update), { code: 'deadline-exceeded', aftermath: 'may-have-changed' })
    t.ok(cluster.world.nowMs - before < 1050)
  })

  await t.test('and what the merge throws is what the update throws', async (t) => {
    const { cluster, db } = await failing(shown(['one']))
    const mine = new Error('mine')
    const update = db.bucket('b', { codec: text }).update('k', () => {
      throw mine
    })
    t.equal(await failure(cluster, update), mine)
    t.equal(cluster.askedNodes().length, 1, 'nothing was written')
  })
})

t.test('a merge that takes too long does not hold its update', async (t) => {
  const never = () => new Promise<Uint8Array>(() => {})
  await t.test('beyond the deadline', async (t) => {
    const { cluster, db } = await failing(shown(['one']))
    const before = cluster.world.nowMs
    const update = db.bucket('b').update('k', never, { deadlineMs: 500 })
    t.match(await failure(cluster, update), { code: 'deadline-exceeded', aftermath: 'nothing-changed' })
    t.ok(cluster.world.nowMs - before < 550)
    const late = db.bucket('b').update('k', () => slowly(cluster, 600), { deadlineMs: 500 })
    t.match(await failure(cluster, late), { code: 'deadline-exceeded', aftermath: 'nothing-changed' })
    await cluster.pass(200)
    t.same(typesOf(cluster), ['get', 'get'], 'nothing was written')
  })

  await t.test('nor beyond its signal, nor the client', async (t) => {
    const { cluster, db } = await failing(shown(['one']))
    const controller = new AbortController()
    const update = db.bucket('b').update('k', never, { signal: controller.signal })
    await cluster.pass(5)
    controller.abort(new Error('enough'))
    t.match(await failure(cluster, update), { message: 'enough' })
    const left = failure(cluster, db.bucket('b').update('k', never))
    await cluster.pass(5)
    await cluster.settle(db.close())
    t.match(await left, { code: 'closed' })
  })

  await t.test('and one that is slow, but not too slow, counts', async (t) => {
    const { cluster, db } = await failing(shown(['one'], ['merged']))
    t.match(await cluster.settle(db.bucket('b').update('k', () => slowly(cluster, 100))), { othersLeft: 0 })
    t.same(typesOf(cluster), ['get', 'put'])
  })
})

t.test('an update whose second round fails has changed something in its first', async (t) => {
  const cluster = new ScriptedCluster()
  const db = await cluster.connected({ retries: 0 })
  let puts = 0
  for (const name of nodeNames) {
    cluster.node(name).script = (request, respond) => {
      if (request.type === 'put') puts += 1
      respond(puts > 1 ? refusal('quorum-unavailable') : coordinated(name, request, ['one', 'two']))
    }
  }
  const update = db.bucket('b', { codec: text }).update('k', () => 'merged')
  t.match(await failure(cluster, update), { code: 'quorum-unavailable', aftermath: 'may-have-changed' })
})

t.test('what no program with types would give is refused before it is sent, and harms no other request', async (t) => {
  const cluster = new ScriptedCluster()
  const db = await cluster.connected()
  const bucket = db.bucket('b', { codec: text })
  const put = (options: object) => bucket.put('k', 'v', options)
  t.match(await failure(cluster, put({ idempotencyKey: 5 })), { code: 'invalid-header' })
  t.match(await failure(cluster, put({ context: 5 })), { code: 'invalid-context' })
  t.match(await failure(cluster, put({ context: { siblings: [] } })), { code: 'invalid-context' })
  t.match(await failure(cluster, put({ context: 'x'.repeat(100_000) })), { code: 'invalid-context' })
  t.match(await failure(cluster, bucket.delete('k', { context: '' as never })), { code: 'invalid-context' })
  t.match(await failure(cluster, put({ deadlineMs: '500' })), { code: 'invalid-parameter' })
  t.match(await failure(cluster, bucket.get(5 as never)), { code: 'invalid-key' })
  t.throws(() => db.bucket(5 as never), { code: 'invalid-bucket' })
  t.same(cluster.asked, [])
  t.ok(await cluster.settle(bucket.get('k')))
})

t.test('an abort ends the waiting with its reason', async (t) => {
  const { cluster, db } = await failing(silence)
  const reason = new Error('enough')
  const controller = new AbortController()
  const put = db.bucket('b').put('k', new Uint8Array(1), { signal: controller.signal })
  await cluster.pass(5)
  controller.abort(reason)
  t.equal(await failure(cluster, put), reason)

  await t.test('of many requests with one signal, without a warning of the platform', async (t) => {
    const warnings: string[] = []
    const warned = (warning: Error) => warnings.push(warning.message)
    process.on('warning', warned)
    const shared = new AbortController()
    const gets = Array.from({ length: 50 }, () => db.bucket('b').get('k', { signal: shared.signal }))
    const reasons = gets.map((get) => get.catch((error) => error))
    await cluster.pass(5)
    shared.abort(reason)
    t.ok((await cluster.settle(Promise.all(reasons))).every((error) => error === reason))
    process.off('warning', warned)
    t.same(warnings, [])
  })

  await t.test('also one that came before the request, which is then not sent', async (t) => {
    cluster.askedNodes()
    t.equal(await failure(cluster, db.bucket('b').get('k', { signal: controller.signal })), reason)
    t.same(cluster.askedNodes(), [])
  })

  await t.test('and one that comes later changes nothing', async (t) => {
    for (const name of nodeNames) cluster.node(name).script = answer(name)
    const later = new AbortController()
    t.ok(await cluster.settle(db.bucket('b').get('k', { signal: later.signal })))
    later.abort()
    await cluster.pass(5)
  })
})

t.test('closing ends what waits', async (t) => {
  const { cluster, db } = await failing(silence, Number.POSITIVE_INFINITY, { inFlightMax: 3 })
  const bucket = db.bucket('b')
  const [put, get, del] = [bucket.put('k', new Uint8Array(1)), bucket.get('k'), bucket.delete('k')]
  const inLine = bucket.put('k2', new Uint8Array(1))
  for (const promise of [put, get, del, inLine]) promise.catch(() => undefined)
  await cluster.pass(5)
  await cluster.settle(db.close())
  t.match(await failure(cluster, put), { code: 'closed', aftermath: 'may-have-changed' }, 'on its way')
  t.match(await failure(cluster, get), { code: 'closed', aftermath: 'nothing-changed' })
  t.match(await failure(cluster, del), { code: 'closed', aftermath: 'may-have-changed' })
  t.match(await failure(cluster, inLine), { code: 'closed', aftermath: 'nothing-changed' }, 'not sent')

  await t.test('and refuses what comes after', async (t) => {
    t.match(await failure(cluster, bucket.get('k')), { code: 'closed', aftermath: 'nothing-changed' })
    t.equal(db.close(), db.close())
  })
})

t.test('more requests than may be on their way wait in line', async (t) => {
  const { cluster, db } = await failing(silence, Number.POSITIVE_INFINITY, { inFlightMax: 4, hedging: false })
  const puts = Array.from({ length: 10 }, () => db.bucket('b').put('k', new Uint8Array(1), { deadlineMs: 400 }))
  const outcomes = puts.map((put) => put.then(() => 'written').catch((error: StarlingError) => error.aftermath))
  await cluster.pass(50)
  t.equal(cluster.askedNodes().length, 4)
  t.same((await cluster.settle(Promise.all(outcomes))).sort(), [
    ...Array.from({ length: 4 }, () => 'may-have-changed'),
    ...Array.from({ length: 6 }, () => 'nothing-changed'),
  ])
  for (const name of nodeNames) cluster.node(name).script = answer(name)
  await cluster.pass(5000)
  const gets = Array.from({ length: 100 }, () => db.bucket('b').get('k'))
  t.equal((await cluster.settle(Promise.all(gets))).length, 100)
})

t.test('connecting', async (t) => {
  await t.test('needs one seed that answers', async (t) => {
    const cluster = new ScriptedCluster()
    cluster.node('ada').kill()
    const before = cluster.world.nowMs
    const db = await cluster.connected({}, ['nobody:7071', 'ada:7071', 'cyd:7071'])
    t.ok(cluster.world.nowMs - before < 500)
    t.equal(db.status().nodes.length, 4)
  })

  await t.test('waits for a cluster that is forming', async (t) => {
    const cluster = new ScriptedCluster()
    const layout = cluster.layout
    cluster.layout = undefined
    cluster.world.after(4000, () => {
      cluster.layout = layout
    })
    const db = await cluster.connected()
    t.equal(db.status().layoutNumber, 1)
  })

  await t.test('but not for ever', async (t) => {
    const cluster = new ScriptedCluster()
    cluster.layout = undefined
    t.match(await failure(cluster, cluster.connected({ connectTimeoutMs: 500 })), { code: 'no-layout' })
  })

  await t.test('tells whom it could not reach', async (t) => {
    const cluster = new ScriptedCluster()
    cluster.node('ada').kill()
    const error = await failure(cluster, cluster.connected({ connectTimeoutMs: 800 }, ['ada:7071', 'nobody:7071']))
    t.match(error, { code: 'unreachable', message: /nobody:7071: the name does not resolve.*; ada:7071/ })
  })

  await t.test('tells at once that the cluster is another one', async (t) => {
    const cluster = new ScriptedCluster()
    cluster.cluster = 'sparrow'
    const before = cluster.world.nowMs
    const error = await failure(cluster, cluster.connected())
    t.match(error, { code: 'invalid-parameter', message: /sparrow/, hint: /`cluster`/ })
    t.ok(cluster.world.nowMs - before < 100)
  })

  await t.test('refuses what are no addresses, and options out of range', async (t) => {
    const cluster = new ScriptedCluster()
    for (const seeds of [[], ['127.0.0.1'], ['a:0'], ['http://a:1']]) {
      t.throws(() => cluster.client(seeds), { code: 'invalid-parameter' })
      cluster.world.crash('client', 'kill')
    }
    for (const seeds of ['127.0.0.1:7071', null, [7071]]) {
      t.throws(() => cluster.client(seeds as never), { code: 'invalid-parameter' })
      cluster.world.crash('client', 'kill')
    }
    for (const breaker of [{ windowMs: Number.NaN }, { failureShareMax: 2 }, { openMsMin: 90, openMsMax: 80 }]) {
      t.throws(() => cluster.client(['ada:7071'], { breaker }), { code: 'invalid-parameter', message: /breaker\./ })
      cluster.world.crash('client', 'kill')
    }
    for (const options of [{ deadlineMs: 0 }, { deadlineMs: 60_001 }, { retries: -1 }, { connectionsPerNode: 0 }]) {
      t.throws(() => cluster.client(['ada:7071'], options), { code: 'invalid-parameter' })
      cluster.world.crash('client', 'kill')
    }
  })

  await t.test('is not needed by a client that begins with a request', async (t) => {
    const cluster = new ScriptedCluster()
    const db = cluster.client()
    t.ok(await cluster.settle(db.bucket('b').get('k')))
    t.same(cluster.askedNodes(), ['ada'], 'the seed itself')
    await cluster.pass(100)
    t.equal(db.status().layoutNumber, 1)
  })
})

t.test('several connections to each node are used in turn', async (t) => {
  const cluster = new ScriptedCluster()
  const db = await cluster.connected({ connectionsPerNode: 3 })
  await cluster.settle(Promise.all(Array.from({ length: 60 }, (_, key) => db.bucket('b').get(`k${key}`))))
  t.same(
    nodeNames.map((name) => cluster.node(name).connections),
    [3, 3, 3, 3],
  )
})

/** A client of nodes that follow `script` for the first requests, so many of them all together, and answer later ones. */
async function failing(
  script: Script,
  times = Number.POSITIVE_INFINITY,
  options?: Parameters<ScriptedCluster['connected']>[0],
): Promise<{ readonly cluster: ScriptedCluster; readonly db: Database; readonly fail: { count: number } }> {
  const cluster = new ScriptedCluster()
  const db = await cluster.connected(options)
  const fail = { count: 0 }
  for (const name of nodeNames) {
    cluster.node(name).script = (request, respond) => {
      if (fail.count >= times) return answer(name)(request, respond)
      fail.count += 1
      script(request, respond)
    }
  }
  return { cluster, db, fail }
}

function slowly(cluster: ScriptedCluster, ms: number): Promise<Uint8Array> {
  return new Promise((resolve) =>
    cluster.world.inProcess('client', () => resolve(new TextEncoder().encode('merged')), ms),
  )
}

function typesOf(cluster: ScriptedCluster): readonly string[] {
  return cluster.asked.map(({ request }) => request.type)
}

function triesOf(asked: readonly (ScriptedCluster['asked'][number] | undefined)[]) {
  return asked.map((one) => (one === undefined || one.request.type === 'get' ? undefined : one.request.idempotency))
}

function answer(name: NodeName): Script {
  return (request, respond) => respond(coordinated(name, request))
}

/** Each request is shown the next of these; the last of them again and again. Deletes do not count. */
function shown(...states: readonly (readonly string[])[]): Script {
  let next = 0
  return (request, respond) => {
    const state = states[Math.min(next, states.length - 1)]
    if (request.type !== 'delete') next += 1
    respond(coordinated('ada', request, state))
  }
}

async function failure(cluster: ScriptedCluster, promise: Promise<unknown>): Promise<Error> {
  try {
    await cluster.settle(promise)
  } catch (error) {
    return error as StarlingError
  }
  throw new Error('it did not fail')
}
