import t from 'tap'
import { hlcFromMs, hlcPlusMs, hlcZero } from '../../../lib/protocol/clock/hlc.ts'
import { checkMs, leaseCounters, witnessMs } from '../../../lib/protocol/continuity/continuity.ts'
import type { ContinuityEffect } from '../../../lib/protocol/continuity/continuity-events.ts'
import type { StartFacts } from '../../../lib/protocol/continuity/start-kind.ts'
import type { StoreRow } from '../../../lib/protocol/continuity/store-row.ts'
import { bob, cyd, fresh, marks, ownRow, TestNode, wallMs } from './test-node.ts'

const olderCopy: StoreRow = { ...ownRow, seq: 9 }
const laterCopy: StoreRow = {
  seq: 14,
  generation: 4711,
  leaseUpTo: 300_000,
  hlcUpTo: hlcFromMs(wallMs + 60_000),
}

t.test('A4: the start check', async (t) => {
  t.test('keeps the generation after a clean stop that every member confirms', async (t) => {
    const node = startedNode({ copies: { bob: ownRow, cyd: olderCopy } })
    const ready = node.ready()
    t.match(ready, { start: 'clean', generation: 4711, hasRolled: false, recovering: undefined, answeredByAll: true })
    t.equal(ready.counterFrom, ownRow.leaseUpTo, 'counters go on where the lease ended')
    t.equal(ready.hlcFrom, ownRow.hlcUpTo, 'and so does the clock')
    t.ok(ready.hlcUpTo >= hlcPlusMs(ownRow.hlcUpTo, 10_000))
  })

  t.test('is done before the first counter is drawn', async (t) => {
    const node = new TestNode()
    node.begin()
    t.equal(node.continuity.draw(), undefined)
    node.answer(bob, ownRow)
    node.answer(cyd, ownRow)
    t.equal(node.continuity.draw(), undefined, 'no member keeps the new row yet')
    t.equal(node.continuity.wantsLease, false)
    node.keepAll()
    t.equal(node.continuity.draw(), ownRow.leaseUpTo)
  })

  t.test('removes the marker first, persists the row next, and only then tells the others', async (t) => {
    const node = new TestNode({ auto: false })
    t.same(types(node.begin()), ['remove-marker'])
    t.same(types(node.send({ type: 'marker-removed' })), ['recall-row', 'recall-row', 'start-timer', 'start-timer'])
    node.answer(bob, ownRow)
    const [persist] = node.answer(cyd, ownRow)
    t.match(persist, { type: 'persist-row', own: { row: { seq: 11 } } })
    t.same(types(node.send({ type: 'row-persisted', seq: 11 })), ['push-row', 'push-row', 'start-timer'])
    t.same(types(node.send({ type: 'row-kept', from: bob, seq: 11 })), ['ready', 'start-timer'])
  })

  t.test('takes a restored backup for what it is: a member knows a later row', async (t) => {
    const node = startedNode({ copies: { bob: laterCopy, cyd: ownRow } })
    const ready = node.ready()
    t.match(ready, { start: 'restored', hasRolled: true, recovering: 'restored' })
    t.not(ready.generation, 4711)
    t.ok(ready.counterFrom >= laterCopy.leaseUpTo, 'counters lie above the copy')
    t.equal(ready.hlcFrom, laterCopy.hlcUpTo, 'the clock begins above the copy')
    t.ok((node.persisted?.row.seq ?? 0) > laterCopy.seq, 'and so does the row')
  })

  t.test('without it, the restored store would mint the dots of its lost life again', async (t) => {
    const lostLife = new Set(counters(startedNode({ copies: { bob: ownRow, cyd: ownRow } }), 3))
    const blind = startedNode({ copies: { bob: undefined, cyd: undefined } })
    t.equal(blind.ready().generation, 4711)
    t.ok(
      counters(blind, 3).some((counter) => lostLife.has(counter)),
      'nobody told, so the dots repeat',
    )
    const asked = startedNode({ copies: { bob: laterCopy, cyd: undefined } })
    t.not(asked.ready().generation, 4711)
  })

  t.test('rolls when a member does not answer within five seconds, and asks it until then', async (t) => {
    const node = new TestNode()
    node.begin()
    node.answer(bob, ownRow)
    node.send({ type: 'row-recall-failed', from: cyd })
    t.match(node.pass('retry'), [{ type: 'recall-row', to: cyd }, { type: 'start-timer' }])
    t.equal(node.delayOf('check'), checkMs)
    node.pass('check')
    node.keepAll()
    t.match(node.ready(), { start: 'clean', hasRolled: true, answeredByAll: false, recovering: undefined })
  })

  t.test('goes on when no member answers at all', async (t) => {
    const node = new TestNode()
    node.begin()
    node.pass('check')
    t.match(node.ready(), { hasRolled: true, answeredByAll: false })
    t.ok(node.continuity.draw())
  })

  t.test('asks a member that was away before it tells it anything', async (t) => {
    const node = new TestNode()
    node.begin({ living: [bob] })
    node.answer(bob, ownRow)
    node.pass('check')
    node.keepAll()
    node.ready()
    t.notOk(node.sent.some((effect) => effect.type === 'push-row' && effect.to === cyd))
    t.match(node.members([bob, cyd]), [{ type: 'recall-row', to: cyd }])
    t.match(node.answer(cyd, ownRow), [{ type: 'push-row', to: cyd, row: { seq: 11 } }])
  })

  t.test('finds a restored store out later, when a member that was away comes back', async (t) => {
    const node = new TestNode()
    node.begin({ living: [bob] })
    node.answer(bob, ownRow)
    node.pass('check')
    node.keepAll()
    const { generation } = node.ready()
    node.members([bob, cyd])
    t.match(node.answer(cyd, laterCopy), [{ type: 'restored', hlc: laterCopy.hlcUpTo }])
    t.equal(node.persisted?.recovering, 'restored', 'a crash does not forget it')
    t.ok((node.persisted?.row.seq ?? 0) > laterCopy.seq)
    node.keepAll()
    t.equal(node.continuity.generation, generation, 'rolled already at the start')
    t.ok((node.continuity.draw() ?? 0) >= laterCopy.leaseUpTo)
  })

  t.test('does not mistake a row of this very start for one of a lost life', async (t) => {
    const node = new TestNode()
    node.begin({ living: [bob] })
    node.answer(bob, ownRow)
    node.pass('check')
    node.keepAll()
    node.members([bob, cyd])
    const own = node.persisted?.row as StoreRow
    t.notOk(types(node.answer(cyd, own)).includes('restored'))
  })

  t.test('nor one that a former member kept, which has joined again, from before a generation rolled', async (t) => {
    const node = startedNode({})
    const kept = node.persisted?.row as StoreRow
    node.send({ type: 'members-changed', others: [bob], living: [bob] })
    useUp(node)
    node.send({ type: 'lease-wanted', hlc: hlcZero })
    node.pass('witness')
    t.not(node.continuity.generation, kept.generation, 'nobody kept the row in time')
    node.members([bob, cyd])
    const told = node.answer(cyd, kept)
    t.notOk(types(told).includes('restored'))
    t.match(told, [{ type: 'push-row', to: cyd }])
  })

  t.test('rolls for a copied directory', async (t) => {
    for (const changed of [{ inode: '8' }, { filesystem: 'xfs' }, { machine: 'n' }]) {
      const node = startedNode({ facts: { marks: { ...marks, ...changed } } })
      t.match(node.ready(), { start: 'clean', hasRolled: true, recovering: undefined }, JSON.stringify(changed))
    }
    t.match(
      startedNode({ facts: { marks: { ...marks, boot: 'second' } } }).ready(),
      { hasRolled: false },
      'not by boot',
    )
  })

  t.test('rolls when node.json and the store are of different generations', async (t) => {
    t.match(startedNode({ facts: { generationRecorded: 1234 } }).ready(), { start: 'clean', hasRolled: true })
  })

  t.test('alone in the layout asks nobody', async (t) => {
    const node = new TestNode({ others: [] })
    node.begin()
    t.match(node.ready(), { start: 'clean', hasRolled: false, answeredByAll: true })
    t.notOk(node.sent.some((effect) => effect.type === 'recall-row' || effect.type === 'push-row'))
  })

  t.test('waits for the first layout of a new cluster', async (t) => {
    const node = new TestNode({ facts: fresh })
    node.begin({ knowsLayout: false })
    t.equal(node.find('ready'), undefined)
    t.ok(node.continuity.generation > 0, 'a generation can be named before')
    const { generation } = node.continuity
    node.members([bob, cyd])
    node.answer(bob, undefined)
    node.answer(cyd, undefined)
    node.keepAll()
    t.match(node.ready(), { start: 'fresh', generation, recovering: undefined, counterFrom: 1 })
  })
})

t.test('A3: the generation rolls at every start that was not clean', async (t) => {
  t.match(startedNode({ facts: { stoppedCleanly: false } }).ready(), {
    start: 'unclean',
    hasRolled: true,
    recovering: undefined,
  })
  t.match(startedNode({ facts: { isStoreDamaged: true } }).ready(), { hasRolled: true }, 'or found a damaged log')
  t.match(startedNode({ facts: { hasErrorByte: true } }).ready(), { hasRolled: true }, 'or the error byte')
})

t.test('A5: a lossy start', async (t) => {
  t.test('is an unclean one on a machine or mount that went down, or of a store that failed', async (t) => {
    const unclean = { stoppedCleanly: false }
    t.match(recoveryOf({ ...unclean, marks: { ...marks, boot: 'second' } }), 'lossy')
    t.match(recoveryOf({ ...unclean, marks: { ...marks, filesystem: 'xfs' } }), 'lossy')
    t.match(recoveryOf({ ...unclean, hasErrorByte: true }), 'lossy')
    t.match(recoveryOf({ isStoreDamaged: true }), 'lossy')
    t.equal(recoveryOf({ ...unclean }), undefined, 'kill -9 loses nothing')
    t.equal(recoveryOf({ marks: { ...marks, boot: 'second' } }), undefined, 'nor does a reboot after a clean stop')
  })

  t.test('recovers a wiped directory that goes on under its id', async (t) => {
    t.equal(recoveryOf({ own: undefined, stoppedCleanly: false }), 'wiped', 'node.json is there, the store is not')
    t.equal(recoveryOf({ ...fresh, isResumed: true }), 'wiped')
    t.equal(recoveryOf({ ...fresh, isResumed: true }, laterCopy), 'wiped', 'whatever the members remember')
    const node = startedNode({ facts: { ...fresh, isResumed: true }, copies: { bob: laterCopy, cyd: laterCopy } })
    t.equal(node.ready().hlcFrom, laterCopy.hlcUpTo, 'the clock still begins above the copies')
  })

  t.test('is remembered over crashes until the recovery has ended', async (t) => {
    const crashedAgain = { stoppedCleanly: false, own: { row: ownRow, recovering: 'lossy' } } as const
    t.equal(recoveryOf(crashedAgain), 'lossy')
    const node = startedNode({ facts: crashedAgain })
    node.send({ type: 'recovered' })
    t.match(node.persisted, { recovering: undefined })
    t.equal(
      recoveryOf({ stoppedCleanly: true, own: node.persisted, generationRecorded: node.ready().generation }),
      undefined,
    )
  })

  t.test('clears the error byte only when the recovery is on disk', async (t) => {
    const node = new TestNode({ facts: { stoppedCleanly: false, hasErrorByte: true }, auto: false })
    node.begin()
    node.answer(bob, ownRow)
    t.match(node.answer(cyd, ownRow), [{ type: 'persist-row', own: { recovering: 'lossy' } }])
    t.notOk(node.find('write-error-byte'))
    t.match(node.send({ type: 'row-persisted', seq: 11 })[0], { type: 'write-error-byte', isSet: false })
  })

  t.test('has nothing to recover from alone in the layout', async (t) => {
    const node = new TestNode({ others: [], facts: { stoppedCleanly: false, hasErrorByte: true } })
    node.begin()
    t.match(node.ready(), { start: 'lossy', hasRolled: true, recovering: undefined })
  })
})

t.test('A2: counters', async (t) => {
  t.test('are drawn once each, from blocks that are on disk before', async (t) => {
    const node = startedNode({})
    const drawn = new Set<number>()
    for (let index = 0; index < 3 * leaseCounters; index += 1) {
      const counter = node.continuity.draw() as number
      if (drawn.has(counter) || counter >= (node.persisted?.row.leaseUpTo ?? 0)) t.fail('drawn twice or too early')
      drawn.add(counter)
      if (node.continuity.wantsLease) {
        node.send({ type: 'lease-wanted', hlc: hlcZero })
        node.keepAll()
      }
    }
    t.equal(drawn.size, 3 * leaseCounters)
  })

  t.test('run out rather than pass their lease, and the next one is asked for at 80 %', async (t) => {
    const node = startedNode({})
    let used = 0
    while (!node.continuity.wantsLease) used += node.continuity.draw() === undefined ? 0 : 1
    t.ok(used >= 0.79 * leaseCounters && used <= 0.81 * leaseCounters, `${used} were used`)
    while (node.continuity.draw() !== undefined) used += 1
    t.equal(used, leaseCounters)
    node.send({ type: 'lease-wanted', hlc: hlcZero })
    t.equal(node.continuity.draw(), undefined, 'not before a member keeps the row')
    node.keepAll()
    t.equal(node.continuity.draw(), ownRow.leaseUpTo + leaseCounters)
  })

  t.test('are not drawn again after a crash, because a start begins at the end of the lease', async (t) => {
    const before = startedNode({})
    const drawn = counters(before, 100)
    const after = startedNode({ facts: { stoppedCleanly: false, own: before.persisted } })
    t.ok(Math.min(...counters(after, 100)) > Math.max(...drawn))
    const fromTheRowBefore = startedNode({})
    t.same(counters(fromTheRowBefore, 100), drawn, 'had the lease not been persisted first, they would be')
  })
})

t.test('A4: a lease that nobody acknowledges', async (t) => {
  t.test('is used after one second, under a new generation, rolled once', async (t) => {
    const node = startedNode({})
    useUp(node)
    node.send({ type: 'lease-wanted', hlc: hlcZero })
    t.equal(node.delayOf('witness'), witnessMs)
    t.match(node.pass('witness'), [
      { type: 'persist-row' },
      { type: 'push-row' },
      { type: 'push-row' },
      { type: 'lease-extended' },
    ])
    const rolled = node.continuity.generation
    t.not(rolled, 4711)
    t.ok(node.continuity.draw())
    useUp(node)
    node.send({ type: 'lease-wanted', hlc: hlcZero })
    node.pass('witness')
    t.ok(node.continuity.draw())
    t.equal(node.continuity.generation, rolled, 'not again while it goes on')
    node.keepAll()
    useUp(node)
    node.send({ type: 'lease-wanted', hlc: hlcZero })
    node.pass('witness')
    t.not(node.continuity.generation, rolled, 'but again after somebody had heard of it')
  })

  t.test('is told to whoever returns, and leaves no clean-stop marker before', async (t) => {
    const node = startedNode({})
    node.members([])
    useUp(node)
    node.send({ type: 'lease-wanted', hlc: hlcZero })
    node.pass('witness')
    t.match(node.members([bob]), [{ type: 'push-row', to: bob, row: node.persisted?.row }])
    t.match(node.send({ type: 'stop-begun' }), [{ type: 'stopped', isClean: false }])
  })

  t.test('holds back everybody no longer once it is kept', async (t) => {
    const node = startedNode({})
    useUp(node)
    node.send({ type: 'lease-wanted', hlc: hlcZero })
    node.keepAll()
    t.same(node.pass('witness'), [], 'the timer of a row that was kept in time does nothing')
    t.equal(node.continuity.generation, 4711)
  })
})

t.test('K1: the clock lease is renewed before it runs out, and at once when a mint wants more', async (t) => {
  const node = startedNode({})
  const { hlcUpTo } = node.ready()
  const untilMs = wallMs + 20_000
  for (let nowMs = wallMs; nowMs < untilMs; nowMs += 2_000) {
    node.pass('renew', nowMs)
    node.keepAll()
    t.ok((node.persisted?.row.hlcUpTo ?? 0) > hlcFromMs(nowMs + 2_000), 'leased until after the next look')
  }
  t.ok((node.persisted?.row.hlcUpTo ?? 0) > hlcUpTo)
  const wanted = hlcFromMs(wallMs + 1_000_000)
  node.send({ type: 'lease-wanted', hlc: wanted })
  node.keepAll()
  t.ok((node.find('lease-extended')?.hlcUpTo ?? 0) > wanted)
})

t.test('a clean stop', async (t) => {
  t.test('writes the marker last, and the next start keeps its generation', async (t) => {
    const node = startedNode({})
    t.same(types(node.send({ type: 'stop-begun' })), ['write-marker'])
    t.equal(node.continuity.draw(), undefined)
    t.match(node.send({ type: 'marker-written' }), [{ type: 'stopped', isClean: true }])
    const next = startedNode({ facts: { own: node.persisted }, copies: { bob: node.persisted?.row, cyd: ownRow } })
    t.match(next.ready(), { start: 'clean', hasRolled: false })
  })

  t.test('waits for a row that is on its way to the disk', async (t) => {
    const node = startedNode({})
    node.auto = false
    node.send({ type: 'recovered' })
    t.same(node.send({ type: 'stop-begun' }), [])
    const seq = node.find('persist-row')?.own.row.seq ?? 0
    t.same(types(node.send({ type: 'row-persisted', seq })), ['write-marker'])
  })
})

t.test('A3: a store that fails gives out nothing more, and says so on disk', async (t) => {
  const node = startedNode({})
  t.match(node.send({ type: 'store-failed' }), [{ type: 'write-error-byte', isSet: true }])
  t.equal(node.continuity.draw(), undefined)
  t.same(node.send({ type: 'stop-begun' }), [], 'above all no marker')
})

function startedNode(options: {
  facts?: Partial<StartFacts>
  copies?: { bob: StoreRow | undefined; cyd: StoreRow | undefined }
}): TestNode {
  const node = new TestNode({ facts: options.facts ?? {} })
  const copies = options.copies ?? { bob: ownRow, cyd: ownRow }
  node.begin()
  node.answer(bob, copies.bob)
  node.answer(cyd, copies.cyd)
  node.keepAll()
  node.ready()
  return node
}

function recoveryOf(facts: Partial<StartFacts>, copy: StoreRow = olderCopy): string | undefined {
  return startedNode({ facts, copies: { bob: copy, cyd: copy } }).ready().recovering
}

function counters(node: TestNode, count: number): number[] {
  return Array.from({ length: count }, () => node.continuity.draw() as number)
}

function useUp(node: TestNode): void {
  while (node.continuity.draw() !== undefined);
}

function types(effects: readonly ContinuityEffect[]): readonly string[] {
  return effects.map((effect) => effect.type)
}
