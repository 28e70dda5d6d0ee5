import { type ClientOptions, connect, endpointsOf, requestOptions } from './client-options.ts'
import { NotConfirmed, UsageError } from './exit-code.ts'
import { note, writeJson } from './output.ts'

export interface RecoveredOptions extends ClientOptions {
  readonly acceptLoss?: boolean
  readonly dryRun?: boolean
  readonly yes?: boolean
}

/** Ends the recovery of one node by hand. */
export async function nodeRecovered(options: RecoveredOptions): Promise<void> {
  if (options.acceptLoss !== true)
    throw new UsageError(
      'node recovered needs --accept-loss',
      'a node recovers by itself; by hand it is ended only by who agrees to lose what no other owner holds',
    )
  // About one node: another one's recovery is not meant.
  const client = connect({ ...options, endpoint: endpointsOf(options)[0] ?? '' })
  const { name, recoveringPartitions } = await client.node(requestOptions(options))
  const what = `${name} has not recovered ${recoveringPartitions} partitions`
  if (options.dryRun === true) {
    if (options.json) return writeJson('Recovered', { name, partitions: recoveringPartitions, dryRun: true })
    return note(`${what}; nothing was done`)
  }
  if (options.yes !== true)
    throw new NotConfirmed(
      `${what}: what they lost and no other owner holds would be lost for good`,
      'with --yes it is done, with --dry-run only shown',
    )
  const { partitions } = await client.acceptLoss(requestOptions(options))
  if (options.json) return writeJson('Recovered', { name, partitions, dryRun: false })
  note(
    partitions === 0
      ? `${name} was not recovering: nothing has changed`
      : `${name} counts again; ${partitions} partitions were given up as they are`,
  )
}
