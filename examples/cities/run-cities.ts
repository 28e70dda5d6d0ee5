import { statSync } from 'node:fs'
import { join } from 'node:path'
import { cityRecords, toLine } from './city-records.ts'
import { Cluster } from './cluster.ts'
import { type Comparison, compareExport } from './compare-export.ts'
import type { Options } from './options.ts'
import { runStarling } from './starling-command.ts'

export interface ImportResult {
  readonly records: number
  readonly written: number
  readonly unchanged: number
  readonly failed: number
  readonly retries: number
  readonly elapsedMs: number
}

export interface ExportResult {
  readonly exported: number
  readonly complete: boolean
}

export interface Outcome {
  readonly victim: string
  /** Lines handed to the import when the victim was killed, and when it was started again. */
  readonly killedAfter: number
  readonly restartedAfter: number
  /** Processes ended by SIGKILL. */
  readonly kills: number
  readonly imported: ImportResult
  readonly exported: ExportResult
  readonly comparison: Comparison
}

const bucket = 'cities'
const nodeCount = 3
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
const commandMsMax = 15 * 60_000

/**
 * Imports cities into three nodes, one of which is killed and started again meanwhile; kills all three and starts them
 * again; compares an export with the source. Tells `say` what it does. Leaves no process and no file behind.
 */
export async function runCities({ count, seed }: Options, say: (sentence: string) => void): Promise<Outcome> {
  const cluster = await Cluster.plan(nodeCount)
  // An ordinary exit takes the nodes and their files along; a signal would not.
  for (const signal of signals) process.on(signal, exit)
  try {
    const started = stopwatch()
    await cluster.start()
    say(`${nodeCount} nodes are ready after ${started()}: ${processes(cluster)}`)
    const plan = planFaults(count, seed, cluster.names)
    const imported = await importWithFaults(cluster, count, plan, say)

    await cluster.kill()
    say('SIGKILL to all three nodes')
    const restarted = stopwatch()
    await cluster.start()
    say(`started again, ready after ${restarted()}: ${processes(cluster)}`)

    const file = join(cluster.directory, 'export.ndjson')
    const exported = await exportAll(cluster, file, say)
    const comparison = await compareExport(file, cityRecords(count))
    return { ...plan, kills: 1 + nodeCount, imported, exported, comparison }
  } finally {
    await cluster.dispose()
    for (const signal of signals) process.off(signal, exit)
  }
}

function exit(): void {
  process.exit(1)
}

/** Nothing is lost, changed, added or doubled. */
export function isFaithful({ imported, exported, comparison }: Outcome, count: number): boolean {
  const { examples, ...differences } = comparison
  const isWhole = imported.records === count && imported.failed === 0 && exported.complete
  return isWhole && Object.entries(differences).every(([kind, n]) => n === (kind === 'same' ? count : 0))
}

type FaultPlan = Pick<Outcome, 'victim' | 'killedAfter' | 'restartedAfter'>

/** Which node dies when: at 20 to 40 % of the lines until 55 to 75 %. */
function planFaults(count: number, seed: number, names: readonly string[]): FaultPlan {
  const [who, when, back] = [chance(seed, 1), chance(seed, 2), chance(seed, 3)]
  return {
    victim: names[Math.floor(who * names.length)] as string,
    killedAfter: Math.floor(count * (0.2 + 0.2 * when)),
    restartedAfter: Math.floor(count * (0.55 + 0.2 * back)),
  }
}

async function importWithFaults(
  cluster: Cluster,
  count: number,
  { victim, killedAfter, restartedAfter }: FaultPlan,
  say: (sentence: string) => void,
): Promise<ImportResult> {
  say(`starling kv import ${bucket} - --endpoint ${cluster.endpoints}`)
  let restarting: Promise<void> = Promise.resolve()
  // The import takes lines as fast as the cluster takes records. So what has been handed over tells how far it is, and
  // as long as there is more to come it is under way.
  async function* lines(): AsyncGenerator<string> {
    let given = 0
    for (const record of cityRecords(count)) {
      if (given === killedAfter) {
        say(`  line ${formatCount(given)}: SIGKILL to ${victim}, pid ${cluster.pidOf(victim)}`)
        await cluster.kill([victim])
      }
      if (given === restartedAfter) {
        const started = stopwatch()
        restarting = cluster.start([victim]).then(() => say(`  ${victim} is ready after ${started()}`))
        restarting.catch(() => {}) // Awaited where it matters.
        say(`  line ${formatCount(given)}: ${victim} is started again, pid ${cluster.pidOf(victim)}`)
      }
      yield toLine(record)
      given += 1
    }
  }
  const words = ['kv', 'import', bucket, '-', '--endpoint', cluster.endpoints]
  const imported = await runStarling<ImportResult>(words, { input: lines(), limitMs: commandMsMax })
  await restarting
  const { written, unchanged, failed, retries, elapsedMs } = imported
  say(
    `  imported ${formatCount(written)} records in ${seconds(elapsedMs)} (${rate(written, elapsedMs)}); ` +
      `${formatCount(unchanged)} were there already, ${formatCount(failed)} failed, ${formatCount(retries)} retries`,
  )
  return imported
}

async function exportAll(cluster: Cluster, file: string, say: (sentence: string) => void): Promise<ExportResult> {
  say(`starling kv export ${bucket} --output export.ndjson --endpoint ${cluster.endpoints}`)
  const startedMs = Date.now()
  const words = ['kv', 'export', bucket, '--output', file, '--endpoint', cluster.endpoints]
  const result = await runStarling<ExportResult>(words, { limitMs: commandMsMax })
  const elapsedMs = Date.now() - startedMs
  const megabytes = (statSync(file).size / 1e6).toFixed(1)
  say(
    `  exported ${formatCount(result.exported)} records, ${megabytes} MB, in ${seconds(elapsedMs)} (${rate(result.exported, elapsedMs)})`,
  )
  return result
}

function processes(cluster: Cluster): string {
  return cluster.names.map((name) => `${name} pid ${cluster.pidOf(name)}`).join(', ')
}

/** The n-th number in [0, 1) of a seed. */
function chance(seed: number, n: number): number {
  let state = Math.imul(seed ^ Math.imul(n, 0x9e3779b1), 0x85ebca6b)
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35)
  return ((state ^ (state >>> 16)) >>> 0) / 2 ** 32
}

function stopwatch(): () => string {
  const startedMs = Date.now()
  return () => seconds(Date.now() - startedMs)
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

function rate(records: number, ms: number): string {
  return `${formatCount(Math.round((records * 1000) / Math.max(ms, 1)))} records/s`
}

function formatCount(value: number): string {
  return value.toLocaleString('en-US')
}
