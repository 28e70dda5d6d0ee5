import t from 'tap'
import { Allowance } from '../../../lib/protocol/overload/allowance.ts'
import { ClientLimits, clientLimitsOff } from '../../../lib/protocol/overload/client-limits.ts'
import { Dominance } from '../../../lib/protocol/overload/dominance.ts'
import fc from '../../fixtures/fast-check.ts'

t.test('an allowance', async (t) => {
  t.test('lets through so much in a second and a second at once, however it is asked for', async (t) => {
    const steps = fc.array(fc.record({ waitMs: fc.nat({ max: 300 }), amount: fc.integer({ min: 1, max: 40 }) }))
    fc.assert(
      fc.property(steps, (given) => {
        const allowance = new Allowance(100, 0)
        let nowMs = 0
        let spent = 0
        let largest = 0
        for (const { waitMs, amount } of given) {
          nowMs += waitMs
          if (allowance.waitMs(nowMs) > 0) continue
          allowance.spend(amount, nowMs)
          spent += amount
          largest = Math.max(largest, amount)
        }
        // The last one may be spent beyond it, and is made up for.
        t.ok(spent <= 100 + nowMs / 10 + largest)
      }),
    )
  })
  t.test('says when the next may begin', async (t) => {
    const allowance = new Allowance(100, 0)
    allowance.spend(150, 0)
    t.equal(allowance.waitMs(0), 500)
    t.equal(allowance.waitMs(499) > 0, true)
    t.equal(allowance.waitMs(501), 0)
  })
  t.test('of more than a minute ahead nobody is reminded', async (t) => {
    const allowance = new Allowance(10, 0)
    allowance.spend(1_000_000, 0)
    t.equal(allowance.waitMs(0), 60_000)
  })
})

t.test('a client', async (t) => {
  t.test('begins so many requests a second, and is told which limit stands in the way and for how long', async (t) => {
    const limits = new ClientLimits({ ...clientLimitsOff, requestsPerSecond: 10 })
    const ada = limits.accountOf('ada', 0)
    const verdicts = Array.from({ length: 12 }, () => ada.begin(0))
    t.equal(verdicts.filter((verdict) => verdict === undefined).length, 10)
    t.match(verdicts[11], { limit: 'client-requests-per-second' })
    t.equal(ada.begin(50)?.limit, undefined, 'one has come back after a tenth of a second, and a half before it')
    t.equal(limits.accountOf('bob', 50).begin(50), undefined, 'others are not touched')
  })
  t.test('pays for what a request turned out to cost', async (t) => {
    const limits = new ClientLimits({ ...clientLimitsOff, requestsPerSecond: 10 })
    const ada = limits.accountOf('ada', 0)
    t.equal(ada.begin(0), undefined)
    ada.spendRequests(999, 0)
    t.match(ada.begin(1000), { limit: 'client-requests-per-second' })
    t.equal(ada.begin(60_200), undefined)
  })
  t.test('moves so many bytes a second', async (t) => {
    const limits = new ClientLimits({ ...clientLimitsOff, bytesPerSecond: 1000 })
    const ada = limits.accountOf('ada', 0)
    t.equal(ada.begin(0), undefined)
    ada.spendBytes(3000, 0)
    t.match(ada.begin(0), { limit: 'client-bytes-per-second', retryAfterMs: 2000 })
    t.equal(ada.begin(2001), undefined)
  })
  t.test('has so many under way', async (t) => {
    const limits = new ClientLimits({ ...clientLimitsOff, requestsInFlightMax: 2 })
    const ada = limits.accountOf('ada', 0)
    t.same([ada.begin(0), ada.begin(0)], [undefined, undefined])
    t.match(ada.begin(0), { limit: 'client-requests-in-flight' })
    ada.ended()
    t.equal(ada.begin(0), undefined)
  })
  t.test('without limits may do all of that', async (t) => {
    t.equal(new ClientLimits(clientLimitsOff).isOn, false)
    const ada = new ClientLimits(clientLimitsOff).accountOf('ada', 0)
    ada.spendBytes(1e12, 0)
    for (let count = 0; count < 10_000; count += 1) t.equal(ada.begin(0), undefined)
  })
})

t.test('more clients than are remembered', async (t) => {
  const settings = { ...clientLimitsOff, requestsPerSecond: 10, requestsInFlightMax: 5, clientsMax: 3 }
  t.test('take the places of those who have asked for nothing lately', async (t) => {
    const limits = new ClientLimits(settings)
    for (const client of ['a', 'b', 'c']) limits.accountOf(client, 0)
    const busy = limits.accountOf('a', 0)
    busy.begin(0)
    t.not(limits.accountOf('d', 5000), limits.accountOf('e', 5000), 'there is room for both')
    t.equal(limits.accountOf('a', 5000), busy, 'who has something under way is remembered')
    t.equal(limits.size, 3)
  })
  t.test('share one account while there is no room', async (t) => {
    const limits = new ClientLimits(settings)
    for (const client of ['a', 'b', 'c']) limits.accountOf(client, 0).begin(0)
    const [dan, eve] = [limits.accountOf('d', 0), limits.accountOf('e', 0)]
    t.equal(dan, eve)
    for (let count = 0; count < 5; count += 1) t.equal(dan.begin(0), undefined)
    t.match(eve.begin(0), { limit: 'client-requests-in-flight' })
    t.equal(limits.size, 3)
  })
})

t.test('a name dominates', async (t) => {
  t.test('when it has more than a quarter of what arrives, whatever else does', async (t) => {
    const names = fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 40, maxLength: 400 })
    fc.assert(
      fc.property(names, (others) => {
        const dominance = new Dominance(250)
        const hot = Math.ceil(others.length / 2)
        const all = [...others.map((other) => `other ${other}`), ...Array.from({ length: hot }, () => 'hot')]
        for (const [at, name] of all.entries()) dominance.arrived(name, at % 2)
        dominance.arrived('whoever', 300)
        t.ok(dominance.isThere(300) && dominance.isDominant('hot'))
      }),
    )
  })
  t.test('not when all are asked for alike, nor when little is', async (t) => {
    const dominance = new Dominance(250)
    for (let count = 0; count < 1000; count += 1) dominance.arrived(`name ${count % 50}`, 0)
    dominance.arrived('name 1', 300)
    t.equal(dominance.isThere(300), false)
    for (let count = 0; count < 20; count += 1) dominance.arrived('one', 300)
    dominance.arrived('one', 600)
    t.equal(dominance.isThere(600), false)
  })
  t.test('not where nothing else is asked for: there is nobody to be spared', async (t) => {
    const dominance = new Dominance(250)
    for (let count = 0; count < 100; count += 1) dominance.arrived('one', 0)
    dominance.arrived('one', 300)
    t.equal(dominance.isThere(300), false)
  })
  t.test('until nobody has asked for a while', async (t) => {
    const dominance = new Dominance(250)
    for (let count = 0; count < 100; count += 1) dominance.arrived(count === 7 ? 'other' : 'hot', 0)
    dominance.arrived('hot', 300)
    t.equal(dominance.isThere(2200), true)
    t.equal(dominance.isThere(2301), false)
  })
})
