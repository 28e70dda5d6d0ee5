import { deepEqual, equal, ok } from 'node:assert/strict'
import t from 'tap'
import { brief, mergeDone, pruneDone } from '../../../lib/protocol/causality/done.ts'
import type { Dot } from '../../../lib/protocol/causality/dot.ts'
import { emptyRecord, isTombstone, recordHlc, visibleSiblings } from '../../../lib/protocol/causality/inspect-record.ts'
import { mergeRecords } from '../../../lib/protocol/causality/merge.ts'
import type { DoneEntry, KeyRecord, Sibling } from '../../../lib/protocol/causality/record.ts'
import {
  covers,
  coversVector,
  equalVectors,
  mergeVectors,
  withDot,
} from '../../../lib/protocol/causality/version-vector.ts'
import { type Hlc, hlcFromMs, hlcZero } from '../../../lib/protocol/clock/hlc.ts'
import fc from '../../fixtures/fast-check.ts'
import { playHistory, ReplicaModel, randomOf } from './replica-model.ts'

t.test('A7: merge is commutative, associative and idempotent', async (t) => {
  for (const mode of ['siblings', 'lww'] as const) {
    fc.assert(
      fc.property(statesOfOneKey(mode), ([a, b, c]) => {
        deepEqual(stateOf(mergeRecords(a, b)), stateOf(mergeRecords(b, a)))
        deepEqual(stateOf(mergeRecords(mergeRecords(a, b), c)), stateOf(mergeRecords(a, mergeRecords(b, c))))
        equal(mergeRecords(a, a), a)
        const ab = mergeRecords(a, b)
        equal(mergeRecords(ab, a), ab, 'what was merged adds nothing: the same object, so nobody writes it again')
        equal(mergeRecords(ab, { ...b }), ab)
        if (a.vv.length > 0)
          equal(mergeRecords(emptyRecord(mode), a), a, 'and what is adopted as it is can be stored as it came')
      }),
      { numRuns: 300 },
    )
    t.pass(mode)
  }
})

t.test('A7: merge', async (t) => {
  const ours = sibling(dot(1, 5))
  const theirs = sibling(dot(2, 7))

  t.test('keeps what the other has not seen', async (t) => {
    const merged = mergeRecords(record([dot(1, 5)], [ours]), record([dot(2, 7)], [theirs]))
    t.same(merged.siblings, [ours, theirs])
    t.same(merged.vv, [dot(1, 5), dot(2, 7)])
  })

  t.test('drops what the other has seen and no longer holds', async (t) => {
    const merged = mergeRecords(record([dot(1, 5)], [ours]), record([dot(1, 5), dot(2, 7)], [theirs]))
    t.same(merged.siblings, [theirs])
  })

  t.test('spreads a delete, and remembers the latest', async (t) => {
    const deleted = { ...record([dot(1, 6)], []), deletedHlc: 9 as Hlc }
    const merged = mergeRecords(record([dot(1, 5)], [ours]), deleted)
    t.ok(isTombstone(merged))
    t.equal(merged.deletedHlc, 9)
    t.equal(recordHlc(merged), 9)
  })

  t.test('A9: keeps the copy with the larger checksum when one dot has two values, and says so', async (t) => {
    const other = { ...ours, checksum: ours.checksum + 1 }
    const clashes: Dot[] = []
    for (const mode of ['siblings', 'lww'] as const) {
      const a = record([dot(1, 5)], [ours], mode)
      const b = record([dot(1, 5)], [other], mode)
      t.same(mergeRecords(a, b, (clash) => clashes.push(clash)).siblings, [other])
      t.same(mergeRecords(b, a, (clash) => clashes.push(clash)).siblings, [other], 'whichever comes first')
    }
    t.same(clashes, [dot(1, 5), dot(1, 5), dot(1, 5), dot(1, 5)])
  })
})

t.test('A10: last write wins', async (t) => {
  t.test('keeps one entry: the largest hlc, then actor, then counter', async (t) => {
    const early = sibling(dot(9, 9), 10)
    const late = sibling(dot(1, 5), 11)
    t.same(lww([early], [late]), [late])
    t.same(lww([sibling(dot(1, 5), 11)], [sibling(dot(2, 4), 11)])[0]?.dot, dot(2, 4))
    t.same(lww([sibling(dot(1, 5), 11)], [sibling(dot(1, 6), 11)])[0]?.dot, dot(1, 6))
  })

  t.test('does not ask what the vectors cover', async (t) => {
    const late = sibling(dot(1, 5), 11)
    const seenAndGone = record([dot(1, 5), dot(2, 7)], [sibling(dot(2, 7), 10)], 'lww')
    t.same(mergeRecords(record([dot(1, 5)], [late], 'lww'), seenAndGone).siblings, [late])
  })

  t.test('lets a delete of the same moment win', async (t) => {
    const written = record([dot(1, 5)], [sibling(dot(1, 5), 11)], 'lww')
    const deletedAt = (hlc: number): KeyRecord => ({ ...record([dot(2, 7)], [], 'lww'), deletedHlc: hlc as Hlc })
    t.same(mergeRecords(written, deletedAt(11)).siblings, [])
    t.same(mergeRecords(written, deletedAt(10)).siblings.length, 1)
  })

  t.test('takes over a record that was kept with siblings: the mode is joined', async (t) => {
    const siblings = record([dot(1, 5), dot(2, 7)], [sibling(dot(1, 5), 20), sibling(dot(2, 7), 19)])
    const merged = mergeRecords(siblings, record([dot(3, 1)], [sibling(dot(3, 1), 18)], 'lww'))
    t.equal(merged.mode, 'lww')
    t.same(
      merged.siblings.map(({ hlc }) => hlc),
      [20],
    )
  })

  t.test('ends in the same state whatever the order of arrival', async (t) => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(3), fc.nat(5), fc.boolean()), { maxLength: 8 }),
        fc.nat(),
        (entries, seed) => {
          const states = entries.map(([shortId, hlc, isDelete], index) => {
            const name = dot(shortId, index + 1)
            const base = record([name], isDelete ? [] : [sibling(name, hlc)], 'lww')
            return isDelete ? { ...base, deletedHlc: hlc as Hlc } : base
          })
          const random = randomOf(seed)
          const shuffled = states.map((state) => ({ state, at: random.fraction() })).sort((a, b) => a.at - b.at)
          const one = states.reduce(mergeTwo, emptyRecord('lww'))
          const other = shuffled.map(({ state }) => state).reduce(mergeTwo, emptyRecord('lww'))
          deepEqual(stateOf(one), stateOf(other))
        },
      ),
    )
    t.pass('100 orders')
  })
})

t.test('I1: one request with two siblings', async (t) => {
  const first = { ...sibling(dot(1, 5)), requestId: 'r' }
  const second = { ...sibling(dot(2, 7)), requestId: 'r' }
  const doneFirst = { requestId: 'r', dot: dot(1, 5), bodyHash: 1, hlc: hlcFromMs(1) }
  const doneSecond = { requestId: 'r', dot: dot(2, 7), bodyHash: 1, hlc: hlcFromMs(1) }
  const atFirst = { ...record([dot(1, 5)], [first]), done: [doneFirst] }
  const atSecond = { ...record([dot(2, 7)], [second]), done: [doneSecond] }

  t.test('is shown once', async (t) => {
    const merged = mergeRecords(atFirst, atSecond)
    t.equal(merged.siblings.length, 2)
    t.same(visibleSiblings(merged, 0), [first])
    t.same(merged.done, [doneFirst, doneSecond])
  })

  t.test('goes as a whole when one of them was superseded', async (t) => {
    const superseded = { ...record([dot(1, 6)], [sibling(dot(1, 6))]), done: [doneFirst] }
    t.same(mergeRecords(superseded, atSecond).siblings, [sibling(dot(1, 6))])
    t.equal(mergeRecords(record([dot(1, 6)], [sibling(dot(1, 6))]), atSecond).siblings.length, 2, 'not without done')
  })

  t.test('is only remembered in a last-write-wins record', async (t) => {
    const a: KeyRecord = { ...atFirst, mode: 'lww' }
    const b: KeyRecord = { ...record([dot(1, 6)], [], 'lww'), done: [doneSecond] }
    t.same(mergeRecords(a, b).siblings, [first])
    t.equal(mergeRecords(a, b).done.length, 2)
  })

  t.test('is forgotten in a merge, too, by the latest clock there is', async (t) => {
    const late = { ...sibling(dot(3, 1), hlcFromMs(600_002)), requestId: 's' }
    const doneLate = { requestId: 's', dot: dot(3, 1), bodyHash: 1, hlc: hlcFromMs(600_002) }
    const merged = mergeRecords(atFirst, { ...record([dot(3, 1)], [late]), done: [doneLate] })
    t.same(merged.done, [doneLate])
    const inTime = mergeRecords(atFirst, { ...record([dot(3, 1)], [{ ...late, hlc: hlcFromMs(600_001) }]), done: [] })
    t.same(inTime.done, [doneFirst])
  })

  t.test('that its client named goes when others come: the latest two stay, for two minutes', async (t) => {
    const states = [1, 2, 3, 4, 5, 6].map((counter) => {
      const entry = { requestId: ` ${counter}`, dot: dot(1, counter), bodyHash: brief, hlc: hlcFromMs(counter) }
      return { ...record([dot(1, counter)], []), deletedHlc: hlcFromMs(counter), done: [entry] }
    })
    fc.assert(
      fc.property(fc.shuffledSubarray(states, { minLength: 6 }), (shuffled) => {
        deepEqual(
          shuffled.reduce(mergeTwo, emptyRecord('siblings')).done,
          states.slice(4).flatMap(({ done }) => done),
        )
      }),
    )
    const oldest = states[0]?.done[0] as DoneEntry
    t.same(mergeDone([oldest], [{ ...doneSecond, dot: dot(2, 7) }]), [oldest, doneSecond], 'others take no room')
    t.same(pruneDone([oldest], hlcFromMs(120_001)), [oldest])
    t.same(pruneDone([oldest], hlcFromMs(120_002)), [])
  })

  t.test('goes as a whole also in the merge that forgets it', async (t) => {
    const mine = { ...doneFirst, bodyHash: brief }
    const others = [8, 9].map((counter) => ({
      requestId: ` ${counter}`,
      dot: dot(1, counter),
      bodyHash: brief,
      hlc: hlcFromMs(counter),
    }))
    const superseded = { ...record([dot(1, 9)], []), deletedHlc: hlcFromMs(9), done: others }
    const known = { ...record([dot(1, 5), dot(2, 7)], [first, second]), done: [mine, doneSecond] }
    const merged = mergeRecords(known, superseded)
    t.same(merged.siblings, [])
    t.notOk(merged.done.includes(mine))
  })

  t.test('is forgotten ten minutes after its mint, and not before', async (t) => {
    const done = [doneFirst]
    t.equal(pruneDone(done, hlcFromMs(600_001)), done)
    t.same(pruneDone(done, hlcFromMs(600_002)), [])
  })
})

t.test("K4: a reader is not shown what has expired by the coordinator's clock", async (t) => {
  const lasting = sibling(dot(1, 5))
  const expiring = { ...sibling(dot(2, 7)), expiresAtMs: 100 }
  const both = record([dot(1, 5), dot(2, 7)], [lasting, expiring])
  t.equal(visibleSiblings(both, 99), both.siblings, 'the same array when nothing is hidden')
  t.same(visibleSiblings(both, 100), [lasting])
})

t.test('version vectors', async (t) => {
  fc.assert(
    fc.property(vectors, vectors, vectors, (a, b, c) => {
      const ab = mergeVectors(a, b)
      ok(equalVectors(ab, mergeVectors(b, a)))
      ok(equalVectors(mergeVectors(ab, c), mergeVectors(a, mergeVectors(b, c))))
      ok(coversVector(ab, a) && coversVector(ab, b))
      equal(mergeVectors(ab, b), ab, 'the same object when nothing is added')
      for (const entry of a) ok(covers(ab, entry))
      ok(equalVectors(b.reduce(withDot, a), ab), 'adding one by one is merging')
      equal(
        coversVector(a, b),
        b.every((entry) => covers(a, entry)),
      )
    }),
    { numRuns: 200 },
  )
  t.pass('200 triples')
})

/** Three states that one key had at its owners, at any moments of one history. */
function statesOfOneKey(mode: KeyRecord['mode']): fc.Arbitrary<readonly [KeyRecord, KeyRecord, KeyRecord]> {
  return fc.tuple(fc.nat(), fc.nat(), fc.nat(), fc.nat()).map(([seed, a, b, c]) => {
    const states: KeyRecord[] = [emptyRecord(mode)]
    const model = new ReplicaModel(undefined, mode)
    playHistory(randomOf(seed), model, {
      steps: 30,
      disasters: true,
      retries: true,
      onStep: () => {
        for (const { stored } of model.replicas) if (stored !== undefined) states.push(stored.record)
      },
    })
    const at = (index: number): KeyRecord => states[index % states.length] as KeyRecord
    return [at(a), at(b), at(c)] as const
  })
}

const vectors = fc
  .array(fc.tuple(fc.nat(3), fc.nat(2), fc.integer({ min: 1, max: 9 })), { maxLength: 5 })
  .map((entries) => entries.map(([shortId, generation, counter]) => ({ shortId, generation, born: 1, counter })))
  .map((dots) => dots.reduce(withDot, [] as readonly Dot[]))

function mergeTwo(a: KeyRecord, b: KeyRecord): KeyRecord {
  return mergeRecords(a, b)
}

function lww(a: readonly Sibling[], b: readonly Sibling[]): readonly Sibling[] {
  const vvOf = (siblings: readonly Sibling[]): readonly Dot[] => siblings.map(({ dot }) => dot)
  return mergeRecords(record(vvOf(a), a, 'lww'), record(vvOf(b), b, 'lww')).siblings
}

function stateOf({ mode, vv, siblings, deletedHlc, done }: KeyRecord) {
  return { mode, vv, siblings: siblings.map((kept) => [kept.dot, kept.checksum]), deletedHlc, done }
}

function record(vv: readonly Dot[], siblings: readonly Sibling[], mode: KeyRecord['mode'] = 'siblings'): KeyRecord {
  return { mode, vv, siblings, deletedHlc: hlcZero, done: [] }
}

function sibling(name: Dot, hlc = 1): Sibling {
  const checksum = name.shortId * 1000 + name.counter
  return { dot: name, hlc: hlc as Hlc, value: new Uint8Array(0), contentType: '', metadata: [], checksum }
}

function dot(shortId: number, counter: number): Dot {
  return { shortId, generation: 1, born: 1, counter }
}
