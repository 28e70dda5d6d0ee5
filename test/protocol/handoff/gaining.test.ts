import t from 'tap'
import {
  copiesMax,
  Gaining,
  type GainingEffect,
  type GainingEvent,
  retryAfterMs,
  sweepsMax,
} from '../../../lib/protocol/handoff/gaining.ts'
import { toNodeId } from '../../../lib/vocabulary/ids.ts'

const ada = toNodeId('0a'.repeat(16))
const bob = toNodeId('0b'.repeat(16))

t.test('a partition that is gained', async (t) => {
  t.test('is swept, then its barriers are learnt, then it is opened, durably; then it is copied', async (t) => {
    const gaining = new Gaining()
    t.same(gaining.handle(version(2, [1])), [{ type: 'sweep', partition: 1 }])
    t.ok(gaining.isClosed(1), 'no record is taken before')
    t.same(gaining.handle(swept(1)), [{ type: 'learn', partitions: [1] }])
    t.ok(gaining.isClosed(1))
    t.same(gaining.handle(learnt([1])), [{ type: 'remember-open', partitions: [1] }])
    t.ok(gaining.isClosed(1), 'as long as a crash would forget it')
    t.same(gaining.handle(opened([1])), [
      { type: 'open-for', number: 2 },
      { type: 'copy', partition: 1, from: ada },
    ])
    t.notOk(gaining.isClosed(1))
    t.ok(gaining.isCopying(1), 'nobody compares it yet')
    t.same(gaining.handle(copied(1)), [])
    t.notOk(gaining.isCopying(1))
    t.same(gaining.owed(), [])
  })

  t.test('of which nobody is left who has it has nothing to copy', async (t) => {
    const gaining = new Gaining()
    gaining.handle({ ...version(2, [1]), gained: [{ partition: 1, sources: [] }] })
    gaining.handle(swept(1))
    gaining.handle(learnt([1]))
    t.same(gaining.handle(opened([1])), [{ type: 'open-for', number: 2 }])
    t.notOk(gaining.isCopying(1))
  })

  t.test('goes on after a restart with what is remembered, and is swept if nothing is', async (t) => {
    const gaining = new Gaining()
    const remembered = new Map([
      [1, { isCopied: true }],
      [2, { isCopied: false }],
    ])
    t.same(gaining.handle({ ...version(2, [1, 2, 3]), remembered }), [
      { type: 'sweep', partition: 3 },
      { type: 'copy', partition: 2, from: ada },
    ])
    t.same([gaining.isClosed(1), gaining.isClosed(2), gaining.isClosed(3)], [false, false, true])
    t.same([gaining.isCopying(1), gaining.isCopying(2)], [false, true])
  })
})

t.test('the version is acknowledged', async (t) => {
  t.test('at once where nothing is gained: an amendment, an abort, a member that only gives', async (t) => {
    t.same(new Gaining().handle(version(2, [])), [{ type: 'open-for', number: 2 }])
  })

  t.test('only when all that is gained is open', async (t) => {
    const gaining = new Gaining()
    gaining.handle(version(2, [1, 2]))
    gaining.handle(swept(1))
    gaining.handle(swept(2))
    t.same(gaining.handle({ ...learnt([1]), failed: [2] }), [
      { type: 'remember-open', partitions: [1] },
      { type: 'set-timer', delayMs: retryAfterMs, attempt: 1 },
    ])
    t.same(types(gaining.handle(opened([1]))), ['copy'], 'one is not open')
    t.same(gaining.handle({ type: 'timer-fired', attempt: 1 }), [{ type: 'learn', partitions: [2] }])
    gaining.handle(learnt([2]))
    t.same(types(gaining.handle(opened([2]))), ['open-for', 'copy'])
  })

  t.test('and an amendment too, while the copying goes on where it was', async (t) => {
    const gaining = openedWith([1])
    t.same(gaining.handle({ ...version(3, [1]), assignedAt: 2 }), [{ type: 'open-for', number: 3 }])
    t.ok(gaining.isCopying(1), 'it is the same copy')
  })

  t.test('which may name others to copy from', async (t) => {
    const gaining = openedWith([1])
    gaining.handle({ ...version(3, [1]), assignedAt: 2, gained: [{ partition: 1, sources: [bob] }] })
    gaining.handle({ type: 'copy-failed', assignedAt: 2, partition: 1 })
    t.same(gaining.handle({ type: 'timer-fired', attempt: 1 }), [{ type: 'copy', partition: 1, from: bob }])
  })
})

t.test('a version that is taken back ends what is under way, and what it brings late is not heard', async (t) => {
  const gaining = openedWith([1])
  t.same(gaining.handle({ ...version(3, []), assignedAt: 1 }), [
    { type: 'stop', partition: 1 },
    { type: 'open-for', number: 3 },
  ])
  t.same(gaining.handle(copied(1)), [])
  t.notOk(gaining.isCopying(1))
})

t.test('the same partition gained anew begins anew', async (t) => {
  const gaining = openedWith([1])
  t.same(gaining.handle(version(4, [1])), [
    { type: 'stop', partition: 1 },
    { type: 'sweep', partition: 1 },
  ])
  t.same(gaining.handle(swept(1)), [], 'of the version before')
  t.ok(gaining.isClosed(1))
})

t.test('a copy that fails is gone on with at another owner, after a pause', async (t) => {
  const gaining = openedWith([1])
  const failed = { type: 'copy-failed', assignedAt: 2, partition: 1 } as const
  t.same(gaining.handle(failed), [{ type: 'set-timer', delayMs: retryAfterMs, attempt: 1 }])
  t.same(gaining.owed(), [{ partition: 1, from: bob }])
  t.same(gaining.handle({ type: 'timer-fired', attempt: 1 }), [{ type: 'copy', partition: 1, from: bob }])
  gaining.handle(failed)
  t.same(gaining.handle({ type: 'timer-fired', attempt: 1 }), [], 'a timer of before')
  t.same(gaining.handle({ type: 'timer-fired', attempt: 2 }), [{ type: 'copy', partition: 1, from: ada }])
})

t.test('only so many are swept, and copied, at the same time', async (t) => {
  const gaining = new Gaining()
  const all = Array.from({ length: 40 }, (_, partition) => partition)
  t.equal(gaining.handle(version(2, all)).length, sweepsMax)
  for (const partition of all) gaining.handle(swept(partition))
  gaining.handle(learnt(all))
  t.same(types(gaining.handle(opened(all))), ['open-for', ...Array.from({ length: copiesMax }, () => 'copy')])
  t.same(gaining.handle(copied(0)), [{ type: 'copy', partition: copiesMax, from: ada }])
})

function openedWith(partitions: readonly number[]): Gaining {
  const gaining = new Gaining()
  gaining.handle(version(2, partitions))
  for (const partition of partitions) gaining.handle(swept(partition))
  gaining.handle(learnt(partitions))
  gaining.handle(opened(partitions))
  return gaining
}

function version(number: number, partitions: readonly number[]): Extract<GainingEvent, { type: 'layout-changed' }> {
  const gained = partitions.map((partition) => ({ partition, sources: [ada, bob] }))
  return { type: 'layout-changed', number, assignedAt: number, gained, remembered: new Map() }
}

function swept(partition: number): GainingEvent {
  return { type: 'swept', assignedAt: 2, partition }
}

function learnt(partitions: readonly number[]): Extract<GainingEvent, { type: 'learnt' }> {
  return { type: 'learnt', assignedAt: 2, partitions, failed: [] }
}

function opened(partitions: readonly number[]): GainingEvent {
  return { type: 'opened', assignedAt: 2, partitions }
}

function copied(partition: number): GainingEvent {
  return { type: 'copied', assignedAt: 2, partition }
}

function types(effects: readonly GainingEffect[]): readonly string[] {
  return effects.map(({ type }) => type)
}
