import t from 'tap'
import { breakerSettingsDefault, CircuitBreaker } from '../../lib/client/circuit-breaker.ts'

const { failuresInRowMax, requestsMin, windowMs, openMsMin, openMsMax } = breakerSettingsDefault

t.test('a breaker is closed as long as its node answers', async (t) => {
  const { breaker, ask } = newBreaker()
  for (let second = 0; second < 60; second += 1) ask('answered', second * 1000)
  t.equal(breaker.state(60_000), 'closed')

  await t.test('and one answer makes up for the failures in a row before it', async (t) => {
    for (let failure = 1; failure < failuresInRowMax; failure += 1) ask('failed', 60_000)
    ask('answered', 60_000)
    for (let failure = 1; failure < failuresInRowMax; failure += 1) ask('failed', 60_000)
    t.equal(breaker.state(60_000), 'closed')
    ask('failed', 60_000)
    t.equal(breaker.state(60_000), 'open')
  })
})

t.test('half of the requests failing opens it, once there are enough of them to tell', async (t) => {
  const { breaker, ask } = newBreaker()
  for (let pair = 1; pair < requestsMin / 2; pair += 1) {
    ask('answered', 0)
    ask('failed', 0)
  }
  t.equal(breaker.state(0), 'closed')
  ask('answered', 0)
  ask('failed', 0)
  t.equal(breaker.state(0), 'open')

  await t.test('but what failed in an older window does not count', async (t) => {
    const { breaker, ask } = newBreaker()
    for (let pair = 1; pair < requestsMin / 2; pair += 1) {
      ask('answered', 0)
      ask('failed', 0)
    }
    ask('answered', windowMs)
    ask('failed', windowMs)
    t.equal(breaker.state(windowMs), 'closed')
  })
})

t.test('an open breaker lets one request through after a while, and its outcome decides', async (t) => {
  await t.test('after a time between half of the shortest and the shortest, by chance', async (t) => {
    for (const fraction of [0, 0.999]) {
      const { breaker, trip } = newBreaker(fraction)
      trip(0)
      const openMs = openMsMin * (0.5 + fraction / 2)
      t.equal(breaker.state(openMs - 0.1), 'open')
      t.equal(breaker.state(openMs), 'half-open')
    }
  })

  await t.test('while it is on its way no second one goes', async (t) => {
    const { breaker, trip } = newBreaker()
    trip(0)
    const probe = breaker.asked(openMsMin)
    t.equal(breaker.state(openMsMin), 'open')
    breaker.answered(probe, openMsMin + 5)
    t.equal(breaker.state(openMsMin + 5), 'closed')
  })

  await t.test('a failed one doubles the time, up to a bound', async (t) => {
    const { breaker, trip } = newBreaker()
    trip(0)
    let nowMs = 0
    let openMs = openMsMin
    for (let probe = 0; probe < 10; probe += 1) {
      nowMs += openMs / 2
      breaker.failed(breaker.asked(nowMs), nowMs)
      openMs = Math.min(openMsMax, openMs * 2)
      t.equal(breaker.state(nowMs + openMs / 2 - 1), 'open')
      t.equal(breaker.state(nowMs + openMs / 2), 'half-open')
    }
    t.equal(openMs, openMsMax)
  })

  await t.test('one whose outcome says nothing is followed by another', async (t) => {
    const { breaker, trip } = newBreaker()
    trip(0)
    breaker.undecided(breaker.asked(openMsMin))
    t.equal(breaker.state(openMsMin), 'half-open')
  })
})

t.test('what was sent in an earlier period says nothing about this one', async (t) => {
  const { breaker, trip } = newBreaker()
  const [early, other] = [breaker.asked(0), breaker.asked(0)]
  trip(0)
  breaker.answered(early, 1)
  t.equal(breaker.state(1), 'open', 'a late answer does not close it')
  const probe = breaker.asked(openMsMin)
  breaker.failed(other, openMsMin)
  t.equal(breaker.state(openMsMin), 'open')
  breaker.answered(probe, openMsMin + 1)
  t.equal(breaker.state(openMsMin + 1), 'closed', 'a late failure does not end the probe')
})

t.test('news of the node from elsewhere close it at once', async (t) => {
  const { breaker, trip } = newBreaker()
  trip(0)
  breaker.close()
  t.equal(breaker.state(0), 'closed')
})

function newBreaker(fraction = 0) {
  const random = { uint32: () => 0, fraction: () => fraction, below: () => 0 }
  const breaker = new CircuitBreaker(breakerSettingsDefault, random)
  const ask = (outcome: 'answered' | 'failed', nowMs: number) => breaker[outcome](breaker.asked(nowMs), nowMs)
  const trip = (nowMs: number) => {
    for (let failure = 0; failure < failuresInRowMax; failure += 1) ask('failed', nowMs)
  }
  return { breaker, ask, trip }
}
