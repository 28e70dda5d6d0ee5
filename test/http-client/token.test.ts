import t, { type Test } from 'tap'
import { HttpClient, type HttpClientOptions } from '../../lib/http-client/http-client.ts'
import { FakeNode } from './fixtures/fake-node.ts'

const token = 'starling_0123456789ab_secret'

t.test('a client shows its token with every request, in the header and nowhere else', async (t) => {
  const { node, client } = await nodeAndClient(t, { token })
  await client.put('b', 'k', 'x', { timeoutMs: 1_000 })
  await client.get('b', 'k')
  await client.delete('b', 'k')
  for await (const _entry of client.list('b'));
  t.equal(node.seen.length, 4)
  for (const { headers, path, query } of node.seen) {
    t.equal(headers.authorization, `Bearer ${token}`)
    t.notMatch(`${path}?${query}`, /secret/)
  }

  await t.test('without one it sends no such header', async (t) => {
    const { node, client } = await nodeAndClient(t, {})
    await client.get('b', 'k')
    t.notOk('authorization' in (node.seen[0]?.headers ?? {}))
  })
})

t.test('a function is asked each time, and may take its time', async (t) => {
  let asked = 0
  const next = (): string => {
    asked += 1
    return `${token}-${asked}`
  }
  for (const source of [next, async () => next()]) {
    asked = 0
    const { node, client } = await nodeAndClient(t, { token: source })
    await client.get('b', 'k')
    await client.get('b', 'k')
    t.same(
      node.seen.map(({ headers }) => headers.authorization),
      [`Bearer ${token}-1`, `Bearer ${token}-2`],
    )
  }
  const failing = new HttpClient({
    endpoints: ['http://127.0.0.1:9'],
    token: () => Promise.reject(new Error('no vault')),
  })
  await t.rejects(failing.get('b', 'k'), { message: 'no vault' }, 'what it throws is what the request throws')
})

t.test('whoever is not known, or may not, is told so at once and by one node', async (t) => {
  for (const [status, code] of [
    [401, 'unauthenticated'],
    [403, 'forbidden'],
  ] as const) {
    const { node: other } = await nodeAndClient(t, {})
    const { node, client } = await nodeAndClient(t, { token, retries: 3 }, [other.url])
    const problem = { code, detail: 'no', aftermath: 'nothing-changed', retryable: false, hint: 'Ask an admin.' }
    node.answers.set('/v1/kv/b/k', { status, body: problem })
    await t.rejects(client.put('b', 'k', 'x'), { code, aftermath: 'nothing-changed', hint: 'Ask an admin.' })
    t.equal(node.seen.length, 1, 'it is not tried again')
    t.equal(other.seen.length, 0, 'nor asked elsewhere')
  }
})

t.test('what no header can carry is refused, and not repeated', async (t) => {
  for (const given of ['', 'two words', 'a\nb', 'ü', 'x'.repeat(513), 7]) {
    const refusal = thrownBy(() => new HttpClient({ endpoints: ['http://a'], token: given as string }))
    t.match(refusal, { code: 'invalid-parameter', message: /^the token / })
    if (String(given).length > 2) t.notOk(String(refusal).includes(String(given)))
    const late = new HttpClient({ endpoints: ['http://a'], token: () => given as string })
    await t.rejects(late.get('b', 'k'), { code: 'invalid-parameter' })
  }
})

async function nodeAndClient(t: Test, options: Partial<HttpClientOptions>, others: readonly string[] = []) {
  const node = await FakeNode.start()
  t.teardown(() => node.stop())
  return { node, client: new HttpClient({ endpoints: [node.url, ...others], ...options }) }
}

function thrownBy(act: () => unknown): unknown {
  try {
    act()
    return undefined
  } catch (error) {
    return error
  }
}
