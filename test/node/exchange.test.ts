import t from 'tap'
import type { Outcome } from '../../lib/links/frame-link.ts'
import { AntiEntropy } from '../../lib/node/anti-entropy.ts'
import type { Coordinator } from '../../lib/node/coordinator.ts'
import type { DataHandlers } from '../../lib/node/data-handlers.ts'
import { DirtyRanges } from '../../lib/node/dirty-ranges.ts'
import { ForegroundLatency } from '../../lib/node/foreground-latency.ts'
import { ReplicaService } from '../../lib/node/replica-service.ts'
import type { RequestContext } from '../../lib/node/request-context.ts'
import { seededRandom } from '../../lib/ports/random.ts'
import { hlcFromMs, hlcZero } from '../../lib/protocol/clock/hlc.ts'
import { emptyDocument } from '../../lib/protocol/layout/layout-document.ts'
import { LayoutInForce } from '../../lib/protocol/layout/layout-in-force.ts'
import type { LayoutVersion } from '../../lib/protocol/layout/layout-version.ts'
import { type ClusterId, type NodeId, toNodeId } from '../../lib/vocabulary/ids.ts'
import type { RecordKey } from '../../lib/vocabulary/key.ts'
import type { ExchangeAnswer, Refusal, Request, Response } from '../../lib/wire/messages.ts'
import { encodeRecord } from '../../lib/wire/record.ts'
import { hash } from '../wire/fixtures/hash.ts'
import { named } from '../wire/fixtures/names.ts'
import { fakeLog, HeldStorage } from './fixtures/fake-parts.ts'
import { RecordNode, remote } from './fixtures/record-node.ts'

const partitionCount = 4
const layoutHash = '0123456789abcdef'
const ada = toNodeId('ada'.padEnd(32, '0'))
const bob = toNodeId('b0b'.padEnd(32, '0'))
const cyd = toNodeId('c7d'.padEnd(32, '0'))
const keys = Array.from({ length: 20 }, (_, number) => named('carts', `key-${number}`))
const [key] = keys as [RecordKey]

t.test('two nodes exchange', async (t) => {
  await t.test('records of any size: the limits of requests are for clients', async (t) => {
    const { here, there, settle } = pair()
    const large = 'x'.repeat(300 * 1024)
    for (const each of keys) here.node.write(each, 'small')
    here.node.write(keys[3] as RecordKey, large)
    there.node.write(keys[4] as RecordKey, large)
    settle()
    here.exchanges.runNow()
    settle()
    t.same(there.values(), here.values())
    t.equal(here.node.cells.value('starling_anti_entropy_exchanges_total', 'repaired'), 1)
    t.same(
      there.merges.filter(({ bytes }) => bytes > 256 * 1024).map(({ count }) => count),
      [1],
      'a large one alone',
    )
  })

  await t.test('at 2 MiB a second, one message at a time', async (t) => {
    const { here, there, settle } = pair()
    for (const each of keys) here.node.write(each, 'x'.repeat(200 * 1024))
    settle()
    const begunMs = here.node.time.nowMs()
    here.exchanges.runNow()
    settle()
    t.same(there.values(), here.values())
    const tookMs = (there.merges.at(-1)?.atMs ?? 0) - begunMs
    t.ok(tookMs > 1_700 && tookMs < 4_000, `4 MiB in ${tookMs} ms`)
  })

  await t.test('and read again what was read before a deletion (rule D5)', async (t) => {
    const { here, there, settle } = pair()
    here.node.write(key, 'first')
    there.reReads = 2
    settle()
    here.exchanges.runNow()
    settle()
    t.same(there.node.valuesOf(key), ['first'])
    t.equal(there.merges.length, 3)
    t.ok((there.merges[2]?.asOf ?? 0) > (there.merges[0]?.asOf ?? 0), 'each time as of a later moment')
  })

  await t.test('until it is refused for good; then the next exchange tries', async (t) => {
    const { here, there, settle } = pair()
    here.node.write(key, 'first')
    there.reReads = 1000
    settle()
    here.exchanges.runNow()
    settle()
    t.equal(here.node.cells.value('starling_anti_entropy_exchanges_total', 'incomplete'), 1)
    there.reReads = 0
    here.exchanges.runNow()
    settle()
    t.same(there.node.valuesOf(key), ['first'])
  })

  await t.test('one partition, thoroughly, for a node that recovers (rule A5)', async (t) => {
    const { here, there, settle, partitionOf } = pair()
    for (const each of keys) there.node.write(each, 'first')
    settle()
    here.node.write(key, 'a moment ago')
    settle()
    const ended: boolean[] = []
    here.exchanges.exchangePartitionNow(partitionOf(key), bob, (isTogether) => ended.push(isTogether))
    t.same(ended, [])
    settle()
    t.same(ended, [true])
    const inPartition = keys.filter((each) => partitionOf(each) === partitionOf(key))
    t.same(
      inPartition.map((each) => here.node.valuesOf(each)),
      inPartition.map((each) => there.node.valuesOf(each)),
    )
    t.same(here.values().length, inPartition.length, 'and no other')
    t.ok((here.exchanges.comparedAgoMs(partitionOf(key), bob) ?? 1e9) < 60_000)
  })

  await t.test('nothing of a partition that may hold what was deleted for good (rule T3)', async (t) => {
    const { here, there, settle, partitionOf } = pair()
    for (const each of keys) here.node.write(each, 'first')
    there.closed.add(partitionOf(key))
    settle()
    here.exchanges.runNow()
    settle()
    t.same(there.node.valuesOf(key), [])
    const ended: boolean[] = []
    here.exchanges.exchangePartitionNow(partitionOf(key), bob, (isTogether) => ended.push(isTogether))
    settle()
    t.same(ended, [false])
  })
})

t.test('while owners change (docs/rules.md T4)', async (t) => {
  await t.test('two who do not see equally far compare what is named, not what each takes it for', async (t) => {
    const { here, there, settle, partitionOf } = pair()
    here.layout = swapped('reads have not moved')
    there.layout = swapped('reads have moved')
    t.same(here.layout.comparedPartitions(ada, bob), [0])
    t.same(there.layout.comparedPartitions(bob, ada), [1], 'nothing is in it, as nothing is here in the other')
    const first = keys.find((each) => partitionOf(each) === 0) as RecordKey
    there.node.write(first, 'only there')
    settle()
    here.exchanges.runNow()
    settle()
    t.same(here.node.valuesOf(first), ['only there'])
  })

  await t.test('what a version gives to both is brought together before anybody reads from it', async (t) => {
    const { here, there, settle, partitionOf } = pair()
    here.layout = swapped('reads have not moved')
    there.layout = here.layout
    const second = keys.find((each) => partitionOf(each) === 1) as RecordKey
    here.node.write(second, 'only here')
    settle()
    const ended: boolean[] = []
    here.exchanges.exchangePartitionNow(1, bob, (isTogether) => ended.push(isTogether))
    settle()
    t.same([ended, there.node.valuesOf(second)], [[true], ['only here']])
  })

  await t.test('what comes back of a partition that was lost meanwhile is not merged', async (t) => {
    const { here, there, settle } = pair({
      answers: (message, answered) => {
        if (message.type === 'exchange' && message.question.type === 'pull-records') here.layout = ownedBy(bob, cyd)
        return answered
      },
    })
    there.node.write(key, 'too late')
    settle()
    here.exchanges.runNow()
    settle()
    t.same(here.node.valuesOf(key), [])
  })

  await t.test('when one that is no co-owner any more was compared with says nothing any more', async (t) => {
    const { here, settle } = pair()
    here.exchanges.runNow()
    settle()
    t.equal(here.exchanges.comparisonsOf(2).length, 1)
    const before = here.layout ?? ownedBy(ada, bob)
    here.layout = ownedBy(ada, cyd)
    here.exchanges.layoutChanged(here.layout, before)
    t.same(here.exchanges.comparisonsOf(2), [])
    t.match(here.exchanges.view().exchanges, [{ peer: cyd, ageSeconds: undefined }])
  })

  await t.test('the excluded compare with nobody', async (t) => {
    const { here, there, settle } = pair()
    here.node.write(key, 'first')
    here.layout = ownedBy(ada, bob, [ada])
    there.layout = here.layout
    settle()
    here.exchanges.runNow()
    there.exchanges.runNow()
    settle()
    t.same(there.node.valuesOf(key), [])
    t.same([here.exchanges.view().exchanges, there.exchanges.view().exchanges], [[], []])
    const answers: (Response | Refusal)[] = []
    const question = { type: 'compare-roots', isOnly: true, partitions: [0], groups: [0n] } as const
    there.handlers.exchange({ type: 'exchange', from: ada, layoutHash, question }, (answer) => answers.push(answer))
    t.match(answers, [{ type: 'refused', code: 'not-owner' }])
  })
})

t.test('marks of partitions that somebody may lack (docs/rules.md H2)', async (t) => {
  await t.test('go when it owns nothing of them any more', async (t) => {
    const { here, settle } = pair()
    here.dirty.mark(cyd, 1)
    here.exchanges.start()
    here.node.time.pass(1500)
    here.exchanges.stop()
    settle()
    t.same(here.dirty.of(cyd), [])
  })

  await t.test('are told to it by one who owns nothing of them himself, or is excluded', async (t) => {
    for (const layout of [ownedBy(bob, cyd), ownedBy(ada, bob, [ada])]) {
      const { here, there, settle } = pair()
      here.layout = layout
      there.layout = layout
      here.dirty.mark(bob, 1)
      here.exchanges.start()
      here.node.time.pass(1500)
      settle()
      here.exchanges.stop()
      t.same(here.dirty.of(bob), [])
      t.same(there.dirty.targets, layout.isExcluded(ada) ? [] : [cyd], 'it compares with the other owners')
    }
  })
})

t.test('what another node says is not believed blindly', async (t) => {
  await t.test('another layout is refused', async (t) => {
    const { here, there, settle } = pair()
    here.node.write(key, 'first')
    settle()
    there.layoutHash = 'f'.repeat(16)
    here.exchanges.runNow()
    settle()
    t.equal(here.node.cells.value('starling_anti_entropy_exchanges_total', 'refused'), 1)
    t.match(here.exchanges.view().exchanges, [{ reason: /another layout/ }])
    t.same(there.node.valuesOf(key), [])
  })

  await t.test('an answer to something else ends the exchange', async (t) => {
    for (const answer of [
      { type: 'ranges-marked' },
      { type: 'leaves-compared', busy: [], answered: 0, leaves: [] },
    ] as const satisfies readonly ExchangeAnswer[]) {
      const { here, settle } = pair({ answers: () => ({ type: 'exchanged', answer }) })
      here.node.write(key, 'first')
      settle()
      here.exchanges.runNow()
      settle()
      t.equal(here.node.cells.value('starling_anti_entropy_exchanges_total', 'failed'), 1)
      t.same(here.node.valuesOf(key), ['first'])
    }
  })

  await t.test('records that nobody asked for, or that cannot be read, are counted and dropped', async (t) => {
    const record = encodeRecord(remote('forged'))
    const damaged = record.slice()
    damaged[damaged.length - 4] = (damaged[damaged.length - 4] as number) ^ 1
    for (const entry of [
      { key: named('carts', 'not wanted'), record },
      { key, record: damaged },
      { key, record: new Uint8Array([9, 9]) },
    ]) {
      const { here, there, settle } = pair({
        answers: (message, answered) =>
          message.type === 'exchange' && message.question.type === 'pull-records'
            ? { type: 'exchanged', answer: { type: 'records-pulled', answered: 1, asOf: hlcZero, entries: [entry] } }
            : answered,
      })
      there.node.write(key, 'honest')
      settle()
      here.exchanges.runNow()
      settle()
      t.same(here.values(), [])
      t.same(here.node.valuesOf(entry.key), [])
      t.equal(here.node.cells.value('starling_malformed_frames_total'), 1)
      t.equal(here.node.cells.value('starling_anti_entropy_exchanges_total', 'incomplete'), 1)
    }
  })

  await t.test('questions about partitions that not both own are refused', async (t) => {
    const { there } = pair()
    const branches = Array.from({ length: 64 }, () => 0n)
    for (const question of [
      { type: 'compare-branches', partitions: [{ partition: 77, branches }] },
      { type: 'compare-leaves', leaves: [{ partition: 77, leaf: 1, hash: 0n }] },
      { type: 'compare-roots', isOnly: false, partitions: [], groups: [1n] },
      { type: 'mark-dirty', partitions: [77] },
    ] as const) {
      const answers: (Response | Refusal)[] = []
      const message = { type: 'exchange', from: ada, layoutHash, question } as const
      there.handlers.exchange(message, (answer) => answers.push(answer))
      t.match(answers, [{ type: 'refused', code: 'not-owner' }], question.type)
    }
  })
})

t.test('while clients wait too long nothing is begun, and what runs moves nothing', async (t) => {
  await t.test('that is, one in a hundred', async (t) => {
    const { here, there, settle } = pair()
    for (const each of keys) here.node.write(each, 'first')
    settle()
    const makeSlow = (): void => {
      for (let request = 0; request < 100; request += 1) here.foreground.observe(2000, here.node.time.nowMs())
    }
    makeSlow()
    here.exchanges.start()
    for (let second = 0; second < 30; second += 1) {
      makeSlow()
      here.node.time.pass(1000)
    }
    t.same(there.values(), [])
    t.match(here.exchanges.view(), { suspendedBecause: /one request in a hundred takes up to 2048 ms/ })
    t.equal(here.exchanges.isSuspended, true)
    settle()
    settle()
    t.same(there.values(), here.values(), 'and then it goes on')
    here.exchanges.stop()
  })

  await t.test('or the event loop is late, for half of ten seconds', async (t) => {
    const { here, settle } = pair()
    let delayMs = 150
    here.node.time.eventLoopDelayMs = () => delayMs
    here.exchanges.start()
    here.node.time.pass(4_500)
    t.equal(here.exchanges.suspendedBecause, undefined, 'not for less')
    here.node.time.pass(1_000)
    t.match(here.exchanges.suspendedBecause, /late by more than 100 ms in 5 of the last 10 seconds/)
    delayMs = 20
    here.node.time.pass(10_000)
    t.equal(here.exchanges.suspendedBecause, undefined)
    settle()
    here.exchanges.stop()
  })
})

interface Party {
  readonly node: RecordNode
  readonly exchanges: AntiEntropy
  readonly handlers: Pick<DataHandlers, 'exchange' | 'merge-records'>
  readonly foreground: ForegroundLatency
  /** Batches that came. */
  readonly merges: { readonly count: number; readonly bytes: number; readonly asOf: number; readonly atMs: number }[]
  readonly closed: Set<number>
  layoutHash: string
  /** Instead of one in which both own everything. */
  layout: LayoutInForce | undefined
  readonly dirty: DirtyRanges
  /** So many batches are refused as read before a deletion. */
  reReads: number
  readonly answer: ((message: Request, answered: Response | Refusal) => Response | Refusal) | undefined
  /** Of each key that it has, the values, long ones by their length. */
  values(): readonly (readonly string[])[]
}

/** Two owners of all partitions; their messages arrive at the end of the turn. `answers` may change what Bob says. */
function pair({ answers }: { answers?: (message: Request, answered: Response | Refusal) => Response | Refusal } = {}) {
  const parties = new Map<NodeId, Party>()
  const here = party(ada, 1, parties, undefined)
  const there = party(bob, 2, parties, answers)
  parties.set(ada, here)
  parties.set(bob, there)
  for (const { node } of [here, there]) node.trees.start(node.store)
  const settle = (): void => {
    for (let turn = 0; turn < 1200; turn += 1) {
      for (const { node } of [here, there]) {
        node.time.pass(10)
        node.flush()
      }
    }
  }
  settle()
  return { here, there, settle, partitionOf: (of: RecordKey) => here.node.store.partitionOf(of) }
}

/** All partitions have these two owners. */
function ownedBy(one: NodeId, other: NodeId, excluded: readonly NodeId[] = []): LayoutInForce {
  const owners = [one, other]
  return layoutOf([{ number: 1, partitions: [owners, owners, owners, owners], excluded }], 0)
}

/** Ada and Bob share one partition in the version that goes, and another one in the version that comes. */
function swapped(how: 'reads have not moved' | 'reads have moved'): LayoutInForce {
  const rest = [
    [ada, cyd],
    [ada, cyd],
  ]
  const partitions = [[ada, bob], [ada, cyd], ...rest]
  const live = [
    { number: 1, partitions, excluded: [] },
    { number: 2, partitions: [[ada, cyd], [ada, bob], ...rest], excluded: [] },
  ]
  return layoutOf(live, how === 'reads have moved' ? 2 : 0)
}

/** @param synced how far every member has come */
function layoutOf(
  versions: readonly {
    readonly number: number
    readonly partitions: readonly (readonly NodeId[])[]
    readonly excluded: readonly NodeId[]
  }[],
  synced: number,
): LayoutInForce {
  const ids = [ada, bob, cyd]
  const live = versions.map(({ number, partitions, excluded }) => ({
    version: {
      number,
      assignedAt: number,
      parent: '',
      partitionCount,
      replicaCount: 2,
      nodes: ids.map((id, index) => ({ id, shortId: index + 1, zone: 'z', weight: 1 })),
      assignment: Uint16Array.from(partitions.flatMap((owners) => owners.map((owner) => ids.indexOf(owner)).sort())),
      excluded,
      awaited: [],
      forgotten: [],
      forks: 0,
    },
    hash: number === versions.length ? layoutHash : 'e'.repeat(16),
    clusterId: layoutHash as ClusterId,
  }))
  const tracker = { seq: 1, ack: versions.length, sync: synced, syncAck: 0, hintsClear: synced }
  const trackers = new Map(ids.map((id) => [id, tracker]))
  return new LayoutInForce({ ...emptyDocument, live, trackers }, undefined)
}

function party(
  self: NodeId,
  shortId: number,
  parties: ReadonlyMap<NodeId, Party>,
  answers: ((message: Request, answered: Response | Refusal) => Response | Refusal) | undefined,
): Party {
  const node = new RecordNode(partitionCount, new HeldStorage(), true)
  const { time, store } = node
  const merges: Party['merges'] = []
  const closed = new Set<number>()
  const foreground = new ForegroundLatency()
  const nodes = [ada, bob].map((id, index) => ({ id, shortId: index + 1, zone: 'z', weight: 1 }))
  const assignment = Uint16Array.from({ length: partitionCount * 2 }, (_, cell) => cell % 2)
  const version: LayoutVersion = {
    number: 1,
    assignedAt: 1,
    parent: '',
    partitionCount,
    replicaCount: 2,
    nodes,
    assignment,
    excluded: [],
    awaited: [],
    forgotten: [],
    forks: 0,
  }
  const inForce = (): LayoutInForce => {
    const live = [{ version, hash: made.layoutHash, clusterId: layoutHash as ClusterId }]
    return new LayoutInForce({ ...emptyDocument, live }, undefined)
  }
  const dirty = new DirtyRanges({ storage: node.storage, batches: node.batches, hash })
  const context = {
    self,
    time,
    hash,
    store,
    metrics: node.metrics,
    foreground,
    entrance: { isPressed: false },
    dirty,
    hints: { countOf: () => 0 },
    layout: {
      get inForce() {
        return made.layout ?? inForce()
      },
    },
    recovery: {
      isClosed: (partition: number) => closed.has(partition),
      asOf: (_partition: number, now: number) => now,
    },
    gained: { isClosed: () => false, isCopying: () => false },
    minting: {
      read: () => hlcFromMs(time.wallMs()),
      adopt: () => true,
      reach: () => true,
      whenExtended: (callback: () => void) => callback(),
    },
    peers: {
      isReachable: (id: NodeId) => parties.has(id),
      nameOf: (id: NodeId) => id.slice(0, 3),
      ask: (id: NodeId, message: Request, _timeoutMs: number, done: (outcome: Outcome) => void) => {
        const other = parties.get(id) as Party
        const respond = (answer: Response | Refusal): void => {
          const said = other.node === node ? answer : (other.answer?.(message, answer) ?? answer)
          time.soon(() =>
            done(said.type === 'refused' ? { type: 'refused', refusal: said } : { type: 'answered', message: said }),
          )
        }
        if (message.type === 'exchange') other.handlers.exchange(message, respond)
        if (message.type === 'merge-records') other.handlers['merge-records'](message, respond)
        if (message.type === 'tell-barriers') {
          const barriers = message.partitions.map((partition) => ({
            isKnown: true,
            partition,
            gcBarrier: hlcZero,
            gcDeleted: hlcZero,
          }))
          respond({ type: 'barriers-told', barriers })
        }
      },
    },
  } as unknown as RequestContext
  const exchanges = new AntiEntropy(context, {
    trees: node.trees,
    log: fakeLog().log,
    random: seededRandom([shortId, 2, 3, 4]),
  })
  const replicas = new ReplicaService(context, undefined as unknown as Coordinator).handlers
  const made: Party = {
    node,
    exchanges,
    foreground,
    merges,
    closed,
    layoutHash,
    layout: undefined,
    dirty,
    reReads: 0,
    answer: answers,
    handlers: {
      ...exchanges.handlers,
      'merge-records': (message, respond) => {
        const { entries, asOf } = message
        const bytes = entries.reduce((sum, entry) => sum + entry.record.length, 0)
        merges.push({ count: entries.length, bytes, asOf, atMs: time.nowMs() })
        if (made.reReads === 0) return replicas['merge-records'](message, respond)
        made.reReads -= 1
        respond({ type: 'records-merged', outcomes: entries.map(() => 're-read' as const), isBusy: false })
      },
    },
    values: () =>
      keys
        .map((each) => node.valuesOf(each).map((value) => (value.length > 100 ? `${value.length} characters` : value)))
        .filter((values) => values.length > 0),
  }
  return made
}
