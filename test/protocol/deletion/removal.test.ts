import t from 'tap'
import { emptyContext } from '../../../lib/protocol/causality/context.ts'
import { mergeRecords } from '../../../lib/protocol/causality/merge.ts'
import { putRecord } from '../../../lib/protocol/causality/put.ts'
import type { KeyRecord, StoredRecord } from '../../../lib/protocol/causality/record.ts'
import { type Hlc, hlcFromMs, hlcPlusMs, hlcZero } from '../../../lib/protocol/clock/hlc.ts'
import { comesTooLate, joinBarriers, noBarrier } from '../../../lib/protocol/deletion/barrier.ts'
import { expireSiblings, expiryMarginMs } from '../../../lib/protocol/deletion/expiry.ts'
import { Removal, type RemovalEffect, type RemovalEvent } from '../../../lib/protocol/deletion/removal.ts'
import { StableMark } from '../../../lib/protocol/deletion/stability.ts'
import type { NodeId } from '../../../lib/vocabulary/ids.ts'
import { clockAheadMsMax } from '../../../lib/vocabulary/limits.ts'

const ada = 'ada' as NodeId
const bob = 'bob' as NodeId
const cyd = 'cyd' as NodeId
const dan = 'dan' as NodeId
const nowMs = 1_700_000_000_000
const now = hlcFromMs(nowMs)

t.test('a batch of two tombstones of ada, bob and cyd; dan holds hints', async (t) => {
  await t.test('goes in four phases, each of which waits for everybody', async (t) => {
    const removal = made()
    t.same(sent(removal, { type: 'begun' }), ['ask-stable ada', 'ask-stable bob', 'ask-stable cyd', 'ask-stable dan'])
    t.same(sent(removal, stable(ada), stable(bob), stable(cyd)), [])
    t.same(sent(removal, stable(dan)), ['ask-confirm ada 0,1', 'ask-confirm bob 0,1', 'ask-confirm cyd 0,1'])
    t.same(sent(removal, confirmed(ada), confirmed(bob)), [])
    t.same(sent(removal, confirmed(cyd, 900)), [
      'raise-barrier ada 0,1',
      'raise-barrier bob 0,1',
      'raise-barrier cyd 0,1',
    ])
    t.same(sent(removal, raised(ada), raised(bob), raised(cyd)), ['drop ada 0,1', 'drop bob 0,1', 'drop cyd 0,1'])
    t.same(sent(removal, dropped(ada), dropped(bob), dropped(cyd)), ['report gone gone'])
  })

  await t.test('has its barrier above every clock that answered, the own one too', async (t) => {
    const removal = made({ clock: at(500) })
    handle(removal, { type: 'begun' }, stable(ada), stable(bob), stable(cyd), stable(dan, 1000, 700))
    const effects = handle(removal, confirmed(ada, 600), confirmed(bob), confirmed(cyd))
    t.same(
      effects.map((effect) => 'barrier' in effect && effect.barrier),
      Array(3).fill(at(700) + 1),
    )
  })

  await t.test('loses the one that is not stable somewhere, and says where', async (t) => {
    const removal = made({ seen: [100, 300] })
    const asked = sent(removal, { type: 'begun' }, stable(ada), stable(bob), stable(cyd), stable(dan, 300))
    t.same(asked.slice(-3), ['ask-confirm ada 0', 'ask-confirm bob 0', 'ask-confirm cyd 0'])
    handle(removal, confirmed(ada), confirmed(bob), confirmed(cyd), raised(ada), raised(bob), raised(cyd))
    t.same(sent(removal, dropped(ada), dropped(bob), dropped(cyd)), ['report gone stable:dan'])
    t.same(removal.least, { stable: at(300), node: dan })
  })

  await t.test(
    'loses the one that an owner has otherwise, still remembers requests of, or saw deleted later',
    async (t) => {
      const removal = made({ seen: [100, 100, 100, 100] })
      handle(removal, { type: 'begun' }, stable(ada), stable(bob), stable(cyd), stable(dan))
      const answers = (...outcomes: ('equal' | 'differs' | 'done')[]) =>
        outcomes.map((outcome) => ({ outcome, deletedHlc: at(100) }))
      handle(removal, { ...confirmed(ada), answers: answers('equal', 'equal', 'equal', 'equal') })
      handle(removal, { ...confirmed(bob), answers: answers('differs', 'done', 'equal', 'equal') })
      const late = answers('equal', 'equal', 'equal', 'equal')
      const effects = sent(removal, {
        ...confirmed(cyd),
        answers: [...late.slice(0, 2), { outcome: 'equal', deletedHlc: at(2000) }, late[3] as never],
      })
      t.same(effects[0], 'raise-barrier ada 3')
      handle(removal, raised(ada), raised(bob), raised(cyd))
      t.same(sent(removal, dropped(ada), dropped(bob), dropped(cyd)), ['report owner:bob done stable:ada gone'])
    },
  )

  await t.test('loses the one that changed before the barrier stood everywhere', async (t) => {
    const removal = made()
    handle(removal, { type: 'begun' }, stable(ada), stable(bob), stable(cyd), stable(dan))
    handle(removal, confirmed(ada), confirmed(bob), confirmed(cyd))
    const changed: RemovalEvent = { type: 'barrier-raised', node: bob, isEqual: [true, false] }
    t.same(sent(removal, raised(ada), changed, raised(cyd)), ['drop ada 0', 'drop bob 0', 'drop cyd 0'])
  })

  await t.test('waits for another round when anybody fails before the drop', async (t) => {
    for (const phase of [0, 1, 2]) {
      const removal = made()
      const answers = [
        [stable(ada), stable(bob), stable(cyd), stable(dan)],
        [confirmed(ada), confirmed(bob), confirmed(cyd)],
      ]
      handle(removal, { type: 'begun' }, ...answers.slice(0, phase).flat())
      t.same(sent(removal, failed(bob)), ['report owner:bob owner:bob'])
      t.same(sent(removal, stable(ada), confirmed(ada), raised(ada), dropped(ada)), [], 'and hears nothing any more')
    }
  })

  await t.test('is dropped by the others when one fails then, and says so', async (t) => {
    const removal = made()
    handle(removal, { type: 'begun' }, stable(ada), stable(bob), stable(cyd), stable(dan))
    handle(removal, confirmed(ada), confirmed(bob), confirmed(cyd), raised(ada), raised(bob), raised(cyd))
    t.same(sent(removal, failed(bob), dropped(ada), dropped(cyd)), ['report owner:bob owner:bob'])
  })

  await t.test('counts no answer twice', async (t) => {
    const removal = made()
    t.same(sent(removal, { type: 'begun' }, stable(ada), stable(ada), stable(ada), stable(ada)).length, 4)
  })
})

t.test('what comes too late', async (t) => {
  const barrier = hlcPlusMs(now, -1000)
  const before = hlcPlusMs(now, -1001)
  const state = put(undefined, 1).record

  t.test('was read before the barrier, and has seen what is not known here', async (t) => {
    t.equal(comesTooLate(barrier, before, nowMs, undefined, state), true)
    t.equal(comesTooLate(barrier, barrier, nowMs, undefined, state), false, 'read at the barrier: it has the tombstone')
    t.equal(comesTooLate(barrier, before, nowMs, state, state), false, 'nothing new in it')
    t.equal(comesTooLate(hlcZero, hlcZero, nowMs, undefined, state), false, 'nothing was ever removed')
  })
  t.test('says that it comes from more than an hour ahead', async (t) => {
    const ahead = hlcPlusMs(now, clockAheadMsMax + 1)
    t.equal(comesTooLate(barrier, ahead, nowMs, undefined, state), true)
    t.equal(comesTooLate(barrier, hlcPlusMs(now, clockAheadMsMax), nowMs, undefined, state), false)
  })
  t.test('is measured by barriers that only rise', async (t) => {
    const a = { gcBarrier: at(5), gcDeleted: at(1) }
    t.equal(joinBarriers(a, noBarrier), a)
    t.same(joinBarriers(a, { gcBarrier: at(3), gcDeleted: at(2) }), { gcBarrier: at(5), gcDeleted: at(2) })
  })
})

t.test('the stable of a node', async (t) => {
  t.test('lies below its clock, its writes and its hints, and never falls', async (t) => {
    const mark = new StableMark(at(50))
    const next = (clock: number, oldestWrite?: number, oldestHint?: number) =>
      mark.next({
        clock: at(clock),
        oldestWrite: oldestWrite === undefined ? undefined : at(oldestWrite),
        oldestHint: oldestHint === undefined ? undefined : at(oldestHint),
      })
    const belowHint = next(100, 80, 70)
    t.ok(belowHint > at(69) && belowHint < at(70), 'a hint that takes in another write of its key is no hint too late')
    t.equal(next(100, 60), belowHint)
    t.equal(next(200), at(200))
    t.equal(mark.told, at(50), 'nothing is told before it is synced')
    mark.persisted(at(200))
    t.equal(mark.told, at(200))
  })
  t.test('keeps out hints that lie below what is being written, and all before the first of a life', async (t) => {
    const mark = new StableMark(at(50))
    t.ok(mark.hintFloor > at(10_000_000))
    mark.persisted(mark.next({ clock: at(100), oldestWrite: undefined, oldestHint: undefined }))
    t.equal(mark.hintFloor, at(100))
    mark.next({ clock: at(150), oldestWrite: undefined, oldestHint: undefined })
    t.equal(mark.hintFloor, at(150), 'before it is synced')
  })
})

t.test('an expired sibling (K4)', async (t) => {
  const expiresAtMs = nowMs
  const late = nowMs + expiryMarginMs

  t.test('stays for ten minutes after its deadline', async (t) => {
    const { record } = put(undefined, 1, expiresAtMs)
    t.equal(expireSiblings(record, late - 1), record)
    t.same(expireSiblings(record, late).siblings, [])
  })
  t.test('leaves the vector, and the time of its own write as that of its delete', async (t) => {
    const { record } = put(undefined, 1, expiresAtMs)
    const expired = expireSiblings(record, late)
    t.equal(expired.vv, record.vv)
    t.equal(expired.deletedHlc, record.siblings[0]?.hlc)
  })
  t.test('takes no other with it', async (t) => {
    const both = put(put(undefined, 1, expiresAtMs), 2).record
    t.same(valuesOf(expireSiblings(both, late)), [2])
  })
  t.test('makes the same of every copy, in any order, and no late copy brings it back', async (t) => {
    for (const mode of ['siblings', 'lww'] as const) {
      const first = put(undefined, 1, expiresAtMs, mode)
      const expired = expireSiblings(first.record, late)
      t.same(mergeRecords(expired, first.record), expired)
      t.same(mergeRecords(first.record, expired), expired)
      const later = put(first, 2, undefined, mode).record
      t.same(valuesOf(mergeRecords(expired, later)).includes(2), true, `${mode}: what was written later stays`)
      t.same(mergeRecords(expired, later), mergeRecords(later, expired))
    }
  })
  t.test('is in a last-write-wins record beaten by nothing older', async (t) => {
    const old = put(undefined, 1, undefined, 'lww').record
    const young = put(undefined, 2, expiresAtMs, 'lww').record
    t.same(valuesOf(mergeRecords(expireSiblings(young, late), old)), [], 'what it had beaten stays beaten')
  })
})

function made(options: { readonly seen?: readonly number[]; readonly clock?: Hlc } = {}): Removal {
  const { seen = [100, 200], clock = at(0) } = options
  const candidates = seen.map((each) => ({ deletedHlc: at(each), seenHlc: at(each) }))
  return new Removal({ members: [ada, bob, cyd, dan], owners: [ada, bob, cyd], candidates, clock })
}

function handle(removal: Removal, ...events: readonly RemovalEvent[]): readonly RemovalEffect[] {
  return events.flatMap((event) => removal.handle(event))
}

function sent(removal: Removal, ...events: readonly RemovalEvent[]): readonly string[] {
  return handle(removal, ...events).map((effect) => {
    if (effect.type === 'report') {
      const reasons = effect.waiting.map((reason) =>
        reason === undefined ? 'gone' : 'node' in reason ? `${reason.type}:${reason.node}` : reason.type,
      )
      return `report ${reasons.join(' ')}`
    }
    if (effect.type === 'ask-stable') return `ask-stable ${effect.to}`
    const entries = effect.entries.map((entry) => (typeof entry === 'number' ? entry : entry.index))
    return `${effect.type} ${effect.to} ${entries.join(',')}`
  })
}

function stable(node: NodeId, ms = 1000, clockMs = 0): RemovalEvent {
  return { type: 'stable-told', node, stable: at(ms), clock: at(clockMs) }
}

function confirmed(node: NodeId, clockMs = 0) {
  const answer = { outcome: 'equal', deletedHlc: at(100) } as const
  return { type: 'confirmed', node, answers: [answer, answer], clock: at(clockMs) } as const
}

function raised(node: NodeId): RemovalEvent {
  return { type: 'barrier-raised', node, isEqual: [true, true, true, true] }
}

function dropped(node: NodeId): RemovalEvent {
  return { type: 'dropped', node, isGone: [true, true, true, true] }
}

function failed(node: NodeId): RemovalEvent {
  return { type: 'failed', node, waitingFor: { type: 'owner', node } }
}

function at(ms: number): Hlc {
  return hlcFromMs(ms)
}

/** A blind put of a value that is its counter. */
function put(
  before: StoredRecord | undefined,
  counter: number,
  expiresAtMs?: number,
  mode: KeyRecord['mode'] = 'siblings',
): StoredRecord {
  const mint = { dot: { shortId: 1, generation: 1, born: counter, counter }, mintAs: counter, hlc: at(counter) }
  const content = { value: Uint8Array.of(counter), contentType: '', metadata: [], expiresAtMs, checksum: counter }
  return putRecord(before, emptyContext, mint, mode, content)
}

function valuesOf(record: KeyRecord): readonly number[] {
  return record.siblings.map(({ value }) => value[0] as number)
}
