import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { createDataDirectory, storePathOf } from '../../lib/platform/data-directory.ts'
import { type DirectoryWorld, dataDirectoryContract } from '../contracts/data-directory.ts'
import { Child } from './fixtures/child.ts'
import { mountSmallDisk, scratchDirectory } from './fixtures/scratch.ts'

const smallDisk = mountSmallDisk(t, 8)

dataDirectoryContract(t, makePlatformWorld)

t.test('a new directory is made with all that is missing above it', async (t) => {
  const directory = createDataDirectory(join(scratchDirectory(t), 'var', 'lib', 'starling'))
  t.same(directory.open(), { ok: true })
  t.equal(existsSync(directory.path), true)
  directory.close()
})

t.test('an empty directory that is there, also one on a disk of its own, is as good', async (t) => {
  const path = scratchDirectory(t)
  mkdirSync(join(path, 'lost+found'))
  const directory = createDataDirectory(path)
  t.same(directory.open(), { ok: true })
  directory.close()
})

t.test('what is put aside lies beside it, whole', async (t) => {
  const directory = createDataDirectory(join(scratchDirectory(t), 'data'))
  directory.open()
  directory.writeIdentity(Buffer.from('{"name":"ada"}'))
  mkdirSync(storePathOf(directory.path))
  writeFileSync(join(storePathOf(directory.path), '000001.log'), 'records')
  const aside = directory.setAside()
  t.equal(dirname(aside), dirname(directory.path))
  t.match(aside, /\/data\.damaged-\d{4}-\d\d-\d\dT/)
  t.equal(existsSync(directory.path), false)
  t.equal(readFileSync(join(storePathOf(aside), '000001.log'), 'utf8'), 'records')
  t.match(readdirSync(aside), ['db', 'errors', 'lock', 'node.json'])
})

t.test('the node.json of another program, or one that is no JSON, is foreign', async (t) => {
  for (const contents of ['', 'not JSON', '[1]', '"text"']) {
    const path = scratchDirectory(t)
    writeFileSync(join(path, 'node.json'), contents)
    t.match(createDataDirectory(path).open(), { ok: false, kind: 'foreign', message: 'node.json' })
    t.same(readdirSync(path), ['node.json'])
    t.equal(readFileSync(join(path, 'node.json'), 'utf8'), contents)
  }
})

t.test('a file where the directory should be is foreign', async (t) => {
  const path = join(scratchDirectory(t), 'data')
  writeFileSync(path, 'a file')
  t.match(createDataDirectory(path).open(), { ok: false, kind: 'foreign', message: 'not a directory' })
})

t.test('an error byte that a crash left unwritten is made again', async (t) => {
  const path = scratchDirectory(t)
  writeFileSync(join(path, 'errors'), '')
  const directory = createDataDirectory(path)
  t.same(directory.open(), { ok: true })
  t.equal(directory.readErrorByte(), false)
  directory.writeErrorByte(true)
  t.equal(directory.readErrorByte(), true)
  directory.close()
})

async function makePlatformWorld(t: Test): Promise<DirectoryWorld> {
  let path = join(scratchDirectory(t, 'path' in smallDisk ? smallDisk.path : undefined), 'data')
  return {
    start: () => createDataDirectory(path),
    async startElsewhere() {
      const child = new Child(t, 'directory-holder', [path])
      await child.hasSaid(1)
      t.same(child.said, ['held'])
      return { die: () => child.kill() }
    },
    async dieWritingIdentities(identities) {
      const encoded = identities.map((identity) => Buffer.from(identity).toString('base64'))
      const child = new Child(t, 'directory-holder', [path, ...encoded])
      await child.hasSaid(5)
      await child.kill()
    },
    async occupy() {
      const file = join(path, 'holiday.jpg')
      mkdirSync(path)
      writeFileSync(file, 'a beach')
      return { survives: () => readdirSync(path).length === 1 && readFileSync(file, 'utf8') === 'a beach' }
    },
    forbid:
      process.platform === 'linux'
        ? async () => {
            // Not even root makes a directory there.
            path = '/proc/starling-test'
          }
        : { unavailable: 'only Linux has a place that root may not write to' },
    fillDisk: 'path' in smallDisk ? async () => smallDisk.fill() : smallDisk,
    freeDisk: 'path' in smallDisk ? async () => smallDisk.free() : smallDisk,
  }
}
