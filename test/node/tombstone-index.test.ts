import t from 'tap'
import { TombstoneIndex } from '../../lib/node/tombstone-index.ts'
import { hlcFromMs } from '../../lib/protocol/clock/hlc.ts'
import { type Bucket, type Key, toRecordKey } from '../../lib/vocabulary/key.ts'
import { hash } from '../wire/fixtures/hash.ts'
import { HeldStorage } from './fixtures/fake-parts.ts'

const key = toRecordKey('cats' as Bucket, 'tom' as Key, hash)
const deletedHlc = hlcFromMs(1000)
const tombstone = { mode: 'siblings', vv: [], siblings: [], deletedHlc, done: [] } as const

t.test('the next partition that has a tombstone', async (t) => {
  const { storage, index } = made()
  storage.write(
    [index.entryOperation(key, 7, deletedHlc), index.entryOperation(key, 300, deletedHlc)],
    { sync: false },
    () => {},
  )
  storage.complete()
  const next = (partition: number) => {
    let found: number | undefined
    index.nextOccupied(partition, (_, occupied) => {
      found = occupied
    })
    return found
  }
  t.same([next(0), next(7), next(8), next(300), next(301)], [7, 7, 300, 300, undefined])
  t.equal(next(32_768), undefined, 'there is none behind the last partition')
})

t.test('counts that were taken do not follow what is made later', async (t) => {
  const { index } = made()
  index.recordChanged({ key, partition: 7, before: undefined, after: tombstone }, [])
  const counts = index.counts()
  index.recordChanged({ key, partition: 7, before: undefined, after: tombstone }, [])
  t.same([counts.madeIn(7), counts.changesOf(7), counts.madeIn(8)], [1, 1, 0])
  t.equal(index.madeIn(7), 2)
})

function made(): { readonly storage: HeldStorage; readonly index: TombstoneIndex } {
  const storage = new HeldStorage()
  return { storage, index: new TombstoneIndex({ storage, hash }, () => hlcFromMs(2000)) }
}
