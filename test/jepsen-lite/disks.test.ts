import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { seededFractions } from '../../bench/load/random.ts'
import { capabilityTable, missing, probeCapabilities } from '../../jepsen-lite/capabilities.ts'
import { flipBits } from '../../jepsen-lite/nemeses/bit-flips.ts'
import { clockBump } from '../../jepsen-lite/nemeses/clock-bump.ts'
import { clockStrobe } from '../../jepsen-lite/nemeses/clock-strobe.ts'
import { brokenDisk, readOnlyDisk, slowDisk } from '../../jepsen-lite/nemeses/failing-disk.ts'
import { frozenDisk } from '../../jepsen-lite/nemeses/frozen-disk.ts'
import { fullDisk } from '../../jepsen-lite/nemeses/full-disk.ts'
import { nemeses } from '../../jepsen-lite/nemeses/index.ts'
import { membership } from '../../jepsen-lite/nemeses/membership.ts'
import { mixed } from '../../jepsen-lite/nemeses/mixed.ts'
import { powerCut } from '../../jepsen-lite/nemeses/power-cut.ts'
import { rollingRestart } from '../../jepsen-lite/nemeses/rolling-restart.ts'
import { aheadMs, readingErrorMs } from '../../jepsen-lite/nemeses/wrong-clocks.ts'
import { capabilityNames, type Nemesis } from '../../jepsen-lite/nemesis.ts'
import { eventually } from '../node/fixtures/real-nodes.ts'
import { scratchDirectory } from '../platform/fixtures/scratch.ts'
import { OperatedStage } from './fixtures/operated-stage.ts'
import { WritingStage } from './fixtures/writing-stage.ts'

t.jobs = 4
const capabilities = await probeCapabilities()

t.test('what a machine can do', async (t) => {
  t.test('is tried for every name, and leaves nothing behind', async (t) => {
    t.same(
      capabilities.map(({ name }) => name),
      capabilityNames,
    )
    t.ok(capabilities.every(({ detail }) => detail.length > 0))
    t.same(
      readdirSync(tmpdir()).filter((name) => name.startsWith('starling-probe-') && isOurs(name)),
      [],
    )
    if (existsSync('/proc/mounts')) t.notMatch(readFileSync('/proc/mounts', 'utf8'), /starling-probe-/)
  })

  t.test('is shown as a table of one line each', async (t) => {
    const lines = capabilityTable(capabilities).split('\n')
    t.equal(lines.length, capabilityNames.length)
    for (const [at, { name, isThere, detail }] of capabilities.entries()) {
      t.match(lines[at], new RegExp(`^${name} +${isThere ? 'yes' : 'no'} `))
      t.ok(lines[at]?.endsWith(detail))
    }
  })

  t.test('is little where there are no tools, and says which, and how to have them', async (t) => {
    const bare = probedWithoutTools()
    const absent = bare.filter(({ isThere }) => !isThere).map(({ name }) => name)
    for (const name of ['namespaces', 'loop-mounts', 'fsfreeze', 'c-compiler', 'boot-id'] as const) {
      t.ok(absent.includes(name), name)
      t.match(missing(bare, [name]), [new RegExp(`^${name}: .*ENOENT.*; to have it: `)])
    }
    t.same(missing(bare, ['proxy']), [])
  })

  t.test('is asked for by its name by every nemesis, each under a name of its own', async (t) => {
    for (const { name, needs } of nemeses)
      t.ok(
        needs.every((need) => capabilityNames.includes(need)),
        name,
      )
    t.equal(new Set(nemeses.map(({ name }) => name)).size, nemeses.length)
  })
})

t.test('flipped bits are so many, and in the files of data alone', async (t) => {
  const lists: string[] = []
  for (let seed = 1; seed <= 60; seed += 1) {
    const store = scratchDirectory(t)
    const before = new Uint8Array(5000).fill(0x55)
    const names = ['000005.ldb', '000007.log', 'MANIFEST-000006', 'CURRENT', 'LOG', 'LOCK']
    for (const name of names) writeFileSync(join(store, name), before)
    const { file, bits } = flipBits({ fraction: seededFractions(seed) }, store)
    if (file.startsWith('MANIFEST')) lists.push(file)
    const changed = names.flatMap((name) => {
      const count = bitsThatDiffer(before, readFileSync(join(store, name)))
      return count === 0 ? [] : [{ name, count }]
    })
    t.same(changed, [{ name: file, count: bits }], `seed ${seed}`)
    t.match(file, /\.ldb$|\.log$|^MANIFEST/)
  }
  t.ok(lists.length > 3 && lists.length < 30, 'now and then the list of the files')
})

t.test('a clock that jumps', needing(clockBump), async (t) => {
  const stage = await WritingStage.prepared(t, clockBump)
  const strike = await clockBump.strike(stage)
  t.equal(strike.nodes.length, 1, 'of three, one')
  const liar = stage.called(strike.nodes)
  t.ok(Math.abs((await aheadMs(liar)) ?? 0) > readingErrorMs, 'is wrong in what its node says')
  for (const node of stage.others(liar)) t.ok(Math.abs((await aheadMs(node)) ?? Number.NaN) < readingErrorMs)
  const [before, after] = [await clocksOf(liar), await clocksOf(liar)]
  t.ok(Math.abs(after.steadyMs - before.steadyMs) < 5_000, 'and its timers go on')
  t.match(await clockBump.bites(stage), [{ count: 1 }])
  await strike.undo()
  await eventually(
    'its clock is right again',
    async () => Math.abs((await clocksOf(liar)).wallMs - Date.now()),
    (ms) => ms < 2_000,
  )
})

t.test('a clock that strobes is seen to be wrong, and is right in the end', needing(clockStrobe), async (t) => {
  const stage = await WritingStage.prepared(t, clockStrobe)
  const strike = await clockStrobe.strike(stage)
  const liar = stage.called(strike.nodes)
  await eventually(
    'it is wrong now and then',
    () => clockStrobe.bites(stage),
    ([bite]) => (bite?.count ?? 0) > 0,
  )
  await strike.undo()
  t.ok(Math.abs((await clocksOf(liar)).wallMs - Date.now()) < 2_000)
})

t.test('nobody believes a wrong clock that is not there', needing(clockBump), async (t) => {
  const stage = await WritingStage.prepared(t, { ...clockBump, prepare: async () => ({}) })
  await clockBump.strike(stage)
  t.same(await clockBump.bites(stage), [])
})

for (const [nemesis, code] of [
  [readOnlyDisk, 'EROFS'],
  [brokenDisk, 'EIO'],
] as const) {
  t.test(`${nemesis.name} fails the writes of one node, until it is undone`, needing(nemesis), async (t) => {
    const stage = await WritingStage.prepared(t, nemesis)
    for (const node of stage.nodes) t.match(await node.write('file'), { code: 'ok' })
    t.same(await nemesis.bites(stage), [], 'nothing yet')
    const strike = await nemesis.strike(stage)
    const sick = stage.called(strike.nodes)
    t.match(await sick.write('file'), { code })
    for (const node of stage.others(sick)) t.match(await node.write('file'), { code: 'ok' })
    await strike.undo()
    t.match(await sick.write('file'), { code: 'ok' })
    // A file system that is read-only refuses to open: there is nothing to write to, and nothing to count.
    t.same((await nemesis.bites(stage)).length, code === 'EIO' ? 1 : 0)
  })
}

t.test('a slow disk takes its time, which is counted', needing(slowDisk), async (t) => {
  const stage = await WritingStage.prepared(t, slowDisk)
  const strike = await slowDisk.strike(stage)
  const delayMs = Number(/takes (\d+) ms longer/.exec(strike.what)?.[1])
  const { code, tookMs } = await stage.called(strike.nodes).write('file')
  t.equal(code, 'ok')
  t.ok(tookMs >= delayMs, `${tookMs} ms, ${delayMs} at least`)
  await strike.undo()
  t.match(await slowDisk.bites(stage), [{ what: 'calls made slow', count: 1 }])
})

t.test('a full disk has room again afterwards', needing(fullDisk), async (t) => {
  const stage = await WritingStage.prepared(t, fullDisk)
  const strike = await fullDisk.strike(stage)
  const sick = stage.called(strike.nodes)
  t.match(await sick.write('file'), { code: 'ENOSPC' })
  for (const node of stage.others(sick)) t.match(await node.write('file'), { code: 'ok' })
  await strike.undo()
  t.match(await sick.write('file'), { code: 'ok' })
  t.match(await fullDisk.bites(stage), [{ count: 1 }])
})

t.test('a frozen disk keeps a write waiting, and lets it end', needing(frozenDisk), async (t) => {
  const stage = await WritingStage.prepared(t, frozenDisk)
  const strike = await frozenDisk.strike(stage)
  const sick = stage.called(strike.nodes)
  let hasEnded = false
  const written = sick.write('file').then((answer) => {
    hasEnded = true
    return answer
  })
  await eventually(
    'a thread waits',
    () => frozenDisk.bites(stage),
    (bites) => bites.length > 0,
  )
  t.notOk(hasEnded)
  await strike.undo()
  t.match(await written, { code: 'ok' })
})

t.test('a frozen disk thaws when the run ends without its being undone', needing(frozenDisk), async (t) => {
  const stage = await WritingStage.prepared(t, frozenDisk)
  await frozenDisk.strike(stage)
  await stage.close()
  t.notMatch(readFileSync('/proc/mounts', 'utf8'), stage.directory)
})

t.test('a power cut', needing(powerCut), async (t) => {
  const stage = await WritingStage.prepared(t, powerCut)
  for (const node of stage.nodes) {
    await node.ask('/sync?file=synced')
    await node.write('not-synced')
  }
  const boots = await Promise.all(stage.nodes.map((node) => node.ask<{ id: string }>('/boot')))
  t.equal(new Set(boots.map(({ id }) => id)).size, 3, 'each node is a machine of its own')
  const strike = await powerCut.strike(stage)
  const cut = stage.called(strike.nodes)
  t.notOk(cut.isRunning)
  t.equal(sizeOf(cut.data, 'synced'), 4096, 'what was synced is there')
  t.equal(sizeOf(cut.data, 'not-synced'), 0, 'what was not is gone')
  for (const node of stage.others(cut)) t.equal(sizeOf(node.data, 'not-synced'), 4096)
  const [bite] = await powerCut.bites(stage)
  t.equal(bite?.count, 4096)
  await strike.undo()
  const { id } = await cut.ask<{ id: string }>('/boot')
  t.notOk(
    boots.some((boot) => boot.id === id),
    'its machine has booted',
  )
  await stage.close()
  t.notMatch(readFileSync('/proc/mounts', 'utf8'), stage.directory, 'nothing stays mounted')
  t.equal(sizeOf(join(stage.directory, 'data', cut.name), 'synced'), 4096, 'its data is kept beside the others')
})

t.test('nodes come and go by the command line: never fewer than at first, and each change is committed', async (t) => {
  const done = new Set<string>()
  for (let seed = 1; seed <= 10; seed += 1) {
    const stage = await OperatedStage.of(t, 3, seed)
    for (let count = 1; count <= 8; count += 1) {
      const before = stage.nodes.length
      const strike = await membership.strike(stage)
      await strike.undo()
      const after = stage.nodes.length
      t.ok(after >= 3 && after <= 5, `${before} nodes, then ${after}`)
      t.equal(stage.down, 0, 'who is gone is not spoken of')
      t.equal(stage.log.filter((line) => line.startsWith('cluster commit --yes')).length, count)
      t.match(await membership.bites(stage), [{ count }])
      done.add(strike.what.replace(/^n\d+ /, ''))
    }
  }
  t.same([...done].toSorted(), ['is killed and replaced', 'leaves', 'one more node joins'])
})

t.test('a rolling restart has one node down at a time, and is over when it is taken back', async (t) => {
  const stage = await OperatedStage.of(t, 5, 1)
  const strike = await rollingRestart.strike(stage)
  await strike.undo()
  t.equal(stage.down, 0)
  const [restarted] = await rollingRestart.bites(stage)
  const events = stage.log.filter((line) => / ends$| starts$/.test(line))
  t.equal(events.length, 2 * (restarted?.count ?? 0))
  for (let at = 0; at < events.length; at += 2) {
    t.equal(events[at]?.replace('ends', 'starts'), events[at + 1], 'the same one, before the next')
  }
})

t.test('all mixed', async (t) => {
  t.test('strikes with one of each kind at most, or with one that stands alone, and takes all back', async (t) => {
    const seen = new Set<string>()
    for (let seed = 1; seed <= 40; seed += 1) {
      const doubles = ingredients()
      const nemesis = mixed(doubles.all)
      const stage = await WritingStage.prepared(t, nemesis, 0, seed)
      for (let count = 0; count < 5; count += 1) {
        const strike = await nemesis.strike(stage)
        const kinds = doubles.going.map((name) => name.slice(0, -1))
        seen.add(kinds.toSorted().join(' '))
        t.equal(new Set(kinds).size, kinds.length)
        t.ok(!kinds.includes('alone') || kinds.length === 1)
        const order = [...doubles.going]
        await strike.undo().catch(() => undefined)
        t.same(doubles.going, [], 'also where one could not be taken back')
        t.same(doubles.undone.splice(0), order.toReversed())
      }
    }
    for (const kinds of ['alone', 'link', 'link node', 'clock', 'clock link node']) t.ok(seen.has(kinds), kinds)
  })

  t.test('loads the libraries of all of them into a node', async (t) => {
    const library = (name: string): Nemesis => ({
      ...ingredients().double(name),
      prepare: async () => ({
        surroundings: (node) => ({ env: { LD_PRELOAD: `${name}.so`, [name]: node }, before: ['run', name] }),
      }),
    })
    const nemesis = mixed({ links: [library('a')], clocks: [library('b')], nodes: [library('c')], alone: [] })
    const stage = await WritingStage.prepared(t, nemesis, 0)
    const { env, before } = (await nemesis.prepare?.(stage))?.surroundings?.('n1') ?? {}
    t.same(env?.LD_PRELOAD?.split(':').toSorted(), ['a.so', 'b.so', 'c.so'])
    t.match(env, { a: 'n1', b: 'n1', c: 'n1' })
    t.same(before?.toSorted(), ['a', 'b', 'c', 'run', 'run', 'run'])
  })
})

/** Nemeses that write down that they go on. One of them cannot be taken back without an error. */
function ingredients() {
  const going: string[] = []
  const undone: string[] = []
  const double = (name: string): Nemesis => ({
    name,
    summary: name,
    needs: [],
    strike: async () => {
      going.push(name)
      return {
        what: name,
        nodes: [],
        undo: async () => {
          going.splice(going.indexOf(name), 1)
          undone.push(name)
          if (name === 'link1') throw new Error('it is stuck')
        },
      }
    },
    bites: async () => [],
  })
  const two = (kind: string): readonly Nemesis[] => [double(`${kind}1`), double(`${kind}2`)]
  const all = { links: two('link'), clocks: two('clock'), nodes: two('node'), alone: two('alone') }
  return { all, going, undone, double }
}

function needing({ needs }: Nemesis): { skip: string | false } {
  const reasons = missing(capabilities, needs)
  return { skip: reasons.length > 0 && reasons.join('; ') }
}

/** By a process that finds no program. */
function probedWithoutTools(): typeof capabilities {
  const module = JSON.stringify(new URL('../../jepsen-lite/capabilities.js', import.meta.url).href)
  const script = `import(${module}).then(async (module) => console.log(JSON.stringify(await module.probeCapabilities())))`
  const env = { PATH: join(tmpdir(), 'no-such-directory') }
  return JSON.parse(execFileSync(process.execPath, ['-e', script], { env, encoding: 'utf8' }))
}

/** Others may be probing at this moment. */
function isOurs(name: string): boolean {
  try {
    return Date.now() - Number(execFileSync('stat', ['-c', '%Y', join(tmpdir(), name)])) * 1000 > 60_000
  } catch {
    return false
  }
}

async function clocksOf(node: { ask<Answer>(path: string): Promise<Answer> }) {
  return node.ask<{ wallMs: number; steadyMs: number }>('/clocks')
}

function sizeOf(directory: string, name: string): number {
  const path = join(directory, name)
  return existsSync(path) ? readFileSync(path).length : 0
}

function bitsThatDiffer(one: Uint8Array, other: Uint8Array): number {
  return one.reduce((sum, byte, at) => sum + popCount(byte ^ (other[at] ?? 0)), 0)
}

function popCount(byte: number): number {
  return byte === 0 ? 0 : (byte & 1) + popCount(byte >> 1)
}
