import t from 'tap'
import type { QuorumLevel } from '../../../lib/protocol/quorum/client-request.ts'
import { answersNeeded, olderQuorumNeeds, quorumNeeds } from '../../../lib/protocol/quorum/quorum-level.ts'
import { type OwnerSet, Write, type WriteEffect, type WriteEvent } from '../../../lib/protocol/quorum/write.ts'
import { type NodeId, toNodeId } from '../../../lib/vocabulary/ids.ts'
import fc from '../../fixtures/fast-check.ts'

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

t.test('T8: while a write is on its way, another layout comes into force', async (t) => {
  const moved = changed([ada, bob, dan], [ada, bob, cyd])

  t.test('its new owners get it too, and are waited for', async (t) => {
    const write = toThree(2)
    run(write, { type: 'begun' }, stored)
    t.same(write.handle(changed([ada, dan, eve], [ada, bob, cyd])), [
      { type: 'send-write', to: dan },
      { type: 'send-write', to: eve },
    ])
    t.same(verdictsOf(write.handle(acked(bob))), [], 'two of the old owners, one of the new')
    t.same(verdictsOf(write.handle(acked(eve))), ['written'])
    t.same(write.handle(moved)[0], undefined, 'and after the answer nobody is asked twice')
  })

  t.test('before it is stored at home nobody else hears of it, and then every one does', async (t) => {
    const write = toThree(2)
    write.handle({ type: 'begun' })
    t.same(write.handle(moved), [])
    t.same(write.handle(stored), [
      { type: 'send-write', to: bob },
      { type: 'send-write', to: cyd },
      { type: 'send-write', to: dan },
    ])
  })

  t.test('what is enough for fewer versions is said at once', async (t) => {
    const write = moving()
    run(write, { type: 'begun' }, stored, acked(dan))
    t.same(verdictsOf(write.handle(changed([ada, dan, eve]))), ['written'])
  })

  t.test('a new owner that is away has a fallback, or a hint here', async (t) => {
    const write = sloppy({ needed: 2 })
    run(write, { type: 'begun' }, stored)
    const away = changedWithout([fay], [ada, bob, fay], [ada, bob, cyd])
    t.same(write.handle(away), [{ type: 'send-hint', to: dan, target: fay }])
    const strict = toThree(2)
    run(strict, { type: 'begun' }, stored)
    t.same(strict.handle(away), [{ type: 'keep-hint-here', target: fay }])
    const early = sloppy({ needed: 2 })
    early.handle({ type: 'begun' })
    t.same(early.handle(away), [])
    t.same(early.handle(stored).slice(0, 3), [
      { type: 'send-write', to: bob },
      { type: 'send-write', to: cyd },
      { type: 'send-hint', to: dan, target: fay },
    ])
  })

  t.test('one that can no longer be enough is given up', async (t) => {
    const write = toThree(2)
    run(write, { type: 'begun' }, stored)
    t.same(verdictsOf(write.handle(changedWithout([dan, eve], [dan, eve, fay], [ada, bob, cyd]))), [
      'quorum-unavailable',
    ])
  })

  t.test('a fallback that has become an owner has the write in its seat only, and not yet as an owner', async (t) => {
    const write = seated([ada, bob, cyd])
    run(write, { type: 'begun' }, stored)
    t.same(write.handle(changed([ada, bob, dan])), [{ type: 'send-write', to: dan }])
    t.same(verdictsOf(write.handle(acked(dan))), ['written'], 'and with the seat that makes two')
    const early = seated([ada, bob, cyd])
    early.handle({ type: 'begun' })
    early.handle(changed([ada, bob, dan]))
    t.same(early.handle(stored)[0]?.type, 'send-hint')
    t.ok(early.acks().every(({ forNode }) => forNode === ada))
  })
})

t.test('T1: levels, by the set', async (t) => {
  const needs = (level: QuorumLevel, own: QuorumLevel, newest: number, older: number): number[][] => [
    Object.values(quorumNeeds(level, own, true, newest))
      .slice(0, 2)
      .map(Number),
    Object.values(olderQuorumNeeds(level, own, true, older))
      .slice(0, 2)
      .map(Number),
  ]
  t.same(needs('one', 0, 3, 1), [
    [1, 0],
    [1, 0],
  ])
  t.same(needs('quorum', 0, 3, 1), [
    [2, 0],
    [1, 0],
  ])
  t.same(needs('all', 'all', 3, 2), [
    [3, 3],
    [2, 2],
  ])
  t.same(needs(3, 2, 3, 1), [
    [3, 2],
    [1, 1],
  ])
  t.same(needs(3, 0, 1, 3), [
    [3, 0],
    [3, 0],
  ])
  const shrunk = new Write({
    coordinator: ada,
    seat: undefined,
    sets: [
      { owners: [ada], needed: 3, ownersNeeded: 0 },
      { owners: [ada, bob, cyd], needed: 3, ownersNeeded: 0 },
    ],
    unreachable: new Set(),
    fallbacks: undefined,
    silentAfterMs: 100,
  })
  t.same(verdictsAfter(shrunk), ['refused'], 'more than the newest version has')
})

t.test('T1, T8: whatever happens in one or two versions, in whatever order (property)', async (t) => {
  const nodes = [ada, bob, cyd, dan, eve]
  const set = fc.record({
    owners: fc.shuffledSubarray(nodes, { minLength: 1, maxLength: 3 }),
    level: fc.constantFrom<QuorumLevel>('one', 'quorum', 'all', 2, 3),
    own: fc.constantFrom<QuorumLevel>(0, 'one', 'quorum'),
  })
  const sets = fc.array(set, { minLength: 1, maxLength: 2 })
  const anybody = fc.constantFrom(...nodes)
  const event = fc.oneof(
    { weight: 4, arbitrary: anybody.map(acked) },
    { weight: 2, arbitrary: anybody.map(failed) },
    { weight: 3, arbitrary: anybody.map(hintAcked) },
    { weight: 1, arbitrary: anybody.map(hintFailed) },
    { weight: 1, arbitrary: anybody.map(kept) },
    { weight: 1, arbitrary: fc.constant<WriteEvent>({ type: 'silence-due' }) },
    { weight: 2, arbitrary: fc.constant<WriteEvent>(stored) },
    {
      weight: 2,
      arbitrary: fc
        .record({ sets, away: fc.subarray([bob, cyd, dan, eve]) })
        .map(
          ({ sets, away }): WriteEvent => ({ type: 'layout-changed', sets: setsOf(sets), unreachable: new Set(away) }),
        ),
    },
  )
  const events = fc.array(event, { maxLength: 30 })
  const runs = fc.record({
    sets,
    away: fc.subarray([bob, cyd, dan, eve]),
    isSloppy: fc.boolean(),
    events: fc.oneof(
      events,
      events.map((rest) => [stored, ...rest]),
    ),
  })
  let written = 0
  fc.assert(
    fc.property(runs, ({ sets, away, isSloppy, events }) => {
      let current = setsOf(sets)
      const helpers = [fay, node('0'), node('1')]
      const write = new Write({
        coordinator: ada,
        seat: undefined,
        sets: current,
        unreachable: new Set(away),
        fallbacks: isSloppy ? () => helpers : undefined,
        silentAfterMs: 100,
      })
      const effects: WriteEffect[] = [...write.handle({ type: 'begun' })]
      const asked = new Set<NodeId>()
      const helpedFor = new Map<NodeId, NodeId>()
      const isBegun = effects[0]?.type === 'store-locally'
      let isStored = false
      let wasOwner = current.some(({ owners }) => owners.includes(ada))
      const byOwner = new Set<NodeId>()
      const byHelper = new Set<NodeId>()
      const answered = new Set<NodeId>()
      let isJudged = false
      for (const event of isBegun ? events : []) {
        if (event.type === 'stored-locally' && isStored) continue
        if (event.type === 'silence-due' && !isStored) continue
        if ('node' in event && !asked.has(event.node)) continue
        if ((event.type === 'hint-acked' || event.type === 'hint-failed') && !helpedFor.has(event.target)) continue
        if (event.type === 'stored-locally') isStored = true
        if (event.type === 'layout-changed') current = event.sets
        if (current.some(({ owners }) => owners.includes(ada))) wasOwner = true
        if (event.type === 'replica-acked') byOwner.add(event.node)
        if (event.type === 'hint-acked' && !answered.has(event.target)) byHelper.add(event.target)
        if (event.type === 'hint-acked' || event.type === 'hint-failed') answered.add(event.target)
        const now = write.handle(event)
        // What is stored at home is an owner's copy also after a layout in which ada owns nothing.
        if (event.type === 'stored-locally' && wasOwner) byOwner.add(ada)
        for (const effect of now) {
          if (effect.type !== 'keep-hint-here' && effect.type !== 'report')
            t.ok(isStored, 'nobody hears of what is not stored at home')
          if (effect.type === 'send-write') asked.add(effect.to)
          if (effect.type === 'send-hint') {
            t.notOk([...helpedFor.values()].includes(effect.to), 'nobody stands in twice')
            t.notOk(nodes.includes(effect.to), 'and no owner does')
            helpedFor.set(effect.target, effect.to)
          }
        }
        const isEnough = current.every(({ owners, needed, ownersNeeded }) => {
          const own = owners.filter((owner) => byOwner.has(owner))
          const filled = owners.filter((owner) => byOwner.has(owner) || byHelper.has(owner))
          return filled.length >= needed && own.length >= ownersNeeded
        })
        const reports = reportsOf(now)
        if (isJudged) t.same(reports, [], 'one verdict')
        for (const report of reports) {
          if (report.type !== 'report') continue
          isJudged = true
          if (report.verdict !== 'written') continue
          written += 1
          t.ok(isEnough, 'W of every live set, each owner once')
        }
        if (isEnough && isStored) t.ok(isJudged, 'and when it is enough it is said')
      }
    }),
    { numRuns: 1000 },
  )
  t.ok(written > 20, `${written} of them were written`)
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

/** The newest version's owners first; a majority of each. */
function changed(...owners: readonly (readonly NodeId[])[]): WriteEvent {
  return changedWithout([], ...owners)
}

function changedWithout(away: readonly NodeId[], ...owners: readonly (readonly NodeId[])[]): WriteEvent {
  const sets = owners.map((set) => ({ owners: set, needed: Math.floor(set.length / 2) + 1, ownersNeeded: 0 }))
  return { type: 'layout-changed', sets, unreachable: new Set(away) }
}

function setsOf(
  sets: readonly { readonly owners: readonly NodeId[]; readonly level: QuorumLevel; readonly own: QuorumLevel }[],
): readonly OwnerSet[] {
  return sets.map(({ owners, level, own }, index) => {
    const { needed, ownersNeeded } = (index === 0 ? quorumNeeds : olderQuorumNeeds)(level, own, true, owners.length)
    return { owners, needed, ownersNeeded }
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
