import type { LayoutPlan, StagedChange } from '../../http-client/layout-answers.ts'
import type { PlanCheckResult } from '../../vocabulary/errors.ts'
import { type ClientOptions, connect, requestOptions } from '../client-options.ts'
import { exitCode } from '../exit-code.ts'
import { note, writeJson, writeLine } from '../output.ts'
import { formatCount, formatShare, formatTable } from '../table.ts'
import { formatBytes, formatSeconds } from '../units.ts'

/** How a check begins that does not stand in the way, and has to be read all the same. */
const warningBegins = 'warning: '

/** Shows what the staged changes lead to. Exit code 4 when it is refused. */
export async function clusterPlan(options: ClientOptions): Promise<void> {
  const plan = await connect(options).plan(requestOptions(options))
  if (options.json) await writeJson('Plan', plan)
  else if (isEmpty(plan)) await writeLine(titleOf(plan))
  else await showPlan(plan)
  if (isRefused(plan)) process.exitCode = exitCode.refused
  else if (typeof plan.plan === 'string' && !options.json)
    note(`carry it out with: starling cluster commit --plan ${plan.plan}`)
}

function isEmpty(plan: LayoutPlan): boolean {
  return typeof plan.plan !== 'string' && plan.staged.length === 0
}

/** Something is staged, and cannot be done so. */
export function isRefused(plan: LayoutPlan): boolean {
  return typeof plan.plan !== 'string' && !isEmpty(plan)
}

async function showPlan(plan: LayoutPlan): Promise<void> {
  for (const line of summaryOf(plan)) await writeLine(line)
  if (plan.shares.length > 0) {
    const rows = plan.shares.map(({ name, before, after, partitionsBefore, partitionsAfter }) => [
      name,
      formatShare(before),
      formatShare(after),
      formatCount(partitionsBefore),
      formatCount(partitionsAfter),
      signed(partitionsAfter - partitionsBefore),
    ])
    await writeLine(formatTable(['node', 'before', 'after', 'partitions before', 'after', 'change'], rows))
    await writeLine(`the fullest node then holds ${plan.maxToTarget.toFixed(3)} x its target`)
  }
  if (plan.checks.length > 0) {
    await writeLine(formatTable(['check', 'result', 'detail'], plan.checks.map(checkRow)))
  }
}

/** What it does, in a few lines: enough to agree to it. */
export function summaryOf(plan: LayoutPlan): readonly string[] {
  if (isEmpty(plan)) return [titleOf(plan)]
  const lines = [titleOf(plan), ...plan.changes.map((sentence) => `  ${sentence}`)]
  if (typeof plan.plan === 'string') lines.push(`  ${effectOf(plan)}`)
  for (const { ok, detail } of plan.checks) if (!ok || detail.startsWith(warningBegins)) lines.push(`! ${detail}`)
  return lines
}

function titleOf(plan: LayoutPlan): string {
  if (typeof plan.plan === 'string') {
    const kind = plan.amendment ? ', an amendment: nobody owns anything else' : ''
    return `plan ${plan.plan} makes layout ${plan.number}${kind}`
  }
  return isEmpty(plan) ? 'nothing is staged' : `the plan for layout ${plan.number} is refused`
}

function effectOf({ partitions, bytes, moves, estimateSeconds }: LayoutPlan): string {
  if (partitions === 0) return 'no data moves'
  const copies = moves.reduce((sum, { to }) => sum + to.length, 0)
  const size = bytes > 0 ? `, about ${formatBytes(bytes)}` : ''
  const time = `in about ${formatSeconds(estimateSeconds)}`
  return `${formatCount(partitions)} partitions change owners; ${formatCount(copies)} copies are made${size}, ${time}`
}

function checkRow({ name, ok, detail }: PlanCheckResult): string[] {
  const isWarning = ok && detail.startsWith(warningBegins)
  if (isWarning) return [name, 'warning', detail.slice(warningBegins.length)]
  return [name, ok ? 'ok' : 'refused', detail]
}

/** `dan joins`, `bob is replaced by eve`: what was asked for. */
export function describeStaged({ name, action, withName, zone, weight, force }: StagedChange): string {
  const place = [
    zone === null || zone === undefined ? [] : `zone ${zone}`,
    typeof weight === 'number' ? `weight ${weight}` : [],
  ]
  const details = place.flat().join(', ')
  const forced = force ? ' (forced)' : ''
  switch (action) {
    case 'join':
      return `${name} joins${details === '' ? '' : ` with ${details}`}${forced}`
    case 'leave':
      return `${name} leaves${forced}`
    case 'replace':
      return `${name} is replaced by ${withName ?? '?'}${details === '' ? '' : ` with ${details}`}${forced}`
    case 'exclude':
      return `${name} is excluded${forced}`
    case 'set':
      return `${name} gets ${details}${forced}`
    case 'clear':
      return `${name} stays as it is`
  }
}

function signed(count: number): string {
  return count > 0 ? `+${formatCount(count)}` : formatCount(count)
}
