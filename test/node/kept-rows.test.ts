import t from 'tap'
import { BatchWriter } from '../../lib/node/batch-writer.ts'
import { KeptRows } from '../../lib/node/kept-rows.ts'
import { MetaStore } from '../../lib/node/meta-store.ts'
import { hlcFromMs } from '../../lib/protocol/clock/hlc.ts'
import type { StoreRow } from '../../lib/protocol/continuity/store-row.ts'
import { toNodeId } from '../../lib/vocabulary/ids.ts'
import { hash } from '../wire/fixtures/hash.ts'
import { fakeLog, fakeMetrics, HeldStorage, ioFailure, ManualTime } from './fixtures/fake-parts.ts'

const bob = toNodeId('b'.repeat(32))

t.test('a row is acknowledged when it is stored, and is there after a restart', async (t) => {
  const node = made()
  const kept = node.keep(row(1))
  node.time.endTurn()
  t.same(kept, [])
  node.storage.complete()
  t.same(kept, [row(1)])
  t.same([node.rows.get(bob), made(node.storage).rows.get(bob)], [row(1), row(1)])
  t.equal(node.rows.get(toNodeId('c'.repeat(32))), undefined)
})

t.test('an older row is answered with the one that is kept: its node has forgotten how far it was', async (t) => {
  const node = made()
  node.keep(row(5))
  node.flush()
  for (const older of [row(4), { ...row(5), leaseUpTo: 1 }]) {
    const kept = node.keep(older)
    t.same(kept, [], 'never inside the call')
    node.time.endTurn()
    t.same(kept, [row(5)])
  }
  const same = node.keep(row(5))
  node.flush()
  t.same(same, [row(5)], 'the same row again is no news, and no objection')
  const newer = node.keep(row(6))
  node.flush()
  t.same([newer, node.rows.get(bob)], [[row(6)], row(6)])
})

t.test('a row that could not be stored is not acknowledged', async (t) => {
  const node = made()
  const kept = node.keep(row(1))
  node.time.endTurn()
  node.storage.complete(ioFailure)
  t.same(kept, ['failed'])
})

t.test('a row that cannot be read is none: the node asks the others', async (t) => {
  const node = made()
  node.keep(row(1))
  node.flush()
  for (const [name, bytes] of node.storage.entries) {
    const damaged = bytes.slice()
    damaged[5] = (damaged[5] as number) ^ 1
    node.storage.entries.set(name, damaged)
  }
  t.equal(made(node.storage).rows.get(bob), undefined)
})

function made(storage = new HeldStorage()) {
  const time = new ManualTime()
  const { metrics } = fakeMetrics()
  const batches = new BatchWriter({ time, storage, metrics }, () => {})
  const rows = new KeptRows({ time, meta: new MetaStore({ storage, batches, hash, log: fakeLog().log }) })
  return {
    time,
    storage,
    rows,
    keep(pushed: StoreRow): unknown[] {
      const kept: unknown[] = []
      rows.keep(bob, pushed, (failure, answer) => kept.push(failure === undefined ? answer : failure.kind))
      return kept
    },
    flush(): void {
      time.endTurn()
      while (storage.writes.length > 0) storage.complete()
    },
  }
}

function row(seq: number): StoreRow {
  return { seq, generation: 7, leaseUpTo: seq * 65_536, hlcUpTo: hlcFromMs(seq * 10_000) }
}
