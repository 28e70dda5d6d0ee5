import type { Test } from 'tap'
import type { DataDirectory } from '../../lib/ports/data-directory.ts'
import { lacks, type Unavailable } from './unavailable.ts'

/** One place for a data directory, which does not exist at first, and the bad days it can have. */
export interface DirectoryWorld {
  /** The directory as a process that starts now sees it; not opened yet. */
  start(): DataDirectory
  /** Another process opens the directory and has it when this resolves; `die` kills it without a word. */
  startElsewhere(): Promise<{ die(): Promise<void> }>
  /** Another process writes the identities, over and over, until it is killed in the middle of it. */
  dieWritingIdentities(identities: readonly Uint8Array[]): Promise<void>
  /** Puts somebody else's file there before the first open; `survives` looks whether it is all that there is. */
  readonly occupy: (() => Promise<{ readonly survives: () => boolean }>) | Unavailable
  /** From now on nothing can be made or written there. */
  readonly forbid: (() => Promise<void>) | Unavailable
  /** From now on the disk has no room for as much as one byte more, and then again it has. */
  readonly fillDisk: (() => Promise<void>) | Unavailable
  readonly freeDisk: (() => Promise<void>) | Unavailable
}

/** What every implementation of the data directory port promises. */
export function dataDirectoryContract(t: Test, makeWorld: (t: Test) => Promise<DirectoryWorld>): void {
  t.test('a new directory is made, without an identity and without an error', async (t) => {
    const directory = (await makeWorld(t)).start()
    t.same(directory.open(), { ok: true })
    t.equal(directory.readIdentity(), undefined)
    t.equal(directory.readErrorByte(), false)
    directory.close()
  })

  t.test('what is written is there at the next start', async (t) => {
    const world = await makeWorld(t)
    const first = world.start()
    first.open()
    t.equal(first.readVotes(), undefined)
    first.writeIdentity(identity('ada'))
    first.writeVotes(identity('the first vote'))
    first.writeVotes(identity('votes'))
    first.writeErrorByte(true)
    const fingerprint = first.fingerprint()
    first.close()

    const second = world.start()
    t.same(second.open(), { ok: true })
    t.same(second.readIdentity(), identity('ada'))
    t.same(second.readVotes(), identity('votes'))
    t.equal(second.readErrorByte(), true)
    t.same(second.fingerprint(), fingerprint, 'the same directory on the same machine since the same boot')
    for (const [part, value] of Object.entries(fingerprint)) t.ok(value.length > 0, part)

    second.writeIdentity(identity('ada the second'))
    second.writeErrorByte(false)
    t.same(second.readIdentity(), identity('ada the second'))
    t.equal(second.readErrorByte(), false)
    second.close()
  })

  t.test('what is put aside leaves room for a new directory', async (t) => {
    const world = await makeWorld(t)
    const first = world.start()
    first.open()
    first.writeIdentity(identity('ada'))
    first.writeErrorByte(true)
    t.not(first.setAside(), first.path)
    const second = world.start()
    t.same(second.open(), { ok: true }, 'nobody holds it')
    t.equal(second.readIdentity(), undefined)
    t.equal(second.readErrorByte(), false)
    second.close()
  })

  t.test('a directory that was opened but never given an identity is still a new one', async (t) => {
    const world = await makeWorld(t)
    const first = world.start()
    first.open()
    first.close()
    const second = world.start()
    t.same(second.open(), { ok: true })
    t.equal(second.readIdentity(), undefined)
    second.close()
  })

  t.test('a process that writes its identity dies: it is the old or the new one', async (t) => {
    const world = await makeWorld(t)
    const identities = Array.from({ length: 20 }, (_, index) => identity(`${index}`.repeat(1 + index * 500)))
    await world.dieWritingIdentities(identities)
    const directory = world.start()
    t.same(directory.open(), { ok: true })
    const found = directory.readIdentity()
    t.ok(identities.some((one) => found !== undefined && Buffer.compare(one, found) === 0))
    directory.close()
  })

  t.test('one process at a time', async (t) => {
    const world = await makeWorld(t)
    const holder = world.start()
    holder.open()
    holder.writeIdentity(identity('the holder'))

    await t.test('has the directory', async (t) => {
      const second = world.start()
      t.match(second.open(), { ok: false, kind: 'locked', message: second.path })
      t.equal(refusalOf(world), 'locked', 'also when it is tried again')
      second.close()
      t.equal(refusalOf(world), 'locked', 'and closing what was never opened lets nobody in')
      t.same(holder.readIdentity(), identity('the holder'))
    })

    await t.test('until it closes', async (t) => {
      holder.close()
      const next = world.start()
      t.same(next.open(), { ok: true })
      next.close()
    })

    await t.test('or dies', async (t) => {
      const elsewhere = await world.startElsewhere()
      t.equal(refusalOf(world), 'locked')
      await elsewhere.die()
      const next = world.start()
      t.same(next.open(), { ok: true })
      next.close()
    })
  })

  t.test('somebody else’s directory is refused, and nothing in it is touched', async (t) => {
    const world = await makeWorld(t)
    if (lacks(t, world.occupy)) return
    const stranger = await world.occupy()
    t.equal(refusalOf(world), 'foreign')
    t.equal(stranger.survives(), true)
  })

  t.test('a directory that cannot be written is refused', async (t) => {
    const world = await makeWorld(t)
    if (lacks(t, world.forbid)) return
    await world.forbid()
    t.equal(refusalOf(world), 'failed')
  })

  t.test('when the disk is full', async (t) => {
    const world = await makeWorld(t)
    if (lacks(t, world.fillDisk) || lacks(t, world.freeDisk)) return
    const directory = world.start()
    directory.open()
    directory.writeIdentity(identity('old'))
    await world.fillDisk()

    t.throws(
      () => directory.writeIdentity(identity('new'.repeat(10_000))),
      'the identity is not replaced, and it says so',
    )
    t.same(directory.readIdentity(), identity('old'))
    directory.writeErrorByte(true)
    t.equal(directory.readErrorByte(), true, 'the error byte has had its room from the start')

    const freeWhenFull = directory.freeBytes()
    await world.freeDisk()
    t.ok(directory.freeBytes() > freeWhenFull, 'it says how much is left')
    directory.writeIdentity(identity('new'))
    t.same(directory.readIdentity(), identity('new'))
    directory.close()
  })
}

function refusalOf(world: DirectoryWorld): string | undefined {
  const directory = world.start()
  const answer = directory.open()
  if (!answer.ok) return answer.kind
  directory.close()
  return undefined
}

function identity(name: string): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ name }))
}
