import t from 'tap'
import type { Dot } from '../../../lib/protocol/causality/dot.ts'
import type { KeyRecord } from '../../../lib/protocol/causality/record.ts'
import type { Hlc } from '../../../lib/protocol/clock/hlc.ts'
import {
  holdersNeeded,
  Read,
  type ReadEffect,
  type ReadEvent,
  type ReadPlan,
} from '../../../lib/protocol/quorum/read.ts'
import { type NodeId, toNodeId } from '../../../lib/vocabulary/ids.ts'
import fc from '../../fixtures/fast-check.ts'

const ada = node('a')
const bob = node('b')
const cyd = node('c')
const dan = node('d')
const eve = node('e')
const one = state(1)
const two = state(2)
const both: KeyRecord = { ...one, vv: [...one.vv, ...two.vv], siblings: [...one.siblings, ...two.siblings] }

t.test('a read of a key owned by ada, bob and cyd, with R=2', async (t) => {
  t.test('asks two owners, and answers when they agree', async (t) => {
    const read = of({})
    t.same(asked(read.handle({ type: 'begun' })), [ada, bob])
    t.same(read.handle(found(ada, one)), [])
    t.same(verdicts(read.handle(found(bob, one))), [
      { type: 'read', record: one, answered: 2, fallbacks: 0, repaired: 0 },
    ])
  })

  t.test('nothing anywhere is an answer too', async (t) => {
    t.same(verdicts(run(of({}), absent(ada), absent(bob))), [
      { type: 'read', record: undefined, answered: 2, fallbacks: 0, repaired: 0 },
    ])
  })

  t.test('asks the third when one fails, and gives up when two cannot answer any more', async (t) => {
    const read = of({})
    read.handle({ type: 'begun' })
    t.same(read.handle(failed(ada)), [{ type: 'send-read', to: cyd }])
    t.same(verdicts(read.handle(failed(bob))), [{ type: 'quorum-unavailable' }])
  })

  t.test('asks one more when the answer is late, once', async (t) => {
    const read = of({})
    t.same(read.handle({ type: 'begun' }).at(-1), { type: 'set-speculation-timer', afterMs: 20 })
    t.same(read.handle({ type: 'speculation-due' }), [{ type: 'send-read', to: cyd }])
    t.same(read.handle({ type: 'speculation-due' }), [])
    t.same(verdicts([...read.handle(found(cyd, one)), ...read.handle(found(ada, one))]), [
      { type: 'read', record: one, answered: 2, fallbacks: 0, repaired: 0 },
    ])
  })

  t.test('an answer that comes twice counts once', async (t) => {
    t.same(verdicts(run(of({}), found(ada, one), found(ada, one))), [])
  })

  t.test('neither a damaged copy nor a recovering owner counts (rules A5, A6)', async (t) => {
    const damaged: ReadEvent = {
      type: 'answered',
      node: ada,
      answer: { state: 'damaged', isRecovering: false, record: undefined },
    }
    t.same(asked(run(of({}), damaged)), [ada, bob, cyd])
    const recovering: ReadEvent = {
      type: 'answered',
      node: ada,
      answer: { state: 'absent', isRecovering: true, record: undefined },
    }
    t.same(verdicts(run(of({}), recovering, found(bob, one))), [], 'one answer counts so far')
  })

  t.test('what a recovering owner still has is merged', async (t) => {
    const recovering: ReadEvent = {
      type: 'answered',
      node: ada,
      answer: { state: 'found', isRecovering: true, record: one },
    }
    const effects = run(of({ repair: 'off' }), recovering, found(bob, two), found(cyd, two))
    t.same(verdicts(effects), [{ type: 'read', record: both, answered: 2, fallbacks: 0, repaired: 0 }])
  })

  t.test('is unavailable at once when too few owners are in reach', async (t) => {
    t.same(verdicts(of({ unreachable: new Set([bob, cyd]) }).handle({ type: 'begun' })), [
      { type: 'quorum-unavailable' },
    ])
  })

  t.test('ends at the deadline, whatever it waits for', async (t) => {
    t.same(verdicts(run(of({}), found(ada, one), { type: 'deadline-passed' }, found(bob, one))), [
      { type: 'deadline-exceeded' },
    ])
  })
})

t.test('answers that differ', async (t) => {
  t.test('are merged, and pushed back before the answer (rule Q4)', async (t) => {
    const read = of({})
    const effects = run(read, found(ada, one), found(bob, two))
    t.same(verdicts(effects), [], 'not before two owners hold what it will show')
    t.same(repairs(effects), [
      { to: ada, record: both, isBlocking: true },
      { to: bob, record: both, isBlocking: true },
    ])
    t.same(verdicts(read.handle(repaired(ada))), [])
    t.same(verdicts(read.handle(repaired(bob))), [
      { type: 'read', record: both, answered: 2, fallbacks: 0, repaired: 2 },
    ])
  })

  t.test('a value that only one of two owners has reaches the other first (new-old inversion)', async (t) => {
    const read = of({})
    const effects = run(read, found(ada, one), absent(bob))
    t.same([verdicts(effects), repairs(effects)], [[], [{ to: bob, record: one, isBlocking: true }]])
    t.same(verdicts(read.handle(repaired(bob))).length, 1)
  })

  t.test('a repair that fails is tried at the owner not asked yet', async (t) => {
    const read = of({})
    run(read, found(ada, one), absent(bob))
    t.same(repairs(read.handle({ type: 'repair-failed', node: bob })), [{ to: cyd, record: one, isBlocking: true }])
    t.same(verdicts(read.handle({ type: 'repair-failed', node: cyd })), [{ type: 'quorum-unavailable' }])
  })

  t.test('a damaged copy is no dispute: one whole answer is enough for R=1', async (t) => {
    const read = of({ needed: 1 })
    const damaged: ReadEvent = {
      type: 'answered',
      node: ada,
      answer: { state: 'damaged', isRecovering: false, record: undefined },
    }
    const effects = run(read, damaged, found(bob, one))
    t.same(verdicts(effects).length, 1)
    t.same(repairs(effects), [{ to: ada, record: one, isBlocking: false }], 'it is mended all the same')
  })

  t.test('with R=3 all hold it before the answer; with R=1 of 3 one answer never differs', async (t) => {
    const all = of({ needed: 3 })
    run(all, found(ada, one), found(bob, one), absent(cyd))
    t.same(verdicts(all.handle(repaired(cyd))).length, 1)
    t.same(verdicts(run(of({ needed: 1 }), found(ada, one))).length, 1)
  })

  t.test('a later answer does not change what is being pushed back', async (t) => {
    const read = of({})
    read.handle({ type: 'begun' })
    read.handle({ type: 'speculation-due' })
    read.handle(found(ada, one))
    read.handle(absent(bob))
    const late = read.handle(found(cyd, two))
    t.same(
      repairs(late).map(({ to }) => to),
      [cyd, ada, bob],
      'but all learn of both, in the background',
    )
    t.same(verdicts(read.handle(repaired(bob)))[0], {
      type: 'read',
      record: one,
      answered: 2,
      fallbacks: 0,
      repaired: 1,
    })
  })

  t.test('asynchronous repair answers first; no repair answers only', async (t) => {
    const later = run(of({ repair: 'async' }), found(ada, one), absent(bob))
    t.same([verdicts(later).length, repairs(later)], [1, [{ to: bob, record: one, isBlocking: false }]])
    const never = run(of({ repair: 'off' }), found(ada, one), absent(bob))
    t.same([verdicts(never).length, repairs(never)], [1, []])
  })
})

t.test('an answer that comes after the verdict', async (t) => {
  t.test('is repaired when it lacks something, and ignored when it agrees', async (t) => {
    const read = of({})
    read.handle({ type: 'begun' })
    read.handle({ type: 'speculation-due' })
    read.handle(found(ada, one))
    read.handle(found(bob, one))
    t.same(repairs(read.handle(absent(cyd))), [{ to: cyd, record: one, isBlocking: false }])
    const agreed = of({})
    agreed.handle({ type: 'begun' })
    agreed.handle({ type: 'speculation-due' })
    agreed.handle(found(ada, one))
    agreed.handle(found(bob, one))
    t.same(agreed.handle(found(cyd, one)), [])
    t.ok(agreed.isComplete)
  })
})

t.test('a sloppy read with R=2 while bob and cyd are known to be dead; dan and eve stand in', async (t) => {
  const absentTwo = { isSloppy: true, ownersNeeded: 0, unreachable: new Set([bob, cyd]), fallbacks: () => [dan, eve] }

  t.test('asks the fallbacks too, and what one finds counts for its owner (rule Q3)', async (t) => {
    const read = of(absentTwo)
    t.same(read.handle({ type: 'begun' }).slice(0, 3), [
      { type: 'send-read', to: ada },
      { type: 'send-hint-read', to: dan },
      { type: 'send-hint-read', to: eve },
    ])
    read.handle(found(ada, one))
    t.same(verdicts(read.handle(foundHint(dan, one))), [
      { type: 'read', record: one, answered: 2, fallbacks: 1, repaired: 0 },
    ])
    t.same(read.answers(), [
      { node: ada, role: 'owner', forNode: ada },
      { node: dan, role: 'fallback', forNode: bob },
    ])
  })

  t.test('that a fallback found nothing says nothing', async (t) => {
    const effects = run(of(absentTwo), absent(ada), foundHint(dan, undefined), foundHint(eve, undefined))
    t.same(verdicts(effects), [{ type: 'quorum-unavailable' }])
  })

  t.test(
    'what a fallback adds is brought to the owners in reach, and answered although too few can hold it',
    async (t) => {
      const read = of(absentTwo)
      const effects = run(read, found(ada, one), foundHint(dan, two))
      t.same(repairs(effects), [{ to: ada, record: both, isBlocking: true }])
      t.same(verdicts(read.handle(repaired(ada))), [
        { type: 'read', record: both, answered: 2, fallbacks: 1, repaired: 1 },
      ])
    },
  )

  t.test('is refused at once where owners themselves must answer: strict, or pr', async (t) => {
    const refused = [{ type: 'quorum-unavailable' }]
    t.same(verdicts(of({ ...absentTwo, isSloppy: false, ownersNeeded: 2 }).handle({ type: 'begun' })), refused)
    t.same(verdicts(of({ ...absentTwo, ownersNeeded: 2 }).handle({ type: 'begun' })), refused)
    t.same(verdicts(of({ ...absentTwo, fallbacks: () => [] }).handle({ type: 'begun' })), refused)
  })

  t.test('with owners enough, no fallback is bothered', async (t) => {
    const read = of({ ...absentTwo, unreachable: new Set([cyd]) })
    t.same(asked(read.handle({ type: 'begun' })), [ada, bob])
    t.same(verdicts([...read.handle(found(ada, one)), ...read.handle(found(bob, one))]).length, 1)
  })

  t.test('an owner that fails is replaced by its fallback', async (t) => {
    const read = of({ ...absentTwo, unreachable: new Set([cyd]) })
    run(read, found(ada, one))
    t.same(read.handle(failed(bob)), [
      { type: 'send-hint-read', to: dan },
      { type: 'send-hint-read', to: eve },
    ])
    t.same(verdicts(read.handle(foundHint(eve, one)))[0], {
      type: 'read',
      record: one,
      answered: 2,
      fallbacks: 1,
      repaired: 0,
    })
  })
})

t.test('Q4: while two layout versions are live', async (t) => {
  const moved = { otherSets: [{ owners: [ada, bob, dan], holdersNeeded: 2 }] }
  const replaced = { otherSets: [{ owners: [ada, dan, eve], holdersNeeded: 2 }] }

  t.test('answers of nodes that own it in both need no more', async (t) => {
    t.equal(verdicts(run(of(moved), found(ada, one), found(bob, one))).length, 1)
    t.equal(verdicts(run(of(replaced), absent(ada), absent(bob))).length, 1, 'nor does nothing')
  })

  t.test('what is too few of the other owners reaches one more of them first', async (t) => {
    const read = of(replaced)
    t.same(repairs(run(read, found(ada, one), found(bob, one))), [{ to: dan, record: one, isBlocking: true }])
    t.equal(verdicts(read.handle(repaired(dan))).length, 1)
  })

  t.test('one that fails is followed by the next, and when nobody is left there is no answer', async (t) => {
    const read = of(replaced)
    run(read, found(ada, one), found(bob, one))
    t.same(repairs(read.handle({ type: 'repair-failed', node: dan })), [{ to: eve, record: one, isBlocking: true }])
    t.same(verdicts(read.handle({ type: 'repair-failed', node: eve })), [{ type: 'quorum-unavailable' }])
  })

  t.test('a sloppy read answers all the same', async (t) => {
    const read = of({ otherSets: [{ owners: [dan], holdersNeeded: 1 }], isSloppy: true, ownersNeeded: 0 })
    run(read, found(ada, one), found(bob, one))
    t.equal(verdicts(read.handle({ type: 'repair-failed', node: dan })).length, 1)
  })

  t.test('a new owner that takes nothing yet is excused: it is copied to later (T3)', async (t) => {
    const read = of(replaced)
    run(read, found(ada, one), found(bob, one))
    t.equal(verdicts(read.handle({ type: 'repair-failed', node: dan, isExcused: true })).length, 1)
  })

  t.test('an owner that is read from is never excused', async (t) => {
    const read = of({})
    run(read, found(ada, one), absent(bob))
    t.same(repairs(read.handle({ type: 'repair-failed', node: bob, isExcused: true })), [
      { to: cyd, record: one, isBlocking: true },
    ])
  })

  t.test('answers that differ are pushed to both at once', async (t) => {
    const read = of(replaced)
    t.same(
      repairs(run(read, found(ada, one), absent(bob))).map(({ to }) => to),
      [bob, dan],
    )
    t.same(verdicts(read.handle(repaired(bob))), [])
    t.equal(verdicts(read.handle(repaired(dan))).length, 1)
  })

  t.test('who does not repair before it answers does not do it here either', async (t) => {
    for (const repair of ['async', 'off'] as const)
      t.equal(verdicts(run(of({ ...replaced, repair }), found(ada, one), found(bob, one))).length, 1)
  })
})

t.test(
  'Q4: whatever the owners answer, what a strict read has shown stays seen in every version (property)',
  async (t) => {
    const nodes = [ada, bob, cyd, dan, eve]
    const holding = fc.constantFrom<KeyRecord | undefined>(undefined, one, two, both)
    const runs = fc.record({
      readers: fc.shuffledSubarray(nodes, { minLength: 1, maxLength: 3 }),
      other: fc.option(fc.shuffledSubarray(nodes, { minLength: 1, maxLength: 3 }), { nil: undefined }),
      copies: fc.array(holding, { minLength: 5, maxLength: 5 }),
      fails: fc.subarray(nodes),
      excused: fc.subarray(nodes),
      order: fc.infiniteStream(fc.nat(20)),
    })
    let shown = 0
    fc.assert(
      fc.property(runs, ({ readers, other, copies, fails, excused, order }) => {
        const quorum = (owners: readonly NodeId[]): number => Math.floor(owners.length / 2) + 1
        const others = other === undefined ? [] : [other]
        const held = new Map(nodes.map((id, index) => [id, copies[index]]))
        const read = of({
          owners: readers,
          needed: quorum(readers),
          otherSets: others.map((owners) => ({ owners, holdersNeeded: holdersNeeded(quorum(owners), owners.length) })),
        })
        const waiting: ReadEvent[] = []
        const later = (effects: readonly ReadEffect[]): readonly ReadEffect[] => {
          for (const effect of effects) {
            if (effect.type === 'send-read') {
              const record = held.get(effect.to)
              if (fails.includes(effect.to)) waiting.push(failed(effect.to))
              else waiting.push(record === undefined ? absent(effect.to) : found(effect.to, record))
            }
            if (effect.type !== 'send-repair') continue
            const { to, record } = effect
            const isNew = !readers.includes(to)
            if (isNew && excused.includes(to)) waiting.push({ type: 'repair-failed', node: to, isExcused: true })
            else if (fails.includes(to)) waiting.push({ type: 'repair-failed', node: to })
            else {
              const before = held.get(to)
              held.set(to, before === undefined ? record : merge(before, record))
              waiting.push(repaired(to))
            }
          }
          return effects
        }
        const ended: unknown[] = []
        const hear = (event: ReadEvent): void => {
          for (const verdict of verdicts(later(read.handle(event)))) {
            ended.push(verdict)
            const { type, record } = verdict as { readonly type: string; readonly record?: KeyRecord }
            if (type !== 'read' || record === undefined) continue
            shown += 1
            for (const owners of [readers, ...others]) {
              const has = owners.filter((id) => {
                const isExcused = owners !== readers && !readers.includes(id) && excused.includes(id)
                return isExcused || held.get(id) === record || held.get(id) === both
              })
              t.ok(has.length >= holdersNeeded(quorum(owners), owners.length), 'every majority has one that holds it')
            }
          }
        }
        hear({ type: 'begun' })
        for (const at of order) {
          if (waiting.length === 0) break
          const [event] = waiting.splice(at % waiting.length, 1) as [ReadEvent]
          hear(event)
        }
        t.equal(ended.length, 1, 'it ends, once')
        t.ok(read.isComplete)
      }),
      { numRuns: 1000 },
    )
    t.ok(shown > 100)
  },
)

t.test('a read that a session is not satisfied with (rule S1)', async (t) => {
  const knowsTwo = (record: KeyRecord | undefined): boolean => record?.vv.some(({ shortId }) => shortId === 2) === true

  t.test('asks everybody else, and answers when somebody knows', async (t) => {
    const read = of({ isSatisfied: knowsTwo, repair: 'off' })
    t.same(run(read, found(ada, one), found(bob, one)).at(-1), { type: 'send-read', to: cyd })
    t.same(verdicts(read.handle(found(cyd, two)))[0], {
      type: 'read',
      record: both,
      answered: 3,
      fallbacks: 0,
      repaired: 0,
    })
  })

  t.test('also fallbacks, which then are merged and need not count', async (t) => {
    const read = of({ isSatisfied: knowsTwo, repair: 'off', unreachable: new Set([cyd]), fallbacks: () => [dan] })
    t.same(run(read, found(ada, one), found(bob, one)).at(-1), { type: 'send-hint-read', to: dan })
    t.same(verdicts(read.handle(foundHint(dan, two)))[0], {
      type: 'read',
      record: both,
      answered: 2,
      fallbacks: 0,
      repaired: 0,
    })
  })

  t.test('is given up when nobody is left, never answered with less', async (t) => {
    const read = of({ isSatisfied: knowsTwo })
    run(read, found(ada, one), found(bob, one))
    t.same(verdicts(read.handle(failed(cyd))), [{ type: 'session-unavailable' }])
  })
})

function node(letter: string): NodeId {
  return toNodeId(letter.repeat(32))
}

function state(shortId: number): KeyRecord {
  const dot: Dot = { shortId, generation: 7, born: 1, counter: 1 }
  const hlc = 1 as Hlc
  return {
    mode: 'siblings',
    vv: [dot],
    siblings: [
      { dot, hlc, value: new Uint8Array([shortId]), contentType: 'text/plain', metadata: [], checksum: shortId },
    ],
    deletedHlc: 0 as Hlc,
    done: [],
  }
}

/** Enough of a merge for states that are `one`, `two` or both. */
function merge(a: KeyRecord, b: KeyRecord): KeyRecord {
  return a.vv.length === 1 && b.vv.length === 1 && a.vv[0]?.shortId === b.vv[0]?.shortId ? a : both
}

function of(changes: Partial<ReadPlan>): Read {
  return new Read({
    owners: [ada, bob, cyd],
    needed: 2,
    ownersNeeded: changes.needed ?? 2,
    isSloppy: false,
    otherSets: [],
    unreachable: new Set(),
    fallbacks: undefined,
    repair: 'blocking',
    speculateAfterMs: 20,
    merge,
    ...changes,
  })
}

function run(read: Read, ...events: ReadEvent[]): ReadEffect[] {
  return [...read.handle({ type: 'begun' }), ...events.flatMap((event) => read.handle(event))]
}

function found(replica: NodeId, record: KeyRecord): ReadEvent {
  return { type: 'answered', node: replica, answer: { state: 'found', isRecovering: false, record } }
}

function absent(replica: NodeId): ReadEvent {
  return { type: 'answered', node: replica, answer: { state: 'absent', isRecovering: false, record: undefined } }
}

function foundHint(fallback: NodeId, record: KeyRecord | undefined): ReadEvent {
  return { type: 'hint-answered', node: fallback, record }
}

function failed(replica: NodeId): ReadEvent {
  return { type: 'failed', node: replica }
}

function repaired(replica: NodeId): ReadEvent {
  return { type: 'repaired', node: replica }
}

function asked(effects: readonly ReadEffect[]): NodeId[] {
  return effects.flatMap((effect) => (effect.type === 'send-read' ? [effect.to] : []))
}

function verdicts(effects: readonly ReadEffect[]): unknown[] {
  return effects.flatMap((effect) => (effect.type === 'report' ? [effect.verdict] : []))
}

function repairs(effects: readonly ReadEffect[]): { to: NodeId; record: KeyRecord; isBlocking: boolean }[] {
  return effects.flatMap((effect) =>
    effect.type === 'send-repair' ? [{ to: effect.to, record: effect.record, isBlocking: effect.isBlocking }] : [],
  )
}
