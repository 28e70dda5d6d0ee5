import t, { type Test } from 'tap'
import { HttpClient } from '../../lib/http-client/http-client.ts'
import { type StarlingError, Unreachable } from '../../lib/vocabulary/errors.ts'
import { FakeNode, type Trouble } from './fixtures/fake-node.ts'

t.test('a client that was given retries tries again what is safe', async (t) => {
  const { node, client } = await nodeAndClient(t, { retries: 2 })

  await t.test('a get, whatever went wrong', async (t) => {
    node.put('b', 'k', 'x')
    for (const trouble of ['refuse', 'reset', 'timeout-after'] as const) {
      node.seen.length = 0
      node.trouble = once(trouble)
      t.equal((await client.get('b', 'k', { timeoutMs: 30_000 })).siblings.length, 1, trouble)
      t.equal(node.seen.length, 2)
    }
  })

  await t.test('a write, as the same write', async (t) => {
    for (const trouble of ['reset-after', 'timeout-after'] as const) {
      node.seen.length = 0
      node.trouble = once(trouble)
      await client.put('b', trouble, 'x', { timeoutMs: 30_000 })
      const keys = node.seen.map(({ headers }) => headers['idempotency-key'])
      t.equal(keys.length, 2)
      t.match(keys[0], /^[0-9a-f]{32}$/)
      t.equal(keys[0], keys[1])
    }
    node.seen.length = 0
    node.trouble = once('reset-after')
    await client.delete('b', 'k', { idempotencyKey: 'mine', timeoutMs: 30_000 })
    await client.put('b', 'another', 'x')
    const [first, second, third] = node.seen.map(({ headers }) => headers['idempotency-key'])
    t.same([first, second], ['mine', 'mine'])
    t.match(third, /^[0-9a-f]{32}$/)
  })

  await t.test('so often and no more, and then tells what the last one told', async (t) => {
    node.seen.length = 0
    node.trouble = () => 'refuse'
    t.match(await failure(client.put('b', 'k', 'x')), { code: 'draining', aftermath: 'nothing-changed' })
    t.equal(node.seen.length, 3)
    node.trouble = inOrder('reset-after', 'refuse', 'refuse')
    t.match(await failure(client.put('b', 'k', 'x')), { code: 'draining', aftermath: 'may-have-changed' })
  })

  await t.test('within its time', async (t) => {
    node.seen.length = 0
    node.trouble = () => 'refuse'
    t.match(await failure(client.get('b', 'k', { timeoutMs: 1 })), { code: 'draining' })
    node.seen.length = 0
    await failure(client.get('b', 'k', { timeoutMs: 30_000 }))
    const timeouts = node.seen.map(({ query }) => Number(query.get('timeout')))
    t.equal(timeouts[0], 30_000)
    t.ok(timeouts.every((timeoutMs, index) => index === 0 || timeoutMs <= (timeouts[index - 1] as number)))
  })

  await t.test('until its signal is aborted', async (t) => {
    node.trouble = () => 'refuse'
    const abort = new AbortController()
    node.answers.set('/v1/node', { status: 429, body: { code: 'overloaded', aftermath: 'nothing-changed' } })
    node.trouble = () => undefined
    const asked = client.node({ signal: abort.signal })
    setTimeout(() => abort.abort(new RangeError('enough')), 50)
    await t.rejects(asked, RangeError, 'in the pause that an overloaded node asked for')
  })

  await t.test('and nothing else', async (t) => {
    node.seen.length = 0
    node.trouble = once('reset')
    node.answers.set('/v1/cluster/commit', { status: 200, body: { decided: true } })
    t.match(await failure(client.commit()), { code: 'unreachable', aftermath: 'may-have-changed' })
    t.equal(node.seen.filter(({ path }) => path === '/v1/cluster/commit').length, 1, 'a decision is not made twice')
  })
})

t.test('a client that was given none tries nothing again, and gives its writes no key', async (t) => {
  const { node, client } = await nodeAndClient(t, {})
  node.trouble = once('reset-after')
  t.ok((await failure(client.put('b', 'k', 'x'))) instanceof Unreachable)
  t.equal(node.seen.length, 1)
  t.equal(node.seen[0]?.headers['idempotency-key'], undefined)
  for (const retries of [-1, 11, 1.5]) {
    t.throws(() => new HttpClient({ endpoints: [node.url], retries }), { code: 'invalid-parameter' })
  }
})

t.test('a redirect is no answer: whoever stands before the node has not carried out the write', async (t) => {
  const { node, client } = await nodeAndClient(t, {})
  for (const status of [301, 302, 307, 308]) {
    node.answers.set('/v1/kv/b/k', { status, body: '' })
    t.match(await failure(client.put('b', 'k', 'x')), { code: 'internal', aftermath: 'may-have-changed' })
    t.match(await failure(client.get('b', 'k')), { code: 'internal' })
  }
})

t.test('nor are the choices of somebody who is no node', async (t) => {
  const { node, client } = await nodeAndClient(t, {})
  for (const body of ['<html>', '{}', 'null']) {
    node.answers.set('/v1/kv/b/k', { status: 300, body })
    t.match(await failure(client.get('b', 'k')), { code: 'internal', aftermath: 'nothing-changed' }, body)
  }
})

async function nodeAndClient(t: Test, options: { readonly retries?: number }) {
  const node = await FakeNode.start()
  t.teardown(() => node.stop())
  return { node, client: new HttpClient({ endpoints: [node.url], ...options }) }
}

function once(trouble: Trouble): () => Trouble | undefined {
  return inOrder(trouble)
}

function inOrder(...troubles: readonly Trouble[]): () => Trouble | undefined {
  const left = [...troubles]
  return () => left.shift()
}

async function failure(promise: Promise<unknown>): Promise<StarlingError> {
  return promise.then(
    () => {
      throw new Error('it did not fail')
    },
    (error: StarlingError) => error,
  )
}
