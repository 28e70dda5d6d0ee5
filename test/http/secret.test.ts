import t from 'tap'
import { serve } from './with-server.ts'

t.test('the keys of the secret are told by their ids', async (t) => {
  const served = await serve(t)
  t.match(await served.ask('/v1/cluster/secret'), { status: 404, json: { code: 'not-found' } })
  served.node.secretKeys = ['c7cf9d1c', '84b1e60a']
  const ada = { name: 'ada', sendsWith: 'c7cf9d1c', keys: ['c7cf9d1c', '84b1e60a'], problem: null }
  t.match(await served.ask('/v1/cluster/secret'), { status: 200, json: { agreed: true, nodes: [ada] } })
  served.node.silent = ['cyd']
  const cyd = { name: 'cyd', sendsWith: null, keys: null, problem: 'it is dead' }
  t.match((await served.ask('/v1/cluster/secret')).json, { agreed: false, nodes: [ada, cyd] })
})

t.test('a step of a rotation is ordered, and answered with who has done it', async (t) => {
  const served = await serve(t)
  served.node.secretKeys = ['c7cf9d1c']
  const post = (body: object) =>
    served.ask('/v1/cluster/secret?timeout=700', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    })
  t.match(await post({ action: 'add' }), { status: 200, json: { action: 'add', key: '0a0b0c0d', complete: true } })
  t.match((await post({ action: 'remove', key: 'c7cf9d1c' })) as object, {
    status: 409,
    json: { code: 'plan-refused', checks: [{ name: 'nobody-sends-with-it', ok: false }] },
  })
  served.node.silent = ['cyd']
  t.match((await post({ action: 'use', key: '0a0b0c0d', force: true })).json, { complete: false })
  t.match((await post({ action: 'add', key: '0a0b0c0d', dryRun: true })).json, { key: '0a0b0c0d' })
  t.match(served.node.secretOrders, [
    { action: 'add', keyId: undefined, force: false, isRehearsal: false, timeoutMs: 700 },
    { action: 'remove', keyId: 'c7cf9d1c' },
    { action: 'use', keyId: '0a0b0c0d', force: true },
    { action: 'add', isRehearsal: true },
  ])

  await t.test('unless it makes no sense', async (t) => {
    for (const body of [
      {},
      { action: 'rotate' },
      { action: 'use' },
      { action: 'remove', key: 'C7CF9D1C' },
      { action: 'use', key: 7 },
      { action: 'add', force: 'yes' },
      { action: 'add', dryRun: 1 },
      { action: 'add', secret: 'c7cf9d1c' },
    ]) {
      t.match(await post(body), { status: 400 }, JSON.stringify(body))
    }
    t.equal(served.node.secretOrders.length, 4)
  })
})
