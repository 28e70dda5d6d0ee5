import { deepEqual, equal, ok } from 'node:assert/strict'
import t from 'tap'
import { recordHlc } from '../../../lib/protocol/causality/inspect-record.ts'
import { asLastWriteWins } from '../../../lib/protocol/causality/last-write-wins.ts'
import { mergeRecords } from '../../../lib/protocol/causality/merge.ts'
import type { KeyRecord, StoredRecord } from '../../../lib/protocol/causality/record.ts'
import type { Hlc } from '../../../lib/protocol/clock/hlc.ts'
import fc from '../../fixtures/fast-check.ts'
import { type Entry, Owners, type Step } from './last-write-wins-model.ts'

/** Four owners of a key, whose clocks differ by up to 30 ticks, and clients that write with and without contexts. */
const steps = fc.array(
  fc.record({
    what: fc.constantFrom('put', 'put', 'delete', 'merge', 'merge', 'read'),
    at: fc.nat(3),
    from: fc.nat(3),
    client: fc.nat(2),
    isBlind: fc.boolean(),
  }),
  { maxLength: 40 },
)
const skews = fc.tuple(fc.nat(30), fc.nat(30), fc.nat(30), fc.nat(30))
const everybodyKnows = fc.constant([0, 0, 0, 0] as const)
const learnSometime = fc.tuple(fc.nat(40), fc.nat(40), fc.nat(40), fc.nat(40))

t.test(
  'A10: all copies come to hold the entry with the largest (clock, actor, counter), in whatever order',
  async (t) => {
    for (const [name, knownFrom] of [
      ['where everybody knows the mode', everybodyKnows],
      ['where some coordinators learn it later than others', learnSometime],
    ] as const) {
      fc.assert(
        fc.property(steps, skews, knownFrom, fc.array(fc.tuple(fc.nat(3), fc.nat(3)), { maxLength: 12 }), (...run) => {
          const owners = play(...run)
          const [first] = owners.copies
          for (const copy of owners.copies) deepEqual(shown(copy), shown(first), 'the copies are the same')
          deepEqual(shown(first), owners.latest())
        }),
        { numRuns: 800 },
      )
      t.pass(name)
    }
  },
)

t.test('A10: a write wins over every write that its coordinator, or its context, has seen', async (t) => {
  fc.assert(
    fc.property(steps, skews, everybodyKnows, (script, skew, knownFrom) => {
      const owners = new Owners(skew, knownFrom)
      for (const step of script) {
        const before = owners.copies[step.at]
        owners.take(step)
        const after = owners.copies[step.at]?.record
        if (step.what !== 'put' || after === undefined) continue
        equal(after.siblings.length, 1, 'it is the one entry')
        if (before !== undefined) ok((after.siblings[0]?.hlc as Hlc) > recordHlc(before.record))
      }
    }),
  )
  t.pass()
})

t.test('A10: a reader that knows the mode sees what merging will come to', async (t) => {
  fc.assert(
    fc.property(steps, skews, learnSometime, (script, skew, knownFrom) => {
      const owners = new Owners(skew, knownFrom)
      for (const step of script) owners.take(step)
      for (const copy of owners.copies) {
        if (copy === undefined) continue
        const seen = asLastWriteWins(copy.record)
        ok(seen.siblings.length <= 1)
        const lww: KeyRecord = { ...copy.record, mode: 'lww', siblings: [], deletedHlc: 0 as Hlc }
        deepEqual(mergeRecords(copy.record, lww).siblings, seen.siblings)
      }
    }),
  )
  t.pass()
})

function play(
  script: readonly Step[],
  skew: readonly number[],
  knownFrom: readonly number[],
  exchanges: readonly (readonly [number, number])[],
): Owners {
  const owners = new Owners(skew, knownFrom)
  for (const step of script) owners.take(step)
  for (const [at, from] of exchanges) owners.merge(at, from)
  owners.settle()
  return owners
}

function shown(copy: StoredRecord | undefined): Entry | undefined {
  const [sibling] = copy?.record.siblings ?? []
  ok((copy?.record.siblings.length ?? 0) <= 1)
  return sibling === undefined ? undefined : { hlc: sibling.hlc, dot: sibling.dot, isDelete: false }
}
