import t from 'tap'
import { UpdateQueue } from '../../../lib/protocol/membership/dissemination.ts'
import { estimateUpdateBytes, type MemberUpdate } from '../../../lib/protocol/membership/packet.ts'
import { defaultMembershipSettings } from '../../../lib/protocol/membership/settings.ts'
import fc from '../../fixtures/fast-check.ts'
import { claim } from './one-machine.ts'

const roomy = 100_000

t.test('the queue of news', async (t) => {
  t.test('holds one update per member: the latest', async (t) => {
    const queue = queueOf(claim(1, 'alive'), claim(2, 'alive'), claim(1, 'suspect'))
    t.equal(queue.size, 2)
    t.same(names(queue.take(roomy, 8)), ['1 suspect', '2 alive'].sort())
  })
  t.test('tells each update as often as the limit says, then drops it', async (t) => {
    const queue = queueOf(claim(1, 'alive'))
    for (let round = 0; round < 8; round += 1) t.equal(queue.take(roomy, 8).length, 1)
    t.same(queue.take(roomy, 8), [])
    t.equal(queue.size, 0)
  })
  t.test('tells what was told least first', async (t) => {
    const queue = queueOf(claim(1, 'alive'), claim(2, 'alive'))
    queue.take(roomy, 8)
    queue.put(claim(3, 'alive'), roomy)
    t.same(names(queue.take(estimateUpdateBytes(claim(3, 'alive')), 8)), ['3 alive'])
  })
  t.test('among equals the largest that fits, then the newest', async (t) => {
    const large = named(claim(1, 'alive'), 'a rather long name')
    const queue = queueOf(claim(2, 'alive'), large, claim(3, 'alive'))
    t.same(
      queue.peek(roomy).map(({ member }) => Number.parseInt(member.id, 16)),
      [1, 3, 2],
    )
    t.same(
      queue.peek(estimateUpdateBytes(large) - 1).map(({ member }) => Number.parseInt(member.id, 16)),
      [3],
    )
  })
  t.test('gives packets that leave anyway the same news, uncounted, and nothing twice', async (t) => {
    const queue = queueOf(claim(1, 'alive'), claim(2, 'alive'))
    for (let round = 0; round < 20; round += 1) t.same(names(queue.peek(roomy, [claim(1, 'dead')])), ['2 alive'])
    t.equal(queue.take(roomy, 8).length, 2)
  })
  t.test('is bounded as it is filled: the most told one goes', async (t) => {
    const queue = new UpdateQueue({ ...defaultMembershipSettings, queuedUpdatesMax: 3 })
    for (const of of [1, 2, 3]) queue.put(claim(of, 'alive'), roomy)
    const [told] = queue.take(estimateUpdateBytes(claim(1, 'alive')), 8)
    queue.put(claim(4, 'alive'), roomy)
    t.equal(queue.size, 3)
    t.notOk(queue.peek(roomy).some(({ member }) => member.id === told?.member.id))
  })
  t.test('refuses what no packet can carry, and forgets what it said before of that member', async (t) => {
    const queue = queueOf(claim(1, 'alive'))
    t.notOk(queue.put(named(claim(1, 'alive', 1, 1), 'x'.repeat(400)), 300))
    t.equal(queue.size, 0)
  })
})

t.test('no packet is filled beyond its budget, and none is left empty while something fits', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ of: fc.integer({ min: 1, max: 40 }), name: fc.string({ unit: 'binary', maxLength: 80 }) })),
      fc.nat({ max: 1400 }),
      (puts, budgetBytes) => {
        const queue = queueOf(...puts.map(({ of, name }) => named(claim(of, 'alive'), name)))
        const before = queue.peek(roomy)
        const taken = queue.take(budgetBytes, 8)
        const bytes = taken.reduce((sum, update) => sum + estimateUpdateBytes(update), 0)
        const fits = before.some((update) => estimateUpdateBytes(update) <= budgetBytes)
        return bytes <= budgetBytes && fits === taken.length > 0
      },
    ),
  )
})

function queueOf(...updates: readonly MemberUpdate[]): UpdateQueue {
  const queue = new UpdateQueue(defaultMembershipSettings)
  for (const update of updates) queue.put(update, roomy)
  return queue
}

function named({ member, from }: MemberUpdate, name: string): MemberUpdate {
  return { member: { ...member, metadata: { ...member.metadata, name } }, from }
}

function names(updates: readonly MemberUpdate[]): readonly string[] {
  return updates.map(({ member }) => `${Number.parseInt(member.id, 16)} ${member.state}`).sort()
}
