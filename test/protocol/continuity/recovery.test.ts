import t from 'tap'
import { hlcFromMs } from '../../../lib/protocol/clock/hlc.ts'
import { Recovery } from '../../../lib/protocol/continuity/recovery.ts'
import { keepRow, type StoreRow } from '../../../lib/protocol/continuity/store-row.ts'
import { toNodeId } from '../../../lib/vocabulary/ids.ts'

const bob = toNodeId('b'.repeat(32))
const cyd = toNodeId('c'.repeat(32))
const dan = toNodeId('d'.repeat(32))

t.test('A5: a recovering partition', async (t) => {
  t.test('does not count toward R until it was exchanged with every other owner', async (t) => {
    const recovery = ofPartitions('restored')
    t.equal(recovery.isRecovering(1), true)
    t.equal(recovery.countsTowardR(1, 'os'), false)
    t.equal(recovery.exchanged(1, bob), false, 'cyd may hold what bob does not')
    t.equal(recovery.countsTowardR(1, 'os'), false)
    t.equal(recovery.exchanged(1, cyd), true)
    t.equal(recovery.countsTowardR(1, 'os'), true)
    t.equal(recovery.exchanged(1, cyd), false, 'an exchange that ends late changes nothing')
    t.same([recovery.isRecovering(2), recovery.partitionsLeft], [true, 1])
  })

  t.test('answers reads of disk buckets after a merely lossy start', async (t) => {
    t.equal(ofPartitions('lossy').countsTowardR(1, 'disk'), true)
    t.equal(ofPartitions('lossy').countsTowardR(1, 'os'), false)
    t.equal(ofPartitions('restored').countsTowardR(1, 'disk'), false)
    t.equal(ofPartitions('wiped').countsTowardR(1, 'disk'), false)
  })

  t.test('waits for nobody who is excluded', async (t) => {
    const recovery = ofPartitions('lossy')
    recovery.exchanged(1, bob)
    recovery.ownersChanged(
      () => [bob, cyd],
      (node) => node === cyd,
    )
    t.equal(recovery.isRecovering(1), false)
    t.same(recovery.owedTo(2), [bob])
  })

  t.test(
    'recovers from all who own it now, where one that was owed has gone: what it had is with one of them',
    async (t) => {
      const recovery = ofPartitions('lossy')
      recovery.exchanged(1, bob)
      recovery.exchanged(2, cyd)
      recovery.ownersChanged(
        () => [bob, dan],
        () => false,
      )
      t.same(recovery.owedTo(1), [bob, dan], 'cyd had not been asked')
      t.same(recovery.owedTo(2), [bob], 'cyd had, and dan has what he had')
    },
  )

  t.test('needs not recover when the node has lost it', async (t) => {
    const recovery = ofPartitions('restored')
    recovery.ownersChanged(
      (partition) => (partition === 1 ? undefined : [bob, cyd]),
      () => false,
    )
    t.same([recovery.isRecovering(1), recovery.isRecovering(2)], [false, true])
  })

  t.test('ends by hand', async (t) => {
    const recovery = ofPartitions('wiped')
    recovery.acceptLoss()
    t.equal(recovery.partitionsLeft, 0)
  })

  t.test('without another owner has nothing to recover', async (t) => {
    t.equal(new Recovery('lossy', [{ partition: 3, owners: [] }]).isRecovering(3), false)
  })

  t.test('is exchanged first where least is missing, with whoever can be reached', async (t) => {
    const recovery = ofPartitions('lossy')
    recovery.exchanged(2, bob)
    t.same(
      recovery.next(10, () => true),
      [
        { partition: 2, owner: cyd },
        { partition: 1, owner: bob },
      ],
    )
    t.same(
      recovery.next(1, () => true),
      [{ partition: 2, owner: cyd }],
    )
    t.same(
      recovery.next(10, (node) => node === bob),
      [{ partition: 1, owner: bob }],
    )
    t.same(
      recovery.next(10, () => false),
      [],
    )
  })
})

t.test('A4: a member keeps the highest row of a node, and answers with it when it was told another', async (t) => {
  const row: StoreRow = { seq: 5, generation: 1, leaseUpTo: 10, hlcUpTo: hlcFromMs(1) }
  t.equal(keepRow(undefined, row), row)
  const next = { ...row, seq: 6 }
  t.equal(keepRow(row, next), next)
  t.equal(keepRow(next, row), next, 'an older row is late, or its node went back in time')
  const twin = { ...row }
  t.equal(keepRow(row, twin), twin, 'a repeated push is kept again')
  t.equal(keepRow(row, { ...row, generation: 2 }), row, 'two rows of one seq: its node went back in time')
})

function ofPartitions(reason: 'lossy' | 'restored' | 'wiped'): Recovery {
  return new Recovery(reason, [
    { partition: 1, owners: [bob, cyd] },
    { partition: 2, owners: [bob, cyd] },
  ])
}
