import { spawnSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { createPlatformPorts } from '../../lib/platform/create-ports.ts'
import { createRandoms, formatSeed, systemSeed } from '../../lib/platform/entropy.ts'
import { createMetrics } from '../../lib/platform/prometheus-metrics.ts'
import { createSystemTime } from '../../lib/platform/system-time.ts'
import { createHash } from '../../lib/platform/xxhash.ts'
import type { Seed } from '../../lib/ports/random.ts'
import type { Random } from '../../lib/vocabulary/random.ts'
import { metricsContract } from '../contracts/metrics.ts'
import { type TimeWorld, timeContract } from '../contracts/time.ts'
import { scratchDirectory } from './fixtures/scratch.ts'

t.test('time', async (t) => timeContract(t, makeTimeWorld))

t.test('a timer of a busy process is not early either', async (t) => {
  // The system counts whole milliseconds: a loop that never sleeps meets the begin of the last one.
  const time = createSystemTime()
  const lateness: number[] = []
  for (let delayMs = 1; delayMs <= 60; delayMs += 1) {
    const dueMs = time.nowMs() + delayMs
    time.after(delayMs, () => lateness.push(time.nowMs() - dueMs))
  }
  while (lateness.length < 60) await new Promise((resolve) => setImmediate(resolve))
  t.ok(Math.min(...lateness) >= 0, `${Math.min(...lateness)} ms`)
})

t.test('a loop that stands still is noticed, also in a process that had nothing to do for a while', async (t) => {
  const time = createSystemTime()
  time.eventLoopDelayMs()
  for (let window = 0; window < 2; window += 1) {
    await sleep(1_050)
    time.eventLoopDelayMs()
  }
  await sleep(300)
  holdThread(700)
  await sleep(250)
  // Up to the next of its samples it cannot know.
  const delayMs = time.eventLoopDelayMs()
  t.ok(delayMs >= 450, `${delayMs} ms`)
})

t.test('the end of a turn gathers what all ready callbacks ask for', async (t) => {
  const time = createSystemTime()
  const order: string[] = []
  await new Promise<void>((resolve) => {
    // Two timers that are due together stand for two sockets that are ready together.
    for (const name of ['one', 'two']) {
      setTimeout(() => {
        order.push(name)
        time.endOfTurn(() => order.push(`end of ${name}`))
        time.endOfTurn(resolve)
      }, 1)
    }
    holdThread(5)
  })
  await sleep(1)
  t.same(order, ['one', 'two', 'end of one', 'end of two'])
})

t.test('metrics', async (t) => metricsContract(t, createMetrics))

t.test('metrics of the process stand beside those of Starling', async (t) => {
  const text = await new Promise<string>((resolve) => createMetrics().expose(resolve))
  for (const name of ['process_cpu_seconds_total', 'process_resident_memory_bytes', 'nodejs_heap_size_used_bytes']) {
    t.match(text, new RegExp(`^${name} [0-9.]+`, 'm'))
  }
})

t.test('a log', async (t) => {
  await t.test('is lines of JSON on standard error, all of them there when the process dies', async (t) => {
    const { stdout, lines } = logged('info', 'json')
    t.equal(stdout, '', 'standard output is for data')
    const [info, warn, error, ...rest] = lines.map((line) => JSON.parse(line))
    t.same(rest, [])
    t.match(info, { level: 'info', node: 'ada', count: 3, msg: 'something happened' })
    t.ok(Math.abs(Date.parse(info.time) - Date.now()) < 60_000)
    t.match(warn, { level: 'warn', msg: 'something is odd' })
    t.match(error, { level: 'error', error: { type: 'TypeError', message: 'broken: deeper', stack: String } })
  })

  await t.test('keeps what is below its level to itself', async (t) => {
    t.equal(logged('debug', 'json').lines.length, 4)
    t.equal(logged('error', 'json').lines.length, 1)
  })

  await t.test('is for people when asked to be, and for programs when nobody watches', async (t) => {
    const pretty = logged('warn', 'pretty')
    t.match(pretty.lines[0], /WARN.*something is odd/)
    t.equal(pretty.stdout, '')
    t.equal(JSON.parse(logged('warn').lines[0] as string).level, 'warn')
  })
})

t.test('the hash is xxHash', async (t) => {
  const hash = await createHash()
  // From the reference implementation.
  t.equal(hash.hash64(bytes('')), 0xef46db3751d8e999n)
  t.equal(hash.hash64(bytes('abc')), 0x44bc2cf5ad770999n)
  t.equal(hash.hash32(bytes('')), 0x02cc5d05)
  t.equal(hash.hash32(bytes('abc')), 0x32d153ff)
  t.equal(hash.hash32(bytes(''), 0x9e3779b1), 0x36b78ae7)
  t.equal(hash.hash32(bytes('abc').subarray(1, 2)), hash.hash32(bytes('b')), 'of a part of an array')
})

t.test('chance', async (t) => {
  const seed: Seed = [1, 2, 3, 4]
  const drawn = (randoms: (component: string) => Random, component: string): readonly number[] => {
    const random = randoms(component)
    return Array.from({ length: 8 }, () => random.uint32())
  }
  t.same(drawn(createRandoms(seed), 'gossip'), drawn(createRandoms(seed), 'gossip'), 'a seed repeats it')
  t.notSame(drawn(createRandoms(seed), 'gossip'), drawn(createRandoms(seed), 'ids'), 'each component has its own')
  t.notSame(drawn(createRandoms(seed), 'gossip'), drawn(createRandoms([1, 2, 3, 5]), 'gossip'))
  t.not(formatSeed(systemSeed()), formatSeed(systemSeed()), 'no two processes are alike')
  t.equal(formatSeed([1, 2, 3, 0xffffffff]), '000000010000000200000003ffffffff')
})

t.test('ports are there before anything is opened, and fit together', async (t) => {
  const dataDirectory = `${scratchDirectory(t)}/data`
  const ports = await createPlatformPorts({ dataDirectory, logLevel: 'error', logFormat: 'json' })
  t.equal(ports.directory.path, dataDirectory)
  t.throws(() => ports.directory.fingerprint(), 'nothing has been made')
  t.same(ports.directory.open(), { ok: true })
  const opened = await new Promise<string>((resolve) => {
    ports.storage.open((failure, store) => {
      if (store === undefined) resolve(failure?.kind ?? 'nothing')
      else store.storage.close(() => resolve(`empty: ${store.empty}`))
    })
  })
  t.equal(opened, 'empty: true')
  ports.directory.close()
  const text = await new Promise<string>((resolve) => ports.metrics.expose(resolve))
  t.match(text, '# TYPE starling_datagrams_unsent_total counter')
})

async function makeTimeWorld(): Promise<TimeWorld> {
  return { time: createSystemTime(), until, hold: holdThread }
}

async function until(holds: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 20_000
  while (!holds()) {
    if (performance.now() > deadlineMs) throw new Error(`never came true: ${holds}`)
    await sleep(1)
  }
}

function holdThread(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

function logged(...args: readonly string[]): { readonly stdout: string; readonly lines: readonly string[] } {
  const program = fileURLToPath(new URL('./fixtures/log-lines.js', import.meta.url))
  const { stdout, stderr } = spawnSync(process.execPath, [program, ...args], { encoding: 'utf8' })
  return { stdout, lines: stderr.split('\n').filter((line) => line !== '') }
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
