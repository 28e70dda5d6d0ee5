import t from 'tap'
import { BatchWriter, waitingBytesMax } from '../../lib/node/batch-writer.ts'
import type { StorageFailure, StorageOperation } from '../../lib/ports/storage.ts'
import { fakeMetrics, HeldStorage, ioFailure, ManualTime } from './fixtures/fake-parts.ts'

t.test('what one turn decides goes to the store as one batch, in order', async (t) => {
  const { batches, storage, time, done } = made()
  batches.add([put(1), put(2)], 'os', done('first'))
  batches.add([put(3)], 'os', done('second'))
  t.equal(storage.writes.length, 0, 'not before the turn has ended')
  time.endTurn()
  t.same(keysOf(storage), [[1, 2, 3]])
  t.same(done.calls, [], 'nobody is told before the store has it')
  storage.complete()
  t.same(done.calls, ['first', 'second'])
})

t.test('one batch is in flight, and the next collects meanwhile', async (t) => {
  const { batches, storage, time, done } = made()
  batches.add([put(1)], 'os', done('1'))
  time.endTurn()
  for (const key of [2, 3, 4]) {
    batches.add([put(key)], 'os', done(`${key}`))
    time.endTurn()
  }
  t.same(keysOf(storage), [[1]])
  storage.complete()
  t.same(done.calls, ['1'])
  t.same(keysOf(storage), [[2, 3, 4]], 'three turns share one batch')
  storage.complete()
  t.same(done.calls, ['1', '2', '3', '4'])
})

t.test('what an acknowledgement causes goes along with what waited', async (t) => {
  const { batches, storage, time, done } = made()
  batches.add([put(1)], 'os', () => batches.add([put(3)], 'os', done('3')))
  time.endTurn()
  batches.add([put(2)], 'os', done('2'))
  time.endTurn()
  storage.complete()
  time.endTurn()
  t.same(keysOf(storage), [[2, 3]])
  storage.complete()
  time.endTurn()
  t.same([storage.writes.length, done.calls], [0, ['2', '3']])
})

t.test('a batch is synced if anybody in it asked for that, and no other batch is', async (t) => {
  const { batches, storage, time, done } = made()
  batches.add([put(1)], 'os', done('1'))
  time.endTurn()
  batches.add([put(2)], 'os', done('2'))
  batches.add([put(3)], 'disk', done('3'))
  batches.add([put(4)], 'os', done('4'))
  time.endTurn()
  storage.complete()
  t.equal(storage.writes[0]?.sync, true, 'group commit')
  batches.add([put(5)], 'os', done('5'))
  storage.complete()
  t.equal(storage.writes[0]?.sync, false)
})

t.test('after a failure nothing is acknowledged any more', async (t) => {
  const { batches, storage, time, done, failures } = made()
  batches.add([put(1)], 'os', done('in flight'))
  time.endTurn()
  batches.add([put(2)], 'os', done('waiting'))
  storage.complete(ioFailure)
  t.same(done.calls, ['in flight: failed', 'waiting: failed'])
  t.same(storage.writes, [], 'what waited is not even tried')
  batches.add([put(3)], 'disk', done('later'))
  t.equal(done.calls.length, 2, 'never inside the call')
  time.endTurn()
  t.same(done.calls.at(-1), 'later: failed')
  t.same([storage.writes.length, failures, batches.failure], [0, [ioFailure], ioFailure], 'and it is reported once')
})

t.test('it says when too much waits for the disk, and when there is room again', async (t) => {
  const { batches, storage, time, done } = made()
  batches.add([put(1)], 'os', done('1'))
  time.endTurn()
  batches.add([put(2, waitingBytesMax / 2)], 'os', done('2'))
  t.notOk(batches.isFull)
  batches.add([put(3, waitingBytesMax / 2)], 'os', done('3'))
  t.ok(batches.isFull)
  t.ok(batches.waitingBytes > waitingBytesMax)
  storage.complete()
  t.same([batches.isFull, batches.waitingBytes], [false, 0])
})

t.test('it tells when it is idle: nothing waits and nothing is in flight', async (t) => {
  const { batches, storage, time, done } = made()
  batches.whenIdle(done('idle at first'))
  t.same(done.calls, [])
  time.endTurn()
  t.same(done.calls, ['idle at first'])
  batches.add([put(1)], 'os', done('1'))
  batches.whenIdle(done('idle'))
  time.endTurn()
  batches.add([put(2)], 'os', done('2'))
  storage.complete()
  t.same(done.calls.slice(1), ['1'])
  storage.complete()
  t.same(done.calls.slice(1), ['1', '2', 'idle'])
})

t.test('it counts what it writes', async (t) => {
  const { batches, storage, time, done, cells } = made()
  batches.add([put(1)], 'os', done('1'))
  batches.add([put(2)], 'os', done('2'))
  time.endTurn()
  storage.complete()
  t.match(cells, { value: Function })
  t.same(
    [cells.value('starling_store_batch_records'), cells.value('starling_store_batch_seconds')],
    [1, 1],
    'one batch each',
  )
})

function made() {
  const time = new ManualTime()
  const storage = new HeldStorage()
  const { metrics, cells } = fakeMetrics()
  const failures: StorageFailure[] = []
  const calls: string[] = []
  const batches = new BatchWriter({ time, storage, metrics }, (failure) => failures.push(failure))
  const done = Object.assign(
    (name: string) => (failure?: StorageFailure) => {
      calls.push(failure === undefined ? name : `${name}: ${failure.kind}`)
    },
    { calls },
  )
  return { batches, storage, time, done, failures, cells }
}

function put(key: number, valueBytes = 1): StorageOperation {
  return { type: 'put', key: Uint8Array.of(key), value: new Uint8Array(valueBytes) }
}

function keysOf(storage: HeldStorage): readonly (readonly number[])[] {
  return storage.writes.map(({ operations }) => operations.map(({ key }) => key[0] as number))
}
