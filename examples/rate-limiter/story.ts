// One client against four limiters, 100 requests a minute allowed, on three simulated nodes of which one is cut off:
//   node dist/examples/rate-limiter/story.js
import { simulateCluster } from 'starling-kv/testing'
import { RateLimiter } from './rate-limiter.ts'

const limit = 100
const windowMs = 60_000
const everyMs = 500
const cluster = await simulateCluster({ nodes: 3, seed: 1 })
const limiters = ['ada', 'ada', 'bob', 'cyd'].map(
  (node, index) =>
    new RateLimiter(cluster.database(node, { deadlineMs: 200 }), {
      name: `limiter-${index + 1}`,
      limiters: 4,
      blindAfterMs: 3 * everyMs,
      nowMs: () => cluster.nowMs,
      limit,
      windowMs,
    }),
)

tell('a client that asks all four alike', await oneWindow([1, 1, 1, 1]))
tell('a client that asks only the first', await oneWindow([1, 0, 0, 0]))
tell('a client in a hurry, ten times as fast', await oneWindow([10, 10, 10, 10]))
await cluster.partition(['ada', 'bob'], ['cyd'])
console.log('cyd is cut off, and the fourth limiter with it')
tell('a client that asks all four alike', await oneWindow([1, 1, 1, 1]))
tell('a client that asks only the fourth', await oneWindow([0, 0, 0, 1]))
await cluster.partition(['ada'], ['bob'], ['cyd'])
console.log('all are cut off from each other')
tell('a client that asks all four alike', await oneWindow([1, 1, 1, 1]))
await cluster.heal()
console.log('the network is whole again')
tell('a client that asks all four alike', await oneWindow([1, 1, 1, 1]))
await cluster.close()

/** A quarter of a window in which the client asks each limiter so many times every 100 ms. @returns how often each let it through */
async function oneWindow(rates: readonly number[]): Promise<readonly number[]> {
  await cluster.run(windowMs - (cluster.nowMs % windowMs))
  const endMs = cluster.nowMs + windowMs / 4
  const passed = limiters.map(() => 0)
  for (let tick = 1; cluster.nowMs < endMs; tick += 1) {
    for (const [index, limiter] of limiters.entries()) {
      for (let request = 0; request < (rates[index] ?? 0); request += 1) {
        if (limiter.mayPass('eve')) passed[index] = (passed[index] ?? 0) + 1
      }
    }
    if (tick % (everyMs / 100) === 0) await Promise.all(limiters.map((limiter) => limiter.exchange()))
    await cluster.run(100)
  }
  return passed
}

function tell(who: string, passed: readonly number[]): void {
  const sum = passed.reduce((all, count) => all + count, 0)
  console.log(`  ${who}: ${sum} of ${limit} let through (${passed.join(' + ')})`)
}
