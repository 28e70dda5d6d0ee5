import t from 'tap'
import { recordCacheBytesMax } from '../../lib/node/replica-store.ts'
import { contextOfGet } from '../../lib/protocol/causality/context.ts'
import type { Dot } from '../../lib/protocol/causality/dot.ts'
import { hlcFromMs } from '../../lib/protocol/clock/hlc.ts'
import { encodeRecord } from '../../lib/wire/record.ts'
import { dataKey, indexKeyOf } from '../../lib/wire/store-keys.ts'
import { encodeStored } from '../../lib/wire/stored-record.ts'
import { hash } from '../wire/fixtures/hash.ts'
import { named } from '../wire/fixtures/names.ts'
import { hexOf, ioFailure } from './fixtures/fake-parts.ts'
import { RecordNode, remote } from './fixtures/record-node.ts'

const key = named('carts', 'ada')

t.test('a decision sees the one before, stored or not', async (t) => {
  const node = made()
  node.write(key, 'first')
  node.write(key, 'second')
  t.same(node.valuesOf(key), ['first', 'second'], 'two blind puts of one turn')
  t.equal(node.storage.entries.size, 0)
  node.flush()
  t.same(node.restarted().valuesOf(key), ['first', 'second'])
})

t.test('a decision sees the one before, however much memory the others on their way take', async (t) => {
  const node = made()
  const large = 'x'.repeat(recordCacheBytesMax / 3)
  for (const name of ['a', 'b', 'c', 'd', 'e']) node.write(named('carts', name), large)
  node.write(key, large)
  node.write(key, 'small')
  t.same(node.valuesOf(key), ['small', large].sort())
})

t.test('nobody is shown what could still be lost', async (t) => {
  await t.test('a reader waits for the store', async (t) => {
    const node = made()
    const before = node.reader(key)
    node.write(key, 'first')
    const during = node.reader(key)
    node.time.endTurn()
    t.same([before, during], [['absent'], []])
    node.storage.complete()
    t.same(during, ['first'])
  })

  await t.test('and not for what is decided after it asked', async (t) => {
    const node = made()
    node.write(key, 'first')
    node.time.endTurn()
    const reader = node.reader(key)
    for (let turn = 0; turn < 5; turn += 1) {
      node.write(key, `later ${turn}`)
      node.time.endTurn()
    }
    node.storage.complete()
    t.same(reader, ['first'], 'a key that is written all the time can be read')
    const late = node.reader(key)
    t.same(late, [])
    node.storage.complete()
    t.equal(late.length, 6, 'all of it')
  })

  await t.test('a reader hears when the store failed instead', async (t) => {
    const node = made()
    node.write(key, 'first')
    const reader = node.reader(key)
    node.time.endTurn()
    node.storage.complete(ioFailure)
    t.same(reader, ['failed'])
  })
})

t.test('a state from another node', async (t) => {
  await t.test('is confirmed when it is stored', async (t) => {
    const node = made()
    const confirmed = node.merge(key, remote('theirs'))
    node.time.endTurn()
    t.same(confirmed, [])
    node.storage.complete()
    t.same(confirmed, ['stored'])
    t.same(node.restarted().valuesOf(key), ['theirs'])
  })

  await t.test('that brings nothing new is confirmed when that is stored, and not before', async (t) => {
    const node = made()
    const state = remote('theirs')
    node.merge(key, state)
    const again = node.merge(key, state)
    node.time.endTurn()
    t.same(again, [])
    t.equal(node.storage.writes[0]?.operations.length, 2, 'it is not written twice')
    node.storage.complete()
    t.same(again, ['stored'])
    t.same(node.merge(key, state), ['stored'], 'at once, when it is there already')
  })

  await t.test('that brings nothing new and must survive a power cut is synced again', async (t) => {
    const node = made()
    const state = remote('theirs')
    node.merge(key, state, 'os')
    node.flush()
    const confirmed = node.merge(key, state, 'disk')
    node.time.endTurn()
    t.same([confirmed, node.storage.writes[0]?.sync], [[], true])
    node.storage.complete()
    t.same(confirmed, ['stored'])
  })

  await t.test('is refused with the reason when the store failed', async (t) => {
    const node = made()
    const confirmed = node.merge(key, remote('theirs'))
    node.time.endTurn()
    node.storage.complete(ioFailure)
    t.same(confirmed, ['failed'])
    const again = node.merge(key, remote('theirs'))
    node.time.endTurn()
    t.same(again, ['failed'], 'also when memory has it already')
  })

  await t.test('is stored when all that it brings is a keyed write to remember', async (t) => {
    const node = made()
    const state = remote('theirs')
    const [dot] = state.vv
    node.merge(key, state)
    node.merge(key, { ...state, done: [{ requestId: 'r', dot: dot as Dot, bodyHash: 1, hlc: hlcFromMs(1) }] })
    node.flush()
    t.same(
      node
        .restarted()
        .copy(key)
        ?.record.done.map(({ requestId }) => requestId),
      ['r'],
    )
  })

  await t.test('joins what is here', async (t) => {
    const node = made()
    node.write(key, 'ours')
    node.merge(key, remote('theirs'))
    t.same(node.valuesOf(key), ['ours', 'theirs'])
  })
})

t.test('a copy mints on as the actor it is', async (t) => {
  await t.test('after its own writes, and after others brought theirs', async (t) => {
    const node = made()
    const first = node.write(key, 'first')
    node.merge(key, remote('theirs'))
    t.equal(node.mintAsOf(key), first.mintAs)
  })

  await t.test('not when it came from another node alone', async (t) => {
    const node = made()
    node.merge(key, remote('theirs'))
    t.equal(node.mintAsOf(key), undefined)
  })

  await t.test('not when it meets a later write of its own that it has forgotten', async (t) => {
    const node = made()
    const first = node.write(key, 'first')
    const forgotten = node.decide(first, 'forgotten')
    node.merge(key, forgotten.record)
    t.equal(node.mintAsOf(key), undefined, 'it must not name a write that it has not seen')
    t.same(node.valuesOf(key), ['first', 'forgotten'])
  })

  await t.test('not when its store has begun another generation', async (t) => {
    const node = made()
    node.write(key, 'first')
    node.generation = 99
    node.merge(key, remote('theirs'))
    t.equal(node.mintAsOf(key), undefined)
  })

  await t.test('and remembers it through a restart', async (t) => {
    const node = made()
    const { mintAs } = node.write(key, 'first')
    node.flush()
    t.equal(node.restarted().mintAsOf(key), mintAs)
  })
})

t.test('the index of live keys changes in the batch that changes the record', async (t) => {
  const node = made()
  const index = hexOf(indexKeyOf(key))
  const { record } = node.write(key, 'first')
  node.time.endTurn()
  t.same(touched(node), [`put ${hexOf(dataKey(node.store.partitionOf(key), key))}`, `put ${index}`])
  node.storage.complete()
  node.write(key, 'second', contextOfGet(record))
  node.time.endTurn()
  t.equal(touched(node).length, 1, 'a key that stays alive stays listed')
  node.storage.complete()
  node.delete(key)
  node.time.endTurn()
  t.match(touched(node), [/^put/, `delete ${index}`])
  node.storage.complete()
  node.merge(key, remote('theirs'))
  node.time.endTurn()
  t.match(touched(node), [/^put/, `put ${index}`], 'a write that the delete had not seen')
  node.storage.complete()
  const keys: string[][] = []
  node.store.list({ bucket: 'carts', prefix: '', after: '' }, { limit: 10 }, (_failure, listed) =>
    keys.push([...listed]),
  )
  t.same(keys, [['ada']])
})

t.test('a record that cannot be read', async (t) => {
  const damages: readonly (readonly [string, (node: RecordNode) => void])[] = [
    ['because a bit changed', (node) => node.damage(key)],
    ['because another Starling wrote it', (node) => node.replaceStored(key, fromTheFuture())],
    ['because it is cut short', (node) => node.replaceStored(key, Uint8Array.of(1))],
    [
      'because what is inside is no record',
      (node) => node.replaceStored(key, encodeStored(Uint8Array.of(9, 9), 1, hash)),
    ],
  ]
  for (const [name, damage] of damages) {
    await t.test(`${name} is damaged, not absent`, async (t) => {
      const before = made()
      before.write(key, 'whole')
      before.flush()
      damage(before)
      const node = before.restarted()
      t.equal(node.store.read(key).state, 'damaged')
      t.equal(node.store.read(key).state, 'damaged', 'and stays so')
      t.same(node.merge(key, remote('theirs')), ['corrupt'], 'nothing is written over it')
      t.same([node.healing, node.store.damagedCount], [[key.id], 1])
      t.equal(node.cells.value('starling_damaged_records_total'), 1)
      t.equal(node.cells.value('starling_damaged_records'), 1)
      t.match(node.log, [/cannot be read/])
      const stored = node.stored(key)
      node.flush()
      const aside = [...node.storage.entries].filter(([name_]) => Buffer.from(name_, 'hex').includes('quarantine'))
      t.same(
        aside.map(([, bytes]) => hexOf(bytes)),
        [hexOf(stored)],
        'its bytes are kept for whoever wants to look',
      )
    })
  }

  await t.test('is healed by what the others hold, synced, and mints as somebody new', async (t) => {
    const node = damagedNode()
    node.store.read(key)
    node.flush()
    node.store.heal(key, remote('theirs'), () => {})
    node.time.endTurn()
    t.equal(node.storage.writes[0]?.sync, true)
    node.storage.complete()
    t.same([node.valuesOf(key), node.mintAsOf(key)], [['theirs'], undefined])
    t.same([node.store.damagedCount, node.cells.value('starling_damaged_records')], [0, 0])
    t.same(node.restarted().valuesOf(key), ['theirs'])
  })

  await t.test('is removed when nobody else has anything', async (t) => {
    const node = damagedNode()
    node.store.read(key)
    node.store.heal(key, undefined, () => {})
    node.flush()
    t.equal(node.restarted().store.read(key).state, 'absent')
    t.notOk(node.storage.entries.has(hexOf(indexKeyOf(key))))
  })

  await t.test('is left out when its partition is sent, and found by that', async (t) => {
    const node = damagedNode()
    t.same(node.scanned(node.store.partitionOf(key)), [])
    t.equal(node.store.read(key).state, 'damaged')
    t.same(node.healing, [key.id])
  })

  await t.test('and that memory has whole is written again from there', async (t) => {
    const node = made()
    node.write(key, 'only here')
    node.flush()
    node.damage(key)
    t.same(node.scanned(node.store.partitionOf(key)), ['only here'])
    t.same(node.healing, [], 'nobody else needs to be asked')
    node.flush()
    t.same(node.restarted().valuesOf(key), ['only here'])
    t.equal(node.cells.value('starling_damaged_records_total'), 1)
  })
})

t.test('a store that cannot be read has failed: that is no absence either', async (t) => {
  const node = made()
  node.storage.readFailure = ioFailure
  t.same(node.store.read(key), { state: 'failed', failure: ioFailure })
  t.same(node.merge(key, remote('theirs')), ['failed'])
  t.match(node.failures, [ioFailure])
})

t.test('a partition is read in pieces of about the size that was asked for', async (t) => {
  const node = made(1)
  const names = Array.from({ length: 300 }, (_, index) => `key ${index}`)
  for (const name of names) node.write(named('carts', name), name)
  node.flush()
  const found: string[] = []
  let pieces = 0
  let after: Uint8Array = new Uint8Array(0)
  do {
    node.store.scanPartition(0, after, 2000, (_failure, entries, next) => {
      found.push(...entries.map((entry) => entry.key.key))
      after = next
      pieces += 1
    })
  } while (after.length > 0)
  t.same(found.sort(), names.sort(), 'each once')
  t.ok(pieces > 5, `${pieces} pieces`)
})

t.test('a sweep takes away all of a partition, synced, and nothing of another', async (t) => {
  const node = made()
  const keys = Array.from({ length: 600 }, (_, index) => named('carts', `key-${index}`))
  for (const each of keys) node.write(each, 'value')
  node.delete(keys[0] as (typeof keys)[0])
  node.flush()
  const partition = node.store.partitionOf(keys[0] as (typeof keys)[0])
  const [doomed, others] = [true, false].map((isOf) =>
    keys.filter((each) => (node.store.partitionOf(each) === partition) === isOf),
  ) as [typeof keys, typeof keys]
  const again = node.restarted()
  // One cannot be read, and one cannot even be told whose it is.
  again.damage(doomed[1] as (typeof keys)[0])
  again.storage.entries.set(`64${partition.toString(16).padStart(4, '0')}ffff`, Uint8Array.of(1))

  await t.test('unless it is somebody else meanwhile', async (t) => {
    again.store.sweep(partition, never, (failure, isSwept) => t.same([failure, isSwept], [undefined, false]))
    again.flush()
    t.ok(again.stored(doomed[0] as (typeof keys)[0]))
  })

  await t.test('readable or not, in memory or not, with what is listed of it', async (t) => {
    again.write(doomed[2] as (typeof keys)[0], 'on its way')
    let isDone = false
    for (let step = 0; step < 10 && !isDone; step += 1) {
      again.store.sweep(partition, always, (failure, isSwept) => {
        t.equal(failure, undefined)
        isDone = isSwept
      })
      again.flush()
    }
    t.ok(isDone)
    const prefix = `64${partition.toString(16).padStart(4, '0')}`
    t.notOk([...again.storage.entries.keys()].some((each) => each.startsWith(prefix)))
    for (const each of doomed) {
      t.equal(again.storage.get(indexKeyOf(each)), undefined)
      t.equal(again.store.read(each).state, 'absent')
    }
    t.same([again.healing, again.store.damagedCount], [[], 0], 'nobody heals what is nobody’s')
    for (const each of others) t.same(again.valuesOf(each), ['value'])
  })
})

function always(): boolean {
  return true
}

function never(): boolean {
  return false
}

function made(partitionCount?: number): RecordNode {
  return new RecordNode(partitionCount)
}

function damagedNode(): RecordNode {
  const before = made()
  before.write(key, 'whole')
  before.flush()
  before.damage(key)
  return before.restarted()
}

/** A record in a format of which this Starling knows nothing, its checksum right. */
function fromTheFuture(): Uint8Array {
  const bytes = encodeStored(encodeRecord(remote('theirs')), undefined, hash)
  bytes[0] = 200
  const end = bytes.length - 4
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(end, hash.hash32(bytes.subarray(0, end)))
  return bytes
}

function touched(node: RecordNode): readonly string[] {
  return (node.storage.writes[0]?.operations ?? []).map(({ type, key: touchedKey }) => `${type} ${hexOf(touchedKey)}`)
}
