import t from 'tap'
import type { HintSeat } from '../../lib/node/hint-seat.ts'
import type { Hint, HintStore } from '../../lib/node/hint-store.ts'
import type { KeyRecord, StoredRecord } from '../../lib/protocol/causality/record.ts'
import { type Hlc, hlcFromMs, hlcZero } from '../../lib/protocol/clock/hlc.ts'
import { hintLimitsDefault } from '../../lib/protocol/handoff/hint-budget.ts'
import { type NodeId, toNodeId } from '../../lib/vocabulary/ids.ts'
import { hintIndexKey, hintKey } from '../../lib/wire/store-keys.ts'
import { named } from '../wire/fixtures/names.ts'
import { hexOf } from './fixtures/fake-parts.ts'
import { decide, HintHolder, made } from './fixtures/hint-holder.ts'

const bob = toNodeId('b'.repeat(32))
const cyd = toNodeId('c'.repeat(32))
const tea = named('carts', 'tea')
const milk = named('carts', 'milk')

t.test('a hint', async (t) => {
  t.test('is one merged state for each target and key', async (t) => {
    const holder = new HintHolder().load()
    const [one, two] = [made('one', 1), made('two', 2)]
    holder.add(cyd, tea, one)
    holder.add(cyd, tea, two)
    holder.flush()
    t.match(holder.hints.ledger(), [{ target: cyd, count: 1 }])
    t.same(valuesOf(holder.hints.readAll(tea)), ['one', 'two'])
    t.same(holder.hints.readAll(milk), undefined)
    t.same(holder.added, [cyd, cyd])
  })

  t.test('counts only once it is durable (rule H1), and is shown to nobody before', async (t) => {
    const holder = new HintHolder().load()
    const outcomes = holder.add(cyd, tea, made('one', 1), 'disk')
    const shown: unknown[] = []
    holder.hints.readAllStored(tea, (record) => shown.push(record))
    holder.time.endTurn()
    t.same([outcomes, shown], [[], []])
    t.ok(holder.storage.writes[0]?.sync)
    holder.flush()
    t.same(outcomes, [{ type: 'stored' }])
    t.equal(shown.length, 1)
    const again = holder.add(cyd, tea, made('one', 1), 'disk')
    holder.flush()
    t.same(again, [{ type: 'stored' }], 'also when nothing is new, and synced')
  })

  t.test('survives a restart, and is counted', async (t) => {
    const holder = new HintHolder().load()
    holder.add(cyd, tea, made('one', 1))
    holder.add(bob, milk, made('two', 30))
    holder.flush()
    const later = holder.restarted()
    t.same(new Set(later.hints.ledger()), new Set(holder.hints.ledger()))
    t.equal(later.hints.ledger().length, 2)
    t.equal(later.hints.bytes, holder.hints.bytes)
    t.ok((later.hints.oldestMint() as Hlc) <= hlcFromMs(1))
  })

  t.test('is in the index of hints after a restart, whichever of them an earlier release has kept', async (t) => {
    for (const unindexed of [tea, milk]) {
      const first = new HintHolder().load()
      first.add(cyd, tea, made('one', 1))
      first.add(cyd, milk, made('two', 30))
      first.flush()
      t.ok(first.storage.entries.delete(hexOf(hintIndexKey(cyd, unindexed.bytes))))
      const later = first.restarted()
      later.flush()
      t.same(listedBy(later), ['milk', 'tea'])
      first.storage.entries.delete(hexOf(hintIndexKey(cyd, unindexed.bytes)))
      const busy = new HintHolder({}, first.storage)
      busy.add(cyd, unindexed, made('three', 40))
      busy.flush()
      busy.load()
      busy.flush()
      t.same(listedBy(busy), ['milk', 'tea'], 'also what changes before the start has read it')
    }
  })

  t.test('that changes while the store is still being read is counted once', async (t) => {
    const first = new HintHolder().load()
    first.add(cyd, tea, made('one', 1))
    first.flush()
    const holder = new HintHolder({}, first.storage)
    t.equal(holder.hints.oldestMint(), hlcZero, 'before all is counted nobody knows the oldest')
    holder.add(cyd, tea, made('two', 2))
    holder.flush()
    holder.load()
    t.match(holder.hints.ledger(), [{ count: 1 }])
    holder.hints.remove(holder.scan(cyd), () => {})
    holder.flush()
    t.same([holder.hints.ledger(), holder.hints.bytes, holder.hints.oldestMint()], [[], 0, undefined])
  })

  t.test(
    'waits at the start until this life of the node has told what is stable, and is not refused for that',
    async (t) => {
      let isStableTold = false
      const holder = new HintHolder({ isStableTold: () => isStableTold }).load()
      const outcomes = holder.add(cyd, tea, made('one', 1))
      holder.flush()
      t.same(outcomes, [])
      isStableTold = true
      holder.hints.stableTold()
      holder.flush()
      t.same(outcomes, [{ type: 'stored' }])
      t.equal(holder.dirty.countOf(cyd), 0)
      t.equal(holder.hints.countOf(cyd), 1)
    },
  )

  t.test('goes by compare: what changed after it was read stays (rule H3)', async (t) => {
    const holder = new HintHolder().load()
    holder.add(cyd, tea, made('one', 1))
    holder.add(cyd, milk, made('two', 2))
    holder.flush()
    const sent = holder.scan(cyd)
    holder.add(cyd, tea, made('three', 3))
    let isDone = false
    holder.hints.remove(sent, () => {
      isDone = true
    })
    holder.time.endTurn()
    t.equal(holder.hints.countOf(cyd), 2, 'until it is gone from the disk it holds up what is stable (rule D5)')
    t.ok(holder.storage.writes.some(({ sync }) => sync))
    holder.flush()
    t.ok(isDone)
    t.same(
      holder.scan(cyd).map(({ key }) => key.key),
      ['tea'],
    )
    t.equal(holder.hints.countOf(cyd), 1)
  })

  t.test('that cannot be read has its range compared instead', async (t) => {
    const holder = new HintHolder().load()
    holder.add(cyd, tea, made('one', 1))
    holder.flush()
    const [hint] = holder.scan(cyd) as [Hint]
    const damaged = hint.stored.slice()
    damaged[damaged.length >> 1] = (damaged[damaged.length >> 1] as number) ^ 4
    holder.storage.entries.set(hexOf(hintKey(cyd, hint.partition, tea)), damaged)
    const later = holder.restarted()
    later.flush()
    t.same([later.hints.ledger(), later.dirty.of(cyd)], [[], [hint.partition]])
    t.match(later.log, [/cannot be read/])
  })
})

t.test('a hint that is one too many (rule H2)', async (t) => {
  t.test('is not stored, and its range is marked, durably, before anybody hears of it', async (t) => {
    const holder = new HintHolder({ limits: { ...hintLimitsDefault, targetBytesMax: 10 } }).load()
    const outcomes = holder.add(cyd, tea, made('one', 1))
    t.same([outcomes, holder.hints.ledger()], [[], []])
    holder.flush()
    t.same(outcomes, [{ type: 'refused', reason: 'target-budget' }])
    t.equal(holder.dirty.countOf(cyd), 1)
  })

  t.test('as when the target has been away for too long; those that were stored stay', async (t) => {
    const holder = new HintHolder({ limits: { ...hintLimitsDefault, windowMs: 1000 } }).load()
    holder.hints.noteAway(cyd, holder.time.nowMs())
    holder.add(cyd, tea, made('one', 1))
    holder.time.pass(1001)
    const late = holder.add(cyd, milk, made('two', 2))
    holder.flush()
    t.same(late, [{ type: 'refused', reason: 'window' }])
    t.equal(holder.hints.countOf(cyd), 1)
    holder.hints.noteAway(cyd, undefined)
    const back = holder.add(cyd, milk, made('two', 2))
    holder.flush()
    t.same(back, [{ type: 'stored' }])
  })

  t.test('or when somebody may take for stable what it holds (rule D2)', async (t) => {
    const holder = new HintHolder({ publishedStable: () => hlcFromMs(5) }).load()
    const [old, young] = [holder.add(cyd, tea, made('old', 5)), holder.add(cyd, tea, made('young', 6))]
    holder.flush()
    t.same([old, young], [[{ type: 'refused', reason: 'stable' }], [{ type: 'stored' }]])
  })

  t.test('or when hints are off', async (t) => {
    const holder = new HintHolder({ isOn: false }).load()
    const outcomes = holder.add(cyd, tea, made('one', 1))
    holder.flush()
    t.same(outcomes, [{ type: 'refused', reason: 'off' }])
    t.equal(holder.dirty.countOf(cyd), 1)
  })
})

t.test('hints of a restored store go, but for those made since; their ranges are marked (rule D6)', async (t) => {
  const holder = new HintHolder().load()
  holder.add(cyd, tea, made('before the copy', 10))
  holder.add(cyd, milk, made('since', 30))
  holder.flush()
  holder.hints.discardRestored((mint) => mint > hlcFromMs(20))
  t.same(holder.scan(cyd), [], 'nothing is given to anybody meanwhile')
  holder.flush()
  t.same(
    holder.scan(cyd).map(({ key }) => key.key),
    ['milk'],
  )
  t.equal(holder.dirty.countOf(cyd), 1)
})

t.test('the hint that a fallback coordinates on (rule Q2)', async (t) => {
  t.test('takes in all hints of the key, and goes on minting in itself alone', async (t) => {
    const holder = new HintHolder().load()
    const seat = holder.seat(bob)
    const first = putAt(holder, seat, 'one', 100)
    t.equal(first.mintAs, 100)
    const second = putAt(holder, seat, 'two', 101)
    t.equal(second.mintAs, 100, 'the same actor: this hint has seen all that it minted')
    holder.add(cyd, tea, second.record)
    holder.flush()
    t.equal(copyOf(holder.hints, cyd).mintAs, undefined, 'a copy of it may not')
    t.equal(copyOf(holder.hints, bob).mintAs, 100)
    const other = putAt(holder, holder.seat(cyd), 'three', 102)
    t.equal(other.mintAs, 102, 'and begins an actor of its own')
  })

  t.test('begins a new actor when the merge brings more of the old one than it had', async (t) => {
    const holder = new HintHolder().load()
    const seat = holder.seat(bob)
    const first = putAt(holder, seat, 'one', 100)
    const ahead = decide(first, 'from elsewhere', 150)
    holder.add(cyd, tea, ahead.record)
    holder.flush()
    t.equal(putAt(holder, seat, 'two', 160).mintAs, 160)
  })

  t.test('of which nothing is kept for itself, and which has none beside it, is absent', async (t) => {
    t.same(new HintHolder().load().seat(bob).read(tea), { state: 'absent' })
  })

  t.test('has no room beyond the budget, and then nothing is stored', async (t) => {
    const holder = new HintHolder({ limits: { ...hintLimitsDefault, targetBytesMax: 10 } }).load()
    const { record, mintAs } = decide(undefined, 'one', 100)
    t.equal(
      holder.seat(bob).write(tea, undefined, record, mintAs, 'os', () => {}),
      undefined,
    )
    t.same([holder.hints.ledger(), holder.dirty.countOf(bob)], [[], 0])
  })
})

function putAt(holder: HintHolder, seat: HintSeat, text: string, counter: number): StoredRecord {
  const copy = seat.read(tea)
  const before = copy.state === 'found' ? { record: holder.hints.decode(copy.bytes), mintAs: copy.mintAs } : undefined
  const after = decide(before, text, counter)
  seat.write(tea, before?.record, after.record, after.mintAs, 'os', () => {})
  return after
}

function copyOf(hints: HintStore, target: NodeId): { readonly mintAs: number | undefined } {
  const copy = hints.read(target, tea)
  if (copy.state !== 'found') throw new Error(copy.state)
  return copy
}

function valuesOf(record: KeyRecord | undefined | 'failed'): readonly string[] {
  if (record === undefined || record === 'failed') return []
  return record.siblings.map(({ value }) => new TextDecoder().decode(value)).sort()
}

function listedBy({ hints }: HintHolder): readonly string[] {
  const listed: string[] = []
  hints.list({ bucket: 'carts', prefix: '', after: '' }, { limit: 10 }, (_failure, keys) => listed.push(...keys))
  return listed
}
