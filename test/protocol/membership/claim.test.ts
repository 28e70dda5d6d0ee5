import t from 'tap'
import { judgeClaim } from '../../../lib/protocol/membership/claim.ts'
import type { Member, MemberState } from '../../../lib/protocol/membership/member.ts'
import { isLiving } from '../../../lib/protocol/membership/member-table.ts'
import fc from '../../fixtures/fast-check.ts'
import { member } from './one-machine.ts'

const states = ['alive', 'suspect', 'dead', 'left'] as const

t.test('within one start number', async (t) => {
  t.test('alive is news at a higher incarnation only', async (t) => {
    for (const state of ['alive', 'suspect'] as const) {
      t.same(verdicts(known(state), 'alive'), ['stale', 'stale', 'accepted'], `known as ${state}`)
    }
  })
  t.test('suspect is news at the same incarnation too', async (t) => {
    t.same(verdicts(known('alive'), 'suspect'), ['stale', 'accepted', 'accepted'])
  })
  t.test('suspect again confirms; above the refuted incarnation it is a new suspicion', async (t) => {
    t.same(verdicts(known('suspect'), 'suspect'), ['stale', 'confirms', 'accepted'])
  })
  t.test('dead and left are news at the same incarnation too', async (t) => {
    for (const state of ['alive', 'suspect'] as const) {
      t.same(verdicts(known(state), 'dead'), ['stale', 'accepted', 'accepted'], `dead, known as ${state}`)
      t.same(verdicts(known(state), 'left'), ['stale', 'accepted', 'accepted'], `left, known as ${state}`)
    }
  })
  t.test('death is final: no incarnation revives, and whoever claims life is contradicted', async (t) => {
    for (const state of ['dead', 'left'] as const) {
      for (const claimed of ['alive', 'suspect'] as const) {
        t.same(verdicts(known(state), claimed), Array(3).fill('contradicts-death'), `${claimed} after ${state}`)
      }
      for (const claimed of ['dead', 'left'] as const) {
        t.same(verdicts(known(state), claimed), Array(3).fill('stale'), `${claimed} after ${state}`)
      }
    }
  })
})

t.test('between start numbers the higher one wins, whatever is claimed', async (t) => {
  for (const before of states) {
    for (const claimed of states) {
      t.equal(judgeClaim(known(before), member(1, claimed, 6, 0)), 'accepted', `${claimed} of a later start, ${before}`)
      t.equal(
        judgeClaim(known(before), member(1, claimed, 4, 99)),
        'stale',
        `${claimed} of an earlier start, ${before}`,
      )
    }
  }
})

t.test('the unknown are introduced alive, and by nothing else', async (t) => {
  t.same(
    states.map((state) => judgeClaim(undefined, member(1, state))),
    ['accepted', 'stale', 'stale', 'stale'],
  )
})

t.test('all who hear the same claims agree, in whichever order and however often they hear them', async () => {
  fc.assert(
    fc.property(claims(), fc.infiniteStream(fc.nat()), (heard, keys) => {
      const shuffled = [...heard, ...heard]
        .map((claim) => ({ claim, key: keys.next().value as number }))
        .sort((a, b) => a.key - b.key)
        .map(({ claim }) => claim)
      return outcome(heard) === outcome(shuffled)
    }),
    { numRuns: 2000 },
  )
})

function known(state: MemberState): Member {
  return member(1, state, 5, 3)
}

/** What the claim is worth one incarnation below, at, and above the known one. */
function verdicts(before: Member, claimed: MemberState): readonly string[] {
  return [2, 3, 4].map((incarnation) => judgeClaim(before, member(1, claimed, 5, incarnation)))
}

/** Claims without a death at an incarnation that its member has surpassed: there only a new start number helps. */
function claims(): fc.Arbitrary<readonly Member[]> {
  const claim = fc
    .record({
      state: fc.constantFrom(...states),
      start: fc.integer({ min: 1, max: 3 }),
      incarnation: fc.nat({ max: 3 }),
    })
    .map(({ state, start, incarnation }) => {
      return member(1, state, start, state === 'dead' || state === 'left' ? 3 : incarnation)
    })
  return fc.array(claim, { maxLength: 12 })
}

/** The view after all claims, from a first introduction on. Of the dead only that they are. */
function outcome(heard: readonly Member[]): string {
  let view = member(1, 'alive', 1, 0)
  for (const claim of heard) if (judgeClaim(view, claim) === 'accepted') view = claim
  return isLiving(view) ? `${view.state}/${view.startNumber}/${view.incarnation}` : `gone/${view.startNumber}`
}
