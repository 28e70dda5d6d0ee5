import { createServer, type RequestListener, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { seededFractions } from '../../bench/load/random.ts'
import { registerAtomic } from '../../jepsen-lite/workloads/registers.ts'
import { checkRegisters } from '../checkers/check-registers.ts'
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

t.test('where a write reaches one owner before the others, a read that repairs nothing is noticed', async (t) => {
  const careless = await ofThreeOwners(t, { repairs: false })
  t.equal(checkRegisters(careless, { model: 'atomic' }).valid, false, 'one read shows it, and a later one does not')
  t.equal(checkRegisters(careless, { model: 'regular' }).valid, true)
  const blocking = await ofThreeOwners(t, { repairs: true })
  t.match(checkRegisters(blocking, { model: 'atomic' }), { valid: true, violations: [] })
})

interface Owner {
  readonly held: Map<string, { readonly value: string; readonly number: number }>
}

const clientCount = 8
const turnsOfClient = 12
const laterMs = 5
const partialShare = 0.1

/**
 * What clients do and are told where five nodes coordinate for three owners: a write is with one owner at once, with the
 * next one a little later, and then it is acknowledged; some stay with the first. A read asks two owners.
 */
async function ofThreeOwners(t: Scope, { repairs }: { readonly repairs: boolean }): Promise<readonly HistoryRecord[]> {
  const owners: readonly Owner[] = [{ held: new Map() }, { held: new Map() }, { held: new Map() }]
  const fraction = seededFractions(1)
  let writes = 0
  const nodes = await Promise.all(
    Array.from({ length: 5 }, (_, place) => {
      const [near, next] = [owners[place % 3], owners[(place + 1) % 3]] as readonly [Owner, Owner]
      const put = async (key: string, value: string, response: ServerResponse): Promise<void> => {
        const state = { value, number: ++writes }
        take(near, key, state)
        await sleep(laterMs)
        if (fraction() < partialShare) return void response.destroy()
        take(next, key, state)
        response.writeHead(204).end()
      }
      const get = (key: string, response: ServerResponse): void => {
        const [newest] = [near.held.get(key), next.held.get(key)]
          .filter((state) => state !== undefined)
          .toSorted((a, b) => b.number - a.number)
        if (newest === undefined) return void response.writeHead(404, { 'starling-siblings': '0' }).end()
        if (repairs) for (const owner of [near, next]) take(owner, key, newest)
        response.end(newest.value)
      }
      return listen(t, async (request, response) => {
        const key = request.url?.split('?')[0] ?? ''
        const value = await text(request)
        if (request.method === 'PUT') await put(key, value, response)
        else get(key, response)
      })
    }),
  )
  const { history, recorder } = recording()
  const members = nodes.map((http, place) => ({ name: `n${place + 1}`, http, peer: '' }))
  await Promise.all(
    Array.from({ length: clientCount }, async (_, number) => {
      const client = registerAtomic.client({ number, fraction, cluster: { members }, recorder })
      for (let turn = 0; turn < turnsOfClient; turn += 1) await client.next()
    }),
  )
  return history.records
}

function take({ held }: Owner, key: string, state: { readonly value: string; readonly number: number }): void {
  if ((held.get(key)?.number ?? 0) < state.number) held.set(key, state)
}

/** What one client does at a node that hangs up on every third write, and has nothing. */
async function whereWritesEndUnknown(t: Scope): Promise<readonly HistoryRecord[]> {
  let writes = 0
  const http = await listen(t, (request, response) => {
    request.resume()
    if (request.method === 'GET') return response.writeHead(404, { 'starling-siblings': '0' }).end()
    writes += 1
    return writes % 3 === 0 ? response.destroy() : response.writeHead(204).end()
  })
  const { history, recorder } = recording()
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

function recording() {
  const history = new History()
  let processes = 0
  const recorder = {
    add: (record: Omit<HistoryRecord, 'i' | 'ns'>) => history.add({ ...record, ns: history.records.length }),
    nextProcess: () => {
      processes += 1
      return processes
    },
  }
  return { history, recorder }
}

async function listen(t: Scope, answer: RequestListener): Promise<string> {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => void server.close())
  const address = server.address()
  return `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
}
