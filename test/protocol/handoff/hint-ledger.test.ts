import t from 'tap'
import { type Hlc, hlcFromMs } from '../../../lib/protocol/clock/hlc.ts'
import { beyondBudget, type HintLimits } from '../../../lib/protocol/handoff/hint-budget.ts'
import { type HintFacts, HintLedger } from '../../../lib/protocol/handoff/hint-ledger.ts'
import fc from '../../fixtures/fast-check.ts'

const facts: fc.Arbitrary<HintFacts> = fc.record({
  bytes: fc.integer({ min: 1, max: 1000 }),
  mint: fc.integer({ min: 0, max: 100_000 }).map(hlcFromMs),
})

t.test('the ledger of one target', async (t) => {
  t.test(
    'knows how many there are, how large they are, and never takes the oldest for younger than it is',
    async (t) => {
      fc.assert(
        fc.property(fc.array(facts, { maxLength: 20 }), fc.infiniteStream(fc.nat()), (added, choices) => {
          const ledger = new HintLedger()
          const left: HintFacts[] = []
          for (const one of added) {
            ledger.add(one)
            left.push(one)
            const choice = choices.next().value
            if (choice % 3 === 0) ledger.remove(left.splice(choice % left.length, 1)[0] as HintFacts)
            check(ledger, left)
          }
          for (const one of left.splice(0)) ledger.remove(one)
          check(ledger, [])
        }),
      )

      function check(ledger: HintLedger, left: readonly HintFacts[]): void {
        t.equal(ledger.count, left.length)
        t.equal(
          ledger.bytes,
          left.reduce((sum, { bytes }) => sum + bytes, 0),
        )
        if (left.length === 0) {
          t.equal(ledger.oldestMint, undefined)
          return
        }
        const oldest = Math.min(...left.map(({ mint }) => mint)) as Hlc
        t.ok((ledger.oldestMint as Hlc) <= oldest && oldest - (ledger.oldestMint as Hlc) < hlcFromMs(10_000))
      }
    },
  )
})

t.test('one more hint (rule H2)', async (t) => {
  const limits: HintLimits = { targetBytesMax: 1000, nodeBytesMax: 5000, freeShareMax: 0.1, windowMs: 3_600_000 }
  const held = { ofTargetBytes: 0, ofAllBytes: 0, addedBytes: 100, freeBytes: 1_000_000, awayMs: undefined }

  t.test('is stored while there is room', async (t) => {
    t.equal(beyondBudget(limits, held), undefined)
    t.equal(beyondBudget(limits, { ...held, ofTargetBytes: 900, ofAllBytes: 4900 }), undefined)
  })
  t.test('is one too many for its target, for the node, or for a disk that fills up', async (t) => {
    t.equal(beyondBudget(limits, { ...held, ofTargetBytes: 901 }), 'target-budget')
    t.equal(beyondBudget(limits, { ...held, ofAllBytes: 4901 }), 'node-budget')
    t.equal(beyondBudget(limits, { ...held, freeBytes: 999 }), 'node-budget')
  })
  t.test('that makes nothing larger is never too much', async (t) => {
    t.equal(beyondBudget(limits, { ...held, ofTargetBytes: 2000, addedBytes: 0 }), undefined)
  })
  t.test('is not made for who has been away longer than the window', async (t) => {
    t.equal(beyondBudget(limits, { ...held, awayMs: 3_600_000 }), undefined)
    t.equal(beyondBudget(limits, { ...held, awayMs: 3_600_001, addedBytes: 0 }), 'window')
  })
})
