import type { Found } from '../../http-client/answers.ts'
import { formatSibling } from '../../http-client/sibling.ts'
import { connect } from '../client-options.ts'
import { exitCode } from '../exit-code.ts'
import { note, writeData, writeJson } from '../output.ts'
import { describeSiblings } from './describe-siblings.ts'
import { type ReadFlags, readOptions } from './options.ts'

/** One value goes to stdout as it is. Several are a conflict for the caller to resolve; none is none. */
export async function get(bucket: string, key: string, flags: ReadFlags): Promise<void> {
  const found = await connect(flags).get(bucket, key, readOptions(flags))
  const [only, ...others] = found.siblings
  if (only === undefined) process.exitCode = exitCode.notFound
  else if (others.length > 0) process.exitCode = exitCode.conflict
  if (flags.json) {
    const { context, tombstone, etag } = found
    return writeJson('Record', { bucket, key, context, etag, tombstone, siblings: found.siblings.map(formatSibling) })
  }
  if (only === undefined) note(`starling: ${bucket}/${key} ${found.tombstone ? 'was deleted' : 'is not there'}`)
  else if (others.length > 0) explainSiblings(bucket, key, found)
  else await writeData(only.value)
}

function explainSiblings(bucket: string, key: string, { siblings, context }: Found): void {
  note(`starling: ${bucket}/${key} has ${siblings.length} siblings: values written without knowing of each other`)
  for (const line of describeSiblings(siblings)) note(line)
  note(`  context: ${context}`)
  note(
    `  hint: --json shows them whole; kv resolve ${bucket} ${key}, or kv put with --context CONTEXT, puts one value in their place`,
  )
}
