import { type CheckResult, checkResult, type Violation } from './check-result.ts'
import { type HistoryRecord, healedNs, type NodeProbe } from './history.ts'

export interface ConvergencePromises {
  /** So long after the healing all owners agree, in milliseconds. */
  readonly withinMs: number
}

/**
 * Copies come together by themselves within a bound, and then there is silence: whatever the owners of a key show later
 * than that is one state; all nodes go by one layout; the trees of a partition are equal; nobody has records he does not
 * own; and nobody repairs anything any more. (What the copies must hold is `checkCopies`, that no hints are left `checkHints`.)
 *
 * Needs a line `{p: 'nemesis', f: 'heal'}`, and after it, beyond the bound, probes: `replica-get` (with `node`, `k` and
 * `state`) of every owner of a key, and `node` (with `v`: `NodeProbe`), these at least twice for the silence. Nobody
 * writes meanwhile. A key that was seen at one owner only, or a figure told once, is not compared.
 */
export function checkConvergence(records: readonly HistoryRecord[], { withinMs }: ConvergencePromises): CheckResult {
  const violations: Violation[] = []
  const healed = healedNs(records)
  if (healed === undefined) return checkResult(violations, 0)
  const late = records.filter(({ p, ns }) => p === 'probe' && ns > healed + withinMs * 1e6)
  const compared = compareCopies(late, violations) + compareNodes(late, violations)
  return checkResult(violations, compared)
}

function compareCopies(probes: readonly HistoryRecord[], violations: Violation[]): number {
  const firsts = new Map<string, HistoryRecord>()
  let compared = 0
  for (const probe of probes) {
    if (probe.f !== 'replica-get' || probe.k === undefined) continue
    const first = firsts.get(probe.k)
    if (first === undefined) {
      firsts.set(probe.k, probe)
      continue
    }
    compared += 1
    if (probe.state === first.state) continue
    const message = `${probe.node} has ${probe.state ?? 'nothing'} of ${probe.k}, and ${first.node} had ${first.state ?? 'nothing'}`
    violations.push({ check: 'not-converged-in-time', key: probe.k, values: [], at: probe.i, message })
  }
  return compared
}

function compareNodes(probes: readonly HistoryRecord[], violations: Violation[]): number {
  const firsts = new Map<string, number | string>()
  let compared = 0
  for (const probe of probes) {
    if (probe.f !== 'node') continue
    const { epoch, strays, roots, repairs } = probe.v as NodeProbe
    expectSame(probe, 'layouts-differ', 'the layout', epoch)
    for (const [partition, root] of Object.entries(roots ?? {})) {
      expectSame(probe, 'trees-differ', `the tree of partition ${partition}`, root)
    }
    expectSame(probe, 'repairs-go-on', `the repairs of ${probe.node}`, repairs)
    if (strays === undefined) continue
    compared += 1
    if (strays > 0) violations.push(violation('strays-left', probe, `it has ${strays} records that it does not own`))
  }
  return compared

  function expectSame(probe: HistoryRecord, check: string, what: string, value: number | string | undefined): void {
    if (value === undefined) return
    const first = firsts.get(what)
    if (first === undefined) firsts.set(what, value)
    else compared += 1
    if (first === undefined || first === value) return
    violations.push(violation(check, probe, `${what} is ${value}, and was ${first}`))
  }
}

function violation(check: string, probe: HistoryRecord, reason: string): Violation {
  const message = `${probe.node}, asked when all was over: ${reason}`
  return { check, key: '', values: [probe.node ?? ''], at: probe.i, message }
}
