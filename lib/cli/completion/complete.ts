import type { HttpClient } from '../../http-client/http-client.ts'
import { StarlingError } from '../../vocabulary/errors.ts'
import { connect } from '../client-options.ts'
import { UsageError } from '../exit-code.ts'
import { writeLine } from '../output.ts'

/** Whoever presses a key does not wait longer, unless the line itself says so. */
const timeoutMsDefault = 1_000
const endpointDefault = 'http://127.0.0.1:7070'

/**
 * What a completion script asks for: the names of nodes or of buckets, one on each line. The node to ask is the one that
 * the line on which the key was pressed names. Where none answers nothing is said.
 */
export async function complete(kind: string, line: readonly string[]): Promise<void> {
  try {
    const tokenFile = valueIn(line, '--token-file')
    const [tlsCa, tlsCert, tlsKey] = ['ca', 'cert', 'key'].map((name) => valueIn(line, `--tls-${name}`))
    const client = connect({
      endpoint: valueIn(line, '--endpoint') ?? process.env.STARLING_ENDPOINT ?? endpointDefault,
      ...(tokenFile === undefined ? {} : { tokenFile }),
      ...(tlsCa === undefined ? {} : { tlsCa }),
      ...(tlsCert === undefined || tlsKey === undefined ? {} : { tlsCert, tlsKey }),
    })
    const timeoutMs = Number(valueIn(line, '--timeout')) || timeoutMsDefault
    for (const name of await namesOf(client, kind, timeoutMs)) if (!/\s/.test(name)) await writeLine(name)
  } catch (error) {
    if (!(error instanceof StarlingError || error instanceof UsageError)) throw error
  }
}

async function namesOf(client: HttpClient, kind: string, timeoutMs: number): Promise<readonly string[]> {
  switch (kind) {
    case 'nodes':
      return (await client.status({ timeoutMs })).members.map(({ name }) => name)
    case 'buckets':
      return (await client.buckets({ timeoutMs })).buckets.map(({ bucket }) => bucket)
    default:
      return []
  }
}

function valueIn(line: readonly string[], flag: string): string | undefined {
  const at = line.indexOf(flag)
  return at === -1 ? line.find((word) => word.startsWith(`${flag}=`))?.slice(flag.length + 1) : line[at + 1]
}
