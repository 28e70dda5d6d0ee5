import t from 'tap'
import type { Outcome } from '../../lib/links/frame-link.ts'
import { CopyRun } from '../../lib/node/copy-run.ts'
import { Crowded } from '../../lib/node/crowded.ts'
import { ForegroundLatency } from '../../lib/node/foreground-latency.ts'
import type { RequestContext } from '../../lib/node/request-context.ts'
import { pagesReadMax, TransferService } from '../../lib/node/transfer-service.ts'
import { hlcFromMs } from '../../lib/protocol/clock/hlc.ts'
import { CopyPace, copyBytesPerSecondFirst } from '../../lib/protocol/handoff/copy-pace.ts'
import { toNodeId } from '../../lib/vocabulary/ids.ts'
import type { RecordKey } from '../../lib/vocabulary/key.ts'
import type { Refusal, Request, Response } from '../../lib/wire/messages.ts'
import { encodeRecord } from '../../lib/wire/record.ts'
import { hash } from '../wire/fixtures/hash.ts'
import { named } from '../wire/fixtures/names.ts'
import { RecordNode, remote } from './fixtures/record-node.ts'

const ada = toNodeId('0a'.repeat(16))
const bob = toNodeId('0b'.repeat(16))
const keys = Array.from({ length: 60 }, (_, index) => named('carts', `key-${index}`))

t.test('a page and how far it reaches are one batch, synced', async (t) => {
  const { node, asked, answer, kept, begin } = copying()
  begin()
  t.match(asked.at(-1), { type: 'copy-partition', partition: 0, after: { length: 0 } })
  answer(page(keysOf(node, 0), 7))
  node.time.endTurn()
  t.equal(node.storage.writes.length, 1)
  t.ok(node.storage.writes[0]?.sync)
  t.equal(node.storage.writes[0]?.operations.length, keysOf(node, 0).length * 2 + 1, 'records, index and checkpoint')
  t.same(kept, [])
  node.storage.complete()
  t.same(kept, [Uint8Array.of(7)])
})

t.test('the next page waits as long as this one was allowed to take', async (t) => {
  const { node, asked, answer, pace, begin } = copying()
  begin()
  answer(page(keysOf(node, 0), 7))
  node.flush()
  t.equal(asked.length, 1)
  const waitMs = pace.waitMs(node.time.nowMs())
  t.ok(waitMs > 0)
  node.time.pass(waitMs + 1)
  t.match(asked, [{}, { after: Uint8Array.of(7) }])
  answer(page([], undefined))
  node.flush()
  node.time.pass(1000)
  t.equal(asked.length, 2, 'that was the end')
})

t.test('a source that has other work is asked for less', async (t) => {
  const { node, answer, pace, begin } = copying()
  begin()
  answer({ ...page(keysOf(node, 0), 7), isBusy: true })
  node.flush()
  t.equal(pace.bytesPerSecond, copyBytesPerSecondFirst / 2)
})

t.test('of a page that is not taken whole nothing is counted: it comes again', async (t) => {
  await t.test('when a record is of another partition', async (t) => {
    const { node, answer, kept, ended, begin } = copying()
    begin()
    answer(page([...keysOf(node, 0), ...keysOf(node, 1)], 7))
    node.flush()
    t.same([kept, ended], [[], [false]])
  })

  await t.test('when a record is damaged', async (t) => {
    const { node, answer, kept, ended, begin } = copying()
    begin()
    const [key] = keysOf(node, 0) as [RecordKey]
    const record = encodeRecord(remote('theirs'))
    record[record.length >> 1] = (record[record.length >> 1] as number) ^ 1
    answer({ ...page([], 7), entries: [{ key, record }] })
    node.flush()
    t.same([kept, ended], [[], [false]])
    t.equal(node.cells.value('starling_malformed_frames_total'), 1)
  })

  await t.test('when the own copy of a key is damaged', async (t) => {
    const { node, answer, kept, ended, begin } = copying()
    const [key] = keysOf(node, 0) as [RecordKey]
    node.write(key, 'ours')
    node.flush()
    const again = node.restarted()
    again.damage(key)
    const other = copying(again)
    other.begin()
    other.answer(page([key], 7))
    again.flush()
    t.same([other.kept, other.ended], [[], [false]])
    begin()
    answer(page([key], 7))
    node.flush()
    t.same([kept.length, ended], [1, []], 'a whole one is merged with')
  })
})

t.test('a copy that is stopped takes nothing any more', async (t) => {
  const { node, answer, kept, ended, run, begin } = copying()
  begin()
  run.stop()
  answer(page(keysOf(node, 0), 7))
  node.flush()
  t.same([kept, ended, node.storage.entries.size], [[], [], 0])
})

t.test('a node is crowded when its clients wait twice as long as before the transfer', async (t) => {
  const { node, context, foreground } = copying()
  const { crowded } = context
  const windows = (count: number, tookMs: number): void => {
    for (let window = 0; window < count; window += 1) {
      node.time.pass(2_000)
      for (let request = 0; request < 100; request += 1) foreground.observe(tookMs, node.time.nowMs())
    }
  }
  windows(30, 20)
  windows(5, 300)
  t.ok(crowded.isCrowded(), 'some bad seconds just before it began are not what is usual')
  windows(3, 40)
  t.notOk(crowded.isCrowded(), 'twice as long is bearable')
  windows(3, 60)
  t.ok(crowded.isCrowded())
  for (let second = 0; second < 60; second += 1) {
    windows(1, 60)
    crowded.isCrowded()
  }
  t.ok(crowded.isCrowded(), 'what a long transfer makes of it is never usual')
  windows(30, 60)
  t.notOk(crowded.isCrowded(), 'another transfer finds it like that')
})

t.test('pages are read for so many at a time; the next one is told to come later', async (t) => {
  const { node, context } = copying()
  const reads: (() => void)[] = []
  const store = {
    scanPartition: (_p: number, _a: Uint8Array, _b: number, done: (...args: unknown[]) => void) =>
      reads.push(() => done(undefined, [], new Uint8Array(0))),
    isBusy: false,
  }
  const service = new TransferService({ ...context, store } as unknown as RequestContext, node.batches)
  const answers: (Response | Refusal)[] = []
  const ask = (): void =>
    service.handlers['copy-partition'](
      { type: 'copy-partition', partition: 0, after: new Uint8Array(0), bytesMax: 1000, layoutNumber: 1 },
      (answer) => answers.push(answer),
    )
  for (let count = 0; count <= pagesReadMax; count += 1) ask()
  t.match(answers, [{ type: 'refused', code: 'busy' }])
  t.equal(node.cells.value('starling_transfers_refused_total'), 1)
  reads[0]?.()
  t.match(answers.at(-1), { type: 'partition-copied' })
  ask()
  t.equal(reads.length, pagesReadMax + 1)
})

function copying(node = new RecordNode(2)) {
  const asked: Request[] = []
  let respond: ((outcome: Outcome) => void) | undefined
  const kept: Uint8Array[] = []
  const ended: boolean[] = []
  const foreground = new ForegroundLatency()
  const context = {
    self: ada,
    time: node.time,
    hash,
    store: node.store,
    metrics: node.metrics,
    foreground,
    crowded: new Crowded({ time: node.time, store: node.store, foreground, entrance: { isPressed: false } }),
    layout: { inForce: { number: 2, owns: () => true } },
    recovery: { isRecovering: () => false, asOf: (_partition: number, now: number) => now },
    gained: { isCopying: () => false },
    minting: { adopt: () => true, read: () => hlcFromMs(node.time.wallMs()) },
    peers: {
      isReachable: () => true,
      ask: (_id: string, message: Request, _timeoutMs: number, done: (outcome: Outcome) => void) => {
        asked.push(message)
        respond = done
      },
    },
  } as unknown as RequestContext
  const pace = new CopyPace()
  const run = new CopyRun(context, { partition: 0, from: bob }, pace, {
    keep: (after, done) =>
      node.batches.add([{ type: 'put', key: Uint8Array.of(0x6d), value: after }], 'disk', () => {
        kept.push(after)
        done(true)
      }),
    onPage: () => {},
    onEnded: (isComplete) => ended.push(isComplete),
  })
  const answer = (message: Response): void => respond?.({ type: 'answered', message })
  return { node, context, foreground, asked, answer, kept, ended, pace, run, begin: () => run.begin(new Uint8Array(0)) }
}

function keysOf(node: RecordNode, partition: number): readonly RecordKey[] {
  return keys.filter((key) => node.store.partitionOf(key) === partition)
}

function page(of: readonly RecordKey[], next: number | undefined) {
  const record = encodeRecord(remote('theirs'))
  return {
    type: 'partition-copied',
    entries: of.map((key) => ({ key, record })),
    next: next === undefined ? new Uint8Array(0) : Uint8Array.of(next),
    asOf: hlcFromMs(1),
    isBusy: false,
  } as const
}
