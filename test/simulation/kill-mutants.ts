import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { testHash } from '../simulator/test-hash.ts'
import { numbersOf } from './catalogue.ts'
import { makeStarlingNode } from './make-starling-node.ts'
import { type Mutant, mutants, simulateMutant } from './mutants.ts'

/**
 * `npm run mutants`: every known bug, and in how many random clusters its check notices it. Exit code 0: each was noticed
 * in every search; 1: one was not.
 */

const usage = `usage: npm run mutants -- [NAME ...] [--searches N] [--seeds N] [--seed S] [--jobs N]

  NAME          of a known bug; default: all
  --searches N  from how many places a search begins (default 5)
  --seeds N     how many seeds a search goes on for at most (default 500)
  --seed S      where the first begins (default 1000)
  --jobs N      processes (default 2)`

interface Found {
  readonly name: string
  /** Of each search: seeds needed; null: not noticed (undefined does not survive a message). */
  readonly needed: readonly (number | null)[]
  readonly seconds: number
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    searches: { type: 'string', default: '5' },
    seeds: { type: 'string', default: '500' },
    seed: { type: 'string', default: '1000' },
    jobs: { type: 'string', default: '2' },
    help: { type: 'boolean', default: false },
  },
})
const [searches, seedsMax, firstSeed, jobs] = [values.searches, values.seeds, values.seed, values.jobs].map(Number) as [
  number,
  number,
  number,
  number,
]
const names = positionals.length > 0 ? positionals : Object.keys(mutants)
const unknown = names.filter((name) => mutants[name] === undefined)

if (values.help) console.log(usage)
else if (
  unknown.length > 0 ||
  [searches, seedsMax, firstSeed, jobs].some((one) => !Number.isSafeInteger(one) || one < 1)
) {
  console.error(unknown.length > 0 ? `there is no mutant ${unknown.join(', ')}\n\n${usage}` : usage)
  process.exitCode = 64
} else if (process.send !== undefined) {
  process.on('message', (name) => process.send?.(search(String(name))))
} else shareOut()

/** One mutant at a time for each process: some need much longer than others. */
function shareOut(): void {
  const left = [...names]
  const all: Found[] = []
  let running = 0
  for (let job = 0; job < Math.min(jobs, names.length); job += 1) {
    const args = ['--searches', values.searches, '--seeds', values.seeds, '--seed', values.seed]
    const child = fork(fileURLToPath(import.meta.url), args)
    const next = (): void => {
      const name = left.shift()
      if (name === undefined) child.disconnect()
      else child.send(name)
    }
    running += 1
    child.on('message', (message) => {
      const found = message as Found
      all.push(found)
      console.log(lineOf(found))
      next()
    })
    child.on('exit', (code) => {
      running -= 1
      if (code !== 0) process.exitCode = 1
      if (running === 0) finish(all)
    })
    next()
  }
}

function search(name: string): Found {
  const mutant = mutants[name] as Mutant
  const startedMs = performance.now()
  const needed = Array.from({ length: searches }, (_, at) => seedsNeeded(mutant, firstSeed + at * 10_000))
  return { name, needed, seconds: (performance.now() - startedMs) / 1000 }
}

function seedsNeeded(mutant: Mutant, from: number): number | null {
  for (let tried = 1; tried <= seedsMax; tried += 1) {
    const { violations } = simulateMutant(mutant, { seed: from + tried, hash: testHash, makeNode: makeStarlingNode })
    if (violations.some(({ check }) => check === mutant.killedBy)) return tried
  }
  return null
}

function lineOf({ name, needed, seconds }: Found): string {
  const killer = (mutants[name] as Mutant).killedBy
  const missed = needed.filter((one) => one === null).length
  const verdict = missed === 0 ? 'killed' : `NOT KILLED in ${missed} of ${needed.length} searches`
  const [median, worst] = [medianOf(needed), Math.max(...needed.map((one) => one ?? seedsMax))]
  return `${numbersOf(name).padEnd(4)} ${name.padEnd(32)} ${verdict}  by ${killer.padEnd(26)} seeds: median ${median}, worst ${worst}  (${seconds.toFixed(1)} s)`
}

function medianOf(needed: Found['needed']): number {
  const sorted = needed.map((one) => one ?? seedsMax).sort((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? seedsMax
}

function finish(all: readonly Found[]): void {
  const alive = all.filter(({ needed }) => needed.includes(null))
  const medians = all.map(({ needed }) => medianOf(needed)).sort((a, b) => a - b)
  const worst = Math.max(...all.flatMap(({ needed }) => needed.map((one) => one ?? seedsMax)))
  console.log(
    `${all.length} mutants, ${searches} searches each: ${all.length - alive.length} always killed; ` +
      `median of medians ${medians[medians.length >> 1]}, worst ${worst} seeds`,
  )
  if (alive.length > 0 || all.length < names.length) process.exitCode = 1
}
