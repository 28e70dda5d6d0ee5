/**
 * What we rely on from the papers and post-mortems on dotted version vectors: one test for each sentence.
 *
 * - Preguica, Baquero, Almeida, Fonte, Goncalves: Dotted Version Vectors: Logical Clocks for Optimistic Replication
 *   (arXiv:1011.5808)
 * - basho/riak_kv#679, #1094, #1643, and "Per Key Epochs" (wombat.me): how vectors go wrong when a copy is lost
 */
import t from 'tap'
import { contextOfGet, emptyContext } from '../../lib/protocol/causality/context.ts'
import { deleteRecord } from '../../lib/protocol/causality/delete.ts'
import { mergeRecords } from '../../lib/protocol/causality/merge.ts'
import { mintDot } from '../../lib/protocol/causality/mint.ts'
import { putRecord } from '../../lib/protocol/causality/put.ts'
import type { CausalContext, KeyRecord, StoredRecord } from '../../lib/protocol/causality/record.ts'
import type { Hlc } from '../../lib/protocol/clock/hlc.ts'
import { contentOf } from '../protocol/causality/replica-model.ts'

const ada = { shortId: 1, generation: 10 }
const bob = { shortId: 2, generation: 20 }

t.test('arXiv:1011.5808: a dot names one write, apart from the vector of what it has seen', async (t) => {
  t.test('two writes at one replica from the same context are siblings', async (t) => {
    const first = put(undefined, emptyContext, 1)
    const read = contextOfGet(first.record)
    t.same(valuesOf(put(put(first, read, 2), read, 3).record), [2, 3])
  })

  t.test('a write supersedes exactly what its client had read', async (t) => {
    const first = put(undefined, emptyContext, 1)
    const blind = put(first, emptyContext, 2)
    t.same(valuesOf(put(blind, contextOfGet(first.record), 3).record), [2, 3], 'the blind write stays')
  })

  t.test('one entry for each replica is enough, however many clients write', async (t) => {
    let stored = put(undefined, emptyContext, 1)
    for (let counter = 2; counter < 200; counter += 1) stored = put(stored, contextOfGet(stored.record), counter)
    t.equal(stored.record.vv.length, 1)
    t.same(valuesOf(stored.record), [199])
  })

  t.test('a write through another replica supersedes what was read at the first', async (t) => {
    const first = put(put(undefined, emptyContext, 1), emptyContext, 2)
    const elsewhere = put(undefined, contextOfGet(first.record), 1, bob)
    t.same(valuesOf(mergeRecords(first.record, elsewhere.record)), [1], 'the only value is the new one')
    t.same(mergeRecords(first.record, elsewhere.record).siblings[0]?.dot.shortId, bob.shortId)
  })
})

t.test('basho/riak_kv#679: a coordinator that lost its copy must not name a new write by an old name', async (t) => {
  const before = put(undefined, emptyContext, 5)
  const peers = put(before, contextOfGet(before.record), 6).record

  t.test('its next write survives the merge with those that remember', async (t) => {
    const afterLoss = put(undefined, emptyContext, 7)
    t.same(valuesOf(mergeRecords(peers, afterLoss.record)), [6, 7])
  })

  t.test('it would vanish if a counter began again', async (t) => {
    const again = { dot: { ...ada, born: 5, counter: 5 }, mintAs: 5, hlc: 7 as Hlc }
    const afterLoss = putRecord(undefined, emptyContext, again, 'siblings', contentOf(7))
    t.same(valuesOf(mergeRecords(peers, afterLoss.record)), [6], 'the new write is taken for the superseded one')
  })

  t.test('nor may a later counter of the old actor cover what was lost', async (t) => {
    const lastSeen = put(before, emptyContext, 6).record
    const asBefore = { dot: { ...ada, born: 5, counter: 7 }, mintAs: 5, hlc: 7 as Hlc }
    const covering = putRecord(undefined, emptyContext, asBefore, 'siblings', contentOf(7)).record
    t.same(valuesOf(mergeRecords(lastSeen, covering)), [7], 'as a node-wide counter alone would do')
    t.same(valuesOf(mergeRecords(lastSeen, put(undefined, emptyContext, 7).record)), [5, 6, 7])
  })
})

t.test('basho/riak_kv#1643: nor may it go on when it learns by a put what it had forgotten', async (t) => {
  const forgetful = put(undefined, emptyContext, 5)
  const peers = put(put(forgetful, emptyContext, 6), emptyContext, 7).record
  const seenSix: CausalContext = { ...emptyContext, vv: [{ ...ada, born: 5, counter: 6 }] }
  const written = put(forgetful, seenSix, 9)
  t.equal(written.mintAs, 9, 'a new actor')
  t.same(valuesOf(mergeRecords(peers, written.record)), [7, 9], 'the write that nobody superseded is still there')
})

t.test('"doomstone": a tombstone that waited elsewhere does not kill the key that was created anew', async (t) => {
  const first = put(undefined, emptyContext, 5)
  const mint = { ...mintDot(first, first.record.vv, ada, 6), hlc: 6 as Hlc }
  const waiting = deleteRecord(first, contextOfGet(first.record), mint, 'siblings')?.record
  if (waiting === undefined) throw new Error('there was something to delete')
  const anew = put(undefined, emptyContext, 7)
  t.same(valuesOf(mergeRecords(waiting, anew.record)), [7], 'the tombstone was forgotten everywhere else')
  const again = { dot: { ...ada, born: 5, counter: 5 }, mintAs: 5, hlc: 7 as Hlc }
  const asBefore = putRecord(undefined, emptyContext, again, 'siblings', contentOf(7)).record
  t.same(valuesOf(mergeRecords(waiting, asBefore)), [], 'and would win if the counter began again')
})

function put(stored: StoredRecord | undefined, context: CausalContext, counter: number, minter = ada): StoredRecord {
  const mint = { ...mintDot(stored, context.vv, minter, counter), hlc: counter as Hlc }
  return putRecord(stored, context, mint, 'siblings', contentOf(counter))
}

function valuesOf(record: KeyRecord): readonly number[] {
  return record.siblings.map(({ checksum }) => checksum)
}
