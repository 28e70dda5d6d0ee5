import type { MemberStatus } from '../../http-client/answers.ts'
import type { HttpClient } from '../../http-client/http-client.ts'
import type { LayoutPlan, StagedChange, StageOrder } from '../../http-client/layout-answers.ts'
import { InvalidParameter, UnknownNode } from '../../vocabulary/errors.ts'
import { type ClientOptions, connect, requestOptions } from '../client-options.ts'
import { UsageError } from '../exit-code.ts'
import { note, writeJson, writeLine } from '../output.ts'
import { describeStaged, isRefused, summaryOf } from './plan.ts'

export interface StageOptions extends ClientOptions {
  readonly zone?: string
  readonly weight?: number
  readonly force?: boolean
  readonly dryRun?: boolean
}

export async function clusterJoin(nodes: readonly string[], options: StageOptions): Promise<void> {
  const { zone, weight } = options
  const place = { ...(zone === undefined ? {} : { zone }), ...(weight === undefined ? {} : { weight }) }
  await stage(
    nodes.map((node) => ({ action: 'join', node, ...place })),
    options,
  )
}

export async function clusterLeave(nodes: readonly string[], options: StageOptions): Promise<void> {
  await stage(
    nodes.map((node) => ({ action: 'leave', node })),
    options,
  )
}

export async function clusterReplace(node: string, successor: string, options: StageOptions): Promise<void> {
  await stage([{ action: 'replace', node, with: successor, ...forced(options) }], options)
}

export async function clusterExclude(nodes: readonly string[], options: StageOptions): Promise<void> {
  await stage(
    nodes.map((node) => ({ action: 'exclude', node, ...forced(options) })),
    options,
  )
}

export async function clusterSet(node: string, options: StageOptions): Promise<void> {
  const { zone, weight } = options
  if (zone === undefined && weight === undefined)
    throw new UsageError('nothing to set', 'give --zone, --weight or both')
  const place = { ...(zone === undefined ? {} : { zone }), ...(weight === undefined ? {} : { weight }) }
  await stage([{ action: 'set', node, ...place }], options)
}

/** Takes back what was staged for one node; for all, if none is named. */
export async function clusterClear(node: string | undefined, options: StageOptions): Promise<void> {
  // A script that lost its variable does not mean everything.
  if (node === '') throw new UsageError('the name of a node is empty', 'without a name everything is taken back')
  await stage([{ action: 'clear', node: node ?? '' }], options)
}

function forced({ force }: StageOptions): { readonly force?: true } {
  return force === true ? { force: true } : {}
}

/** Stages one after the other, and shows what the plan would now do. */
async function stage(orders: readonly StageOrder[], options: StageOptions): Promise<void> {
  const client = connect(options)
  if (orders.some(({ action, node, with: successor }) => (node === '' && action !== 'clear') || successor === ''))
    throw new UsageError('the name of a node is empty')
  if (options.dryRun === true) return rehearse(client, orders, options)
  // All or none: a slip in the last name is to leave nothing behind.
  if (orders.length > 1) await meant(client, orders, options)
  let staged: readonly StagedChange[] = []
  for (const order of orders) staged = (await client.stage(order, requestOptions(options))).staged
  const plan = await client.plan(requestOptions(options))
  if (options.json) return writeJson('Staged', { staged, plan: briefOf(plan) })
  for (const change of staged) await writeLine(`staged: ${describeStaged(change)}`)
  for (const line of summaryOf(plan)) await writeLine(line)
  if (isRefused(plan)) note('it is staged all the same; `starling cluster clear` takes it back')
  else if (typeof plan.plan === 'string')
    note(`nothing has changed yet: see starling cluster plan, then starling cluster commit --plan ${plan.plan}`)
}

/** The plan without its long lists. */
function briefOf(plan: LayoutPlan) {
  const { shares: _shares, moves: _moves, staged: _staged, ...brief } = plan
  return brief
}

async function rehearse(client: HttpClient, orders: readonly StageOrder[], options: StageOptions): Promise<void> {
  const named = await meant(client, orders, options)
  if (options.json) return writeJson('Staged', { orders: named, dryRun: true })
  for (const { action, name, withName } of named) {
    await writeLine(`would stage: ${action} ${name}${withName === undefined ? '' : ` by ${withName}`}`)
  }
  note('nothing was staged')
}

/** Which nodes are meant; a name that is none is refused here as a node would refuse it. */
async function meant(client: HttpClient, orders: readonly StageOrder[], options: StageOptions) {
  const { members } = await client.status(requestOptions(options))
  return orders.map((order) => {
    const { id, name } = order.node === '' ? { id: '', name: 'everything' } : memberOf(order.node, members)
    const successor = order.with === undefined ? undefined : memberOf(order.with, members)
    return {
      ...order,
      node: id,
      name,
      ...(successor === undefined ? {} : { with: successor.id, withName: successor.name }),
    }
  })
}

function memberOf(given: string, members: readonly MemberStatus[]): MemberStatus {
  const exact = members.filter(({ id, name }) => id === given || name === given)
  const [found, ...others] =
    exact.length > 0 ? exact : members.filter(({ id, name }) => id.startsWith(given) || name.startsWith(given))
  if (found === undefined) throw new UnknownNode(`no member is called ${JSON.stringify(given)}`)
  if (others.length > 0) {
    const names = [found, ...others].map(({ id, name }) => `${name} (${id.slice(0, 8)})`).join(', ')
    throw new InvalidParameter(`${JSON.stringify(given)} may be any of ${names}`)
  }
  return found
}
