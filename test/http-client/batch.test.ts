import t from 'tap'
import type { BatchOperation } from '../../lib/http-client/batch.ts'
import { HttpClient } from '../../lib/http-client/http-client.ts'
import { Draining, QuorumUnavailable } from '../../lib/vocabulary/errors.ts'
import { serve } from '../http/with-server.ts'

t.test('a batch over HTTP', async (t) => {
  const first = await serve(t)
  const second = await serve(t)
  const endpoints = [first, second].map(({ port }) => `http://127.0.0.1:${port}`)
  const client = new HttpClient({ endpoints })

  await t.test('tells of each operation what became of it', async (t) => {
    const value = Uint8Array.of(0xff, 0, 1)
    const operations: readonly BatchOperation[] = [
      { op: 'put', bucket: 'b', key: 'a/ü', value: 'text', contentType: 'text/plain', metadata: { by: 'me' } },
      { op: 'put', bucket: 'b', key: 'bytes', value, ifNoneMatch: '*' },
      { op: 'get', bucket: 'b', key: 'a/ü' },
      { op: 'get', bucket: 'b', key: 'bytes' },
      { op: 'get', bucket: 'b', key: 'nobody' },
      { op: 'delete', bucket: 'b', key: 'bytes', context: undefined },
      { op: 'get', bucket: 'b', key: 'bytes' },
      { op: 'put', bucket: '$b', key: 'k', value: '' },
    ]
    const results = await client.batch(operations, { w: 'all', timeoutMs: 900 })
    t.same(
      results.map(({ status, error }) => `${status} ${error?.code ?? 'ok'}`),
      ['204 ok', '204 ok', '200 ok', '200 ok', '404 ok', '204 ok', '404 ok', '400 invalid-bucket'],
    )
    t.match(results[2]?.siblings, [
      { value: new TextEncoder().encode('text'), contentType: 'text/plain', metadata: { by: 'me' } },
    ])
    t.same(results[3]?.siblings[0]?.value, value)
    t.match(results[4], { siblings: [], tombstone: false, context: undefined })
    t.match(results[6], { siblings: [], tombstone: true, context: /./ })
    t.match(first.node.batches.at(-1)?.requests[0], { options: { w: 'all' } })
    const again = await client.batch([{ op: 'get', bucket: 'b', key: 'a/ü', ifNoneMatch: results[2]?.etag }])
    t.match(again, [{ status: 304, siblings: [], etag: results[2]?.etag, error: undefined }])
    t.same(await client.batch([]), [])
  })

  await t.test('keeps the aftermath of each', async (t) => {
    first.node.failures.push(new QuorumUnavailable('too few', { aftermath: 'may-have-changed', hint: 'read it' }))
    const [put, get] = await client.batch([
      { op: 'put', bucket: 'b', key: 'k', value: 'v' },
      { op: 'get', bucket: 'b', key: 'k' },
    ])
    t.match(put?.error, { code: 'quorum-unavailable', aftermath: 'may-have-changed', hint: 'read it' })
    t.match(get, { status: 404, error: undefined })
  })

  await t.test('goes to the next endpoint where nothing was carried out', async (t) => {
    first.node.batchFailures.push(new Draining('stopping'))
    const results = await client.batch([{ op: 'put', bucket: 'b', key: 'other', value: 'v' }])
    t.match(results, [{ status: 204 }])
    t.equal(second.node.batches.length, 1)
  })

  await t.test('may be sent again if it has a key, or changes nothing', async (t) => {
    const sent: { readonly url: string; readonly headers: Readonly<Record<string, string>> }[] = []
    const { fetchTransport, TransportFailure } = await import('../../lib/http-client/public.ts')
    const real = fetchTransport(globalThis.fetch)
    const broken = new HttpClient({
      endpoints,
      transport: async (request) => {
        sent.push(request)
        if (sent.length % 2 === 1) throw new TransportFailure('the connection was lost', { mayHaveBeenSent: true })
        return real(request)
      },
    })
    const put: BatchOperation = { op: 'put', bucket: 'b', key: 'again', value: 'v' }
    t.match(await broken.batch([put], { idempotencyKey: 'one' }), [{ status: 204 }])
    t.match(sent, [{ headers: { 'idempotency-key': 'one' } }, { headers: { 'idempotency-key': 'one' } }])
    t.match(await broken.batch([{ op: 'get', bucket: 'b', key: 'again' }]), [{ error: undefined }])
    t.equal(sent.length, 4)
    await t.rejects(broken.batch([put]), { code: 'unreachable', aftermath: 'may-have-changed' })
    t.equal(sent.length, 5)
  })

  await t.test('is refused as a whole with the code of the answer', async (t) => {
    const many = new Array(1001).fill({ op: 'get', bucket: 'b', key: 'k' })
    await t.rejects(client.batch(many), { code: 'invalid-body', aftermath: 'nothing-changed' })
    await t.rejects(client.batch([], { r: 0 }), { code: 'invalid-parameter' })
    await t.rejects(client.batch([], { idempotencyKey: 'two words' }), { code: 'invalid-header' })
  })
})
