import type { NodeKeys } from '../../http-client/secret-answers.ts'
import { type ClientOptions, connect, requestOptions } from '../client-options.ts'
import { exitCode } from '../exit-code.ts'
import { note, writeJson, writeLine } from '../output.ts'
import { formatTable } from '../table.ts'

/** Which node has which keys. Exit code 7: one has not told. */
export async function secretStatus(options: ClientOptions): Promise<void> {
  const { agreed, nodes } = await connect(options).secretStatus(requestOptions(options))
  if (nodes.some(({ keys }) => keys === null)) process.exitCode = exitCode.partial
  if (options.json) return writeJson('SecretStatus', { agreed, nodes })
  await writeLine(formatKeys(nodes))
  if (!agreed) note('the nodes do not all have the same keys: a change is under way, or did not reach everybody')
}

/** A line for each node. */
export function formatKeys(nodes: readonly NodeKeys[]): string {
  const rows = nodes.map(({ name, sendsWith, keys, problem }) => [
    name,
    sendsWith ?? '-',
    keys === null ? '-' : keys.filter((key) => key !== sendsWith).join(', ') || '-',
    problem ?? '',
  ])
  return formatTable(['node', 'sends with', 'receives also', ''], rows)
}
