import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { seededRandom, seedFor } from '../../lib/ports/random.ts'
import { benchCheckers } from './bench.ts'
import { flagAll, flags, healthy } from './changes.ts'
import { compareWithOracles } from './trials.ts'

/**
 * `npm run checkers -- --count 200000 [--seed S]`: compares every checker with its definition on so many random histories of
 * each kind, draws a twentieth as many healthy ones, in which nothing may be found, and changes one in two hundred as many
 * in every way there is, which must be found. Two processes share the work. `--bench`: how long 100,000 writes take.
 */
const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '20000' },
    seed: { type: 'string', default: '1' },
    part: { type: 'string' },
    bench: { type: 'boolean', default: false },
  },
})
const processes = 2

interface Figures {
  readonly agreements: readonly (readonly [checker: string, count: number])[]
  readonly kinds: readonly (readonly [kind: string, count: number])[]
  readonly healthy: readonly (readonly [check: string, count: number])[]
  readonly flagged: readonly (readonly [what: string, count: number])[]
  readonly failures: readonly string[]
}

if (values.bench) benchCheckers((line) => console.log(line))
else if (values.part !== undefined) process.send?.(test(Number(values.count), Number(values.seed), values.part))
else await testInParts()

async function testInParts(): Promise<void> {
  const count = Math.ceil(Number(values.count) / processes)
  const from = performance.now()
  const parts = Array.from({ length: processes }, (_, part) => run(count, part))
  const all = await Promise.all(parts)
  print('histories on which a checker and its definition agree', sum(all.map((one) => one.agreements)))
  print('histories that broke a promise, by its name', sum(all.map((one) => one.kinds)))
  print('healthy histories in which a check found nothing', sum(all.map((one) => one.healthy)))
  print(
    'changed histories that were flagged, by the right name and with the right key',
    sum(all.map((one) => one.flagged)),
  )
  const failures = all.flatMap((one) => one.failures)
  for (const failure of failures) console.log(failure)
  const seconds = ((performance.now() - from) / 1000).toFixed(0)
  console.log(`seed ${values.seed}: ${count * processes} of each kind, ${failures.length} failures, ${seconds} s`)
  process.exitCode = failures.length === 0 ? 0 : 1
}

/** @throws Error when that process ends without figures */
function run(count: number, part: number): Promise<Figures> {
  const words = ['--count', String(count), '--seed', values.seed, '--part', String(part)]
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(import.meta.url), words)
    child.on('message', (figures) => resolve(figures as Figures))
    child.on('error', reject)
    child.on('exit', (code, signal) => reject(new Error(`part ${part} ended with ${signal ?? code}`)))
  })
}

function test(count: number, seed: number, part: string): Figures {
  const random = seededRandom(seedFor(seed, `checkers ${part}`))
  const { agreements, kinds, disagreements } = compareWithOracles(random, count)
  const failures = disagreements.map(
    ({ checker, found, expected, history }) =>
      `${checker} found [${found.join('; ')}], by definition [${expected.join('; ')}]: ${JSON.stringify(history)}`,
  )
  const quiet = new Map<string, number>()
  for (const [kind, { draw, checks }] of Object.entries(healthy)) {
    for (let index = 0; index < count / 20; index += 1) {
      const records = draw(random)
      for (const [name, check] of Object.entries(checks)) {
        const { valid, violations } = check(records)
        if (valid === true) quiet.set(`${kind}: ${name}`, (quiet.get(`${kind}: ${name}`) ?? 0) + 1)
        if (valid === false) failures.push(`${kind}: ${JSON.stringify(violations)} in ${JSON.stringify(records)}`)
      }
    }
  }
  const flagged = new Map<string, number>()
  for (const flag of flags) {
    const result = flagAll(flag, random, count / 200)
    flagged.set(flag.what, result.flagged)
    if (result.missed !== undefined) failures.push(`not flagged: ${flag.what}: ${JSON.stringify(result.missed)}`)
  }
  return { agreements: [...agreements], kinds: [...kinds], healthy: [...quiet], flagged: [...flagged], failures }
}

function sum(parts: readonly Figures['agreements'][]): ReadonlyMap<string, number> {
  const total = new Map<string, number>()
  for (const [name, count] of parts.flat()) total.set(name, (total.get(name) ?? 0) + count)
  return total
}

function print(title: string, counts: ReadonlyMap<string, number>): void {
  console.log(`${title}:`)
  for (const [name, count] of counts) console.log(`${String(count).padStart(9)}  ${name}`)
}
