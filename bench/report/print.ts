import type { AgainstRow } from './against.ts'
import { type Difference, pairsMin } from './difference.ts'
import type { DerivedRow } from './elsewhere.ts'
import type { Row } from './rows.ts'
import type { Verdict } from './verdicts.ts'

/** The tables of a run as Markdown, so that docs/benchmarks.md can hold them as they are. */
export function printRows(rows: readonly Row[]): string {
  return table(
    ['workload', 'system', 'client', 'CPU us/op', 'from .. to', 'x floor', 'ops/s', 'p50 ms', 'p99 ms', 'p99.9 ms'],
    rows.map((row) => [
      row.workload,
      row.system,
      clientName(row),
      row.cpuMicros.median.toFixed(0),
      `${row.cpuMicros.least.toFixed(0)} .. ${row.cpuMicros.most.toFixed(0)}`,
      row.overFloor === undefined ? '' : row.overFloor.median.toFixed(2),
      row.operationsPerSecond.median.toFixed(0),
      row.p50Ms.toFixed(1),
      row.p99Ms.toFixed(1),
      row.p999Ms.toFixed(1),
    ]),
  )
}

export function printDerived(rows: readonly DerivedRow[]): string {
  return table(
    ['not run here: derived', 'client', 'workload', 'CPU us/op', 'x Starling'],
    rows.map(({ system, client, workload, cpuMicros, overStarling }) => [
      system,
      client === 'http' ? 'HTTP' : 'its own',
      workload,
      cpuMicros.toFixed(0),
      overStarling?.toFixed(1) ?? '',
    ]),
  )
}

export function printVerdicts(verdicts: readonly Verdict[]): string {
  return verdicts
    .map(({ name, outcome, measured, limit, unit, detail }) => {
      const digits = unit === 'x' ? 2 : 0
      const word = { kept: 'ok     ', missed: 'MISSED ', invalid: 'INVALID' }[outcome]
      return `${word} ${name}: ${measured.toFixed(digits)} ${unit}, at most ${limit} ${unit} (${detail})`
    })
    .join('\n')
}

export function printAgainst(rows: readonly AgainstRow[]): string {
  return table(
    ['workload', 'client', 'this us/op', 'against us/op', 'this / against', '95 % interval', 'pairs', 'verdict'],
    rows.map(({ workload, client, one, other, pairs, difference }) => [
      workload,
      client === 'http' ? 'HTTP' : 'embedded',
      one.toFixed(0),
      other.toFixed(0),
      difference.ratio.toFixed(3),
      pairs < pairsMin ? '' : `${difference.low.toFixed(3)} .. ${difference.high.toFixed(3)}`,
      String(pairs),
      verdictOn(difference, pairs),
    ]),
  )
}

function verdictOn({ ratio, isLargerThanNoise }: Difference, pairs: number): string {
  if (pairs < pairsMin) return `needs ${pairsMin} pairs`
  if (!isLargerThanNoise) return 'a tie'
  return ratio < 1 ? 'cheaper' : 'DEARER'
}

function clientName({ system, client }: Row): string {
  if (client === 'http') return 'HTTP'
  return system === 'starling' ? 'embedded' : 'binary'
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] as number)).join(' | ')} |`
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`
  return [line(head), rule, ...rows.map(line)].join('\n')
}
