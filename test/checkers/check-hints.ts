import { type CheckResult, checkResult, type Violation, violationsMax } from './check-result.ts'
import { type HistoryRecord, healedNs, type NodeProbe, type Operation } from './history.ts'
import { type KeyHistory, keyHistoriesOf } from './key-history.ts'
import { has } from './write-set.ts'

export interface HintPromises {
  /** So long after the healing every hint has been delivered, in milliseconds. */
  readonly withinMs: number
  /** No node ever keeps more. */
  readonly hintsMax?: number | undefined
  /** The members in the end, by name. */
  readonly members?: readonly string[] | undefined
  /** The writes whose hints, if any were needed, were kept; default: all that were acknowledged before the healing. */
  readonly handedOver?: ReadonlySet<string> | undefined
}

/**
 * Hints do what they are for, where anti-entropy and read repair are off: in time after the healing none is left (H1),
 * none for somebody who is no member (H6), and never were there more than the bound (H5); each owner's own copy has every
 * acknowledged write (H2), whoever was killed meanwhile (H3, H4), unless the range is marked because a hint could not be
 * kept (H5); and shows no value twice, however often it was delivered (H8). How delivery is throttled (H7) is a figure.
 *
 * Needs a line `{p: 'nemesis', f: 'heal'}`, and probes after it, beyond the bound and before anybody reads: `node` (`v`:
 * `NodeProbe` with `hints`, and `hintsFor` for H6) of every node, and `replica-get` (`node`, `k`, `vals`, `marked`) of every owner of
 * a key; the writes with `vid` and `ctx`. For H5 `node` probes at any time.
 */
export function checkHints(records: readonly HistoryRecord[], promises: HintPromises): CheckResult {
  const violations: Violation[] = []
  const healed = healedNs(records)
  const deadline = healed === undefined ? Number.POSITIVE_INFINITY : healed + promises.withinMs * 1e6
  let compared = 0
  for (const probe of records) {
    if (probe.p === 'probe' && probe.f === 'node') compared += checkNode(probe, deadline, promises, violations)
  }
  if (healed === undefined) return checkResult(violations, compared)
  const debts = new Map(keyHistoriesOf(records).map((history) => [history.key, debtOf(history, healed, promises)]))
  for (const probe of records) {
    if (probe.p !== 'probe' || probe.f !== 'replica-get' || probe.ns <= deadline) continue
    const debt = debts.get(probe.k ?? '')
    if (debt === undefined || violations.length >= violationsMax) continue
    compared += checkCopy(debt, probe, violations)
  }
  return checkResult(violations, compared)
}

/** H1, H5 and H6. */
function checkNode(probe: HistoryRecord, deadline: number, promises: HintPromises, violations: Violation[]): number {
  const { hints, hintsFor } = probe.v as NodeProbe
  const { hintsMax = Number.POSITIVE_INFINITY, members } = promises
  if (hints === undefined) return 0
  if (hints > hintsMax)
    violations.push(ofNode('too-many-hints', probe, `it keeps ${hints} hints, more than ${hintsMax}`))
  if (probe.ns <= deadline) return promises.hintsMax === undefined ? 0 : 1
  if (hints > 0) violations.push(ofNode('hint-not-delivered', probe, `it still keeps ${hints} hints`))
  for (const [owner, count] of Object.entries(hintsFor ?? {})) {
    if (count === 0 || members === undefined || members.includes(owner)) continue
    violations.push(ofNode('hint-for-nobody', probe, `it keeps ${count} hints for ${owner}, which is no member`))
  }
  return 1
}

/** What every owner of a key must have. */
interface Debt {
  readonly history: KeyHistory
  readonly owed: readonly Operation[]
}

function debtOf(history: KeyHistory, healed: number, { handedOver }: HintPromises): Debt {
  const puts = history.writes.filter(({ type, outcome }) => type === 'put' && outcome === 'ok')
  return { history, owed: puts.filter(({ vid, endedNs }) => handedOver?.has(vid) ?? endedNs <= healed) }
}

/** H2 to H4, and H8. */
function checkCopy({ history, owed }: Debt, probe: HistoryRecord, violations: Violation[]): number {
  const vals = probe.vals ?? []
  if (new Set(vals).size < vals.length) {
    for (const vid of new Set(vals.filter((vid, index) => vals.indexOf(vid) < index))) {
      violations.push(ofCopy('delivered-twice', probe, vid, 'it is there twice'))
    }
  }
  if (probe.marked) return vals.length
  const covered = history.coverageAt(vals, probe.ns)
  for (const { vid, place } of owed) {
    if (has(covered, place)) continue
    violations.push(ofCopy('hint-lost', probe, vid, 'it was acknowledged, and should have been handed over'))
  }
  return owed.length + vals.length
}

function ofNode(check: string, probe: HistoryRecord, reason: string): Violation {
  return { check, key: '', values: [probe.node ?? ''], at: probe.i, message: `${probe.node}: ${reason}` }
}

function ofCopy(check: string, probe: HistoryRecord, vid: string, reason: string): Violation {
  const shown = probe.vals?.length ? probe.vals.join(', ') : 'nothing'
  const message = `${probe.node} has ${shown} of ${probe.k}, and ${vid}: ${reason}`
  return { check, key: probe.k ?? '', values: [vid], at: probe.i, message }
}
