import type { Test } from 'tap'
import {
  type OpenedStorage,
  type Storage,
  type StorageEntry,
  StorageError,
  type StorageFailure,
  type StorageOpener,
  type StorageOperation,
} from '../../lib/ports/storage.ts'
import fc from '../fixtures/fast-check.ts'
import { lacks, type Unavailable } from './unavailable.ts'

export interface StorageWrite {
  readonly operations: readonly StorageOperation[]
  readonly sync: boolean
}

/** One place for a store, empty at first, and the bad days it can have. */
export interface StorageWorld {
  /** Opens the store of this place; in later lives of the process as well. */
  readonly opener: StorageOpener
  /**
   * A process opens the store, asks for the `writes` in order with several in flight, and dies without a word (`kill -9`,
   * the machine goes on) once `acknowledgedMin` of them are acknowledged, before it has closed the store. Resolves to how
   * many were: the first ones, as they apply in order.
   */
  dieWriting(writes: readonly StorageWrite[], acknowledgedMin: number): Promise<number>
  /** The same, but the machine loses its power. */
  readonly losePowerWriting: StorageWorld['dieWriting'] | Unavailable
  /** With nobody holding the store: flips a byte in the middle of what was written since the last orderly open. */
  readonly flipByte: (() => Promise<void>) | Unavailable
  /** From now on the disk has no room for as much as one page more. */
  readonly fillDisk: (() => Promise<void>) | Unavailable
  /** There is room again. Present where `fillDisk` is. */
  readonly freeDisk: (() => Promise<void>) | Unavailable
  /** Puts a file of somebody else where the store would be, before the first open; `survives` looks whether it is still whole. */
  readonly occupy: (() => Promise<{ readonly survives: () => boolean }>) | Unavailable
}

/**
 * What every implementation of the storage port promises. `makeWorld` gives a fresh place and undoes it in `t.teardown`.
 */
export function storageContract(t: Test, makeWorld: (t: Test) => Promise<StorageWorld>): void {
  t.test('a store is an ordered map from bytes to bytes', async (t) => {
    const world = await makeWorld(t)
    const { storage, empty, damage } = await opened(world)
    t.equal(empty, true, 'a new one is empty')
    t.same(damage, [])

    await t.test('gives back what was put, and undefined for the rest', async (t) => {
      await written(storage, put('a', 'one'))
      t.equal(text(storage.get(bytes('a'))), 'one')
      t.equal(storage.get(bytes('b')), undefined)
      await written(storage, put('a', 'two'), put('none', ''))
      t.equal(text(storage.get(bytes('a'))), 'two')
      t.equal(text(storage.get(bytes('none'))), '', 'no bytes are a value too')
      await written(storage, remove('a'), remove('never-there'))
      t.equal(storage.get(bytes('a')), undefined)
    })

    await t.test('gives plain bytes that are the caller’s own', async (t) => {
      await written(storage, put('mine', 'value'))
      const value = storage.get(bytes('mine')) as Uint8Array
      t.equal(Object.getPrototypeOf(value), Uint8Array.prototype, 'not a Buffer: its slice is another')
      value.fill(0)
      t.equal(text(storage.get(bytes('mine'))), 'value')
    })

    await t.test('applies the operations of one write in order', async (t) => {
      await written(storage, put('same', '1'), remove('same'), put('same', '2'), put('gone', '1'), remove('gone'))
      t.equal(text(storage.get(bytes('same'))), '2')
      t.equal(storage.get(bytes('gone')), undefined)
    })

    await t.test('takes values of 16 MiB', async (t) => {
      const value = new Uint8Array(16 * 1024 * 1024).map((_, index) => index % 251)
      await written(storage, { type: 'put', key: bytes('large'), value })
      t.equal(Buffer.compare(storage.get(bytes('large')) as Uint8Array, value), 0)
    })
    await closed(storage)
  })

  t.test('a scan gives the entries of its range in the order of their bytes', async (t) => {
    const world = await makeWorld(t)
    const { storage } = await opened(world)
    const keys = [[], [0], [1, 0], [1, 255], [2], [127], [128], [255], [255, 255]].map((key) =>
      Uint8Array.from([9, ...key]),
    )
    await written(storage, ...keys.map((key): StorageOperation => ({ type: 'put', key, value: key })))

    const all = await scanned(storage, [9], [10], 100)
    t.same(
      all.map(keyBytes),
      keys.map((key) => [...key]),
      'bytes count as 0 to 255',
    )
    t.same(
      all.map((entry) => [...entry.value]),
      keys.map((key) => [...key]),
    )
    t.same(
      (await scanned(storage, [9, 1, 0], [9, 2], 100)).map(keyBytes),
      [
        [9, 1, 0],
        [9, 1, 255],
      ],
      'from inclusive, to exclusive',
    )
    t.same((await scanned(storage, [9], [10], 2)).map(keyBytes), [[9], [9, 0]], 'the first ones, up to entriesMax')
    t.same(
      (await scanned(storage, [9], [10], 2, true)).map(keyBytes),
      [
        [9, 255, 255],
        [9, 255],
      ],
      'reverse: the last ones',
    )
    t.same((await scanned(storage, [9, 1, 0], [9, 2], 9, true)).map(keyBytes), [
      [9, 1, 255],
      [9, 1, 0],
    ])
    t.same(await scanned(storage, [7], [8], 100), [], 'an empty range')
    t.same(await scanned(storage, [10], [9], 100), [], 'a range that ends before it begins')
    await closed(storage)
  })

  t.test('any sequence of writes leaves what it would leave in a map', async (t) => {
    const world = await makeWorld(t)
    const { storage } = await opened(world)
    let round = 0
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(anyOperation(), { maxLength: 6 }), { maxLength: 12 }), async (writes) => {
        round += 1
        const model = new Map<string, string>()
        const prefix = Uint8Array.from([1, round >> 8, round & 255])
        const answers = writes.map((operations) => {
          for (const operation of operations) {
            if (operation.type === 'put') model.set(hex(operation.key), hex(operation.value))
            else model.delete(hex(operation.key))
          }
          return written(storage, ...operations.map((operation) => under(prefix, operation)))
        })
        await Promise.all(answers)
        const end = Uint8Array.from([1, (round + 1) >> 8, (round + 1) & 255])
        const entries = await scanned(storage, prefix, end, 1000)
        const found = entries.map((entry) => [hex(entry.key.slice(3)), hex(entry.value)])
        t.same(
          found,
          [...model].sort(([a], [b]) => (a < b ? -1 : 1)),
        )
      }),
      { numRuns: 40 },
    )
    await closed(storage)
  })

  t.test('writes in flight together', async (t) => {
    const world = await makeWorld(t)
    const { storage } = await opened(world)

    await t.test('apply, and are acknowledged, in the order of asking', async (t) => {
      const order: number[] = []
      const answers = Array.from({ length: 100 }, async (_, index) => {
        await writeAs(storage, { operations: [put('counter', String(index))], sync: index % 7 === 0 })
        order.push(index)
      })
      t.same(order, [], 'no callback runs inside the call')
      await Promise.all(answers)
      t.same(
        order,
        [...order].sort((a, b) => a - b),
      )
      t.equal(text(storage.get(bytes('counter'))), '99')
    })

    await t.test('are seen whole or not at all by a scan', async (t) => {
      const names = Array.from({ length: 20 }, (_, index) => `whole-${index}`)
      await written(storage, ...names.map((name) => put(name, '0')))
      const answers: Promise<void>[] = []
      const views: Promise<readonly StorageEntry[]>[] = []
      for (let round = 1; round <= 30; round += 1) {
        answers.push(written(storage, ...names.map((name) => put(name, String(round)))))
        views.push(scanned(storage, bytes('whole-'), bytes('whole.'), 100))
        if (round % 5 === 0) await answers[round - 3]
      }
      await Promise.all(answers)
      for (const view of await Promise.all(views)) {
        t.equal(view.length, 20)
        t.equal(new Set(view.map((entry) => text(entry.value))).size, 1, 'one moment')
      }
    })
    await closed(storage)
  })

  t.test('closing', async (t) => {
    const world = await makeWorld(t)
    const first = await opened(world)
    const order: string[] = []
    const answers = [
      writeAs(first.storage, { operations: [put('a', '1')], sync: false }).then(() => order.push('written')),
      scanned(first.storage, bytes('a'), bytes('b'), 1).then(() => order.push('scanned')),
    ]
    await closed(first.storage)
    order.push('closed')
    await Promise.all(answers)
    t.equal(order.at(-1), 'closed', 'what was asked before is done first')

    await t.test('makes every later call fail with closed', async (t) => {
      t.equal(refusalOfGet(first.storage), 'closed')
      t.equal((await attempted(first.storage, put('a', '2')))?.kind, 'closed')
      t.equal(await refusalOfScan(first.storage), 'closed')
      await closed(first.storage)
    })

    await t.test('keeps everything for the next open', async (t) => {
      const second = await opened(world)
      t.equal(second.empty, false)
      t.same(second.damage, [])
      t.equal(text(second.storage.get(bytes('a'))), '1')
      await closed(second.storage)
    })
  })

  t.test('a store that is open cannot be opened again', async (t) => {
    const world = await makeWorld(t)
    const { storage } = await opened(world)
    t.equal((await refusedOpening(world)).kind, 'locked')
    await written(storage, put('still', 'working'))
    await closed(storage)
    await closed((await opened(world)).storage)
  })

  t.test('a place that holds somebody else’s files is refused, and they stay', async (t) => {
    const world = await makeWorld(t)
    if (lacks(t, world.occupy)) return
    const stranger = await world.occupy()
    t.equal((await refusedOpening(world)).kind, 'foreign')
    t.equal(stranger.survives(), true)
  })

  t.test('when the process dies', async (t) => {
    await t.test('every acknowledged write is there, synced or not, and none in part', async (t) => {
      const world = await makeWorld(t)
      const writes = numberedWrites(400, (index) => index % 50 === 49)
      const acknowledged = await world.dieWriting(writes, 200)
      t.ok(acknowledged >= 200)
      const survivors = await survivingWrites(t, world, writes.length)
      t.ok(survivors >= acknowledged, `${survivors} survived, ${acknowledged} were acknowledged`)
    })

    await t.test('it can happen again and again', async (t) => {
      const world = await makeWorld(t)
      for (let life = 0; life < 3; life += 1) {
        await world.dieWriting([{ operations: [put(`life-${life}`, 'lived')], sync: life === 1 }], 1)
      }
      const { storage, damage } = await opened(world)
      t.same(damage, [], 'an end without damage is told from one with it')
      t.equal((await scanned(storage, bytes('life-'), bytes('life.'), 9)).length, 3)
      await closed(storage)
    })
  })

  t.test('when the machine loses its power, every synced write is there, and all before it', async (t) => {
    const world = await makeWorld(t)
    if (lacks(t, world.losePowerWriting)) return
    const writes = numberedWrites(60, (index) => index % 10 === 9)
    const acknowledged = await world.losePowerWriting(writes, 35)
    const synced = Math.floor(acknowledged / 10) * 10
    t.ok((await survivingWrites(t, world, writes.length)) >= synced)
  })

  t.test('a flipped byte is noticed at the next open', async (t) => {
    const world = await makeWorld(t)
    if (lacks(t, world.flipByte)) return
    await world.dieWriting(
      numberedWrites(200, () => false),
      200,
    )
    await world.flipByte()

    const first = await opened(world)
    t.not(first.damage.length, 0, 'LevelDB opens it as if nothing were missing')
    t.ok((await scanned(first.storage, bytes('w'), bytes('x'), 10_000)).length < 400, 'although something is')
    await closed(first.storage)

    const second = await opened(world)
    t.same(second.damage, [], 'after an orderly close what has been told is not told again')
    await closed(second.storage)
  })

  t.test('damage is told again when nobody lived to act on it', async (t) => {
    const world = await makeWorld(t)
    if (lacks(t, world.flipByte)) return
    await world.dieWriting(
      numberedWrites(200, () => false),
      200,
    )
    await world.flipByte()
    await world.dieWriting([{ operations: [put('after', 'the damage')], sync: false }], 1)
    const { storage, damage } = await opened(world)
    t.not(damage.length, 0)
    await closed(storage)
  })

  t.test('when the disk is full', async (t) => {
    const world = await makeWorld(t)
    if (lacks(t, world.fillDisk)) return
    if (lacks(t, world.freeDisk)) return
    const { storage } = await opened(world)
    await written(storage, put('before', 'acknowledged'))
    await world.fillDisk()

    // All are asked for at once, so that some wait behind the one that fails.
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, index) => attempted(storage, put(`full-${index}`, 'x'.repeat(4000)))),
    )
    const failedAt = answers.findIndex((failure) => failure !== undefined)
    t.equal(answers[failedAt]?.kind, 'full', 'the first that fails says why')
    const later = answers.slice(failedAt).map((failure) => failure?.kind)
    t.notOk(later.includes(undefined), 'and none after it is acknowledged')
    await world.freeDisk()

    await t.test('the handle has done its last, also when there is room again', async (t) => {
      t.equal((await attempted(storage, put('later', 'x')))?.kind, 'poisoned')
      t.equal((await attempted(storage, put('synced', 'x'), true))?.kind, 'poisoned')
      t.equal(refusalOfGet(storage), 'poisoned')
      t.equal(await refusalOfScan(storage), 'poisoned')
      await closed(storage)
    })

    await t.test('a new handle has all that was acknowledged, and keeps what it acknowledges', async (t) => {
      const acknowledged = await world.dieWriting(
        numberedWrites(50, () => true),
        50,
      )
      t.equal(acknowledged, 50)
      const reopened = await opened(world)
      t.equal(text(reopened.storage.get(bytes('before'))), 'acknowledged')
      for (let index = 0; index < failedAt; index += 1) t.ok(reopened.storage.get(bytes(`full-${index}`)))
      await closed(reopened.storage)
      t.equal(await survivingWrites(t, world, 50), 50)
    })
  })
}

/** Write number n puts two entries, each naming n, so that half a write shows. */
function numberedWrites(count: number, isSynced: (index: number) => boolean): readonly StorageWrite[] {
  return Array.from({ length: count }, (_, index) => ({
    operations: [
      put(numbered('w-left', index), `${index} `.repeat(100)),
      put(numbered('w-right', index), String(index)),
    ],
    sync: isSynced(index),
  }))
}

/** How many of the numbered writes are in the store: the first ones, whole, or the test fails. */
async function survivingWrites(t: Test, world: StorageWorld, count: number): Promise<number> {
  const { storage } = await opened(world)
  const isThere = (side: string, index: number): boolean => storage.get(bytes(numbered(side, index))) !== undefined
  const left = Array.from({ length: count }, (_, index) => isThere('w-left', index))
  const right = Array.from({ length: count }, (_, index) => isThere('w-right', index))
  await closed(storage)
  const survivors = left.lastIndexOf(true) + 1
  t.same(left, right, 'no write is there in part')
  t.notOk(left.slice(0, survivors).includes(false), 'none is there without those before it')
  return survivors
}

function numbered(side: string, index: number): string {
  return `${side}-${String(index).padStart(6, '0')}`
}

function anyOperation(): fc.Arbitrary<StorageOperation> {
  const key = fc.uint8Array({ minLength: 1, maxLength: 2, max: 255 })
  return fc.oneof(
    fc.record({ type: fc.constant('put' as const), key, value: fc.uint8Array({ maxLength: 8 }) }),
    fc.record({ type: fc.constant('delete' as const), key }),
  )
}

function under(prefix: Uint8Array, operation: StorageOperation): StorageOperation {
  return { ...operation, key: Uint8Array.from([...prefix, ...operation.key]) }
}

function put(key: string, value: string): StorageOperation {
  return { type: 'put', key: bytes(key), value: bytes(value) }
}

function remove(key: string): StorageOperation {
  return { type: 'delete', key: bytes(key) }
}

function opened(world: StorageWorld): Promise<OpenedStorage> {
  return new Promise((resolve, reject) => {
    let hasReturned = false
    world.opener.open((failure, storage) => {
      if (storage === undefined || !hasReturned) reject(new Error(failure?.message ?? 'called back inside the call'))
      else resolve(storage)
    })
    hasReturned = true
  })
}

function refusedOpening(world: StorageWorld): Promise<StorageFailure> {
  return new Promise((resolve, reject) => {
    world.opener.open((failure) => (failure === undefined ? reject(new Error('it opened')) : resolve(failure)))
  })
}

function closed(storage: Storage): Promise<void> {
  return new Promise((resolve) => storage.close(resolve))
}

/** How one write ended. */
function attempted(storage: Storage, operation: StorageOperation, sync = false): Promise<StorageFailure | undefined> {
  return new Promise((resolve) => storage.write([operation], { sync }, resolve))
}

function writeAs(storage: Storage, write: StorageWrite): Promise<void> {
  return new Promise((resolve, reject) => {
    storage.write(write.operations, { sync: write.sync }, (failure) => {
      if (failure === undefined) resolve()
      else reject(new StorageError(failure))
    })
  })
}

function written(storage: Storage, ...operations: readonly StorageOperation[]): Promise<void> {
  return writeAs(storage, { operations, sync: false })
}

type BytesLike = Uint8Array | readonly number[]

function scanned(
  storage: Storage,
  from: BytesLike,
  to: BytesLike,
  entriesMax: number,
  reverse?: boolean,
): Promise<readonly StorageEntry[]> {
  return new Promise((resolve, reject) => {
    storage.scan({ from: Uint8Array.from(from), to: Uint8Array.from(to), entriesMax, reverse }, (failure, entries) => {
      if (failure === undefined) resolve(entries)
      else reject(new StorageError(failure))
    })
  })
}

function refusalOfScan(storage: Storage): Promise<string | undefined> {
  const range = { from: bytes('a'), to: bytes('b'), entriesMax: 1 }
  return new Promise((resolve) => storage.scan(range, (failure) => resolve(failure?.kind)))
}

function refusalOfGet(storage: Storage): string | undefined {
  try {
    storage.get(bytes('a'))
    return undefined
  } catch (error) {
    return error instanceof StorageError ? error.failure.kind : String(error)
  }
}

function keyBytes(entry: StorageEntry): readonly number[] {
  return [...entry.key]
}

function bytes(string: string): Uint8Array {
  return new TextEncoder().encode(string)
}

function text(value: Uint8Array | undefined): string | undefined {
  return value === undefined ? undefined : new TextDecoder().decode(value)
}

function hex(value: Uint8Array): string {
  return Buffer.from(value).toString('hex')
}
