import t from 'tap'
import { keyChooser } from '../../bench/load/key-choice.ts'
import { type Fractions, seededFractions } from '../../bench/load/random.ts'
import { Zipfian, zipfianShares } from '../../bench/load/zipfian.ts'

const exponent = 0.99

t.test('the shares of 1000 ranks', async (t) => {
  const shares = zipfianShares(1000, exponent)
  t.ok(Math.abs(sum(shares) - 1) < 1e-12, 'are all there is')
  t.ok(Math.abs(share(shares, 0) / share(shares, 1) - 2 ** exponent) < 1e-9, 'rank 0 against rank 1')
  t.ok(Math.abs(share(shares, 9) / share(shares, 99) - 10 ** exponent) < 1e-9, 'rank 9 against rank 99')
})

t.test('of 100,000 keys the most popular gets 8 % of all operations', async (t) => {
  t.match(share(zipfianShares(100_000, exponent), 0).toFixed(2), '0.08')
})

t.test('draws follow the shares', async (t) => {
  const count = 50
  const draws = 200_000
  const shares = zipfianShares(count, exponent)
  const zipfian = new Zipfian(count, exponent)
  const fraction = seededFractions(7)
  const counts = drawCounts(count, draws, () => zipfian.rank(fraction))
  t.ok(chiSquared(counts, shares, draws) < 86, 'the worst of a thousand honest samples with 49 degrees of freedom')
})

t.test('an alias table holds exactly the shares: drawing every column gives them back', async (t) => {
  for (const count of [1, 2, 3, 17, 1000]) {
    const columns = 4096
    const zipfian = new Zipfian(count, exponent)
    const seen = new Float64Array(count)
    for (let column = 0; column < count; column += 1) {
      for (let step = 0; step < columns; step += 1) {
        const rank = zipfian.rank(given((column + 0.5) / count, (step + 0.5) / columns))
        seen[rank] = (seen[rank] as number) + 1 / (columns * count)
      }
    }
    const shares = zipfianShares(count, exponent)
    const worst = Math.max(...seen.map((found, rank) => Math.abs(found - share(shares, rank))))
    t.ok(worst <= 1 / columns, `${count} ranks, off by ${worst}`)
  }
})

t.test('a draw is among at least one key', async (t) => {
  t.throws(() => new Zipfian(0, exponent), RangeError)
  t.throws(() => new Zipfian(1.5, exponent), RangeError)
  t.equal(new Zipfian(1, exponent).rank(seededFractions(1)), 0)
})

t.test('a seed repeats its keys, another gives others', async (t) => {
  for (const distribution of ['uniform', 'zipfian'] as const) {
    t.same(keysOf(distribution, 4711), keysOf(distribution, 4711))
    t.notSame(keysOf(distribution, 4711), keysOf(distribution, 4712))
  }
})

t.test('uniform keys are all equally likely', async (t) => {
  const count = 50
  const draws = 200_000
  const choose = keyChooser('uniform', count, seededFractions(3))
  const even = new Float64Array(count).fill(1 / count)
  t.ok(chiSquared(drawCounts(count, draws, choose), even, draws) < 86)
})

t.test('popular keys are scattered, and every key can be drawn', async (t) => {
  const count = 30
  const choose = keyChooser('zipfian', count, seededFractions(5))
  const counts = drawCounts(count, 50_000, choose)
  t.ok(
    counts.every((times) => times > 0),
    'all keys',
  )
  const byPopularity = [...counts.keys()].sort((one, other) => (counts[other] as number) - (counts[one] as number))
  const [first = 0, second = 0] = byPopularity
  t.ok(Math.abs(first - second) > 1, 'the two most popular are no neighbours')
})

t.test('of the latest keys the newest is the most popular, and it moves on with what is inserted', async (t) => {
  let newest = 29
  const choose = keyChooser('latest', 30, seededFractions(5), () => newest)
  const before = drawCounts(30, 20_000, choose)
  t.equal(before.indexOf(Math.max(...before)), 29)
  newest = 34
  const after = drawCounts(35, 20_000, choose)
  t.equal(after.indexOf(Math.max(...after)), 34)
  t.same(after.slice(0, 5), [0, 0, 0, 0, 0], 'as many keys as before are asked for')
})

function share(shares: Float64Array, rank: number): number {
  return shares[rank] as number
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0)
}

function drawCounts(count: number, draws: number, draw: () => number): number[] {
  const counts = new Array<number>(count).fill(0)
  for (let index = 0; index < draws; index += 1) {
    const key = draw()
    counts[key] = (counts[key] as number) + 1
  }
  return counts
}

function chiSquared(counts: readonly number[], shares: Float64Array, draws: number): number {
  return counts.reduce((total, times, rank) => {
    const expected = share(shares, rank) * draws
    return total + (times - expected) ** 2 / expected
  }, 0)
}

function given(...fractions: readonly number[]): Fractions {
  let next = 0
  return () => fractions[next++] as number
}

function keysOf(distribution: 'uniform' | 'zipfian', seed: number): readonly number[] {
  const choose = keyChooser(distribution, 1000, seededFractions(seed))
  return Array.from({ length: 20 }, choose)
}
