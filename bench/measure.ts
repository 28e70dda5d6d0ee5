import { setTimeout as sleep } from 'node:timers/promises'
import { type LoopEnd, type LoopResult, timeOf } from './load/closed-loop.ts'
import type { Order, Target } from './load/orders.ts'
import type { BenchOptions } from './options.ts'
import { cpuMicrosecondsOf } from './systems/cpu-time.ts'
import type { LoadGenerator } from './systems/load-generator.ts'
import type { Profiles } from './systems/profiles.ts'
import type { System } from './systems/system.ts'
import { type Contestant, contestantsOf, isJudged, titleOf, type Workload } from './workloads.ts'

const firstWarmUpMsMax = 20_000
/** How much longer a run may take than it should, where the machine gives it too little of itself. */
const stretchMax = 20
const restCheckMs = 200
/** Together, of one core. A cluster at rest still gossips. */
const restShareMax = 0.1
const restMsMax = 5000

/** One run of one workload on one system by one client. */
export interface Run extends LoopResult {
  readonly workload: string
  readonly contestant: Contestant
  /** Runs of one round are neighbours in time: ratios are made of such pairs. */
  readonly round: number
  /** User and system time of all server processes, for each operation. */
  readonly cpuMicros: number
  readonly operationsPerSecond: number
}

/** A system that runs, with the process that makes its load. */
export interface Prepared {
  readonly system: System
  readonly generator: LoadGenerator
}

interface Turn {
  readonly workload: Workload
  readonly contestant: Contestant
  readonly round: number
}

/** All rounds of all workloads, the contestants in turn. */
export async function measureAll(
  prepared: readonly Prepared[],
  workloads: readonly Workload[],
  options: BenchOptions,
  profiles: Profiles | undefined,
  onRun: (run: Run) => void,
): Promise<readonly Run[]> {
  const runs: Run[] = []
  for (const workload of workloads) {
    const rounds = isJudged(workload) ? options.judgedRounds : options.otherRounds
    for (let round = 0; round < rounds; round += 1) {
      const contestants = contestantsOf(options, workload)
      // Who comes first takes turns: what one leaves behind, the next one meets.
      for (const contestant of round % 2 === 0 ? contestants : contestants.toReversed()) {
        const found = prepared.find(({ system }) => system.name === contestant.system)
        const target = found?.system.targets[contestant.client]
        if (found === undefined || target === undefined) continue
        const turn = { workload, contestant, round }
        const run = { ...turn, workload: titleOf(workload), ...(await measure(found, target, turn, options, profiles)) }
        runs.push(run)
        onRun(run)
      }
    }
  }
  return runs
}

/**
 * The servers are at rest before and after: all that they spent in between was spent on these operations, compaction that
 * came later included.
 */
async function measure(
  { system, generator }: Prepared,
  target: Target,
  { workload, contestant, round }: Turn,
  options: BenchOptions,
  profiles: Profiles | undefined,
): Promise<Omit<Run, 'workload' | 'contestant' | 'round'>> {
  const { distribution, writeShare } = workload
  const { runMs, operationsMin } = options
  const order = (end: LoopEnd): Extract<Order, { type: 'run' }> => {
    return { type: 'run', target, inFlight: options.inFlight, end, distribution, writeShare }
  }
  await generator.make(order(warmUpEnd(workload, round, options)))
  const pids = system.children.map(({ pid }) => pid)
  await untilAtRest(pids)
  const before = cpuMicrosecondsOf(pids)
  profiles?.start(pids)
  const result = await generator.make(order({ durationMs: runMs, operationsMin, durationMsMax: runMs * stretchMax }))
  await profiles?.stop(pids, `${system.name}-${contestant.client}-${titleOf(workload)}-${round + 1}`)
  await untilAtRest(pids)
  const cpuMicros = (cpuMicrosecondsOf(pids) - before) / result.operations
  return { ...result, cpuMicros, operationsPerSecond: (result.operations * 1000) / result.elapsedMs }
}

/**
 * The first runs make every process compile what it is going to use, which takes tens of thousands of operations; the
 * later ones only open connections and fill caches.
 */
function warmUpEnd(workload: Workload, round: number, options: BenchOptions): LoopEnd {
  if (round > 0 || !isJudged(workload)) return timeOf(options.warmUpMs)
  return { durationMs: 0, operationsMin: options.warmUpOperations, durationMsMax: firstWarmUpMsMax }
}

/** Compaction goes on behind the last answer, for some seconds at most. */
async function untilAtRest(pids: readonly number[]): Promise<void> {
  const deadlineMs = performance.now() + restMsMax
  let spent = cpuMicrosecondsOf(pids)
  while (performance.now() < deadlineMs) {
    await sleep(restCheckMs)
    const now = cpuMicrosecondsOf(pids)
    if (now - spent <= restCheckMs * 1000 * restShareMax) return
    spent = now
  }
}
