import t from 'tap'
import { seededRandom, seedFor } from '../../lib/ports/random.ts'
import fc from '../fixtures/fast-check.ts'

t.test('it is xoshiro128**, as its authors have it', async (t) => {
  // The first outputs of the reference implementation for the state 1, 2, 3, 4.
  const random = seededRandom([1, 2, 3, 4])
  const drawn = Array.from({ length: 4 }, () => random.uint32())
  t.same(drawn, [11520, 0, 5927040, 70819200])
})

t.test('a seed replays the same chance; each component has its own', async (t) => {
  t.same(draws(4711, 'network'), draws(4711, 'network'))
  const streams = [
    draws(4711, 'network'),
    draws(4712, 'network'),
    draws(4711, 'disk'),
    draws(4711 + 2 ** 32, 'network'),
  ]
  t.equal(new Set(streams.map((stream) => stream.join())).size, 4)
  const first = Array.from({ length: 1000 }, (_, index) => draws(index, 'a')[0])
  t.ok(new Set(first).size > 990, 'neighbouring seeds are no neighbours')
})

t.test('a state of nothing but zeros is not stuck', async (t) => {
  const random = seededRandom([0, 0, 0, 0])
  t.ok(Array.from({ length: 10 }, () => random.uint32()).some((word) => word !== 0))
})

t.test('what it draws is in range and evenly spread', async (t) => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 2 ** 32 }), (seed, below) => {
      const random = seededRandom(seedFor(seed, 'test'))
      const [drawn, fraction] = [random.below(below), random.fraction()]
      return Number.isInteger(drawn) && drawn >= 0 && drawn < below && fraction >= 0 && fraction < 1
    }),
    { seed: 4711 },
  )
  const random = seededRandom(seedFor(1, 'dice'))
  const counts = [0, 0, 0, 0, 0, 0]
  for (let throws = 0; throws < 6000; throws += 1) {
    const face = random.below(6)
    counts[face] = (counts[face] as number) + 1
  }
  t.ok(
    counts.every((count) => count > 850 && count < 1150),
    counts.join(),
  )
})

function draws(seed: number, component: string): readonly number[] {
  const random = seededRandom(seedFor(seed, component))
  return Array.from({ length: 8 }, () => random.uint32())
}
