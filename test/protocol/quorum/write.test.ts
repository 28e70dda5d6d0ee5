import fc from 'fast-check'
import t from 'tap'
import { answersNeeded } from '../../../lib/protocol/quorum/quorum-level.ts'
import { Write, type WriteEffect, type WriteEvent } from '../../../lib/protocol/quorum/write.ts'
import { type NodeId, toNodeId } from '../../../lib/vocabulary/ids.ts'

const ada = node('a')
const bob = node('b')
const cyd = node('c')
const dan = node('d')
const eve = node('e')
const fay = node('f')
const stored: WriteEvent = { type: 'stored-locally' }
const other = fc.constantFrom(bob, cyd)
const histories = fc.record({
  unreachable: fc.subarray([bob, cyd]),
  needed: fc.integer({ min: 1, max: 3 }),
  ownersNeeded: fc.nat(3),
  events: fc.array(
    fc.oneof(
      other.map(acked),
      other.map(failed),
      other.map(hintAcked),
      other.map(hintFailed),
      other.map(kept),
      fc.constant<WriteEvent>({ type: 'silence-due' }),
      fc.constant<WriteEvent>({ type: 'deadline-passed' }),
    ),
    { maxLength: 12 },
  ),
})

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

t.test('a write that ada coordinates while cyd is known to be dead; dan and eve may stand in', async (t) => {
  t.test(
    'keeps a hint for cyd in its first batch, and asks the first fallback for another (rules H1, Q1)',
    async (t) => {
      const write = sloppy({ needed: 3, unreachable: [cyd] })
      t.same(write.handle({ type: 'begun' }), [{ type: 'store-locally', seat: undefined, hintsFor: [cyd] }])
      t.same(write.handle(stored).slice(0, 2), [
        { type: 'send-write', to: bob },
        { type: 'send-hint', to: dan, target: cyd },
      ])
    },
  )

  t.test('is written when the fallback has it; the own hint counts for nobody', async (t) => {
    const write = sloppy({ needed: 3, unreachable: [cyd] })
    t.same(reportsAfter(write, stored, acked(bob), kept(cyd)), [])
    t.same(reportsOf(write.handle(hintAcked(cyd))), [{ type: 'report', verdict: 'written', acked: 3, fallbacks: 1 }])
    t.same(write.acks(), [
      { node: ada, role: 'owner', forNode: ada },
      { node: bob, role: 'owner', forNode: bob },
      { node: dan, role: 'fallback', forNode: cyd },
    ])
  })

  t.test('a fallback that refuses does not count, and no other is tried', async (t) => {
    t.same(verdictsAfter(sloppy({ needed: 3, unreachable: [cyd] }), stored, acked(bob), hintFailed(cyd)), [
      'quorum-unavailable',
    ])
  })

  t.test('needs the owners it was told to need: pw, or all of w where nobody may stand in', async (t) => {
    t.same(verdictsAfter(sloppy({ needed: 3, ownersNeeded: 3, unreachable: [cyd] })), ['refused'])
    const two = sloppy({ needed: 2, ownersNeeded: 2, unreachable: [cyd] })
    t.same(verdictsAfter(two, stored, hintAcked(cyd)), [], 'ada and a fallback are one owner')
    t.same(verdictsOf(two.handle(acked(bob))), ['written'])
  })

  t.test(
    'where no node is left to stand in, keeps its hint all the same, and is refused if that is too few',
    async (t) => {
      const alone = sloppy({ needed: 2, unreachable: [cyd], fallbacks: [] })
      t.same(alone.handle({ type: 'begun' }), [{ type: 'store-locally', seat: undefined, hintsFor: [cyd] }])
      t.same(verdictsAfter(sloppy({ needed: 3, unreachable: [cyd], fallbacks: [] })), ['refused'])
    },
  )

  t.test('the i-th absent owner by id has the i-th fallback', async (t) => {
    const write = sloppy({ needed: 3, unreachable: [cyd, bob] })
    write.handle({ type: 'begun' })
    t.same(write.handle(stored), [
      { type: 'send-hint', to: dan, target: bob },
      { type: 'send-hint', to: eve, target: cyd },
    ])
  })
})

t.test('an owner that turns out to be absent', async (t) => {
  t.test('and is silent too long has a fallback asked; its own late acknowledgement counts, once', async (t) => {
    const write = sloppy({ needed: 3 })
    run(write, { type: 'begun' }, stored, acked(bob))
    t.same(write.handle({ type: 'silence-due' }), [{ type: 'send-hint', to: dan, target: cyd }])
    t.same(write.handle({ type: 'silence-due' }), [], 'once')
    t.same(reportsOf(write.handle(acked(cyd))), [{ type: 'report', verdict: 'written', acked: 3, fallbacks: 0 }])
    t.same(write.handle(hintAcked(cyd)), [])
    t.equal(write.acks().length, 3)
  })

  t.test('and fails has a fallback asked as long as that helps, and then a hint here', async (t) => {
    const early = sloppy({ needed: 3 })
    run(early, { type: 'begun' }, stored)
    t.same(early.handle(failed(cyd)), [{ type: 'send-hint', to: dan, target: cyd }])
    t.same(early.handle(hintFailed(cyd))[0], { type: 'keep-hint-here', target: cyd })
    const late = sloppy({ needed: 2 })
    run(late, { type: 'begun' }, stored, acked(bob))
    t.same(late.handle(failed(cyd)), [{ type: 'keep-hint-here', target: cyd }], 'the write was answered before')
    t.notOk(late.isSettled)
    late.handle(kept(cyd))
    t.ok(late.isSettled)
    t.notOk(late.isEverywhere)
  })

  t.test('after the deadline leaves a hint here', async (t) => {
    const write = sloppy({ needed: 3, fallbacks: [] })
    run(write, { type: 'begun' }, stored, acked(bob), { type: 'deadline-passed' })
    t.same(write.handle(failed(cyd)), [{ type: 'keep-hint-here', target: cyd }])
  })

  t.test('nobody is timed where nobody can stand in', async (t) => {
    const types = (write: Write): string[] => run(write, { type: 'begun' }, stored).map((effect) => effect.type)
    t.ok(types(sloppy({ needed: 3 })).includes('set-silence-timer'))
    t.notOk(types(toThree(3)).includes('set-silence-timer'))
  })
})

t.test('a fallback that coordinates for bob (rule Q2)', async (t) => {
  t.test('stores in the hint for bob, which counts for bob; everybody else by hints', async (t) => {
    const write = seated([ada, bob, cyd])
    t.same(write.handle({ type: 'begun' }), [{ type: 'store-locally', seat: ada, hintsFor: [bob, cyd] }])
    t.same(write.handle(stored), [
      { type: 'send-hint', to: eve, target: bob },
      { type: 'send-hint', to: fay, target: cyd },
    ])
    t.same(reportsOf(write.handle(hintAcked(bob))), [{ type: 'report', verdict: 'written', acked: 2, fallbacks: 2 }])
  })

  t.test('sends the write to owners that are there and would not coordinate', async (t) => {
    const write = seated([cyd], ada)
    t.same(write.handle({ type: 'begun' }), [{ type: 'store-locally', seat: ada, hintsFor: [cyd] }])
    t.same(
      write.handle(stored).flatMap((effect) => (effect.type === 'send-write' ? [effect.to] : [])),
      [ada, bob],
    )
    write.handle(acked(ada))
    t.equal(write.acks().length, 1, 'and does not count for one of them twice')
  })
})

t.test('whatever happens, in whatever order (property)', async (t) => {
  fc.assert(
    fc.property(histories, ({ unreachable, needed, ownersNeeded, events }) => {
      const write = sloppy({ needed, ownersNeeded, unreachable })
      const effects: WriteEffect[] = [...write.handle({ type: 'begun' })]
      /** Owners that acknowledged themselves, and those for which the fallback's first answer was yes. */
      const byOwner = new Set<NodeId>()
      const byFallback = new Set<NodeId>()
      const hasAnswered = new Set<NodeId>()
      for (const event of effects[0]?.type === 'store-locally' ? [stored, ...events] : []) {
        const asked = effects.flatMap((effect) => (effect.type === 'send-hint' ? [effect.target] : []))
        // An answer comes only from whoever was asked.
        if ('node' in event && unreachable.includes(event.node)) continue
        if ((event.type === 'hint-acked' || event.type === 'hint-failed') && !asked.includes(event.target)) continue
        if (event.type === 'stored-locally') byOwner.add(ada)
        if (event.type === 'replica-acked') byOwner.add(event.node)
        if (event.type === 'hint-acked' && !hasAnswered.has(event.target)) byFallback.add(event.target)
        if (event.type === 'hint-acked' || event.type === 'hint-failed') hasAnswered.add(event.target)
        const now = write.handle(event)
        effects.push(...now)
        const [report] = reportsOf(now)
        if (report?.type !== 'report') continue
        const slots = new Set([...byOwner, ...byFallback])
        t.equal(report.acked, slots.size)
        const isEnough = slots.size >= needed && byOwner.size >= ownersNeeded
        t.equal(report.verdict === 'written', isEnough, 'as many different owners as were asked for')
      }
      t.ok(effects.filter(({ type }) => type === 'report').length <= 1, 'one verdict')
      const helpers = effects.flatMap((effect) => (effect.type === 'send-hint' ? [effect.to] : []))
      t.equal(new Set(helpers).size, helpers.length, 'nobody stands in twice')
      const keptHere = effects.flatMap((effect) => (effect.type === 'keep-hint-here' ? [effect.target] : []))
      t.equal(new Set(keptHere).size, keptHere.length, 'one hint here for each')
      for (const { forNode } of write.acks()) t.ok([ada, bob, cyd].includes(forNode))
    }),
    { numRuns: 500 },
  )
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

interface Sloppy {
  readonly needed: number
  readonly ownersNeeded?: number
  readonly unreachable?: readonly NodeId[]
  readonly fallbacks?: readonly NodeId[]
}

function sloppy({ needed, ownersNeeded = 0, unreachable = [], fallbacks = [dan, eve] }: Sloppy): Write {
  return new Write({
    coordinator: ada,
    seat: undefined,
    sets: [{ owners: [ada, bob, cyd], needed, ownersNeeded }],
    unreachable: new Set(unreachable),
    fallbacks: () => fallbacks,
    silentAfterMs: 100,
  })
}

/** Coordinated by dan, who owns nothing of it. */
function seated(unreachable: readonly NodeId[], seat = ada): Write {
  return new Write({
    coordinator: dan,
    seat,
    sets: [{ owners: [ada, bob, cyd], needed: 2, ownersNeeded: 0 }],
    unreachable: new Set(unreachable),
    fallbacks: () => [dan, eve, fay],
    silentAfterMs: 100,
  })
}

function run(write: Write, ...events: WriteEvent[]): WriteEffect[] {
  return events.flatMap((event) => [...write.handle(event)])
}

function reportsOf(effects: readonly WriteEffect[]): readonly WriteEffect[] {
  return effects.filter(({ type }) => type === 'report')
}

function reportsAfter(write: Write, ...events: WriteEvent[]): readonly WriteEffect[] {
  return reportsOf(run(write, { type: 'begun' }, ...events))
}

function verdictsOf(effects: readonly WriteEffect[]): string[] {
  return effects.flatMap((effect) => (effect.type === 'report' ? [effect.verdict] : []))
}

function kept(target: NodeId): WriteEvent {
  return { type: 'hint-kept', target }
}

function hintAcked(target: NodeId): WriteEvent {
  return { type: 'hint-acked', target }
}

function hintFailed(target: NodeId): WriteEvent {
  return { type: 'hint-failed', target }
}
