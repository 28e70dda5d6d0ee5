import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { Lab } from './lab.ts'
import { NothingSeen, type Scenario, type ScenarioOptions, type ScenarioResult, type Verdict } from './scenario.ts'

/** Beyond its own seconds; anti-entropy alone may take ten minutes by promise. */
const overtimeSecondsMax = 1200
const logLinesShown = 25

/**
 * Runs it once and cleans up behind it, however it ends.
 * @param opened is given the lab at once: whoever must end early closes it
 */
export async function runScenario(
  scenario: Scenario,
  options: ScenarioOptions,
  say: (line: string) => void,
  opened: (lab: Lab) => void = () => undefined,
): Promise<ScenarioResult> {
  const lab = new Lab(options, say)
  opened(lab)
  const alarm = new AbortController()
  let problem: unknown
  try {
    await Promise.race([scenario.run(lab), timeUp((options.seconds + overtimeSecondsMax) * 1000, alarm.signal)])
  } catch (error) {
    problem = error
  }
  alarm.abort()
  const verdict = verdictOf(lab, problem)
  if (verdict === 'failed')
    for (const [name, log] of lab.logs) say(`the last that ${name} logged:\n${lastLines(log())}`)
  const tookSeconds = Math.round(lab.elapsedSeconds * 10) / 10
  await lab.close()
  return {
    scenario: scenario.name,
    verdict,
    options,
    claims: lab.claims,
    measures: lab.measures,
    problem: problem === undefined ? undefined : problem instanceof Error ? problem.message : String(problem),
    tookSeconds,
    machine: { node: process.version, cores: availableParallelism(), date: new Date().toISOString().slice(0, 10) },
  }
}

function verdictOf({ claims }: Lab, problem: unknown): Verdict {
  const has = (outcome: string): boolean => claims.some((claim) => claim.outcome === outcome)
  if (has('broken') || (problem !== undefined && !(problem instanceof NothingSeen))) return 'failed'
  return problem !== undefined || has('unseen') || claims.length === 0 ? 'unseen' : 'passed'
}

function lastLines(log: string): string {
  return log.trimEnd().split('\n').slice(-logLinesShown).join('\n')
}

async function timeUp(limitMs: number, signal: AbortSignal): Promise<never> {
  await sleep(limitMs, undefined, { signal })
  throw new Error(`the scenario is not done after ${Math.round(limitMs / 1000)} s`)
}
