import t from 'tap'
import { seededFractions } from '../../bench/load/random.ts'
import { pairedDifference, pairsMin, unpairedDifference } from '../../bench/report/difference.ts'
import fc from '../fixtures/fast-check.ts'

t.test('pairs', async (t) => {
  t.test('that all say the same are a difference from the sixth on', async (t) => {
    t.equal(pairsMin, 6)
    t.match(pairedDifference(new Array(5).fill(1.2)), {
      low: 0,
      high: Number.POSITIVE_INFINITY,
      isLargerThanNoise: false,
    })
    t.match(pairedDifference(new Array(6).fill(1.2)), { isLargerThanNoise: true })
    t.equal(pairedDifference([]), undefined)
  })
  t.test('that disagree are a tie', async (t) => {
    t.equal(pairedDifference([0.9, 1.1, 0.95, 1.05, 1.02, 0.98])?.isLargerThanNoise, false)
  })
  t.test('one round that met a compaction moves them little', async (t) => {
    const calm = pairedDifference([0.8, 0.81, 0.79, 0.8, 0.82, 0.78, 0.8, 0.81])
    const disturbed = pairedDifference([0.8, 0.81, 0.79, 0.8, 0.82, 0.78, 0.8, 3])
    t.ok(Math.abs((calm?.ratio ?? 0) - (disturbed?.ratio ?? 0)) < 0.02)
  })
  t.test('have the interval of the tables: 8 pairs leave out the 3 outermost of their 36 averages', async (t) => {
    // Wilcoxon's critical value for 8 pairs and 5 % is 3: sums up to 3 are rare enough.
    const logs = [1, 2, 4, 8, 16, 32, 64, 128]
    const averages = logs.flatMap((one, at) => logs.slice(at).map((other) => (one + other) / 2)).sort((a, b) => a - b)
    const found = pairedDifference(logs.map((log) => Math.exp(log / 100)))
    t.ok(Math.abs(Math.log(found?.low ?? 0) * 100 - (averages[3] as number)) < 1e-9)
    t.ok(Math.abs(Math.log(found?.high ?? 0) * 100 - (averages[32] as number)) < 1e-9)
  })
})

t.test('rounds of two runs', async (t) => {
  t.test('three against three are too few, four against four may be enough', async (t) => {
    t.match(unpairedDifference([2, 2.1, 2.2], [1, 1.1, 1.2]), { low: 0, isLargerThanNoise: false })
    t.match(unpairedDifference([2, 2.1, 2.2, 2.3], [1, 1.1, 1.2, 1.3]), { isLargerThanNoise: true })
  })
  t.test('have the interval of the tables: 5 against 5 leave out the 2 outermost of their 25 ratios', async (t) => {
    // The critical value of Mann and Whitney for 5 and 5 is 2.
    const ones = [1, 2, 4, 8, 16]
    const others = [0, 100, 300, 700, 1500]
    const differences = ones.flatMap((one) => others.map((other) => one - other)).sort((a, b) => a - b)
    const exp = (log: number): number => Math.exp(log / 1000)
    const found = unpairedDifference(ones.map(exp), others.map(exp))
    t.ok(Math.abs(Math.log(found?.low ?? 0) * 1000 - (differences[2] as number)) < 1e-9)
    t.ok(Math.abs(Math.log(found?.high ?? 0) * 1000 - (differences[22] as number)) < 1e-9)
  })
})

t.test('two builds that cost the same are said to differ in at most one of twenty comparisons', async (t) => {
  const fraction = seededFractions(11)
  const comparisons = 4000
  let wrong = 0
  for (let comparison = 0; comparison < comparisons; comparison += 1) {
    const ratios = Array.from({ length: 8 }, () => Math.exp((fraction() - 0.5) * fraction()))
    if (pairedDifference(ratios)?.isLargerThanNoise) wrong += 1
  }
  t.ok(wrong / comparisons < 0.055, `${wrong} of ${comparisons}`)
})

t.test('the other way round it is the inverse', async () => {
  const costs = fc.array(fc.double({ min: 1, max: 1000, noNaN: true }), { minLength: 1, maxLength: 9 })
  fc.assert(
    fc.property(costs, costs, (ones, others) => {
      const there = unpairedDifference(ones, others)
      const back = unpairedDifference(others, ones)
      if (there === undefined || back === undefined) return false
      return isNear(there.ratio * back.ratio, 1) && there.isLargerThanNoise === back.isLargerThanNoise
    }),
  )
  fc.assert(
    fc.property(costs, (ratios) => {
      const there = pairedDifference(ratios)
      const back = pairedDifference(ratios.map((ratio) => 1 / ratio))
      if (there === undefined || back === undefined) return false
      return isNear(there.ratio * back.ratio, 1) && there.low <= there.ratio && there.ratio <= there.high
    }),
  )
})

function isNear(one: number, other: number): boolean {
  return Math.abs(one - other) < 1e-9
}
