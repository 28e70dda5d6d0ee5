import type { ClusterStatus, MemberStatus } from '../http-client/answers.ts'
import { type ClientOptions, connect, requestOptions } from './client-options.ts'
import { exitCode } from './exit-code.ts'
import { writeJson, writeLine } from './output.ts'
import { formatShare, formatTable } from './table.ts'
import { showOrWatch, type WatchOptions } from './watch.ts'

export async function clusterStatus(
  options: ClientOptions & WatchOptions & { readonly check?: boolean },
): Promise<void> {
  const client = connect(options)
  await showOrWatch(options, async () => {
    const status = await client.status(requestOptions(options))
    const unhealthy = whatIsWrong(status)
    if (options.json) await writeJson('ClusterStatus', { ...status, healthy: unhealthy.length === 0, unhealthy })
    else await writeLine(format(status, unhealthy))
    if (options.check === true && unhealthy.length > 0) process.exitCode = exitCode.unhealthy
  })
}

/** Why an operator should look, in sentences; empty when all is well. */
function whatIsWrong(status: ClusterStatus): readonly string[] {
  const sentences: string[] = []
  if (status.layout.number === 0) sentences.push('no layout is decided yet')
  else if (!status.converged) sentences.push('the members do not agree on one layout yet')
  // Who left and owns nothing is gone for good, as was asked.
  for (const member of status.members)
    if (member.state !== 'alive' && !(member.state === 'left' && member.owns === 0))
      sentences.push(`${member.name} is ${member.state} and owns ${formatShare(member.owns)}`)
  return sentences
}

function format(status: ClusterStatus, unhealthy: readonly string[]): string {
  const { number, live } = status.layout
  const layout = number === 0 ? 'no layout yet' : `layout ${number}`
  const transition = live.length > 1 ? ` (live: ${live.join(', ')})` : ''
  const title = `cluster ${status.cluster}${status.clusterId ? ` (${status.clusterId})` : ''}, ${layout}${transition}, ${
    status.converged ? 'converged' : 'not converged'
  }`
  return [title, formatTable(head, status.members.map(row)), ...unhealthy.map((sentence) => `! ${sentence}`)].join('\n')
}

const head = ['name', 'id', 'state', 'zone', 'weight', 'owns', 'http', 'peer', 'version']

function row(member: MemberStatus): string[] {
  const { name, id, state, zone, weight, owns, http, peer, version } = member
  return [name, id.slice(0, 8), state, zone, String(weight), formatShare(owns), http ?? '-', peer, version]
}
