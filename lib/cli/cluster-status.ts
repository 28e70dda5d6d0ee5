import type { ClusterStatus, MemberStatus, NamedNode, Transition } from '../http-client/answers.ts'
import { type ClientOptions, connect, requestOptions } from './client-options.ts'
import { exitCode } from './exit-code.ts'
import { describeStaged } from './layout/plan.ts'
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
  const { layout, transition, members, excluded = [], awaited = [] } = status
  if (layout.number === 0) sentences.push('no layout is decided yet')
  else if (transition) sentences.push(...sayTransition(transition))
  else if (!status.converged) sentences.push('the members do not agree on one layout yet')
  // Who owns nothing is missed by nobody.
  for (const { id, name, state, owns, ownsAfter } of members)
    if (state !== 'alive' && (owns > 0 || ownsAfter > 0) && !isAmong(excluded, id))
      sentences.push(`${name} is ${state} and owns ${formatShare(owns)}`)
  for (const { id, name } of excluded) {
    const state = members.find((member) => member.id === id)?.state ?? 'gone'
    sentences.push(`${name} is ${state} and excluded: nobody waits for it, asks it or listens to it`)
  }
  for (const { name } of awaited)
    sentences.push(
      `${name} is awaited: what only it holds is missing until it returns; if it never will: starling cluster forget ${name}`,
    )
  return sentences
}

/** It was asked for, so it is no illness; but nobody shall forget it. */
function sayInsecure(members: readonly MemberStatus[]): readonly string[] {
  const open = members.filter(({ insecure }) => insecure === true).map(({ name }) => name)
  return open.length === 0 ? [] : [`insecure: ${open.join(', ')} (open to whoever reaches them: --insecure)`]
}

function sayTransition({ from, to, stage, waitingFor }: Transition): readonly string[] {
  const names = waitingFor.map(({ name }) => name).join(', ')
  return [`the owners change from layout ${from} to ${to} (${stage})${names === '' ? '' : `; waits for ${names}`}`]
}

function isAmong(nodes: readonly NamedNode[], id: string): boolean {
  return nodes.some((node) => node.id === id)
}

function format(status: ClusterStatus, unhealthy: readonly string[]): string {
  const { number, live } = status.layout
  const layout = number === 0 ? 'no layout yet' : `layout ${number}`
  const isMoving = live.length > 1
  const transition = isMoving ? ` (live: ${live.join(', ')})` : ''
  const title = `cluster ${status.cluster}${status.clusterId ? ` (${status.clusterId})` : ''}, ${layout}${transition}, ${
    status.converged ? 'converged' : 'not converged'
  }`
  const columns = [
    ...columnsAlways,
    // While nodes are being exchanged for newer ones, it matters which protocol they have in common.
    ...(new Set(status.members.map(({ wireVersion }) => wireVersion)).size > 1 ? [wireColumn] : []),
    ...(isMoving ? [ownsAfterColumn] : []),
  ]
  return [
    title,
    formatTable(
      columns.map(({ head }) => head),
      status.members.map((member) => columns.map(({ cell }) => cell(member))),
    ),
    ...(status.staged ?? []).map((change) => `staged: ${describeStaged(change)}`),
    ...unhealthy.map((sentence) => `! ${sentence}`),
    ...sayInsecure(status.members),
  ].join('\n')
}

interface Column {
  readonly head: string
  readonly cell: (member: MemberStatus) => string
}

const columnsAlways: readonly Column[] = [
  { head: 'name', cell: ({ name }) => name },
  { head: 'id', cell: ({ id }) => id.slice(0, 8) },
  { head: 'state', cell: ({ state }) => state },
  { head: 'zone', cell: ({ zone }) => zone },
  { head: 'weight', cell: ({ weight }) => String(weight) },
  { head: 'owns', cell: ({ owns }) => formatShare(owns) },
  { head: 'http', cell: ({ http }) => http ?? '-' },
  { head: 'peer', cell: ({ peer }) => peer },
  { head: 'version', cell: ({ version }) => version },
]
const wireColumn: Column = { head: 'wire', cell: ({ wireVersion }) => String(wireVersion ?? '-') }
const ownsAfterColumn: Column = { head: 'owns after', cell: ({ ownsAfter }) => formatShare(ownsAfter) }
