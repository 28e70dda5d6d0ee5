import t from 'tap'
import { clockSkewMs, isClockSkewed } from '../../../lib/protocol/clock/clock-skew.ts'
import {
  type Hlc,
  hlcFromMs,
  hlcMax,
  hlcPlusMs,
  hlcTicksPerMs,
  hlcToMs,
  hlcZero,
} from '../../../lib/protocol/clock/hlc.ts'
import { HybridClock } from '../../../lib/protocol/clock/hybrid-clock.ts'
import fc from '../../fixtures/fast-check.ts'

const noonMs = 1_800_000_000_000

t.test('K1: a hybrid clock', async (t) => {
  t.test('follows the wall clock, and counts within a millisecond', async (t) => {
    const clock = clockFrom(hlcZero)
    t.equal(clock.mint(noonMs, hlcZero), hlcFromMs(noonMs))
    t.equal(clock.mint(noonMs, hlcZero), hlcFromMs(noonMs) + 1)
    t.equal(clock.mint(noonMs + 1, hlcZero), hlcFromMs(noonMs + 1))
    t.equal(hlcToMs(hlcFromMs(noonMs)), noonMs)
  })

  t.test('runs into the next millisecond when a count is full', async (t) => {
    const clock = clockFrom(hlcZero)
    for (let index = 0; index < hlcTicksPerMs; index += 1) clock.mint(noonMs, hlcZero)
    t.equal(hlcToMs(clock.mint(noonMs, hlcZero) as Hlc), noonMs + 1)
  })

  t.test('mints above the record and the context, however far they are ahead', async (t) => {
    const ahead = hlcPlusMs(hlcFromMs(noonMs), 1_000)
    t.equal(clockFrom(hlcZero).mint(noonMs, ahead), ahead + 1)
  })

  t.test('never repeats itself or goes back, whatever the wall clock and the others do', async () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom('mint', 'adopt', 'read'), fc.nat(10_000))), (steps) => {
        const clock = clockFrom(hlcZero)
        let latest = -1
        for (const [step, offsetMs] of steps) {
          const wallMs = noonMs + offsetMs
          if (step === 'adopt') clock.adopt(hlcFromMs(wallMs + 300), wallMs)
          else if (step === 'read') {
            const reading = clock.read(wallMs)
            if (reading < latest) return false
            latest = reading
          } else {
            const minted = clock.mint(wallMs, hlcZero)
            if (minted === undefined || minted <= latest) return false
            latest = minted
          }
        }
        return true
      }),
    )
  })
})

t.test('K1: the lease of a clock', async (t) => {
  t.test('is never passed by a mint or a reading', async (t) => {
    const leasedUpTo = hlcFromMs(noonMs + 10)
    const clock = new HybridClock({ startAt: hlcZero, leasedUpTo })
    t.ok((clock.mint(noonMs + 9, hlcZero) ?? Number.POSITIVE_INFINITY) < leasedUpTo)
    t.equal(clock.mint(noonMs + 10, hlcZero), undefined)
    t.equal(clock.read(noonMs + 10), leasedUpTo - 1)
    clock.extendLease(hlcFromMs(noonMs + 20))
    t.equal(clock.mint(noonMs + 10, hlcZero), hlcFromMs(noonMs + 10), 'above the reading that the lease held back')
    t.equal(clock.read(noonMs + 5_000_000), hlcFromMs(noonMs + 20) - 1, 'nor by a wall clock that has leapt')
    t.equal(clock.mint(noonMs + 11, hlcZero), undefined, 'until the lease reaches further')
    clock.extendLease(hlcFromMs(noonMs + 30))
    t.equal(clock.mint(noonMs + 21, hlcZero), hlcFromMs(noonMs + 21), 'and then it goes on where it was')
    clock.extendLease(hlcFromMs(noonMs))
    t.equal(clock.leasedUpTo, hlcFromMs(noonMs + 30), 'and never shrinks')
  })

  t.test('says how far it would have to reach', async (t) => {
    const clock = new HybridClock({ startAt: hlcZero, leasedUpTo: hlcFromMs(noonMs) })
    t.equal(clock.mint(noonMs + 5, hlcZero), undefined)
    clock.extendLease((clock.wanted(noonMs + 5, hlcZero) + 1) as Hlc)
    t.equal(clock.mint(noonMs + 5, hlcZero), hlcFromMs(noonMs + 5))
  })

  t.test('orders the writes of a restarted node whose wall clock went back', async (t) => {
    t.ok(mintAfterRestart('at the lease') > mintAfterRestart('before'), 'the first mint lies above the last one')
    t.notOk(mintAfterRestart('at the wall clock') > mintAfterRestart('before'), 'and without the lease it would not')
  })
})

t.test('K2: receiving the clock of another node', async (t) => {
  const clock = clockFrom(hlcFromMs(noonMs))
  t.equal(clock.adopt(hlcFromMs(noonMs + 500), noonMs), 'adopted')
  t.equal(clock.latest, hlcFromMs(noonMs + 500))
  t.equal(clock.adopt(hlcFromMs(noonMs + 501), noonMs), 'adopted-with-warning', 'beyond 500 ms')
  t.equal(clock.latest, hlcFromMs(noonMs + 501))
  const hourAhead = hlcFromMs(noonMs + 3_600_000)
  t.equal(clock.adopt((hourAhead + 1) as Hlc, noonMs), 'refused', 'beyond one hour')
  t.equal(clock.latest, hlcFromMs(noonMs + 501), 'and then it does not move')
  t.equal(clock.adopt(hourAhead, noonMs), 'adopted-with-warning')
  t.ok((clock.mint(noonMs, hlcZero) ?? 0) > hourAhead, 'what was adopted orders what is minted')
  clock.raiseTo(hlcFromMs(noonMs + 9_000_000))
  t.equal(clock.latest, hlcFromMs(noonMs + 9_000_000), 'its own earlier promise has no such bound')
})

t.test('K3: the skew of a node', async (t) => {
  t.test('is its distance from the median of at least three members, itself included', async (t) => {
    t.equal(clockSkewMs([12_000, 11_000]), -11_000, 'we are slow')
    t.equal(clockSkewMs([-12_000, -11_000]), 11_000, 'we are fast')
    t.equal(clockSkewMs([12_000, 11_000, 1_000]), -6_000, 'of four, the middle of the two in the middle')
  })

  t.test('stops a node from coordinating beyond ten seconds', async (t) => {
    t.equal(isClockSkewed(clockSkewMs([12_000, 11_000])), true)
    t.equal(isClockSkewed(clockSkewMs([10_000, 10_000])), false, 'ten seconds are allowed')
  })

  t.test('of another node is no reason to stop', async (t) => {
    t.equal(isClockSkewed(clockSkewMs([60_000, 5])), false)
  })

  t.test('cannot be told with two members', async (t) => {
    t.equal(clockSkewMs([60_000]), undefined)
    t.equal(clockSkewMs([]), undefined)
    t.equal(isClockSkewed(undefined), false)
  })
})

function clockFrom(startAt: Hlc): HybridClock {
  return new HybridClock({ startAt, leasedUpTo: Number.MAX_SAFE_INTEGER as Hlc })
}

/** A node mints up to its lease, dies, and comes back with its wall clock an hour behind. */
function mintAfterRestart(life: 'before' | 'at the lease' | 'at the wall clock'): Hlc {
  const leasedUpTo = hlcFromMs(noonMs + 10_000)
  const before = new HybridClock({ startAt: hlcZero, leasedUpTo }).mint(noonMs + 9_000, hlcZero) as Hlc
  if (life === 'before') return before
  const wallMs = noonMs - 3_600_000
  const startAt = life === 'at the lease' ? leasedUpTo : hlcFromMs(wallMs)
  return clockFrom(hlcMax(startAt, hlcZero)).mint(wallMs, hlcZero) as Hlc
}
