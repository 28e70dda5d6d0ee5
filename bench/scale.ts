/**
 * What an operation costs by the number of keys, of nodes and of partitions: it should be the same, or somebody must say
 * why not. The clusters of one question run side by side and are measured in turn, so that their ratios mean something on
 * a shared machine. docs/benchmarks.md says what the figures mean.
 *
 * node dist/bench/scale.js --help
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { positive } from './options-of-scale.ts'
import { note } from './prepare.ts'
import { type Spread, spreadOf } from './report/statistics.ts'
import { cpuMicrosecondsOf } from './systems/cpu-time.ts'
import type { LoadGenerator } from './systems/load-generator.ts'
import { readResources } from './systems/process-resources.ts'
import { StarlingCluster } from './systems/starling-cluster.ts'
import { startFilled } from './systems/start-filled.ts'
import { Workplace } from './systems/workplace.ts'

const usage = `usage: node dist/bench/scale.js [by] [options]

  by                 keys, nodes or partitions (default: one after the other)
  --values LIST      numbers of what is asked by: default 10000,100000,1000000 keys, 3,5,9 nodes, 256,1024,4096 partitions
  --keys N           where it is not asked by keys (default 100000), of 1 KiB values
  --rounds N         of each cluster, in turn (default 5)
  --seconds N        of a round, and at least --operations (default 3)
  --operations N     of a round (default 5000); ten times as many warm up each cluster`

const questions = { keys: [10_000, 100_000, 1_000_000], nodes: [3, 5, 9], partitions: [256, 1024, 4096] } as const
type Question = keyof typeof questions

/** What clients do: gets, and puts behind the get that they are based on. By the embedded client, uniform keys. */
const works = { get: 0, 'get and put': 1 } as const
type Work = keyof typeof works
const workNames = Object.keys(works) as readonly Work[]

const inFlight = 64
const restMs = 2000
const stretchMax = 20
const warmUpFactor = 10

interface Contestant {
  readonly value: number
  readonly cluster: StarlingCluster
  readonly generator: LoadGenerator
  readonly micros: Readonly<Record<Work, number[]>>
}

const text = { type: 'string' } as const
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { help: { type: 'boolean' }, values: text, keys: text, rounds: text, seconds: text, operations: text },
})
if (values.help === true) {
  console.log(usage)
  process.exit(0)
}
const keyCount = positive('keys', values.keys, 100_000)
const rounds = positive('rounds', values.rounds, 5)
const seconds = positive('seconds', values.seconds, 3)
const operationsMin = positive('operations', values.operations, 5_000)

for (const question of positionals.length === 0
  ? (Object.keys(questions) as Question[])
  : positionals.map(toQuestion)) {
  await answer(question)
}
process.exit(0)

function toQuestion(word: string): Question {
  if (word === 'keys' || word === 'nodes' || word === 'partitions') return word
  throw new TypeError(`"${word}" is neither keys nor nodes nor partitions`)
}

async function answer(question: Question): Promise<void> {
  const workplace = new Workplace()
  const asked = values.values?.split(',').map((value) => positive('values', value, 1)) ?? questions[question]
  const contestants: Contestant[] = []
  for (const value of asked) contestants.push(await start(workplace, question, value))
  for (const { cluster, generator } of contestants) {
    for (const work of workNames) await run(cluster, generator, work, operationsMin * warmUpFactor, 0)
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const work of workNames) {
      // Who comes first takes turns.
      for (const contestant of round % 2 === 0 ? contestants : contestants.toReversed()) {
        contestant.micros[work].push(await measure(contestant, work))
      }
    }
  }
  print(question, contestants)
  await workplace.clear()
}

async function start(workplace: Workplace, question: Question, value: number): Promise<Contestant> {
  const directory = workplace.newDirectory(`${question}-${value}`)
  const nodeCount = question === 'nodes' ? value : 3
  const partitions = question === 'partitions' ? value : undefined
  const keys = question === 'keys' ? value : keyCount
  const cluster = await StarlingCluster.prepare({ directory, nodeCount, partitions }, workplace.started)
  await startFilled(cluster, directory, keys)
  const generator = workplace.startGenerator()
  await generator.prepare({ keyCount: keys, valueBytes: 1024, seed: 1 })
  note(`${value} ${question}: ${nodeCount} nodes with ${keys} keys run`)
  return { value, cluster, generator, micros: { get: [], 'get and put': [] } }
}

/** CPU microseconds of all nodes for each operation; a get with its put is one. */
async function measure({ value, cluster, generator }: Contestant, work: Work): Promise<number> {
  await run(cluster, generator, work, 0, 300)
  await sleep(restMs)
  const before = cpuMicrosecondsOf(cluster.pids)
  const operations = await run(cluster, generator, work, operationsMin, seconds * 1000)
  await sleep(restMs)
  const micros = (cpuMicrosecondsOf(cluster.pids) - before) / operations
  note(`${value}: ${work} ${micros.toFixed(0)} us`)
  return micros
}

async function run(
  cluster: StarlingCluster,
  generator: LoadGenerator,
  work: Work,
  operations: number,
  durationMs: number,
): Promise<number> {
  const durationMsMax = Math.max(durationMs * stretchMax, 120_000)
  const result = await generator.make({
    type: 'run',
    target: cluster.embedded,
    inFlight,
    end: { durationMs, operationsMin: operations, durationMsMax },
    distribution: 'uniform',
    writeShare: works[work],
    writeType: 'read-modify-write',
  })
  if (result.failed > 0) note(`${result.failed} operations FAILED`)
  return result.operations
}

function print(question: Question, contestants: readonly Contestant[]): void {
  const [first] = contestants
  if (first === undefined) return
  console.log(`\n| ${question} | get us (from .. to) | x | get and put us (from .. to) | x | RssAnon MiB, most |`)
  console.log('| --- | --- | --- | --- | --- | --- |')
  for (const { value, cluster, micros } of contestants) {
    const cells = workNames.flatMap((work) => {
      const { median, least, most } = spreadOf(micros[work]) as Spread
      // Of neighbours in time.
      const ratios = micros[work].map((found, round) => found / (first.micros[work][round] ?? Number.NaN))
      const ratio = (spreadOf(ratios) as Spread).median
      return [`${median.toFixed(0)} (${least.toFixed(0)} .. ${most.toFixed(0)})`, ratio.toFixed(2)]
    })
    const anon = Math.max(...cluster.pids.map((pid) => readResources(pid).anonBytes)) / 1024 / 1024
    console.log(`| ${value} | ${cells.join(' | ')} | ${anon.toFixed(0)} |`)
  }
}
