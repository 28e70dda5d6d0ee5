import { type CheckResult, checkResult, type Violation } from './check-result.ts'
import type { ClusterState, HistoryRecord } from './history.ts'

export interface AvailabilityPromises {
  /** A client waits so long for an answer, all its tries included, in milliseconds. */
  readonly timeoutMs: number
  /** What the harness itself may add to that; default 500. */
  readonly slackMs?: number | undefined
  /** After a change of the cluster its members need so long to notice, in milliseconds. */
  readonly detectionMs: number
  /**
   * Sloppy: writes succeed at every node that has so many in reach, itself among them: W (default 1); the share of them
   * that must (default 0.999).
   */
  readonly alwaysWritable?: { readonly share?: number | undefined; readonly nodes?: number | undefined } | undefined
  /**
   * Not sloppy: an operation succeeds exactly when so many of the key's owners are in reach: max(R, W). Of those that
   * have them, the share that must (default 1).
   */
  readonly strict?:
    | {
        readonly owners: number
        readonly share?: number | undefined
        ownersOf?(key: string): readonly string[] | undefined
      }
    | undefined
}

/**
 * A5: every operation ends in time, whatever is wrong. A1, where `alwaysWritable`: a node that runs takes writes, on any
 * side of any partition. A2, where `strict`: an operation succeeds exactly when enough owners are in reach of the node that
 * was asked, and is refused with a typed error, within 1.2 times the timeout, when they are not. (A3 and A4 are figures.)
 *
 * Needs both lines of every operation with `ns`, and for A1 and A2 `node` on its invocation, the `error`'s code on its end,
 * and `cluster` on the nemesis' lines. Operations are judged whose cluster was known and did not change from `detectionMs`
 * before their beginning to their end. A2 takes for a key's owners those whose copies were probed (`replica-get`), unless it is told.
 * A refusal that has nothing to do with reach (a condition, a limit) counts as an answer.
 */
export function checkAvailability(records: readonly HistoryRecord[], promises: AvailabilityPromises): CheckResult {
  const { timeoutMs, slackMs = 500 } = promises
  const violations: Violation[] = []
  const lastNs = records.reduce((latest, { ns }) => Math.max(latest, ns), 0)
  let compared = 0
  const calls = callsOf(records)
  for (const call of calls) {
    const limitNs = call.begun.ns + (timeoutMs + slackMs) * 1e6
    if (call.ended === undefined && lastNs <= limitNs) continue
    compared += 1
    if (call.ended !== undefined && call.ended.ns <= limitNs) continue
    violations.push(violation('hang', call, `it had no end after ${timeoutMs + slackMs} ms`))
  }
  const calm = calls.filter((call) => isCalm(call, promises.detectionMs))
  if (promises.alwaysWritable !== undefined) compared += checkWrites(calm, nodesIn(calls), promises, violations)
  if (promises.strict !== undefined) compared += checkStrict(calm, records, promises, violations)
  return checkResult(violations, compared)
}

/** One operation as its client made it, and the cluster it met. */
interface Call {
  readonly begun: HistoryRecord
  ended: HistoryRecord | undefined
  readonly cluster: ClusterState | undefined
  /** When the cluster was changed last before it; and whether it was while it went on. */
  readonly changedNs: number
  isDisturbed: boolean
}

function callsOf(records: readonly HistoryRecord[]): readonly Call[] {
  const calls: Call[] = []
  const open = new Map<number, Call>()
  let cluster: ClusterState | undefined = { down: [], cuts: [] }
  let changedNs = Number.NEGATIVE_INFINITY
  for (const record of records) {
    if (record.p === 'nemesis') {
      cluster = record.cluster
      changedNs = record.ns
      for (const call of open.values()) call.isDisturbed = true
    } else if (record.p !== 'probe' && record.t === 'invoke') {
      const call = { begun: record, ended: undefined, cluster, changedNs, isDisturbed: false }
      open.set(record.p, call)
      calls.push(call)
    } else if (record.p !== 'probe') {
      const call = open.get(record.p)
      if (call !== undefined) call.ended = record
      open.delete(record.p)
    }
  }
  return calls
}

/** It met a node that runs, in a cluster that is known and did not change while it went on, nor shortly before. */
function isCalm({ begun, ended, cluster, changedNs, isDisturbed }: Call, detectionMs: number): boolean {
  if (ended === undefined || cluster === undefined || begun.node === undefined || isDisturbed) return false
  return !cluster.down.includes(begun.node) && begun.ns >= changedNs + detectionMs * 1e6
}

/** A1. */
function checkWrites(
  calm: readonly Call[],
  nodes: readonly string[],
  { alwaysWritable }: AvailabilityPromises,
  violations: Violation[],
): number {
  const { share = 0.999, nodes: needed = 1 } = alwaysWritable ?? {}
  const writes = calm.filter((call) => {
    return (call.begun.f === 'put' || call.begun.f === 'delete') && inReach(call, nodes) >= needed
  })
  const refused = writes.filter(isUnavailable)
  if (writes.length - refused.length >= share * writes.length) return writes.length
  for (const call of refused) {
    const reason = `${call.begun.node} ran and ended it with ${call.ended?.error ?? 'nothing'}`
    violations.push(violation('write-refused', call, reason))
  }
  return writes.length
}

/** A2. */
function checkStrict(
  calm: readonly Call[],
  records: readonly HistoryRecord[],
  { timeoutMs, strict }: AvailabilityPromises,
  violations: Violation[],
): number {
  const probed = probedOwners(records)
  const refused: Violation[] = []
  let compared = 0
  let served = 0
  for (const call of calm) {
    const { begun, ended, cluster } = call
    const key = begun.k ?? ''
    const owners = strict?.ownersOf?.(key) ?? probed.get(key)
    const needed = strict?.owners
    if (owners === undefined || needed === undefined || ended === undefined || cluster === undefined) continue
    compared += 1
    const reached = inReach(call, owners)
    const had = `${reached} of ${owners.length} owners were in reach of ${begun.node}`
    if (reached >= needed) {
      if (!isUnavailable(call)) served += 1
      else refused.push(violation('refused-in-reach', call, `${had}, and it ended with ${ended.error ?? 'nothing'}`))
      continue
    }
    if (ended.t === 'ok') violations.push(violation('answered-out-of-reach', call, `${had}, and it succeeded`))
    else if (!isAnswer(call) && !typedRefusals.includes(ended.error ?? '')) {
      violations.push(violation('untyped-refusal', call, `${had}, and it ended with ${ended.error ?? 'nothing'}`))
    } else if (ended.ns - begun.ns > 1.2 * timeoutMs * 1e6) {
      violations.push(violation('slow-refusal', call, `it took ${Math.round((ended.ns - begun.ns) / 1e6)} ms`))
    }
  }
  if (served < (strict?.share ?? 1) * (served + refused.length)) violations.push(...refused)
  return compared
}

/** How many of them the node that was asked can talk with. */
function inReach({ begun, cluster }: Call, nodes: readonly string[]): number {
  if (cluster === undefined) return 0
  return nodes.filter((node) => isInReach(cluster, begun.node ?? '', node)).length
}

/** Those that were asked at all. */
function nodesIn(calls: readonly Call[]): readonly string[] {
  return [...new Set(calls.flatMap(({ begun }) => begun.node ?? []))]
}

/** Both ways: a question and its answer. */
function isInReach({ down, cuts }: ClusterState, node: string, owner: string): boolean {
  if (down.includes(owner)) return false
  return !cuts.some(([from, to]) => (from === node && to === owner) || (from === owner && to === node))
}

function probedOwners(records: readonly HistoryRecord[]): ReadonlyMap<string, readonly string[]> {
  const owners = new Map<string, string[]>()
  for (const { p, f, k, node } of records) {
    if (p !== 'probe' || f !== 'replica-get' || k === undefined || node === undefined) continue
    const ofKey = owners.get(k)
    if (ofKey === undefined) owners.set(k, [node])
    else if (!ofKey.includes(node)) ofKey.push(node)
  }
  return owners
}

/** The cluster could not do it, or nobody knows whether it did. */
function isUnavailable(call: Call): boolean {
  return call.ended?.t !== 'ok' && !isAnswer(call)
}

/** A request was refused for what it asked. */
function isAnswer({ ended }: Call): boolean {
  return ended?.t === 'fail' && ended.error !== undefined && !unavailable.includes(ended.error)
}

const typedRefusals: readonly string[] = ['quorum-unavailable', 'deadline-exceeded', 'no-layout']
const unavailable: readonly string[] = [
  ...typedRefusals,
  'overloaded',
  'draining',
  'storage-failed',
  'clock-skew',
  'unreachable',
  'closed',
  'internal',
]

function violation(check: string, { begun }: Call, reason: string): Violation {
  const message = `a ${begun.f} of ${begun.k} by ${begun.p} through ${begun.node ?? 'somebody'}: ${reason}`
  return { check, key: begun.k ?? '', values: begun.vid === undefined ? [] : [begun.vid], at: begun.i, message }
}
