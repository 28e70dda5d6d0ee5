import t from 'tap'
import {
  boundedContext,
  contextAfterWrite,
  contextOfGet,
  emptyContext,
  hasSeen,
  mergeContexts,
  unknownDots,
} from '../../../lib/protocol/causality/context.ts'
import { deleteRecord, isDeleteOfNothing } from '../../../lib/protocol/causality/delete.ts'
import { findDone } from '../../../lib/protocol/causality/done.ts'
import type { Dot } from '../../../lib/protocol/causality/dot.ts'
import { isTombstone } from '../../../lib/protocol/causality/inspect-record.ts'
import { mergeRecords } from '../../../lib/protocol/causality/merge.ts'
import { mintAsAfterMerge, mintDot } from '../../../lib/protocol/causality/mint.ts'
import { putRecord } from '../../../lib/protocol/causality/put.ts'
import type { CausalContext, KeyRecord, StoredRecord } from '../../../lib/protocol/causality/record.ts'
import { type Hlc, hlcZero } from '../../../lib/protocol/clock/hlc.ts'
import { contentOf } from './replica-model.ts'

const ada = { shortId: 1, generation: 10 }
const bob = { shortId: 2, generation: 20 }

t.test('A2: minting', async (t) => {
  t.test('begins an actor with the copy, and goes on with it', async (t) => {
    const first = put(undefined, emptyContext, 5)
    t.same(first.record.vv, [{ ...ada, born: 5, counter: 5 }])
    t.equal(first.mintAs, 5, 'stored in the same batch')
    t.same(mintDot(first, [], ada, 9), { dot: { ...ada, born: 5, counter: 9 }, mintAs: 5 })
  })

  t.test('begins a new one for a record that came by merge', async (t) => {
    const received = { record: put(undefined, emptyContext, 5).record, mintAs: undefined }
    t.same(mintDot(received, [], ada, 9).dot, { ...ada, born: 9, counter: 9 })
  })

  t.test('begins a new one in a new generation, or under a new short id', async (t) => {
    const stored = put(undefined, emptyContext, 5)
    t.equal(mintDot(stored, [], { ...ada, generation: 11 }, 9).mintAs, 9)
    t.equal(mintDot(stored, [], { ...ada, shortId: 3 }, 9).mintAs, 9)
  })

  t.test('begins a new one when a merge or a context knows a later write of it than the copy', async (t) => {
    const forgetful = put(undefined, emptyContext, 5)
    const later = put(forgetful, contextOfGet(forgetful.record), 7).record
    const merged = mergeRecords(forgetful.record, later)
    t.equal(mintAsAfterMerge(forgetful, merged, ada.generation), undefined)
    t.equal(mintDot(forgetful, later.vv, ada, 9).mintAs, 9, "Riak's amnesia, met by a put")
    t.equal(mintDot(forgetful, forgetful.record.vv, ada, 9).mintAs, 5)
  })

  t.test('goes on after a merge that knows nothing new of its actor', async (t) => {
    const stored = put(undefined, emptyContext, 5)
    const merged = mergeRecords(stored.record, put(undefined, emptyContext, 3, bob).record)
    t.equal(mintAsAfterMerge(stored, merged, ada.generation), 5)
    t.equal(mintAsAfterMerge(stored, merged, 11), undefined, 'unless the generation rolled')
    t.equal(mintAsAfterMerge({ ...stored, mintAs: undefined }, merged, ada.generation), undefined)
  })

  t.test('would drop an acknowledged sibling if the copy minted on under the actor it had lost track of', async (t) => {
    const forgetful = put(undefined, emptyContext, 5)
    const elsewhere = put(forgetful, emptyContext, 7).record
    const carelessly = { dot: { ...ada, born: 5, counter: 9 }, mintAs: 5, hlc: 9 as Hlc }
    const careless = putRecord(forgetful, emptyContext, carelessly, 'siblings', contentOf(9)).record
    t.same(valuesOf(mergeRecords(careless, elsewhere)), [5, 9], 'the write 7 is gone')
    const careful = put({ ...forgetful, mintAs: undefined }, emptyContext, 9).record
    t.same(valuesOf(mergeRecords(careful, elsewhere)), [5, 7, 9])
  })
})

t.test('A7: a put', async (t) => {
  const first = put(undefined, emptyContext, 1)
  const second = put(first, emptyContext, 2)

  t.test('without a context supersedes nothing', async (t) => {
    t.same(valuesOf(second.record), [1, 2])
  })

  t.test('supersedes what its context has seen, and only that', async (t) => {
    t.same(valuesOf(put(second, contextOfGet(first.record), 3).record), [2, 3])
    t.same(valuesOf(put(second, contextOfGet(second.record), 3).record), [3])
  })

  t.test('brings the vector of its context along, also to an owner that has nothing', async (t) => {
    const { record } = put(undefined, contextOfGet(second.record), 3, bob)
    t.same(valuesOf(mergeRecords(second.record, record)), [3])
  })

  t.test('keeps the siblings sorted by dot', async (t) => {
    const stored = put({ record: put(undefined, emptyContext, 4, bob).record, mintAs: undefined }, emptyContext, 9)
    t.same(valuesOf(stored.record), [9, 4])
  })

  t.test('K1: wins in a last-write-wins record over a value from a fast clock that it read', async (t) => {
    const fast = put(undefined, emptyContext, 1, ada, { mode: 'lww', hlc: 1_000_000 })
    const read = contextOfGet(fast.record)
    t.equal(read.hlc, 1_000_000, 'the context carries the clock of what was read')
    const lost = put(undefined, read, 2, bob, { mode: 'lww', hlc: 500 })
    t.same(valuesOf(mergeRecords(fast.record, lost.record)), [1], 'with a mint by the own clock the write would vanish')
    const kept = put(undefined, read, 2, bob, { mode: 'lww', hlc: read.hlc + 1 })
    t.same(valuesOf(mergeRecords(fast.record, kept.record)), [2])
  })

  t.test('I1: remembers the request it carried out', async (t) => {
    const mint = { ...mintDot(first, [], ada, 2), hlc: 2 as Hlc }
    const { record } = putRecord(first, emptyContext, mint, 'siblings', contentOf(2), { requestId: 'r', bodyHash: 7 })
    t.same(findDone(record.done, 'r'), { requestId: 'r', dot: mint.dot, bodyHash: 7, hlc: 2 })
    t.equal(findDone(record.done, 'q'), undefined)
    t.equal(record.siblings[1]?.requestId, 'r')
  })
})

t.test('A7: a delete', async (t) => {
  const first = put(undefined, emptyContext, 1)
  const second = put(first, emptyContext, 2)

  t.test('is an event of its own that leaves no value', async (t) => {
    const deleted = remove(second, contextOfGet(second.record), 3)
    t.ok(deleted && isTombstone(deleted.record))
    t.same(deleted?.record.vv, [{ ...ada, born: 1, counter: 3 }])
    t.equal(deleted?.record.deletedHlc, 3)
  })

  t.test('leaves what its context has not seen', async (t) => {
    t.same(valuesOf(remove(second, contextOfGet(first.record), 3)?.record), [2])
  })

  t.test('of nothing, by a client that saw nothing, writes nothing', async (t) => {
    t.equal(isDeleteOfNothing(undefined, emptyContext), true)
    t.equal(remove(undefined, emptyContext, 3), undefined)
    t.ok(remove(undefined, contextOfGet(first.record), 3, bob), 'but what was seen is deleted, where it is absent, too')
  })
})

t.test('A8: the context in the answer of a write', async (t) => {
  const first = put(undefined, emptyContext, 1)
  const second = put(first, emptyContext, 2)
  const name = (counter: number): Dot => ({ ...ada, born: 1, counter })

  t.test('is the whole state when no other sibling remains', async (t) => {
    const read = contextOfGet(second.record)
    const third = put(second, read, 3)
    t.same(contextAfterWrite(read, name(3), third.record).vv, third.record.vv)
    const deleted = remove(second, read, 3) as StoredRecord
    t.same(contextAfterWrite(read, name(3), deleted.record).vv, deleted.record.vv)
  })

  t.test('covers otherwise what the request covered, and the write: never what was not shown', async (t) => {
    const answer = contextAfterWrite(emptyContext, name(2), second.record)
    t.same(answer.vv, [])
    t.same(answer.dots, [name(2)])
    t.equal(hasSeen(answer, name(1)), false)
    t.same(valuesOf(put(second, answer, 3).record), [1, 3])
  })

  t.test('names the first write of an actor by its vector entry, which says exactly that', async (t) => {
    const other = put({ record: first.record, mintAs: undefined }, emptyContext, 4, bob)
    const answer = contextAfterWrite(emptyContext, { ...bob, born: 4, counter: 4 }, other.record)
    t.same(answer.vv, [{ ...bob, born: 4, counter: 4 }])
    t.same(answer.dots, [])
    t.same(unknownDots(answer, first.record), [], 'nobody needs to be asked for it')
  })

  t.test('then still names what was superseded, because nobody will ask for the new one', async (t) => {
    const before: CausalContext = { vv: [], hlc: hlcZero, dots: [name(2)] }
    const other = put({ record: second.record, mintAs: undefined }, before, 4, bob)
    const answer = contextAfterWrite(before, { ...bob, born: 4, counter: 4 }, other.record)
    t.same(answer.dots, [name(2)])
    t.same(valuesOf(put(second, answer, 5).record), [1, 5], 'an owner that has not heard of 4 does not show 2 again')
  })

  t.test('lets a superseded dot go when the new one is asked for anyway', async (t) => {
    const before: CausalContext = { vv: [], hlc: hlcZero, dots: [name(2)] }
    const third = put(second, before, 3)
    t.same(contextAfterWrite(before, name(3), third.record).dots, [name(3)])
  })

  t.test('keeps dots that the coordinator did not know', async (t) => {
    const unknown = { ...bob, born: 4, counter: 6 }
    const given: CausalContext = { vv: [], hlc: 9 as Hlc, dots: [unknown] }
    t.same(unknownDots(given, second.record), [unknown], 'the other owners are read first')
    t.same(unknownDots(given, undefined), [unknown])
    const third = put(second, given, 3)
    t.notOk(
      third.record.vv.some(({ shortId }) => shortId === bob.shortId),
      'and it is not taken for a vector entry',
    )
    t.same(contextAfterWrite(given, name(3), third.record).dots, [unknown, name(3)])
    t.equal(contextAfterWrite(given, name(3), third.record).hlc, 9)
  })

  t.test('remembers at most eight, the latest', async (t) => {
    const dots = Array.from({ length: 9 }, (_, index) => ({ shortId: 10 + index, generation: 1, born: 1, counter: 2 }))
    t.same(boundedContext({ vv: [], hlc: hlcZero, dots }).dots, dots.slice(1))
  })

  t.test('joins with another to what a client has seen that has both', async (t) => {
    const one = contextAfterWrite(emptyContext, name(2), second.record)
    const joined = mergeContexts(one, contextOfGet(first.record))
    t.same([hasSeen(joined, name(1)), hasSeen(joined, name(2)), hasSeen(joined, name(3))], [true, true, false])
    t.same(mergeContexts(one, one), one)
    t.same(mergeContexts(one, contextOfGet(second.record)).dots, [], 'a covered dot needs no mention')
  })
})

function put(
  stored: StoredRecord | undefined,
  context: CausalContext,
  counter: number,
  minter = ada,
  how: { mode: KeyRecord['mode']; hlc: number } = { mode: 'siblings', hlc: counter },
): StoredRecord {
  const mint = { ...mintDot(stored, context.vv, minter, counter), hlc: how.hlc as Hlc }
  return putRecord(stored, context, mint, how.mode, contentOf(counter))
}

function remove(stored: StoredRecord | undefined, context: CausalContext, counter: number, minter = ada) {
  const mint = { ...mintDot(stored, context.vv, minter, counter), hlc: counter as Hlc }
  return deleteRecord(stored, context, mint, 'siblings')
}

function valuesOf(record: KeyRecord | undefined): readonly number[] {
  return (record?.siblings ?? []).map(({ checksum }) => checksum)
}
