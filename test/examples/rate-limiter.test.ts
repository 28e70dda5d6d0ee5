import assert from 'node:assert/strict'
import t, { type Test } from 'tap'
import { type Counts, mergeCounts, RateLimiter } from '../../examples/rate-limiter/rate-limiter.ts'
import { json } from '../../lib/index.ts'
import { type SimulatedCluster, simulateCluster } from '../../lib/testing.ts'
import fc from '../fixtures/fast-check.ts'
import { tellsItsReadme } from './fixtures/story.ts'

// A machine that is busy takes its time.
t.setTimeout(120_000)

const limit = 40
const windowMs = 60_000
const everyMs = 500
const names = ['ada', 'ada', 'bob', 'cyd']
const share = limit / names.length

t.test('the story of the README is what the program prints, but for the counts', async (t) => {
  await tellsItsReadme(t, 'rate-limiter', (text) => text.replaceAll(/\d+/g, 'N'))
})

t.test('nobody is let through less often than he may be, or more often than by what is not heard of yet', async (t) => {
  const { cluster, limiters } = await fourLimiters(t)
  t.equal(sum(await oneWindow(cluster, limiters, [1, 0, 0, 0])), limit, 'exact, where one limiter is asked')
  const even = sum(await oneWindow(cluster, limiters, [1, 1, 1, 1]))
  const unheard = 3 * 2 * (everyMs / 100) // What three others let through within two exchanges.
  t.ok(even >= limit && even <= limit + unheard, `${even}`)
})

t.test('who is cut off lets through his share', async (t) => {
  const { cluster, limiters } = await fourLimiters(t)
  await cluster.partition(['ada', 'bob'], ['cyd'])
  const cut = await oneWindow(cluster, limiters, [1, 1, 1, 1])
  t.equal(cut[3], share)
  const unheard = 2 * 2 * (everyMs / 100)
  t.ok(sum(cut) >= limit && sum(cut) <= limit + share + unheard, `${cut.join(' + ')}`)
  await cluster.partition(['ada'], ['bob'], ['cyd'])
  t.same(await oneWindow(cluster, limiters, [3, 3, 3, 3]), [share, share, share, share], 'the limit, if all are')
})

t.test('a cut in the middle of a window costs a limit and the shares at most', async (t) => {
  const { cluster, limiters } = await fourLimiters(t)
  const passed = await oneWindow(cluster, limiters, [1, 1, 1, 1], async (tick) => {
    if (tick === 5) await cluster.partition(['ada'], ['bob'], ['cyd'])
  })
  const unheard = (3 * (3 * everyMs + 2 * everyMs)) / 100
  t.ok(sum(passed) <= limit + unheard, `${passed.join(' + ')}`)
})

t.test('a count that is told twice counts once, and goes by itself', async (t) => {
  const { cluster, limiters } = await fourLimiters(t)
  await cluster.run(windowMs - (cluster.nowMs % windowMs))
  const key = `eve:${cluster.nowMs / windowMs}`
  const [one, other] = limiters as [RateLimiter, RateLimiter]
  for (const limiter of [one, other, one]) {
    limiter.mayPass('eve')
    t.equal(await limiter.exchange(), 0)
    await limiter.exchange()
  }
  const counts = cluster.database('ada').bucket<Counts>('rate-limits', { codec: json })
  t.same(
    (await counts.get(key))?.siblings.map(({ value }) => value),
    [{ 'limiter-1': 2, 'limiter-2': 1 }],
  )
  await cluster.run(2 * windowMs + 1_000)
  t.equal(await counts.get(key), undefined)
})

t.test('counts merge in any order, and never shrink', async (t) => {
  const counts = fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.nat(9), { noNullPrototype: true })
  const laws = fc.property(counts, counts, counts, (one, other, third) => {
    assert.deepEqual(mergeCounts([one, other]), mergeCounts([other, one]))
    assert.deepEqual(mergeCounts([mergeCounts([one, other]), third]), mergeCounts([one, mergeCounts([other, third])]))
    assert.deepEqual(mergeCounts([one, one]), one)
    for (const [name, count] of Object.entries(one)) assert.ok((mergeCounts([one, other])[name] ?? 0) >= count)
  })
  t.doesNotThrow(() => fc.assert(laws, { numRuns: 200 }))
})

async function fourLimiters(t: Test) {
  const cluster = await simulateCluster({ nodes: 3, seed: 2 })
  t.teardown(() => cluster.close())
  const limiters = names.map(
    (node, index) =>
      new RateLimiter(cluster.database(node, { deadlineMs: 200 }), {
        name: `limiter-${index + 1}`,
        limiters: names.length,
        blindAfterMs: 3 * everyMs,
        nowMs: () => cluster.nowMs,
        limit,
        windowMs,
      }),
  )
  return { cluster, limiters }
}

/** Most of a window in which a client asks each limiter so many times every 100 ms. @returns how often it was let through */
async function oneWindow(
  cluster: SimulatedCluster,
  limiters: readonly RateLimiter[],
  rates: readonly number[],
  between: (tick: number) => Promise<void> = async () => {},
): Promise<readonly number[]> {
  await cluster.run(windowMs - (cluster.nowMs % windowMs))
  const window = Math.floor(cluster.nowMs / windowMs)
  const passed = limiters.map(() => 0)
  for (let tick = 1; tick <= 60; tick += 1) {
    await between(tick)
    if (Math.floor(cluster.nowMs / windowMs) !== window) throw new Error('the window was too short')
    for (const [index, limiter] of limiters.entries()) {
      const asked = Array.from({ length: rates[index] ?? 0 }, () => limiter.mayPass('eve'))
      passed[index] = (passed[index] ?? 0) + asked.filter((mayPass) => mayPass).length
    }
    if (tick % (everyMs / 100) === 0) await Promise.all(limiters.map((limiter) => limiter.exchange()))
    await cluster.run(100)
  }
  return passed
}

function sum(counts: readonly number[]): number {
  return counts.reduce((all, count) => all + count, 0)
}
