import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createLevelStorage } from '../../lib/platform/level-storage.ts'
import { createSystemTime } from '../../lib/platform/system-time.ts'
import { createDrainedStorage, createValueLogStorage } from '../../lib/platform/value-log-storage.ts'
import { createHash } from '../../lib/platform/xxhash.ts'
import type { OpenedStorage, StorageFailure, StorageOpener, StorageOperation } from '../../lib/ports/storage.ts'
import { type StorageWorld, storageContract } from '../contracts/storage.ts'
import { Child } from './fixtures/child.ts'
import { mountSmallDisk, scratchDirectory } from './fixtures/scratch.ts'
import { toLine } from './fixtures/write-line.ts'

const smallDisk = mountSmallDisk(t, 96)
const hash = await createHash()
const time = createSystemTime()

storageContract(t, makeWorld)

t.test('a store from before the log opens with its values, and takes the log on', async (t) => {
  const path = join(scratchDirectory(t), 'db')
  const before = await opened(createLevelStorage(path))
  await written(before, put('old', 'x'.repeat(2000)), put('small', 'y'))
  await closed(before)

  const first = await opened(openerOf(path))
  t.equal(first.empty, false)
  t.equal(text(first.storage.get(bytes('old'))), 'x'.repeat(2000))
  await written(first, put('new', 'z'.repeat(2000)))
  await closed(first)
  const second = await opened(openerOf(path))
  t.equal(text(second.storage.get(bytes('old'))), 'x'.repeat(2000))
  t.equal(text(second.storage.get(bytes('new'))), 'z'.repeat(2000))
  await closed(second)
})

t.test('a store with a log is refused by whoever does not know of it, and stays', async (t) => {
  const path = join(scratchDirectory(t), 'db')
  const first = await opened(openerOf(path))
  await written(first, put('a', 'z'.repeat(2000)))
  await closed(first)
  // Earlier releases refuse it by the same rule: `values` is no name of LevelDB's.
  t.match(await failureOf(createLevelStorage(path)), { kind: 'foreign', message: /values/ })
  const again = await opened(openerOf(path))
  t.equal(text(again.storage.get(bytes('a'))), 'z'.repeat(2000))
  await closed(again)
})

t.test(
  'switched off again, a log is emptied into LevelDB and goes, and LevelDB alone has all that there was',
  async (t) => {
    const path = join(scratchDirectory(t), 'db')
    const before = await opened(createDrainedStorage(path, { hash, time }))
    await written(before, put('from before', 'a'.repeat(2000)))
    await closed(before)
    t.notOk(existsSync(join(path, 'values')), 'nobody who wants none gets one')

    const on = await opened(openerOf(path))
    for (let index = 0; index < 50; index += 1) await written(on, put(`k${index}`, `${index}`.padEnd(2000, 'z')))
    await closed(on)

    const off = await opened(createDrainedStorage(path, { hash, time }))
    t.equal(text(off.storage.get(bytes('k7'))), '7'.padEnd(2000, 'z'))
    await written(off, put('k8', 'later'.padEnd(2000, 'z')))
    await until(() => {
      const { segments = 0, liveBytes = 0 } = off.valueLog?.figures() ?? {}
      return liveBytes === 0 && segments === 1
    })
    await closed(off)

    t.notOk(existsSync(join(path, 'values')))
    const alone = await opened(createLevelStorage(path))
    t.equal(text(alone.storage.get(bytes('from before'))), 'a'.repeat(2000))
    for (let index = 0; index < 50; index += 1) {
      const expected = (index === 8 ? 'later' : `${index}`).padEnd(2000, 'z')
      t.equal(text(alone.storage.get(bytes(`k${index}`))), expected, `k${index}`)
    }
    await closed(alone)
  },
)

t.test('somebody else’s file among the segments is refused, and stays', async (t) => {
  const path = join(scratchDirectory(t), 'db')
  await closed(await opened(openerOf(path)))
  writeFileSync(join(path, 'values', 'holiday.jpg'), 'a beach')
  t.equal((await failureOf(openerOf(path))).kind, 'foreign')
  t.equal(readFileSync(join(path, 'values', 'holiday.jpg'), 'utf8'), 'a beach')
})

function openerOf(path: string): StorageOpener {
  return createValueLogStorage(path, { hash, time }, {}, { loggedBytesMin: 512 })
}

async function makeWorld(t: Test): Promise<StorageWorld> {
  const path = join(scratchDirectory(t, 'path' in smallDisk ? smallDisk.path : undefined), 'db')
  return {
    opener: openerOf(path),
    async dieWriting(writes, acknowledgedMin) {
      const writer = new Child(t, 'storage-writer', [path, 'value-log'])
      writer.tell(JSON.stringify(writes.map(toLine)))
      await writer.hasSaid(acknowledgedMin)
      await writer.kill()
      const failure = writer.said.find((line) => line !== 'acknowledged')
      if (failure !== undefined) throw new Error(failure)
      return writer.said.length
    },
    losePowerWriting: { unavailable: 'a test cannot cut the power of its own machine; the simulated one does' },
    flipByte: async () => flipByteInNewestSegment(join(path, 'values')),
    fillDisk: 'path' in smallDisk ? async () => smallDisk.fill() : smallDisk,
    freeDisk: 'path' in smallDisk ? async () => smallDisk.free() : smallDisk,
    async occupy() {
      const file = join(path, 'holiday.jpg')
      mkdirSync(path)
      writeFileSync(file, 'a beach')
      return { survives: () => readdirSync(path).length === 1 && readFileSync(file, 'utf8') === 'a beach' }
    },
  }
}

function flipByteInNewestSegment(path: string): void {
  const segment = join(path, readdirSync(path).sort().at(-1) as string)
  const contents = readFileSync(segment)
  const middle = contents.length >> 1
  contents[middle] = (contents[middle] as number) ^ 1
  writeFileSync(segment, contents)
}

function opened(opener: StorageOpener): Promise<OpenedStorage> {
  return new Promise((resolve, reject) => {
    opener.open((failure, found) => (found === undefined ? reject(new Error(failure?.message)) : resolve(found)))
  })
}

function failureOf(opener: StorageOpener): Promise<StorageFailure> {
  return new Promise((resolve, reject) => {
    opener.open((failure) => (failure === undefined ? reject(new Error('it opened')) : resolve(failure)))
  })
}

function closed({ storage }: OpenedStorage): Promise<void> {
  return new Promise((resolve) => storage.close(resolve))
}

function written({ storage }: OpenedStorage, ...operations: readonly StorageOperation[]): Promise<void> {
  return new Promise((resolve, reject) => {
    storage.write(operations, { sync: false }, (failure) =>
      failure === undefined ? resolve() : reject(new Error(failure.message)),
    )
  })
}

function put(key: string, value: string): StorageOperation {
  return { type: 'put', key: bytes(key), value: bytes(value) }
}

function bytes(string: string): Uint8Array {
  return new TextEncoder().encode(string)
}

function text(value: Uint8Array | undefined): string | undefined {
  return value === undefined ? undefined : new TextDecoder().decode(value)
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 20))
}
