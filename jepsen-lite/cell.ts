import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageVersion } from '../lib/cli/package-version.ts'
import { within } from '../test/node/fixtures/real-nodes.ts'
import { bugsIn } from './bugs-in-logs.ts'
import { buildId } from './build-id.ts'
import { missing } from './capabilities.ts'
import { Looks } from './cluster/looks.ts'
import { RealCluster } from './cluster/real-cluster.ts'
import { faultsOf } from './faults.ts'
import { finalPhase } from './final-phase.ts'
import { Lag } from './lag.ts'
import { runLoad, told } from './load.ts'
import type { Capability, CapabilityName, Nemesis, Stage } from './nemesis.ts'
import type { Network } from './network/network.ts'
import { openNetwork } from './network/open-network.ts'
import { HistoryRecorder } from './recorder.ts'
import { writeReport } from './report/index.ts'
import type { Finding, RunRecord } from './run-directory.ts'
import { RunScope } from './run-scope.ts'
import { strikeFor } from './strikes.ts'
import { type Judgement, judge, outcomesOf } from './verdict.ts'
import type { Workload } from './workload.ts'

/** Beyond the seconds of its load; then something hangs. */
const overtimeMsMax = 900_000

export interface CellOptions {
  readonly workload: Workload
  readonly nemesis: Nemesis
  readonly network: Network['kind']
  readonly nodes: number
  readonly seconds: number
  readonly seed: number
  readonly rate: number
  /** `RUN`; it is made, and emptied if it is there. */
  readonly directory: string
}

export interface CellParts {
  /** What this machine can do: see capabilities.ts. */
  readonly capabilities: readonly Capability[]
  /** Where the story goes while it happens. */
  readonly say: (line: string) => void
  /** Told at once: whoever must end early closes it. */
  readonly opened?: (scope: RunScope) => void
}

/** One workload under one nemesis, on a cluster of its own. Leaves its run directory behind, and nothing else. */
export async function runCell(options: CellOptions, parts: CellParts): Promise<RunRecord> {
  const { directory, workload, nemesis } = options
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  const startedAt = new Date().toISOString()
  const lacking = whyNot(nemesis, options.network, parts.capabilities)
  if (lacking.length > 0) {
    writeFileSync(join(directory, 'history.jsonl'), '')
    const judgement = { verdict: 'skipped', reasons: lacking, results: [] } as const
    const nothing = { bites: [], lagP99Ms: 0, findings: [] }
    return leaveBehind(options, parts, startedAt, nothing, judgement)
  }
  const scope = new RunScope(directory, options.seed, parts.say)
  parts.opened?.(scope)
  const recorder = new HistoryRecorder(scope)
  const seen: Seen = { findings: [], bites: [], lagP99Ms: 0 }
  try {
    const limitMs = options.seconds * 1000 + overtimeMsMax
    await within(limitMs, 'the run ends', perform(scope, options, recorder, seen))
  } catch (error) {
    seen.findings.push({ verdict: 'unknown', reason: `the run did not get to its end: ${told(error)}` })
    // Whoever ends it early needs not be told that things went wrong from then on.
    if (!scope.signal.aborted) scope.say(error instanceof Error ? (error.stack ?? error.message) : String(error))
  }
  await scope.close()
  const evidence = { ...seen, nemesis: nemesis.name, seconds: options.seconds, rate: options.rate }
  const judgement = judge(workload, evidence, recorder.records)
  const { records } = recorder
  const counted = { operations: outcomesOf(records), faults: faultsOf(records).length }
  return leaveBehind(options, parts, startedAt, { ...seen, ...counted }, judgement)
}

/** Why this machine cannot run it. Empty: it can. */
export function whyNot(
  nemesis: Nemesis,
  network: Network['kind'],
  capabilities: readonly Capability[],
): readonly string[] {
  const reasons = missing(capabilities, [...new Set<CapabilityName>([needOf[network], ...nemesis.needs])])
  const isElsewhere = nemesis.networks?.includes(network) === false
  return isElsewhere ? [...reasons, `${nemesis.name} needs --net ${nemesis.networks?.join(' or ')}`] : reasons
}

const needOf = { netns: 'namespaces', proxy: 'proxy' } as const

/** What is known of a run besides its history; known before its end, too. */
interface Seen {
  readonly findings: Finding[]
  bites: RunRecord['bites']
  lagP99Ms: number
}

async function perform(scope: RunScope, options: CellOptions, recorder: HistoryRecorder, seen: Seen): Promise<void> {
  const { workload, nemesis, rate, seconds } = options
  const network = await openNetwork(options.network, scope)
  const cluster = new RealCluster(scope, { network, size: options.nodes, flags: workload.flags ?? [] })
  scope.teardown(() => cluster.stop())
  const stage = stageOf(scope, cluster, network)
  const looks = new Looks(scope)
  await cluster.start((await nemesis.prepare?.(stage)) ?? {})
  if (workload.bucket !== undefined) await cluster.setBucket(workload.bucket)

  recorder.phase('load')
  const lag = new Lag(scope)
  const strikes = strikeFor(scope, { nemesis, stage, recorder }, seconds)
  const isOver = strikes.then((findings) => void seen.findings.push(...findings))
  seen.findings.push(...(await runLoad(scope, { workload, cluster, recorder, rate }, isOver)))
  lag.stop()
  seen.lagP99Ms = lag.p99Ms
  scope.say(`the load is over; this process was late by ${seen.lagP99Ms} ms (99th percentile)`)

  seen.findings.push(...(await finalPhase(scope, { cluster, network, nemesis, recorder, looks })))
  await workload.finish?.({ cluster, recorder })
  seen.bites = await nemesis.bites(stage)
  recorder.phase('end')
  await cluster.stop()
  for (const { name, log } of cluster.everyMember) seen.findings.push(...bugsIn(name, log))
}

function stageOf(scope: RunScope, cluster: RealCluster, network: Network): Stage {
  return {
    directory: scope.directory,
    network,
    fraction: scope.fractions('nemesis'),
    get nodes() {
      return cluster.members
    },
    cli: (words) => cluster.cli(words),
    addNode: () => cluster.addNode(),
    dismiss: (node) => cluster.dismiss(node),
    teardown: (work) => scope.teardown(work),
    say: (line) => scope.say(line),
  }
}

async function leaveBehind(
  options: CellOptions,
  { capabilities }: CellParts,
  startedAt: string,
  seen: Pick<RunRecord, 'bites' | 'lagP99Ms' | 'findings' | 'operations' | 'faults'>,
  { verdict, reasons, results }: Omit<Judgement, 'verdict'> & Pick<RunRecord, 'verdict'>,
): Promise<RunRecord> {
  const record: RunRecord = {
    apiVersion: 'v1',
    workload: options.workload.name,
    nemesis: options.nemesis.name,
    network: options.network,
    nodes: options.nodes,
    seconds: options.seconds,
    seed: options.seed,
    rate: options.rate,
    startedAt,
    version: packageVersion(),
    build: buildId(),
    nodeVersion: process.version,
    capabilities,
    verdict,
    reasons,
    results: results.map(({ name, valid, compared, violations }) => ({ name, valid, compared, violations })),
    ...seen,
  }
  writeFileSync(join(options.directory, 'run.json'), `${JSON.stringify(record, undefined, 2)}\n`)
  await writeReport(options.directory)
  return record
}
