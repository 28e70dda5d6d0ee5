import t from 'tap'
import { answersNeeded } from '../../../lib/protocol/quorum/quorum-level.ts'
import { Write, type WriteEvent } from '../../../lib/protocol/quorum/write.ts'
import { type NodeId, toNodeId } from '../../../lib/vocabulary/ids.ts'

const ada = node('a')
const bob = node('b')
const cyd = node('c')
const dan = node('d')
const stored: WriteEvent = { type: 'stored-locally' }

t.test('levels count the owners that exist', async (t) => {
  t.same(
    [1, 2, 3, 4, 5].map((owners) => answersNeeded('quorum', owners)),
    [1, 2, 2, 3, 3],
  )
  t.same([answersNeeded('one', 3), answersNeeded('all', 3), answersNeeded(2, 3)], [1, 3, 2])
})

t.test('a write that ada coordinates, owned by ada, bob and cyd, with W=2', async (t) => {
  t.test('is stored at home before anyone else hears of it', async (t) => {
    const write = toThree(2)
    t.same(write.handle({ type: 'begun' }), [{ type: 'store-locally', seat: undefined, hintsFor: [] }])
    t.same(write.handle({ type: 'stored-locally' }), [
      { type: 'send-write', to: bob },
      { type: 'send-write', to: cyd },
    ])
  })

  t.test('is written at the second acknowledgement, and says so once', async (t) => {
    t.same(verdictsAfter(toThree(2), stored, acked(bob), acked(cyd)), ['written'])
  })

  t.test('with W=1 is written when it is stored at home, and still goes to the others', async (t) => {
    const write = toThree(1)
    write.handle({ type: 'begun' })
    const effects = write.handle(stored)
    t.same(
      effects.map((effect) => effect.type),
      ['send-write', 'send-write', 'report'],
    )
  })

  t.test('does not count an owner twice', async (t) => {
    t.same(verdictsAfter(toThree(3), stored, acked(bob), acked(bob)), [])
    t.same(verdictsAfter(toThree(2), stored, acked(ada)), [], 'nor the coordinator')
  })

  t.test('does not count somebody who owns nothing of it', async (t) => {
    t.same(verdictsAfter(toThree(2), stored, acked(dan)), [])
  })

  t.test('gives up as soon as two acknowledgements can no longer arrive', async (t) => {
    t.same(verdictsAfter(toThree(2), stored, failed(bob)), [], 'cyd may still answer')
    t.same(verdictsAfter(toThree(2), stored, failed(bob), failed(cyd)), ['quorum-unavailable'])
  })

  t.test('is refused before it changes anything when too few owners are in reach', async (t) => {
    t.same(toThree(2, bob, cyd).handle({ type: 'begun' }), [
      { type: 'report', verdict: 'refused', acked: 0, fallbacks: 0 },
    ])
    t.same(
      toThree(2, bob)
        .handle({ type: 'begun' })
        .map((effect) => effect.type),
      ['store-locally'],
    )
  })

  t.test('more than the owners that exist is refused', async (t) => {
    t.same(toThree(4).handle({ type: 'begun' }), [{ type: 'report', verdict: 'refused', acked: 0, fallbacks: 0 }])
  })

  t.test('does not ask owners that are out of reach', async (t) => {
    const write = toThree(2, cyd)
    write.handle({ type: 'begun' })
    t.same(write.handle(stored), [{ type: 'send-write', to: bob }])
  })

  t.test('without a copy at home is no write', async (t) => {
    t.same(verdictsAfter(toThree(1), { type: 'local-store-failed' }, acked(bob)), ['storage-failed'])
  })

  t.test('is unknown at the deadline, and an acknowledgement after it changes nothing', async (t) => {
    t.same(verdictsAfter(toThree(2), stored, { type: 'deadline-passed' }, acked(bob)), ['deadline-exceeded'])
  })
})

t.test('while two layout versions are live', async (t) => {
  t.test('W acknowledgements are needed in each (rule T1)', async (t) => {
    const verdicts = verdictsAfter(moving(), stored, acked(bob))
    t.same(verdicts, [], 'ada and bob are two of the old owners, but one of the new')
    t.same(verdictsAfter(moving(), stored, acked(bob), acked(dan)), ['written'])
  })
  t.test('a failure of one set is a failure', async (t) => {
    t.same(verdictsAfter(moving(), stored, failed(bob), failed(cyd)), ['quorum-unavailable'])
  })
})

function node(letter: string): NodeId {
  return toNodeId(letter.repeat(32))
}

function toThree(needed: number, ...unreachable: NodeId[]): Write {
  return new Write({
    coordinator: ada,
    seat: undefined,
    sets: [{ owners: [ada, bob, cyd], needed, ownersNeeded: 0 }],
    unreachable: new Set(unreachable),
    fallbacks: undefined,
    silentAfterMs: 100,
  })
}

function moving(): Write {
  return new Write({
    coordinator: ada,
    seat: undefined,
    sets: [
      { owners: [ada, bob, cyd], needed: 2, ownersNeeded: 0 },
      { owners: [ada, dan, node('e')], needed: 2, ownersNeeded: 0 },
    ],
    unreachable: new Set(),
    fallbacks: undefined,
    silentAfterMs: 100,
  })
}

function verdictsAfter(write: Write, ...events: WriteEvent[]): string[] {
  const effects = [...write.handle({ type: 'begun' })]
  for (const event of events) effects.push(...write.handle(event))
  return effects.flatMap((effect) => (effect.type === 'report' ? [effect.verdict] : []))
}

function acked(replica: NodeId): WriteEvent {
  return { type: 'replica-acked', node: replica }
}

function failed(replica: NodeId): WriteEvent {
  return { type: 'replica-failed', node: replica }
}
