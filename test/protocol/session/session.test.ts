import t from 'tap'
import type { Dot, VersionVector } from '../../../lib/protocol/causality/dot.ts'
import { emptyRecord } from '../../../lib/protocol/causality/inspect-record.ts'
import type { KeyRecord } from '../../../lib/protocol/causality/record.ts'
import { hasAllOf, joinSeen, type Seen, seenWith } from '../../../lib/protocol/causality/seen.ts'
import { covers, coversVector } from '../../../lib/protocol/causality/version-vector.ts'
import type { Hlc } from '../../../lib/protocol/clock/hlc.ts'
import type { ReplicaAnswer } from '../../../lib/protocol/quorum/read.ts'
import { satisfiesSession } from '../../../lib/protocol/quorum/satisfies-session.ts'
import { newSession, noteSeen, type Session, seenOf, sessionKeysMax } from '../../../lib/protocol/session/session.ts'
import { type NodeId, toNodeId } from '../../../lib/vocabulary/ids.ts'
import fc from '../../fixtures/fast-check.ts'
import { context, hlc, vector } from '../../wire/fixtures/arbitraries.ts'

const [ada, bob, cyd] = ['ad', 'b0', 'cd'].map((digits) => toNodeId(digits.repeat(16))) as [NodeId, NodeId, NodeId]
const [first, second]: [Dot, Dot] = [dot(1, 5), dot(2, 7)]
const seens: fc.Arbitrary<Seen> = fc.record({ vv: vector, hlc })
const seen: Seen = { vv: [first, second], hlc: 100 as Hlc }

t.test('S1: what a session has seen of a key', async (t) => {
  t.test('is what the context covers, and its dots', async (t) => {
    fc.assert(
      fc.property(context, (given) => {
        const noted = seenWith(given)
        if (!coversVector(noted.vv, given.vv)) throw new Error('the vector is not covered')
        for (const one of given.dots) if (!covers(noted.vv, one)) throw new Error('a dot is not covered')
      }),
    )
    t.pass('100 contexts')
  })

  t.test('only grows', async (t) => {
    fc.assert(
      fc.property(seens, seens, (a, b) => {
        const both = joinSeen(a, b)
        if (!coversVector(both.vv, a.vv) || !coversVector(both.vv, b.vv)) throw new Error('something is forgotten')
        if (both.hlc < a.hlc || both.hlc < b.hlc) throw new Error('the clock went back')
        if (joinSeen(both, b) !== both) throw new Error('what is known adds something')
      }),
    )
    t.pass('100 pairs')
  })
})

t.test('S1: a session', async (t) => {
  t.test('remembers the 64 keys it touched last', async (t) => {
    let session: Session = newSession
    for (let key = 0n; key < 100n; key += 1n) session = noteSeen(session, key, seen)
    t.equal(session.length, sessionKeysMax)
    t.equal(seenOf(session, 35n), undefined)
    t.same(seenOf(session, 36n), seen)
    session = noteSeen(noteSeen(session, 36n, seen), 100n, seen)
    t.same(seenOf(session, 36n), seen, 'what is touched again stays')
    t.equal(seenOf(session, 37n), undefined)
  })

  t.test('adds to what it has seen of a key', async (t) => {
    const session = noteSeen(noteSeen(newSession, 1n, { vv: [first], hlc: 5 as Hlc }), 1n, {
      vv: [second],
      hlc: 4 as Hlc,
    })
    t.same(session, [{ keyHash: 1n, seen: { vv: [first, second], hlc: 5 } }])
  })
})

t.test('S1: an answer satisfies a session', async (t) => {
  t.test('when it has all that the session has seen, a tombstone too', async (t) => {
    t.ok(satisfied(recordOf([dot(1, 6), second]), {}))
    t.notOk(satisfied(recordOf([first]), {}))
    t.notOk(satisfied(undefined, {}))
    t.ok(hasAllOf(recordOf([first, second]), seen))
  })

  t.test('when all owners removed for good what is that old, and none has forgotten anything', async (t) => {
    t.ok(satisfied(undefined, { ada: absent(100), bob: absent(101), cyd: absent(100) }))
    t.notOk(satisfied(undefined, { ada: absent(100), bob: absent(101), cyd: absent(99) }), 'one has not')
    t.notOk(satisfied(undefined, { ada: absent(100), bob: absent(101) }), 'one has not answered')
    const recovering = { ...absent(100), isRecovering: true }
    t.notOk(satisfied(undefined, { ada: absent(100), bob: absent(100), cyd: recovering }), 'one does not know')
    const damaged = { ...absent(100), state: 'damaged' as const }
    t.notOk(satisfied(undefined, { ada: absent(100), bob: absent(100), cyd: damaged }), 'one cannot say')
  })

  t.test('when the key was written anew after it was deleted for good', async (t) => {
    const anew = recordOf([dot(3, 1)])
    const found: ReplicaAnswer = { state: 'found', isRecovering: false, record: anew, gcDeleted: 100 as Hlc }
    t.ok(satisfied(anew, { ada: found, bob: absent(100), cyd: found }))
    t.notOk(satisfied(anew, { ada: found, bob: absent(100), cyd: { ...found, gcDeleted: 99 as Hlc } }))
  })

  t.test('when the session has seen nothing', async (t) => {
    t.ok(satisfiesSession({ vv: [], hlc: 0 as Hlc }, 3, undefined, []))
  })
})

function satisfied(
  merged: KeyRecord | undefined,
  answers: { readonly ada?: ReplicaAnswer; readonly bob?: ReplicaAnswer; readonly cyd?: ReplicaAnswer },
): boolean {
  const heard: { readonly node: NodeId; readonly answer: ReplicaAnswer }[] = []
  for (const [node, answer] of [
    [ada, answers.ada],
    [bob, answers.bob],
    [cyd, answers.cyd],
  ] as const)
    if (answer !== undefined) heard.push({ node, answer })
  return satisfiesSession(seen, 3, merged, heard)
}

function absent(gcDeleted: number): ReplicaAnswer {
  return { state: 'absent', isRecovering: false, record: undefined, gcDeleted: gcDeleted as Hlc }
}

function recordOf(vv: VersionVector): KeyRecord {
  return { ...emptyRecord('siblings'), vv }
}

function dot(shortId: number, counter: number): Dot {
  return { shortId, generation: shortId * 10, born: 1, counter }
}
