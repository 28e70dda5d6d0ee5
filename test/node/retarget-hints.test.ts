import t from 'tap'
import { retargetHints } from '../../lib/node/retarget-hints.ts'
import { hlcZero } from '../../lib/protocol/clock/hlc.ts'
import { Ring } from '../../lib/protocol/ring/ring.ts'
import { type NodeId, toNodeId } from '../../lib/vocabulary/ids.ts'
import { named } from '../wire/fixtures/names.ts'
import { decide, HintHolder, made } from './fixtures/hint-holder.ts'
import { RecordNode } from './fixtures/record-node.ts'

const letters = ['a', 'b', 'c', 'd', 'e']
const [ada, bob, cyd, dan, eve] = letters.map((letter) => toNodeId(letter.repeat(32))) as [
  NodeId,
  NodeId,
  NodeId,
  NodeId,
  NodeId,
]
const tea = named('carts', 'tea')

t.test('when another layout is in force (rule H3)', async (t) => {
  t.test('what waits for somebody who owns nothing of it any more goes to every owner, oneself included', async (t) => {
    const { holder, records } = await holding(cyd)
    retarget(holder, records, [ada, bob, cyd], [ada, bob, eve])
    t.ok(targets(holder).includes(cyd), 'it stays until they have it')
    records.flush()
    holder.flush()
    t.same(targets(holder), [bob, eve])
    t.same(records.valuesOf(tea), ['one'])
  })

  t.test('what waits for an owner that still is one stays, and goes to the new owners besides', async (t) => {
    const { holder, records } = await holding(cyd)
    retarget(holder, records, [bob, cyd, dan], [bob, cyd, eve])
    holder.flush()
    t.same(targets(holder), [cyd, eve])
    t.same(records.valuesOf(tea), [], 'ada owns nothing of it')
  })

  t.test('where nothing moved, nothing happens', async (t) => {
    const { holder, records } = await holding(cyd)
    retarget(holder, records, [bob, cyd, dan], [bob, cyd, dan])
    holder.flush()
    t.same(targets(holder), [cyd])
  })

  t.test('no copy takes over the right to mint (rule Q2)', async (t) => {
    const holder = new HintHolder().load()
    const { record, mintAs } = decide(undefined, 'one', 100)
    holder.seat(cyd).write(tea, undefined, record, mintAs, 'os', () => {})
    holder.flush()
    retarget(holder, new RecordNode(), [bob, cyd, dan], [bob, dan, eve])
    holder.flush()
    t.same(targets(holder), [bob, dan, eve])
    for (const target of targets(holder)) t.match(holder.hints.read(target, tea), { state: 'found', mintAs: undefined })
  })
})

async function holding(target: NodeId): Promise<{ readonly holder: HintHolder; readonly records: RecordNode }> {
  const holder = new HintHolder().load()
  holder.add(target, tea, made('one', 1))
  holder.flush()
  return { holder, records: new RecordNode() }
}

function retarget(holder: HintHolder, records: RecordNode, before: readonly NodeId[], after: readonly NodeId[]): void {
  const parts = { self: ada, hints: holder.hints, store: records.store, clock: () => hlcZero }
  retargetHints(parts, ringOf(before), ringOf(after))
  holder.time.endTurn()
}

function targets(holder: HintHolder): readonly NodeId[] {
  return holder.hints
    .ledger()
    .map(({ target }) => target)
    .sort()
}

/** One of which every partition has these owners. */
function ringOf(owners: readonly NodeId[]): Ring {
  const nodes = [ada, bob, cyd, dan, eve].map((id, index) => ({ id, shortId: index + 1, zone: 'default', weight: 1 }))
  const cells = owners.map((owner) => nodes.findIndex(({ id }) => id === owner))
  const assignment = new Uint16Array(Array.from({ length: 16 }, () => cells).flat())
  return new Ring({ nodes, partitionCount: 16, replicaCount: 3, assignment })
}
