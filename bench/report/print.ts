import type { ClientKind, SystemName } from '../systems/system.ts'
import type { AgainstRow } from './against.ts'
import type { ComparedRow } from './compare.ts'
import { type Difference, pairsMin } from './difference.ts'
import type { DerivedRow } from './elsewhere.ts'
import type { Row } from './rows.ts'
import type { Verdict } from './verdicts.ts'

/** The tables of a run as Markdown, so that docs/benchmarks.md can hold them as they are. */
export function printRows(rows: readonly Row[]): string {
  const cpu = ['CPU us/op', 'from .. to', 'yardsticks', 'x floor']
  return table(
    ['workload', 'system', 'client', ...cpu, 'ops/s', 'p50 ms', 'p99 ms', 'p99.9 ms'],
    rows.map((row) => [
      row.workload,
      row.system,
      clientName(row),
      row.cpuMicros.median.toFixed(0),
      `${row.cpuMicros.least.toFixed(0)} .. ${row.cpuMicros.most.toFixed(0)}`,
      row.yardsticks.median.toFixed(1),
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
    .map((verdict) => {
      const { name, outcome, measured, bound, target, unit, detail } = verdict
      const word = { kept: 'ok     ', missed: 'MISSED ', invalid: 'INVALID' }[outcome]
      const limit = `${bound === 'at-most' ? 'at most' : 'at least'} ${target} ${unit}`
      return `${word} ${name}: ${figure(measured, unit)} ${unit}, ${limit}${stretchWords(verdict)} (${detail})`
    })
    .join('\n')
}

/** The table of all that is promised, filled in. */
export function printTargets(verdicts: readonly Verdict[]): string {
  return table(
    ['', 'measured', 'target', 'stretch', 'verdict', 'how'],
    verdicts.map(({ name, measured, bound, target, stretch, unit, outcome, isStretchReached, detail }) => {
      const sign = bound === 'at-most' ? '<=' : '>='
      const word = isStretchReached
        ? 'stretch reached'
        : { kept: 'kept', missed: 'MISSED', invalid: 'INVALID' }[outcome]
      const aim = stretch === undefined ? '' : `${sign} ${figure(stretch, unit)}`
      return [name, `${figure(measured, unit)} ${unit}`, `${sign} ${target}`, aim, word, detail]
    }),
  )
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
      intervalOf(difference),
      String(pairs),
      againstWord(difference, pairs),
    ]),
  )
}

export function printComparison(rows: readonly ComparedRow[]): string {
  if (rows.length === 0) return 'The two reports have no workload in common.'
  return table(
    ['workload', 'system', 'client', 'of', 'before', 'after', 'after / before', '95 % interval', 'verdict'],
    rows.map(({ workload, system, client, measure, unit, before, after, difference, verdict }) => [
      workload,
      system,
      clientName({ system, client }),
      measure,
      `${before.toFixed(1)} ${unit}`,
      `${after.toFixed(1)} ${unit}`,
      difference.ratio.toFixed(3),
      intervalOf(difference),
      verdict === 'dearer' ? 'DEARER' : verdict,
    ]),
  )
}

function intervalOf({ low, high }: Difference): string {
  return low === 0 ? '' : `${low.toFixed(3)} .. ${high.toFixed(3)}`
}

function againstWord({ ratio, isLargerThanNoise }: Difference, pairs: number): string {
  if (pairs < pairsMin) return `needs ${pairsMin} pairs`
  if (!isLargerThanNoise) return 'a tie'
  return ratio < 1 ? 'cheaper' : 'DEARER'
}

function stretchWords({ bound, stretch, isStretchReached, unit }: Verdict): string {
  if (stretch === undefined) return ''
  if (isStretchReached) return ', stretch reached'
  return `, stretch ${bound === 'at-most' ? '' : 'from '}${figure(stretch, unit)}`
}

function figure(value: number, unit: string): string {
  if (unit === 'x') return value.toFixed(2)
  return value >= 100 ? value.toFixed(0) : Number(value.toPrecision(3)).toString()
}

export function clientName({ system, client }: { readonly system: SystemName; readonly client: ClientKind }): string {
  if (client === 'http') return 'HTTP'
  return system === 'starling' || system === 'against' ? 'embedded' : 'binary'
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] as number)).join(' | ')} |`
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`
  return [line(head), rule, ...rows.map(line)].join('\n')
}
