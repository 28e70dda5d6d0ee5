import t from 'tap'
import { transmissionsMax } from '../../../lib/protocol/membership/dissemination.ts'
import { LocalHealth } from '../../../lib/protocol/membership/health.ts'
import { exchangeScale } from '../../../lib/protocol/membership/membership.ts'
import { defaultMembershipSettings } from '../../../lib/protocol/membership/settings.ts'
import { Suspicion, suspicionBounds, suspicionTimeoutMs } from '../../../lib/protocol/membership/suspicion.ts'
import fc from '../../fixtures/fast-check.ts'
import { nodeId } from './cluster-model.ts'

t.test('a suspicion', async (t) => {
  t.test('lasts longer in larger clusters, by the logarithm to base 10', async (t) => {
    for (const [members, minMs] of [
      [5, 4000],
      [10, 4000],
      [100, 8000],
      [1000, 12_000],
    ] as const) {
      const bounds = suspicionBounds(members, defaultMembershipSettings)
      t.ok(Math.abs(bounds.minMs - minMs) < 1e-6, `${members} members: at least ${minMs} ms`)
      t.ok(Math.abs(bounds.maxMs - 6 * minMs) < 1e-6, `${members} members: at most ${6 * minMs} ms`)
    }
  })
  t.test('shrinks from 24 s by 11.4 s to 4 s as two others confirm it', async (t) => {
    const bounds = suspicionBounds(5, defaultMembershipSettings)
    t.equal(suspicionTimeoutMs(0, bounds), 24_000)
    t.equal(suspicionTimeoutMs(1, bounds), 11_381)
    t.equal(suspicionTimeoutMs(2, bounds), 4000)
    t.equal(suspicionTimeoutMs(9, bounds), 4000, 'never below the minimum')
  })
  t.test('is short at once where two others do not exist', async (t) => {
    t.equal(suspicionTimeoutMs(0, suspicionBounds(3, defaultMembershipSettings)), 4000)
    t.equal(suspicionTimeoutMs(0, suspicionBounds(4, defaultMembershipSettings)), 24_000)
  })
  t.test('counts each accuser once, and no more than it wants', async (t) => {
    const suspicion = new Suspicion(nodeId(1), 1000, suspicionBounds(5, defaultMembershipSettings))
    t.equal(suspicion.deadlineMs, 25_000)
    t.notOk(suspicion.confirm(nodeId(1)), 'the first accuser again')
    t.ok(suspicion.confirm(nodeId(2)))
    t.notOk(suspicion.confirm(nodeId(2)))
    t.ok(suspicion.confirm(nodeId(3)))
    t.notOk(suspicion.confirm(nodeId(4)), 'the deadline is as near as it gets')
    t.equal(suspicion.deadlineMs, 5000)
    suspicion.postpone(700)
    t.equal(suspicion.deadlineMs, 5700)
  })
  t.test('never ends outside its bounds, and never later for one more accuser', async () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), fc.nat({ max: 10 }), (members, confirmations) => {
        const bounds = suspicionBounds(members, defaultMembershipSettings)
        const timeoutMs = suspicionTimeoutMs(confirmations, bounds)
        if (timeoutMs < bounds.minMs || timeoutMs > bounds.maxMs) return false
        return suspicionTimeoutMs(confirmations + 1, bounds) <= timeoutMs
      }),
    )
  })
})

t.test('an update is told at least 8 times, and 4 times more for each further digit of the cluster', async (t) => {
  const told = [1, 5, 9, 10, 99, 100, 999, 1000].map((members) => transmissionsMax(members, defaultMembershipSettings))
  t.same(told, [8, 8, 8, 8, 8, 12, 12, 16])
})

t.test('whole lists are exchanged less often above 32 members', async (t) => {
  t.same([1, 32, 33, 64, 65, 100, 128, 129].map(exchangeScale), [1, 1, 2, 2, 3, 3, 3, 4])
})

t.test('local health goes from 0 to 7, and stretches the probe interval up to eightfold', async (t) => {
  const health = new LocalHealth(defaultMembershipSettings.healthMax)
  health.change(-1)
  t.equal(health.score, 0)
  t.equal(health.scale(1000), 1000)
  health.change(+3)
  t.equal(health.scale(1000), 4000)
  health.change(+30)
  t.equal(health.score, 7)
  t.equal(health.scale(1000), 8000)
})
