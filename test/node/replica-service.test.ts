import t from 'tap'
import { hlcFromMs } from '../../lib/protocol/clock/hlc.ts'
import { type NodeId, toNodeId } from '../../lib/vocabulary/ids.ts'
import type { Frame, Hello, Refusal, Request, Response } from '../../lib/wire/messages.ts'
import { encodeRecord } from '../../lib/wire/record.ts'
import { adaDigest, hello, RawPeer } from '../links/parties.ts'
import { named } from '../wire/fixtures/names.ts'
import { remote } from './fixtures/record-node.ts'
import { bucket, TestCluster } from './fixtures/test-cluster.ts'

const nothing = { aftermath: 'nothing-changed' }
const five = ['ada', 'bob', 'cyd', 'dan', 'eve']

t.test('what one node asks of another', async (t) => {
  const cluster = TestCluster.formed(five)
  const peer = caller(cluster, { role: 'peer' })
  const mine = cluster.keyWhere((owners) => owners.includes('ada'))
  const foreign = cluster.keyWhere((owners) => !owners.includes('ada'))

  await t.test('is a state to merge, which is confirmed and can be read again', async (t) => {
    t.match(peer.ask(write(mine, encodeRecord(remote('theirs')))), { type: 'record-written' })
    t.match(peer.ask(read(mine)), { type: 'record-read', state: 'found', isRecovering: false })
    t.match(cluster.replica('ada', mine), { present: true, siblings: { length: 1 } })
    t.match(peer.ask({ type: 'explain-replica', key: named(bucket, mine) }), { state: 'found', isOwner: true })
  })

  await t.test('is refused for a key it does not own, instead of being called absent', async (t) => {
    const refused = { type: 'refused', code: 'not-owner', ...nothing }
    t.match(peer.ask(read(foreign)), refused)
    t.match(peer.ask(write(foreign, encodeRecord(remote('theirs')))), refused)
    const partition = cluster.node('ada').ownersOf(bucket, foreign as never)?.partition as number
    const pull = {
      type: 'pull-partition',
      partition,
      after: new Uint8Array(0),
      bytesMax: 1000,
      layoutNumber: 1,
    } as const
    t.match(peer.ask(pull), refused)
    t.match(peer.ask({ type: 'explain-replica', key: named(bucket, foreign) }), { state: 'absent', isOwner: false })
  })

  await t.test('is a hint, kept for one specific owner of the key and for nobody else', async (t) => {
    const [first] = cluster.ownersOf(foreign) as [string]
    const owner = cluster.node(first).id as NodeId
    t.match(peer.ask(hint(foreign, owner)), { type: 'record-written' })
    const kept = peer.ask({ type: 'read-hint', key: named(bucket, foreign), layoutNumber: 1, timeoutMs: 1000 })
    t.match(kept, { type: 'record-read', state: 'found' })
    const none = { type: 'read-hint', key: named(bucket, 'never written'), layoutNumber: 1, timeoutMs: 1000 } as const
    t.match(peer.ask(none), { type: 'record-read', state: 'absent' })
    const refused = (reason: string): number => cluster.metric('ada', 'starling_hints_refused_total', reason)
    t.match(peer.ask(hint(foreign, toNodeId('5'.repeat(32)))), { code: 'not-owner', ...nothing })
    t.match(peer.ask(hint(foreign, cluster.node('ada').id as NodeId)), { code: 'not-owner', ...nothing })
    t.match(peer.ask(hint(mine, cluster.node('ada').id as NodeId)), { code: 'not-owner', ...nothing })
    t.match(peer.ask({ ...hint(foreign, owner), layoutNumber: 0 }), { code: 'layout-stale', ...nothing })
    t.match(peer.ask({ ...hint(foreign, owner), record: Uint8Array.of(9, 9, 9) }), { code: 'malformed', ...nothing })
    t.same(['unknown-node', 'not-owner', 'owner', 'layout'].map(refused), [1, 1, 1, 1], 'each with its reason')
  })

  await t.test('is refused when it was planned with a layout that all have left behind (T2, T4)', async (t) => {
    const stale = { type: 'refused', code: 'layout-stale', ...nothing }
    t.match(peer.ask({ ...read(mine), layoutNumber: 0 } as Request), stale)
    t.match(peer.ask({ ...write(mine, encodeRecord(remote('theirs'))), layoutNumber: 0 } as Request), stale)
    t.match(peer.ask({ type: 'read-hint', key: named(bucket, foreign), layoutNumber: 0, timeoutMs: 1000 }), stale)
  })

  await t.test('is refused when it is damaged, and damages nothing', async (t) => {
    const bytes = encodeRecord(remote('damaged on the way'))
    const before = cluster.replica('ada', mine).stateHash
    for (let place = 0; place < bytes.length; place += 1) {
      const changed = bytes.slice()
      changed[place] = (changed[place] as number) ^ 8
      const answer = peer.ask(write(mine, changed))
      // A flipped bit in the name of a write is another name; in its content it never passes.
      if (answer.type === 'refused') t.match(answer, { code: 'malformed', ...nothing })
    }
    t.match(peer.ask(write(mine, bytes.subarray(0, bytes.length - 1))), { code: 'malformed' })
    t.match(peer.ask(write(mine, Uint8Array.of(9, 9, 9))), { code: 'malformed' })
    const values = cluster.replica('ada', mine).siblings.map(({ value }) => new TextDecoder().decode(value))
    t.ok(
      values.every((value) => value === 'theirs' || value === 'damaged on the way'),
      values.join(),
    )
    t.ok(before)
    t.equal(cluster.metric('ada', 'starling_internal_errors_total'), 0)
  })

  await t.test('is forwarded, and not in circles', async (t) => {
    const request = cluster.putRequest(foreign, 'v')
    t.match(peer.ask({ type: 'coordinate', request, hops: 0 }), { type: 'coordinated', answer: { type: 'written' } })
    t.match(peer.ask({ type: 'coordinate', request, hops: 1 }), { type: 'coordinated', answer: { type: 'written' } })
    t.match(peer.ask({ type: 'coordinate', request, hops: 2 }), { code: 'quorum-unavailable', ...nothing })
  })

  await t.test('is whether it lives, by its own id only', async (t) => {
    const id = cluster.node('ada').self().id as never
    t.match(peer.ask({ type: 'probe', target: id }), { type: 'probe-acked', node: id, startNumber: 1 })
    t.match(peer.ask({ type: 'probe', target: toNodeId('f'.repeat(32)) }), { type: 'refused', code: 'unknown-node' })
  })
})

t.test('a client may have its requests coordinated and learn the cluster, and nothing else', async (t) => {
  const cluster = TestCluster.formed()
  const client = caller(cluster, { role: 'client', nodeId: '' })
  const request = cluster.putRequest('k', 'v')
  t.match(client.ask({ type: 'coordinate', request, hops: 0 }), { type: 'coordinated' })
  t.match(client.ask({ type: 'discover' }), { type: 'discovered', members: { length: 3 } })
  const row = { seq: 9, generation: 9, leaseUpTo: 9, hlcUpTo: hlcFromMs(9) }
  const forbidden: readonly Request[] = [
    write('k', encodeRecord(remote('theirs'))),
    read('k'),
    { type: 'exchange-members', members: [], isJoin: true },
    { type: 'keep-row', node: toNodeId('f'.repeat(32)), row },
    { type: 'pull-layout' },
  ]
  for (const message of forbidden) t.match(client.ask(message), { code: 'forbidden', ...nothing }, message.type)
  t.match(cluster.get('bob', 'k', { r: 'all' }), { values: ['v'] })
  t.equal(cluster.node('ada').status().members.length, 3)
})

/** Somebody with a connection to Ada. */
function caller(cluster: TestCluster, changes: Partial<Hello>) {
  const peer = RawPeer.connect(cluster.world, cluster.world.portsFor('stranger'), 'ada')
  peer.say({ kind: 'hello', message: hello(changes) })
  let id = 0
  return {
    ask(message: Request): Response | Refusal {
      id += 1
      peer.say({ kind: 'request', id, digest: adaDigest, message })
      const isAnswer = (frame: Frame): boolean => frame.kind === 'response' && frame.id === id
      cluster.await(`an answer to ${message.type}`, () => peer.heard.some(isAnswer), 10_000)
      return (peer.heard.find(isAnswer) as Extract<Frame, { kind: 'response' }>).message
    },
  }
}

function hint(key: string, target: NodeId): Extract<Request, { type: 'store-hint' }> {
  const theirs = remote('theirs')
  // Above whatever the node has called stable.
  const later = hlcFromMs(4_000_000_000_000)
  return {
    type: 'store-hint',
    target,
    key: named(bucket, key),
    record: encodeRecord({ ...theirs, siblings: theirs.siblings.map((sibling) => ({ ...sibling, hlc: later })) }),
    durability: 'os',
    layoutNumber: 1,
    asOf: hlcFromMs(0),
    timeoutMs: 1000,
  }
}

function write(key: string, record: Uint8Array): Request {
  return {
    type: 'write-record',
    key: named(bucket, key),
    record,
    purpose: 'write',
    durability: 'os',
    layoutNumber: 1,
    asOf: hlcFromMs(0),
    timeoutMs: 1000,
  }
}

function read(key: string): Request {
  return { type: 'read-record', key: named(bucket, key), layoutNumber: 1, timeoutMs: 1000 }
}
