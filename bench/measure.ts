import { setTimeout as sleep } from 'node:timers/promises'
import { type LoopEnd, timeOf } from './load/closed-loop.ts'
import type { Order, Target } from './load/orders.ts'
import type { LoopResult } from './load/tally.ts'
import type { BenchOptions } from './options.ts'
import { spreadOf } from './report/statistics.ts'
import { cpuMicrosecondsOf } from './systems/cpu-time.ts'
import type { LoadGenerator } from './systems/load-generator.ts'
import type { Profiles } from './systems/profiles.ts'
import type { System } from './systems/system.ts'
import { type Contestant, closedOf, contestantsOf, isJudged, type Workload } from './workloads.ts'
import type { Yardstick } from './yardstick.ts'

const firstWarmUpMsMax = 20_000
/** How much longer a run may take than it should, where the machine gives it too little of itself. */
const stretchMax = 20
const restCheckMs = 200
/** Together, of one core. A cluster at rest still gossips. */
const restShareMax = 0.1
const restMsMax = 5000
/** In an open loop: clients enough that a request seldom waits for one, and few enough to be connections. */
const openLanes = 512

/** One run of one workload on one system by one client. */
export interface Run extends LoopResult {
  /** Its title. */
  readonly workload: string
  readonly contestant: Contestant
  /** Runs of one round are neighbours in time: ratios are made of such pairs. */
  readonly round: number
  /** User and system time of all server processes, for each operation. */
  readonly cpuMicros: number
  /** CPU time of one yardstick, before and after this run: the mean of both. */
  readonly yardstickMicros: number
  readonly operationsPerSecond: number
  /** Arrivals per second that an open loop was given; undefined: a closed loop. */
  readonly rate: number | undefined
}

/** A system that runs, with the process that makes its load. */
export interface Prepared {
  readonly system: System
  readonly generator: LoadGenerator
  /** What the processes have done so often that they have compiled it. */
  readonly warmed: Set<string>
}

/** What measuring needs besides the systems. */
export interface Instruments {
  readonly options: BenchOptions
  readonly yardstick: Yardstick
  readonly profiles: Profiles | undefined
  readonly onRun: (run: Run) => void
}

interface Turn {
  readonly workload: Workload
  readonly contestant: Contestant
  readonly round: number
  readonly target: Target
  readonly rate: number | undefined
}

/** All rounds of workloads of one setting, the contestants in turn. */
export async function measureAll(
  prepared: readonly Prepared[],
  workloads: readonly Workload[],
  instruments: Instruments,
): Promise<readonly Run[]> {
  const { options, onRun } = instruments
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
        const turn = { workload, contestant, round, target, rate: rateOf(workload, contestant, runs) }
        const measured = await measure(found, turn, instruments)
        const run = { workload: workload.title, contestant, round, rate: turn.rate, ...measured }
        runs.push(run)
        onRun(run)
      }
    }
  }
  return runs
}

/** A share of the median rate that this contestant reached in the closed loop. */
function rateOf(workload: Workload, { system, client }: Contestant, runs: readonly Run[]): number | undefined {
  if (workload.openShare === undefined) return undefined
  const { title } = closedOf(workload)
  const closed = runs.filter((run) => {
    return run.workload === title && run.contestant.system === system && run.contestant.client === client
  })
  const peak = spreadOf(closed.map(({ operationsPerSecond }) => operationsPerSecond))?.median
  if (peak === undefined) throw new Error(`${workload.title} was to come behind ${title}`)
  return workload.openShare * peak
}

/**
 * The servers are at rest before and after: all that they spent in between was spent on these operations, compaction that
 * came later included.
 */
async function measure(
  { system, generator, warmed }: Prepared,
  { workload, contestant, round, target, rate }: Turn,
  { options, yardstick, profiles }: Instruments,
): Promise<Omit<Run, 'workload' | 'contestant' | 'round' | 'rate'>> {
  const { distribution, writeShare, writeType, scanMax } = workload
  const { runMs, openMs, operationsMin } = options
  const inFlight = rate === undefined ? options.inFlight : openLanes
  const order = (end: LoopEnd): Extract<Order, { type: 'run' }> => {
    const open = rate === undefined ? {} : { rate }
    return { type: 'run', target, inFlight, end, distribution, writeShare, writeType, scanMax, ...open }
  }
  await generator.make(order(warmUpEnd(warmed, { workload, contestant }, options)))
  const pids = system.children.map(({ pid }) => pid)
  await untilAtRest(pids)
  const yardstickBefore = yardstick.microseconds()
  const before = cpuMicrosecondsOf(pids)
  profiles?.start(pids)
  const end =
    rate === undefined ? { durationMs: runMs, operationsMin, durationMsMax: runMs * stretchMax } : timeOf(openMs)
  const result = await generator.make(order(end))
  await profiles?.stop(pids, `${system.name}-${contestant.client}-${workload.title}-${round + 1}`)
  await untilAtRest(pids)
  return {
    ...result,
    cpuMicros: (cpuMicrosecondsOf(pids) - before) / result.operations,
    yardstickMicros: (yardstickBefore + yardstick.microseconds()) / 2,
    operationsPerSecond: (result.operations * 1000) / result.elapsedMs,
  }
}

/**
 * The first runs make every process compile what it is going to use, which takes tens of thousands of operations; the
 * later ones only open connections and fill caches.
 */
function warmUpEnd(
  warmed: Set<string>,
  { workload, contestant }: Pick<Turn, 'workload' | 'contestant'>,
  options: BenchOptions,
): LoopEnd {
  const uses: string[] = []
  if (workload.writeShare > 0) uses.push(`${contestant.client} writes`)
  if (workload.writeShare < 1) uses.push(`${contestant.client} reads`)
  const isWarm = uses.every((use) => warmed.has(use))
  for (const use of uses) warmed.add(use)
  if (isWarm) return timeOf(options.warmUpMs)
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
