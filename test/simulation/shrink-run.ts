import type { Violation } from '../checkers/check-result.ts'
import { testHash } from '../simulator/test-hash.ts'
import { makeStarlingNode } from './make-starling-node.ts'
import { mutants, simulateMutant } from './mutants.ts'
import { runSimulation, type SimulationResult } from './run-simulation.ts'
import type { Script } from './script.ts'
import { type Clue, shrunkScript } from './shrink-script.ts'

/** How much work a failing run is worth. */
export interface ShrinkBudget {
  readonly runsMax: number
  /** Of the processor's time: what else the machine does is not the simulation's. */
  readonly secondsMax: number
}

export const shrinkBudget: ShrinkBudget = { runsMax: 1000, secondsMax: 60 }

/** A failing run, made small. */
export interface Shrunk {
  /** What is still broken, by the same name. */
  readonly check: string
  readonly message: string
  /** With this known bug. */
  readonly mutant: string | undefined
  readonly script: Script
  readonly runs: number
  readonly seconds: number
}

/** Does what is written down, once more. */
export function runScript(script: Script, mutant?: string | undefined): SimulationResult {
  const run = { seed: script.seed, script, hash: testHash, makeNode: makeStarlingNode }
  if (mutant === undefined) return runSimulation(run)
  const known = mutants[mutant]
  if (known === undefined) throw new Error(`there is no mutant ${mutant}`)
  return simulateMutant(known, run)
}

/**
 * Makes a failing run as small as the budget allows: the same check must still fail. Undefined: what was written down of
 * it does not fail when it is done again.
 *
 * @param say told of each step forward
 */
export function shrinkRun(
  failed: SimulationResult,
  mutant: string | undefined,
  budget: ShrinkBudget = shrinkBudget,
  say: (line: string) => void = () => {},
): Shrunk | undefined {
  const started = process.cpuUsage()
  const seconds = (): number => process.cpuUsage(started).user / 1_000_000
  const expected = mutant === undefined ? undefined : mutants[mutant]?.killedBy
  const violation = failed.violations.find(({ check }) => check === expected) ?? failed.violations[0]
  if (violation === undefined) return undefined
  const { check } = violation
  const known = new Map<string, boolean>()
  let runs = 0
  let smallest: { readonly script: Script; readonly message: string } | undefined
  const fails = (script: Script): boolean => {
    const text = JSON.stringify(script)
    const before = known.get(text)
    if (before !== undefined) return before
    // Whoever has no time left takes what there is.
    if (runs >= budget.runsMax || seconds() >= budget.secondsMax) return false
    runs += 1
    const shown = runScript(script, mutant).violations.find((one) => one.check === check)
    known.set(text, shown !== undefined)
    if (shown !== undefined) {
      smallest = { script, message: shown.message }
      say(`${seconds().toFixed(1)} s, run ${runs}: ${sizeOf(script)}`)
    }
    return shown !== undefined
  }
  if (!fails(failed.script)) return undefined
  const script = shrunkScript(failed.script, clueOf(failed, violation), fails)
  fails(script)
  return { check, message: smallest?.message ?? '', mutant, script, runs, seconds: seconds() }
}

/** What a script has, in a line. */
export function sizeOf({ operations, faults, configuration }: Script): string {
  const { clients, nodes } = configuration
  return `${operations.length} operations and ${faults.length} faults, ${clients} clients, ${nodes} nodes`
}

function clueOf({ history, script }: SimulationResult, { key, at, values }: Violation): Clue {
  const { operations } = script
  const first = history.records.find(({ t, p }) => t === 'invoke' && typeof p === 'number')
  const seen = history.records[at]
  const isKnown = first !== undefined && seen !== undefined
  const untilMs = isKnown ? (seen.ns - first.ns) / 1e6 + (operations[0]?.atMs ?? 0) : Number.POSITIVE_INFINITY
  const written = operations.filter(({ client, number }) => values.includes(`s${client}-${number}`))
  return { key, fromMs: Math.min(untilMs, ...written.map(({ atMs }) => atMs)), untilMs }
}
