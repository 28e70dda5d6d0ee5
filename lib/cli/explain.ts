import type { ExplainedFallback, ExplainedHint, ExplainedOwner } from '../http-client/answers.ts'
import { type ClientOptions, connect, requestOptions } from './client-options.ts'
import { writeJson, writeLine } from './output.ts'
import { nameInMove, placeOf } from './ring.ts'
import { formatTable } from './table.ts'
import { formatSeconds } from './units.ts'

export async function explain(bucket: string, key: string, options: ClientOptions): Promise<void> {
  const explanation = await connect(options).explain(bucket, key, requestOptions(options))
  if (options.json) return writeJson('Explanation', explanation)
  const { summary, owners, fallbacks = [] } = explanation
  await writeLine(summary)
  await writeLine(placeOf(explanation))
  await writeLine(formatTable(ownerHead, owners.map(ownerRow)))
  const standing = fallbacks.filter(({ hints }) => hints.length > 0)
  if (standing.length > 0) await writeLine(formatTable(fallbackHead, standing.map(fallbackRow)))
}

const ownerHead = ['owner', 'state', 'holds', 'state hash', 'written', 'last change', 'hints', 'compared']

function ownerRow(owner: ExplainedOwner): string[] {
  const holds = owner.isRecovering ? `${owner.holds} (recovering)` : owner.holds
  const written = owner.dots.map(({ writtenAtMs, writtenBy }) =>
    [instant(writtenAtMs), writtenBy === undefined ? '' : `by ${writtenBy}`].join(' ').trim(),
  )
  const waits = owner.tombstoneWaitingFor ? [`waits for ${owner.tombstoneWaitingFor}`] : []
  return [
    nameInMove(owner),
    owner.memberState,
    [holds, ...waits].join(', '),
    owner.stateHash ?? '-',
    written.length === 0 ? '-' : written.join(', '),
    instant(owner.changedAtMs) || '-',
    kept(owner.hintsWaiting ?? [], ({ holderName }) => `at ${holderName}`),
    (owner.comparisons ?? []).map(({ name, secondsAgo }) => `${name} ${formatSeconds(secondsAgo)} ago`).join(', ') ||
      '-',
  ]
}

const fallbackHead = ['fallback', 'state', 'hints']

function fallbackRow({ name, memberState, hints }: ExplainedFallback): string[] {
  return [name, memberState, kept(hints, ({ targetName }) => `for ${targetName}`)]
}

function kept(hints: readonly ExplainedHint[], whose: (hint: ExplainedHint) => string): string {
  return hints.map((hint) => `${hint.holds} ${whose(hint)} ${hint.stateHash}`).join(', ') || '-'
}

function instant(ms: number | null | undefined): string {
  return ms === undefined || ms === null ? '' : new Date(ms).toISOString()
}
