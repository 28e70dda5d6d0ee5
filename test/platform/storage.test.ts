import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createLevelStorage } from '../../lib/platform/level-storage.ts'
import type { StorageFailure } from '../../lib/ports/storage.ts'
import { type StorageWorld, storageContract } from '../contracts/storage.ts'
import { Child } from './fixtures/child.ts'
import { mountSmallDisk, scratchDirectory } from './fixtures/scratch.ts'
import { toLine, type WriteLine } from './fixtures/write-line.ts'

const smallDisk = mountSmallDisk(t, 96)

storageContract(t, makeLevelWorld)

t.test('a place whose CURRENT is gone is corrupt, and its tables stay', async (t) => {
  // LevelDB would make an empty store there and delete the rest as left-overs of an interrupted start.
  const path = join(scratchDirectory(t), 'db')
  mkdirSync(path)
  writeFileSync(join(path, '000005.ldb'), 'a table')
  t.equal((await failureOf(path)).kind, 'corrupt')
  t.equal(readFileSync(join(path, '000005.ldb'), 'utf8'), 'a table')
})

t.test('damage is found in the log before the last as well, until a clean close', async (t) => {
  // An open that is refused because the store is locked renames LOG too.
  const path = join(scratchDirectory(t), 'db')
  await damageAtOpen(path)
  writeFileSync(
    join(path, 'LOG.old'),
    '2026/01/01-00:00:00.000000 7f 000003.log: dropping 17 bytes; Corruption: checksum\n',
  )
  writeFileSync(join(path, 'LOG'), '2026/01/01-00:00:01.000000 7f all is well\n')
  t.match(await damageAtOpen(path), [/dropping 17 bytes/])
  t.same(await damageAtOpen(path), [])
})

t.test('a damaged manifest is corrupt, not empty', async (t) => {
  const path = join(scratchDirectory(t), 'db')
  mkdirSync(path)
  writeFileSync(join(path, 'CURRENT'), 'MANIFEST-000009\n')
  writeFileSync(join(path, 'MANIFEST-000009'), 'no manifest')
  t.equal((await failureOf(path)).kind, 'corrupt')
})

t.test('a file where the store should be fails', async (t) => {
  const path = join(scratchDirectory(t), 'db')
  writeFileSync(path, '')
  t.equal((await failureOf(path)).kind, 'failed')
})

t.test('a limit on the size of files is a full disk too', async (t) => {
  const path = join(scratchDirectory(t), 'db')
  const writes = Array.from({ length: 200 }, () => ({
    operations: [{ key: 'AAAA', value: 'A'.repeat(4096) }],
    sync: false,
  }))
  const said = await runWriter(t, path, writes, 200, { fileBlocksMax: 256 })
  const failedAt = said.findIndex((line) => line !== 'acknowledged')
  t.ok(failedAt > 0)
  t.equal(said[failedAt], 'failed full')
  t.equal(said.at(-1), 'failed poisoned')
})

async function makeLevelWorld(t: Test): Promise<StorageWorld> {
  const path = join(scratchDirectory(t, 'path' in smallDisk ? smallDisk.path : undefined), 'db')
  return {
    opener: createLevelStorage(path),
    async dieWriting(writes, acknowledgedMin) {
      const said = await runWriter(t, path, writes.map(toLine), acknowledgedMin)
      const failure = said.find((line) => line !== 'acknowledged')
      if (failure !== undefined) throw new Error(failure)
      return said.length
    },
    losePowerWriting: { unavailable: 'a test cannot cut the power of its own machine; the power-cut nemesis does' },
    flipByte: async () => flipByteInNewestLog(path),
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

/** Runs the writer on `path`, kills it when it has said `linesMin` lines, and gives all that it said. */
async function runWriter(
  t: Test,
  path: string,
  writes: readonly WriteLine[],
  linesMin: number,
  options: { readonly fileBlocksMax?: number } = {},
): Promise<readonly string[]> {
  const writer = new Child(t, 'storage-writer', [path], options)
  writer.tell(JSON.stringify(writes))
  await writer.hasSaid(linesMin)
  await writer.kill()
  return writer.said
}

function flipByteInNewestLog(path: string): void {
  const logs = readdirSync(path).filter((name) => name.endsWith('.log'))
  const log = join(path, logs.sort().at(-1) as string)
  const contents = readFileSync(log)
  const middle = Math.floor(statSync(log).size / 2)
  contents[middle] = (contents[middle] as number) ^ 1
  writeFileSync(log, contents)
}

/** Opens the store, closes it again, and gives what the open had to say. */
function damageAtOpen(path: string): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    createLevelStorage(path).open((failure, opened) => {
      if (opened === undefined) reject(new Error(failure?.message))
      else opened.storage.close(() => resolve(opened.damage))
    })
  })
}

function failureOf(path: string): Promise<StorageFailure> {
  return new Promise((resolve, reject) => {
    createLevelStorage(path).open((failure) =>
      failure === undefined ? reject(new Error('it opened')) : resolve(failure),
    )
  })
}
