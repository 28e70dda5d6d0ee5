import type { HttpClient } from '../../http-client/http-client.ts'
import type { SecretOrder } from '../../http-client/secret-answers.ts'
import { InvalidParameter, NotFound } from '../../vocabulary/errors.ts'
import { type ClientOptions, connect, requestOptions } from '../client-options.ts'
import { confirm } from '../confirm.ts'
import { exitCode, UsageError } from '../exit-code.ts'
import { note, writeJson, writeLine } from '../output.ts'
import { formatKeys } from './status.ts'

export interface RotateOptions extends ClientOptions {
  readonly force?: boolean
  readonly dryRun?: boolean
  readonly yes?: boolean
}

/** One step of a rotation on every node. Exit code 4: refused, nothing has changed; 7: some node has not done it. */
export async function secretRotate(
  action: SecretOrder['action'],
  given: string | undefined,
  options: RotateOptions,
): Promise<void> {
  const client = connect(options)
  const key = given === undefined ? undefined : await keyMeant(client, given, options)
  const order = { action, key, force: options.force === true, dryRun: options.dryRun === true }
  if (options.dryRun !== true && (action === 'remove' || options.force === true)) {
    const risk = options.force === true ? '; a node that is not there, or lacks the key in use, is cut off by it' : ''
    await confirm(`every node ${doings[action]} ${key ?? 'a new key'}${risk}`, options)
  }
  const changed = await client.changeSecret(order, requestOptions(options))
  if (options.dryRun === true) {
    if (options.json) return writeJson('SecretChange', { ...changed, dryRun: true })
    return note(`every node could do it: ${action} ${key ?? 'a new key'}; nothing was changed`)
  }
  if (!changed.complete) process.exitCode = exitCode.partial
  if (options.json) return writeJson('SecretChange', changed)
  await writeLine(formatKeys(changed.nodes))
  note(
    changed.complete ? next(action, changed.key) : `not every node has done it: order it again, for key ${changed.key}`,
  )
}

const doings: Readonly<Record<SecretOrder['action'], string>> = {
  add: 'receives with',
  use: 'sends with',
  remove: 'forgets',
}

function next(action: SecretOrder['action'], key: string): string {
  if (action === 'add') return `next: starling secret rotate use ${key}`
  return action === 'use' ? 'next: starling secret rotate remove, for the key before' : `${key} opens nothing any more`
}

/** A slip in an id is found before anything is asked of anybody. */
async function keyMeant(client: HttpClient, given: string, options: ClientOptions): Promise<string> {
  if (given === '') throw new UsageError('the id of the key is empty')
  const { nodes } = await client.secretStatus(requestOptions(options))
  const known = [...new Set(nodes.flatMap(({ keys }) => keys ?? []))]
  const [found, ...others] = known.filter((id) => id.startsWith(given.toLowerCase()))
  if (found === undefined)
    throw new NotFound(`no node has a key ${JSON.stringify(given)}: there are ${known.join(', ')}`)
  if (others.length > 0)
    throw new InvalidParameter(`${JSON.stringify(given)} may be any of ${[found, ...others].join(', ')}`)
  return found
}
