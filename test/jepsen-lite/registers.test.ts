import { createServer } from 'node:http'
import t from 'tap'
import { registerAtomic } from '../../jepsen-lite/workloads/registers.ts'
import { History, type HistoryRecord } from '../checkers/history.ts'
import type { Scope } from '../platform/fixtures/scratch.ts'

t.test('a register whose last write has an unknown end is read on, and not written any more', async (t) => {
  const records = await whereWritesEndUnknown(t)
  const unknown = records.filter(({ t: type, f }) => type === 'info' && f === 'put')
  t.ok(unknown.length > 0)
  const later = (one: HistoryRecord, f: string): number =>
    records.filter(({ t: type, f: other, k, i }) => type === 'invoke' && other === f && k === one.k && i > one.i).length
  t.ok(
    unknown.some((one) => later(one, 'get') > 1),
    'what one read may have seen of it, the next must see',
  )
  t.ok(
    unknown.every((one) => later(one, 'put') === 0),
    'or the key would have two writers',
  )
})

/** What one client does at a node that hangs up on every third write, and has nothing. */
async function whereWritesEndUnknown(t: Scope): Promise<readonly HistoryRecord[]> {
  let writes = 0
  const server = createServer((request, response) => {
    request.resume()
    if (request.method === 'GET') return response.writeHead(404, { 'starling-siblings': '0' }).end()
    writes += 1
    return writes % 3 === 0 ? response.destroy() : response.writeHead(204).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => void server.close())
  const address = server.address()
  const http = `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  const history = new History()
  let processes = 0
  const recorder = {
    add: (record: Omit<HistoryRecord, 'i' | 'ns'>) => history.add({ ...record, ns: history.records.length }),
    nextProcess: () => {
      processes += 1
      return processes
    },
  }
  let turn = 0
  const fraction = (): number => {
    turn += 1
    return (turn * 0.618) % 1
  }
  const cluster = { members: [{ name: 'n1', http, peer: '' }] }
  const client = registerAtomic.client({ number: 0, fraction, cluster, recorder })
  for (let done = 0; done < 120; done += 1) await client.next()
  return history.records
}
