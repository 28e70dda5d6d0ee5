import t from 'tap'
import { BatchWriter } from '../../lib/node/batch-writer.ts'
import { DirtyRanges } from '../../lib/node/dirty-ranges.ts'
import { toNodeId } from '../../lib/vocabulary/ids.ts'
import { hash } from '../wire/fixtures/hash.ts'
import { fakeMetrics, HeldStorage, ManualTime } from './fixtures/fake-parts.ts'

const ada = toNodeId('ada'.padEnd(32, '0'))
const bob = toNodeId('b0b'.padEnd(32, '0'))

t.test('a mark is durable before it counts, outlives the process, and is made once', async (t) => {
  const node = made()
  const marked: string[] = []
  node.ranges.mark(ada, 7, () => marked.push('first'))
  node.ranges.mark(ada, 7, () => marked.push('second'))
  node.ranges.mark(bob, 1)
  t.same([node.ranges.of(ada), node.ranges.countOf(bob)], [[7], 1])
  node.time.endTurn()
  t.same(marked, [], 'nobody hears of a mark that could be lost')
  t.equal(node.storage.writes[0]?.operations.length, 2)
  node.storage.complete()
  t.same(marked, ['first', 'second'])

  const restarted = made(node.storage)
  t.same([restarted.ranges.of(ada), restarted.ranges.of(bob)], [[7], [1]])
})

t.test('a mark that was taken away stays away', async (t) => {
  const node = made()
  node.ranges.mark(ada, 7)
  node.ranges.mark(ada, 8)
  node.ranges.clear(ada, 7, node.ranges.moment)
  node.ranges.clear(ada, 9, node.ranges.moment)
  node.flush()
  t.same(made(node.storage).ranges.of(ada), [8])
})

t.test('a mark made since both sides were compared stays', async (t) => {
  const node = made()
  node.ranges.mark(ada, 7)
  node.ranges.mark(ada, 8)
  const { moment } = node.ranges
  node.ranges.mark(ada, 7)
  node.ranges.clear(ada, 7, moment)
  node.ranges.clear(ada, 8, moment)
  t.same(node.ranges.of(ada), [7])
})

t.test('what happens before the old marks are read is not undone by them', async (t) => {
  const node = made()
  node.ranges.mark(ada, 7)
  node.flush()
  const restarted = made(node.storage, false)
  restarted.ranges.mark(ada, 7)
  restarted.ranges.clear(ada, 7, restarted.ranges.moment)
  restarted.ranges.mark(ada, 8)
  t.notOk(restarted.ranges.isLoaded, 'there may be more')
  restarted.load()
  t.ok(restarted.ranges.isLoaded)
  t.same(restarted.ranges.of(ada), [8])
})

function made(storage = new HeldStorage(), isLoaded = true) {
  const time = new ManualTime()
  const batches = new BatchWriter({ time, storage, metrics: fakeMetrics().metrics }, () => {})
  const ranges = new DirtyRanges({ storage, batches, hash })
  const load = (): void => ranges.load(() => {})
  if (isLoaded) load()
  const flush = (): void => {
    time.endTurn()
    storage.complete()
  }
  return { time, storage, ranges, load, flush }
}
