import type { ScenarioOptions, ScenarioResult } from './scenario.ts'

/** What a run showed, for people: what was measured, each claim, the verdict. */
export function reportOf(result: ScenarioResult): string {
  const { scenario, verdict, options, claims, measures, problem, tookSeconds, machine } = result
  const words: Readonly<Record<string, string>> = { held: 'ok', broken: 'BROKEN', unseen: 'UNSEEN' }
  return [
    `${scenario}  ${flagsOf(options)}  (${machine.date}, Node ${machine.node}, ${machine.cores} cores)`,
    ...columns(measures.map(({ what, value, unit }) => ['', String(value), unit, what])),
    ...columns(claims.map(({ claim, outcome, detail }) => ['', words[outcome] ?? outcome, claim, detail])),
    ...(problem === undefined ? [] : [`  ended early: ${problem}`]),
    `${verdict.toUpperCase()} after ${tookSeconds} s`,
  ].join('\n')
}

function flagsOf({ seed, seconds, rate, keys, runs }: ScenarioOptions): string {
  const flags = { seed, seconds, rate, keys, runs }
  return Object.entries(flags)
    .filter(([, value]) => value !== undefined)
    .map(([flag, value]) => `--${flag} ${value}`)
    .join(' ')
}

/** The same for programs, on one line. */
export function lineOf(result: ScenarioResult): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'Scenario', ...result })
}

function columns(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = rows.reduce<readonly number[]>(
    (widest, row) => row.map((cell, at) => Math.max(widest[at] ?? 0, cell.length)),
    [],
  )
  return rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}
