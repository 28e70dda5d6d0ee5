import type { ExplainedOwner } from '../http-client/answers.ts'
import { type ClientOptions, connect, requestOptions } from './client-options.ts'
import { writeJson, writeLine } from './output.ts'
import { formatTable } from './table.ts'

export async function explain(bucket: string, key: string, options: ClientOptions): Promise<void> {
  const explanation = await connect(options).explain(bucket, key, requestOptions(options))
  if (options.json) return writeJson('Explanation', explanation)
  const { summary, partition, token, layoutNumber, owners } = explanation
  await writeLine(summary)
  await writeLine(`partition ${partition}, token ${token}, layout ${layoutNumber}`)
  await writeLine(formatTable(['owner', 'state', 'holds', 'state hash', 'written'], owners.map(row)))
}

function row(owner: ExplainedOwner): string[] {
  const holds = owner.isRecovering ? `${owner.holds} (recovering)` : owner.holds
  const written = owner.dots.map(({ writtenAtMs, writtenBy }) =>
    [
      writtenAtMs === undefined ? '' : new Date(writtenAtMs).toISOString(),
      writtenBy === undefined ? '' : `by ${writtenBy}`,
    ]
      .join(' ')
      .trim(),
  )
  return [owner.name, owner.memberState, holds, owner.stateHash ?? '-', written.join(', ')]
}
