import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { openLineFile } from '../../lib/platform/line-file.ts'
import type { LineFile, LineFileListener } from '../../lib/ports/line-file.ts'
import { eventually } from '../node/fixtures/real-nodes.ts'
import { mountSmallDisk, scratchDirectory } from './fixtures/scratch.ts'

t.test('lines come into the file in their order, behind what is there', async (t) => {
  const { path, file, counts } = opened(t, { content: 'before\n' })
  for (let count = 0; count < 1000; count += 1) file.append(`line ${count}`)
  await closed(file)
  const lines = linesOf(path)
  t.same(
    lines,
    ['before', ...Array.from({ length: 1000 }, (_, count) => `line ${count}`)],
    'and closing waits for what was on its way',
  )
  file.append('too late')
  t.equal(counts.lost, 1)
  const fresh = opened(t)
  t.equal(statSync(fresh.path).mode & 0o777, 0o600, 'nobody else reads who does what')
  await closed(fresh.file)
})

t.test('half a line, which a process left that died in it, stays alone', async (t) => {
  const { path, file } = opened(t, { content: 'whole\nha' })
  file.append('ours')
  await closed(file)
  t.same(linesOf(path), ['whole', 'ha', 'ours'])
})

t.test('a file that was moved away is followed by one of the same name', async (t) => {
  const { path, file } = opened(t)
  file.append('one')
  await until('the line is there', () => linesOf(path).length === 1)
  renameSync(path, `${path}.1`)
  await t.test('within a second or so by itself, and nothing is lost meanwhile', async (t) => {
    file.append('two')
    await pause(1_100)
    file.append('three')
    await until('the new file is there', () => existsSync(path) && linesOf(path).length === 1)
    t.same([linesOf(`${path}.1`), linesOf(path)], [['one', 'two'], ['three']])
  })
  await t.test('and at once where that is asked for, as logrotate does by SIGHUP', async (t) => {
    renameSync(path, `${path}.2`)
    file.reopen()
    file.append('four')
    await until('the new file is there', () => existsSync(path) && linesOf(path).length === 1)
    t.same([linesOf(`${path}.2`), linesOf(path)], [['three'], ['four']])
    file.reopen()
    file.append('five')
    await closed(file)
    t.same(linesOf(path), ['four', 'five'], 'a file that is still the same one is gone on with')
  })
  await t.test('also one that was emptied where it stands', async (t) => {
    const other = opened(t, { content: 'much\n' })
    other.file.append('a')
    await until('the line is there', () => linesOf(other.path).length === 2)
    writeFileSync(other.path, '')
    other.file.append('b')
    await closed(other.file)
    t.same(linesOf(other.path), ['b'])
  })
})

t.test('a directory that is gone is said once, lines go to the old file, and its return is noticed', async (t) => {
  const { path, file, said, directory } = opened(t)
  file.append('one')
  await until('the line is there', () => linesOf(path).length === 1)
  renameSync(directory, `${directory}.away`)
  t.teardown(() => rmSync(`${directory}.away`, { recursive: true }))
  file.reopen()
  file.append('two')
  await until('it is said', () => file.isFailing)
  t.match(said, [/^failing: ENOENT/])
  await until('the old file has it', () => linesOf(join(`${directory}.away`, 'audit.log')).length === 2)
  mkdirSync(directory)
  await until('it is mended by itself', () => !file.isFailing)
  t.match(said, [/^failing: ENOENT/, 'mended'])
  file.append('three')
  await closed(file)
  t.same(linesOf(path), ['three'])
})

t.test('a full disk stops nobody, and what fits behind it is written when there is room again', async (t) => {
  const disk = mountSmallDisk(t, 1)
  if ('unavailable' in disk) {
    t.pass('this machine has such a disk', { skip: disk.unavailable })
    return
  }
  const path = join(disk.path, 'audit.log')
  const { listener, said, counts } = listening()
  const file = openLineFile(path, listener)
  disk.fill()
  const line = (count: number): string => `${count} ${'x'.repeat(64 * 1024)}`
  for (let count = 0; count < 70; count += 1) file.append(line(count))
  await until('it is said', () => file.isFailing)
  t.match(said, [/^failing: ENOSPC/])
  t.equal(counts.lost, 70 - Math.floor((4 * 1024 * 1024) / (line(10).length + 1)), 'room for 4 MiB, and no more')
  disk.free()
  await until('it goes on by itself, until the disk is full again', () => linesOf(path).length > 5)
  const lines = linesOf(path)
  t.same(
    lines.slice(0, -1),
    Array.from({ length: lines.length - 1 }, (_, count) => line(count)),
    'whole and in order',
  )
  t.match(said[1], /^mended$/)
  await closed(file)
})

t.test('a file that cannot be opened is no file', async (t) => {
  const path = join(scratchDirectory(t), 'nowhere', 'audit.log')
  t.throws(() => openLineFile(path, listening().listener), { code: 'ENOENT' })
})

interface Opened {
  readonly directory: string
  readonly path: string
  readonly file: LineFile
  readonly said: readonly string[]
  readonly counts: { readonly lost: number }
}

function opened(t: Test, { content }: { content?: string } = {}): Opened {
  const directory = join(scratchDirectory(t), 'logs')
  mkdirSync(directory)
  const path = join(directory, 'audit.log')
  if (content !== undefined) writeFileSync(path, content)
  const { listener, said, counts } = listening()
  const file = openLineFile(path, listener)
  return { directory, path, file, said, counts }
}

function linesOf(path: string): readonly string[] {
  const text = readFileSync(path, 'utf8')
  return text.split('\n').filter((line) => line !== '')
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  await eventually(what, async () => isSo(), Boolean)
}

function closed(file: LineFile): Promise<void> {
  return new Promise((resolve) => file.close(resolve))
}

function listening() {
  const said: string[] = []
  const counts = { lost: 0 }
  const listener: LineFileListener = {
    onFailing: (reason) => said.push(`failing: ${reason}`),
    onLost: (lines) => {
      counts.lost += lines
    },
    onMended: () => said.push('mended'),
  }
  return { listener, said, counts }
}
