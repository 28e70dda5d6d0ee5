import t from 'tap'
import {
  askAgainAfterMs,
  Giving,
  type GivingEffect,
  type GivingEvent,
  passesMax,
} from '../../../lib/protocol/handoff/giving.ts'
import { toNodeId } from '../../../lib/vocabulary/ids.ts'

const dan = toNodeId('0d'.repeat(16))
const eve = toNodeId('0e'.repeat(16))

t.test('an old owner', async (t) => {
  t.test('compares nothing that counts before everybody plans with the new owners in mind', async (t) => {
    const giving = new Giving()
    t.same(giving.handle(before([1])), [])
    t.same(giving.handle(behind([1])), [{ type: 'ask-ready', to: dan, partitions: [1] }])
  })

  t.test('has synced when the new owner says that what was compared is on its disk', async (t) => {
    const giving = new Giving()
    giving.handle(behind([1]))
    t.same(giving.handle(ready([1])), [{ type: 'exchange', partition: 1, to: dan }])
    t.equal(giving.left, 1)
    t.same(giving.handle(exchanged(1)), [{ type: 'settle', to: dan, partitions: [1] }])
    t.same(giving.handle(settled([1])), [{ type: 'synced', assignedAt: 2 }])
    t.equal(giving.left, 0)
    t.same(giving.handle(behind([1])), [], 'once')
  })

  t.test('begins again with what the new owner has lost since', async (t) => {
    const giving = new Giving()
    giving.handle(behind([1, 2]))
    giving.handle(ready([1, 2]))
    giving.handle(exchanged(1))
    giving.handle(exchanged(2))
    t.same(giving.handle(settled([1])), [timer(1)])
    t.same(giving.handle({ type: 'timer-fired', attempt: 1 }), [{ type: 'ask-ready', to: dan, partitions: [2] }])
    giving.handle(ready([2]))
    t.same(giving.handle(exchanged(2)), [{ type: 'settle', to: dan, partitions: [2] }])
    t.same(giving.handle(settled([2])), [{ type: 'synced', assignedAt: 2 }])
  })

  t.test('asks again when what is being copied may be there', async (t) => {
    const giving = new Giving()
    giving.handle(behind([1, 2]))
    t.same(giving.handle(ready([1])), [{ type: 'exchange', partition: 1, to: dan }, timer(1)])
    t.same(giving.handle(exchanged(1)), [], 'the other one is still waited for')
    t.same(giving.handle({ type: 'timer-fired', attempt: 1 }), [{ type: 'ask-ready', to: dan, partitions: [2] }])
    giving.handle(ready([2]))
    t.same(giving.handle(exchanged(2)), [{ type: 'settle', to: dan, partitions: [1, 2] }])
  })

  t.test('compares again what did not come together', async (t) => {
    const giving = new Giving()
    giving.handle(behind([1]))
    giving.handle(ready([1]))
    t.same(giving.handle({ ...exchanged(1), isTogether: false }), [timer(1)])
    t.same(giving.handle({ type: 'timer-fired', attempt: 0 }), [], 'a timer of before')
    t.same(giving.handle({ type: 'timer-fired', attempt: 1 }), [{ type: 'ask-ready', to: dan, partitions: [1] }])
  })

  t.test('compares only so many at the same time', async (t) => {
    const giving = new Giving()
    const all = Array.from({ length: 10 }, (_, partition) => partition)
    giving.handle(behind(all))
    t.equal(giving.handle(ready(all)).length, passesMax)
    t.same(giving.handle(exchanged(0)), [{ type: 'exchange', partition: passesMax, to: dan }])
  })

  t.test('with nothing to hand over has synced behind the barrier', async (t) => {
    const giving = new Giving()
    t.same(giving.handle(before([])), [])
    t.same(giving.handle(behind([])), [{ type: 'synced', assignedAt: 2 }])
  })

  t.test('waits for every new owner, but for none that an amendment excludes', async (t) => {
    const giving = new Giving()
    const both = { ...behind([1]), handovers: [{ partition: 1, to: [dan, eve] }] }
    t.same(types(giving.handle(both)), ['ask-ready', 'ask-ready'])
    giving.handle(ready([1]))
    giving.handle(exchanged(1))
    t.same(giving.handle(settled([1])), [], 'eve has not answered')
    t.same(
      giving.handle(behind([1])),
      [{ type: 'synced', assignedAt: 2 }],
      'eve is excluded, dan need not be asked again',
    )
  })

  t.test(
    'begins anew with another change of owners, and does not hear what it was told of the one before',
    async (t) => {
      const giving = new Giving()
      giving.handle(behind([1]))
      giving.handle({ ...before([1]), assignedAt: 4 })
      t.same(giving.handle(ready([1])), [])
      t.same(types(giving.handle({ ...behind([1]), assignedAt: 4 })), ['ask-ready'])
      t.same(giving.handle(ready([1])), [], 'an answer to the question of before')
    },
  )
})

function before(partitions: readonly number[]): Extract<GivingEvent, { type: 'layout-changed' }> {
  const handovers = partitions.map((partition) => ({ partition, to: [dan] }))
  return { type: 'layout-changed', assignedAt: 2, isPastBarrier: false, handovers }
}

function behind(partitions: readonly number[]): Extract<GivingEvent, { type: 'layout-changed' }> {
  return { ...before(partitions), isPastBarrier: true }
}

function ready(partitions: readonly number[]): GivingEvent {
  return { type: 'ready', assignedAt: 2, to: dan, partitions }
}

function exchanged(partition: number): Extract<GivingEvent, { type: 'exchanged' }> {
  return { type: 'exchanged', assignedAt: 2, partition, to: dan, isTogether: true }
}

function settled(partitions: readonly number[]): GivingEvent {
  return { type: 'settled', assignedAt: 2, to: dan, partitions }
}

function timer(attempt: number): GivingEffect {
  return { type: 'set-timer', delayMs: askAgainAfterMs, attempt }
}

function types(effects: readonly GivingEffect[]): readonly string[] {
  return effects.map(({ type }) => type)
}
