/**
 * How deletions come back elsewhere: one schedule for each post-mortem, and why it ends otherwise here.
 *
 * - basho/riak_kv#679 and "Per Key Epochs" (wombat.me): a copy that was reaped and written again names its writes anew
 * - Riak's doomstone: a tombstone that waits at a fallback meets the key written anew
 * - Cassandra's gc_grace: a copy that was away for longer than the waiting time brings the value back
 */
import t from 'tap'
import { contextOfGet, emptyContext } from '../../lib/protocol/causality/context.ts'
import { deleteRecord } from '../../lib/protocol/causality/delete.ts'
import { mergeRecords } from '../../lib/protocol/causality/merge.ts'
import { mintDot } from '../../lib/protocol/causality/mint.ts'
import { putRecord } from '../../lib/protocol/causality/put.ts'
import type { CausalContext, StoredRecord } from '../../lib/protocol/causality/record.ts'
import { type Hlc, hlcFromMs } from '../../lib/protocol/clock/hlc.ts'
import { comesTooLate } from '../../lib/protocol/deletion/barrier.ts'
import { contentOf } from '../protocol/causality/replica-model.ts'

const ada = { shortId: 1, generation: 10 }
const dayMs = 86_400_000

t.test(
  'riak_kv#679: a key written anew after its tombstone was reaped is not swallowed by what saw the old one',
  async (t) => {
    const old = put(undefined, emptyContext, 1)
    const deleted = remove(put(old, contextOfGet(old.record), 2), 3)
    // Reaped at ada, and with it what her copy minted as: the same node, the same generation of its store.
    const anew = put(undefined, emptyContext, 4)
    t.same(
      valuesOf(mergeRecords(deleted.record, anew.record)),
      [4],
      'a stale copy of the tombstone covers no dot of it',
    )
    t.same(valuesOf(mergeRecords(old.record, anew.record)), [1, 4], 'and a stale value is only a sibling')
  },
)

t.test('the doomstone: a tombstone handed off late does not take what was written after it was reaped', async (t) => {
  const old = put(undefined, emptyContext, 1)
  const doomstone = remove(old, 2).record
  const anew = put(put(undefined, emptyContext, 3), emptyContext, 4)
  t.same(valuesOf(mergeRecords(anew.record, doomstone)), [3, 4])
  t.equal(
    comesTooLate(at(20), at(10), 0, anew.record, doomstone),
    true,
    'and where the barrier stands it is not even taken: its sender looks again, and has it no longer',
  )
})

t.test(
  'gc_grace: a value read before the removal is refused, however long ago, and one read after it is not there',
  async (t) => {
    const value = put(undefined, emptyContext, 1).record
    const removedAt = at(5 * dayMs)
    const wallMs = 30 * dayMs
    t.equal(comesTooLate(removedAt, at(1), wallMs, undefined, value), true, 'read four days before')
    t.equal(comesTooLate(removedAt, at(5 * dayMs - 1), wallMs, undefined, value), true, 'read a millisecond before')
    t.equal(
      comesTooLate(removedAt, at(6 * dayMs), wallMs, undefined, value),
      false,
      'a live owner of that day had the tombstone',
    )
  },
)

function at(ms: number): Hlc {
  return hlcFromMs(ms)
}

function put(stored: StoredRecord | undefined, seen: CausalContext, counter: number): StoredRecord {
  const { dot, mintAs } = mintDot(stored, seen.vv, ada, counter)
  return putRecord(stored, seen, { dot, mintAs, hlc: at(counter) }, 'siblings', contentOf(counter))
}

function remove(stored: StoredRecord, counter: number): StoredRecord {
  const seen = contextOfGet(stored.record)
  const { dot, mintAs } = mintDot(stored, seen.vv, ada, counter)
  return deleteRecord(stored, seen, { dot, mintAs, hlc: at(counter) }, 'siblings') as StoredRecord
}

function valuesOf(record: StoredRecord['record']): readonly number[] {
  return record.siblings.map(({ dot }) => dot.counter)
}
