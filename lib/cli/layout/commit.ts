import type { Decision, LayoutPlan } from '../../http-client/layout-answers.ts'
import { type ClientOptions, connect } from '../client-options.ts'
import { type ConfirmOptions, confirm } from '../confirm.ts'
import { exitCode } from '../exit-code.ts'
import { note, writeJson } from '../output.ts'
import { isRefused, summaryOf } from './plan.ts'
import { waitUntilNothingMoves } from './wait.ts'

export interface DecideOptions extends ClientOptions, ConfirmOptions {
  readonly json?: boolean
  readonly dryRun?: boolean
  /** Seconds; `true`: as long as it takes. */
  readonly wait?: number | true
}

export interface CommitOptions extends DecideOptions {
  readonly plan?: string
  readonly force?: boolean
}

/** A decision needs a majority of the members to write to their disks. */
const decideMs = 10_000

/** Carries out the plan: the one that is given, or the one that is shown now. */
export async function clusterCommit(options: CommitOptions): Promise<void> {
  const client = connect(options)
  const plan = await client.plan(withTime(options))
  const isMeant = options.plan === undefined || options.plan === plan.plan
  // The node refuses what must not be, and says why; asking whether to do it would be a joke.
  const isPossible = typeof plan.plan === 'string' || options.force === true
  if (options.dryRun === true) return rehearse(plan, isMeant, options)
  if (isMeant && isPossible) showSummary(plan, options)
  const hasBeenSeen = options.plan !== undefined && options.force !== true
  if (isPossible && !hasBeenSeen) await confirm(questionOf(plan, options), options)
  const order = { plan: options.plan ?? plan.plan ?? undefined, force: options.force }
  await decide('Commit', options, (limits) => client.commit(order, limits))
}

/** Those who owned everything before the running change own it again. */
export async function clusterAbort(options: DecideOptions): Promise<void> {
  const client = connect(options)
  const { transition } = await client.status(withTime(options))
  if (options.dryRun === true) {
    const fields = { transition: transition ?? null, dryRun: true }
    if (options.json) return writeJson('Abort', fields)
    if (!transition) return note('no change of owners is running; nothing was done')
    return note(`the change from layout ${transition.from} to ${transition.to} would be taken back; nothing was done`)
  }
  if (transition) {
    const { from, to } = transition
    await confirm(`the change from layout ${from} to ${to} is taken back: the old owners go on`, options)
  }
  await decide('Abort', options, (limits) => client.abort(limits))
}

/** Waits no more for a node that is gone for good. */
export async function clusterForget(node: string, options: DecideOptions): Promise<void> {
  const client = connect(options)
  const { awaited = [] } = await client.status(withTime(options))
  const found = awaited.find(({ id, name }) => id === node || name === node)
  const name = found?.name ?? node
  if (options.dryRun === true) {
    if (options.json) return writeJson('Forget', { node, awaited, dryRun: true })
    return note(`${name} is ${found === undefined ? 'not ' : ''}awaited; nothing was done`)
  }
  await confirm(`what only ${name} holds is lost for good, and it is refused until its disk is wiped`, options)
  await decide('Forget', options, (limits) => client.forget(node, limits))
}

async function rehearse(plan: LayoutPlan, isMeant: boolean, options: CommitOptions): Promise<void> {
  if (!isMeant || isRefused(plan)) process.exitCode = isMeant ? exitCode.refused : exitCode.conflict
  if (options.json) return writeJson('Commit', { ...plan, dryRun: true, stale: !isMeant })
  if (!isMeant) return note(`${options.plan} is not the current plan; nothing was done`)
  showSummary(plan, options)
  note('nothing was done')
}

function showSummary(plan: LayoutPlan, { json }: CommitOptions): void {
  if (json !== true) for (const line of summaryOf(plan)) note(line)
}

function questionOf(plan: LayoutPlan, { force }: CommitOptions): string {
  const what = `layout ${plan.number} is put to the members`
  return force === true ? `${what} without a majority: two clusters may result` : what
}

async function decide(
  kind: 'Commit' | 'Abort' | 'Forget',
  options: DecideOptions,
  ask: (limits: { readonly timeoutMs: number }) => Promise<Decision>,
): Promise<void> {
  const decision = await ask(withTime(options))
  if (!decision.decided) {
    process.exitCode = exitCode.partial
    const { waitingFor } = decision
    if (options.json) return writeJson(kind, { decided: false, waitingFor })
    note(`not decided yet: waits for ${waitingFor.join(', ')}; it may still be, and the same command goes on with it`)
    return explainSilence(options, waitingFor)
  }
  const { number, plan } = decision
  if (options.json !== true) note(`layout ${number} is decided`)
  const settled = options.wait === undefined ? undefined : await settle(options, number)
  if (settled === false) process.exitCode = exitCode.partial
  if (options.json) return writeJson(kind, { decided: true, number, plan, settled: settled ?? null })
  if (settled === true) note('nothing moves any more')
  if (settled === false) note('data still moves; starling transfers --watch shows it')
  if (settled === undefined && kind !== 'Forget') note('starling transfers --watch shows what moves')
}

/** A member that restarted votes when all others have said what they know: with one of them gone it cannot (docs/rules.md L3). */
async function explainSilence(options: DecideOptions, waitingFor: readonly string[]): Promise<void> {
  const { members } = await connect(options).status(withTime(options))
  const gone = members.filter(({ name, state }) => waitingFor.includes(name) && (state === 'dead' || state === 'left'))
  if (gone.length === 0) return
  const names = gone.map(({ name }) => name).join(', ')
  note(
    `${names}: gone. Members that restarted since then have no vote before it is back: start it for a moment, or see`,
  )
  note('"When there is no majority" in docs/operations.md for what --force means')
}

function settle(options: DecideOptions, number: number): Promise<boolean> {
  return waitUntilNothingMoves(options, number, options.wait === true ? undefined : options.wait)
}

function withTime(options: ClientOptions): { readonly timeoutMs: number } {
  return { timeoutMs: options.timeout ?? decideMs }
}
