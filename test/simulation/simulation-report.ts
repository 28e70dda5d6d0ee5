import { grouped } from '../../jepsen-lite/report/grouped.ts'
import { reportPage } from '../../jepsen-lite/report/page.ts'
import type { Subject } from '../../jepsen-lite/report/subject.ts'
import type { SimulationResult } from './run-simulation.ts'

/** The page of a simulated run, as that of a run of real processes. */
export function simulationReport(result: SimulationResult, replay: string): string {
  return reportPage(subjectOfSimulation(result, replay), result.history.records)
}

/** @param replay the command that runs it again */
export function subjectOfSimulation(result: SimulationResult, replay: string): Subject {
  const { configuration, violations, unknown, traceHash } = result
  const { seed, faults: kinds } = configuration
  return {
    title: `simulation, seed ${seed}`,
    verdict: violations.length > 0 ? 'invalid' : unknown ? 'unknown' : 'valid',
    reasons: [...grouped(violations, ({ check }) => check)].map(
      ([check, all]) => `${check}, ${all.length} times; first: ${all[0]?.message}`,
    ),
    results: [
      {
        name: 'all checks; what is counted are the acknowledgements whose copies were counted',
        valid: violations.length > 0 ? false : unknown ? 'unknown' : true,
        compared: result.audited,
        violations,
      },
    ],
    bites: result.faults === 0 ? [] : [{ what: `faults begun, of ${kinds.join(', ')}`, count: result.faults }],
    setting: [
      ...Object.entries(configuration).map(([name, value]) => [name, textOf(value)] as const),
      ['trace', traceHash],
      ['simulated', `${Math.round(result.simulatedMs / 1000)} s`],
    ],
    commands: [{ purpose: 'Run it again: it is the same, event by event', command: replay }],
    capabilities: [],
    files: [],
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? 'none')
}
