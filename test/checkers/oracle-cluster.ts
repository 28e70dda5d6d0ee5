import type { Dot } from '../../lib/protocol/causality/dot.ts'
import type { CausalContext } from '../../lib/protocol/causality/record.ts'
import type { AvailabilityPromises } from './check-availability.ts'
import type { ConvergencePromises } from './check-convergence.ts'
import type { HintPromises } from './check-hints.ts'
import { type HistoryRecord, type NodeProbe, type Operation, operationsOf } from './history.ts'
import { pastOf, sees } from './oracle.ts'

/** As in oracle.ts: definitions written out, for tokens, for probes, and for who was in reach of whom. */
export function oracleOfContextTokens(
  records: readonly HistoryRecord[],
  contextOf: (token: string) => CausalContext,
): readonly string[] {
  const found = new Set<string>()
  const operations = operationsOf(records).filter(({ outcome }) => outcome === 'ok')
  const all = operationsOf(records)
  for (const one of operations) {
    const say = (check: string, vid: string): Set<string> => found.add(`${check} ${one.key} ${vid}`)
    if (one.token === undefined) continue
    const answered = contextOf(one.token)
    if (one.type !== 'get') {
      if (one.isRetried) continue
      const sent = sentBy(one, contextOf)
      const isKept = sent.vv.every((entry) => answered.vv.some((a) => isActor(a, entry) && a.counter >= entry.counter))
      if (!isKept) say('context-shrank', one.vid)
      const added = [...answered.vv, ...answered.dots].filter((dot) => !namesIn(sent).has(nameOf(dot)))
      if (added.length === 0 && one.type === 'put') say('context-misses-write', one.vid)
      const twin = operations.find(
        (other) =>
          other.key === one.key &&
          other.invokedAt < one.invokedAt &&
          dotOf(other, contextOf) !== undefined &&
          dotOf(other, contextOf) === dotOf(one, contextOf),
      )
      if (twin !== undefined) say('dot-twice', one.vid)
      continue
    }
    for (const write of operations) {
      const dot = dotOf(write, contextOf)
      if (write.key !== one.key || dot === undefined || write.invokedAt > one.endedAt) continue
      const isCovered = namesIn(answered).has(dot)
      if (one.values.includes(write.vid) && !isCovered) say('context-misses-value', write.vid)
      if (isCovered && !sees(all, one, write.vid)) say('context-lies', write.vid)
    }
    // A value may be shown before its write was begun: other checks say so.
    for (const write of operations.filter(({ key, invokedAt }) => key === one.key && invokedAt > one.endedAt)) {
      const dot = dotOf(write, contextOf)
      const isShown = dot !== undefined && one.values.includes(write.vid)
      if (isShown && !namesIn(answered).has(dot)) say('context-misses-value', write.vid)
    }
  }
  return [...found].sort()
}

function dotOf(write: Operation, contextOf: (token: string) => CausalContext): string | undefined {
  if (write.type === 'get' || write.token === undefined || write.isRetried) return undefined
  const answered = contextOf(write.token)
  const before = namesIn(sentBy(write, contextOf))
  const added = [...answered.vv, ...answered.dots].map(nameOf).filter((name) => !before.has(name))
  return added.length === 1 ? added[0] : undefined
}

function sentBy(write: Operation, contextOf: (token: string) => CausalContext): Pick<CausalContext, 'vv' | 'dots'> {
  return write.sentToken === undefined ? { vv: [], dots: [] } : contextOf(write.sentToken)
}

/** Every dot that a context covers, one by one. */
function namesIn({ vv, dots }: Pick<CausalContext, 'vv' | 'dots'>): ReadonlySet<string> {
  const names = new Set(dots.map(nameOf))
  for (const entry of vv) {
    for (let counter = 1; counter <= entry.counter; counter += 1) names.add(nameOf({ ...entry, counter }))
  }
  return names
}

function nameOf(dot: Dot): string {
  return `${dot.shortId} ${dot.counter}`
}

function isActor(a: Dot, b: Dot): boolean {
  return a.shortId === b.shortId
}

export function oracleOfConvergence(
  records: readonly HistoryRecord[],
  { withinMs }: ConvergencePromises,
): readonly string[] {
  const found = new Set<string>()
  const late = lateProbes(records, withinMs)
  for (const [index, probe] of late.entries()) {
    const before = late.slice(0, index)
    if (probe.f === 'replica-get') {
      const first = before.find(({ f, k }) => f === 'replica-get' && k === probe.k)
      if (first !== undefined && first.state !== probe.state) found.add(`not-converged-in-time ${probe.k} `)
      continue
    }
    const { strays = 0, ...told } = probe.v as NodeProbe
    if (strays > 0) found.add(`strays-left  ${probe.node}`)
    for (const earlier of before.filter(({ f }) => f === 'node')) {
      const { epoch, repairs, roots } = earlier.v as NodeProbe
      const tells = (pick: (one: HistoryRecord) => unknown): boolean =>
        late.find((one) => one.f === 'node' && pick(one) !== undefined) === earlier
      const epochOf = (one: HistoryRecord): unknown => (one.v as NodeProbe).epoch
      if (tells(epochOf) && told.epoch !== undefined && told.epoch !== epoch) found.add(`layouts-differ  ${probe.node}`)
      const repairsOf = (one: HistoryRecord): unknown =>
        one.node === probe.node ? (one.v as NodeProbe).repairs : undefined
      if (tells(repairsOf) && told.repairs !== undefined && told.repairs !== repairs) {
        found.add(`repairs-go-on  ${probe.node}`)
      }
      for (const [partition, root] of Object.entries(told.roots ?? {})) {
        const rootOf = (one: HistoryRecord): unknown => (one.v as NodeProbe).roots?.[partition]
        if (tells(rootOf) && roots?.[partition] !== root) found.add(`trees-differ  ${probe.node}`)
      }
    }
  }
  return [...found].sort()
}

export function oracleOfHints(records: readonly HistoryRecord[], promises: HintPromises): readonly string[] {
  const found = new Set<string>()
  const late = new Set(lateProbes(records, promises.withinMs))
  const operations = operationsOf(records)
  const healed = records.filter(({ p, f }) => p === 'nemesis' && f === 'heal').at(-1)
  for (const probe of records) {
    if (probe.p !== 'probe') continue
    const isLate = late.has(probe)
    if (probe.f === 'node') {
      const { hints, hintsFor = {} } = probe.v as NodeProbe
      if (hints === undefined) continue
      if (promises.hintsMax !== undefined && hints > promises.hintsMax) found.add(`too-many-hints  ${probe.node}`)
      if (isLate && hints > 0) found.add(`hint-not-delivered  ${probe.node}`)
      for (const [owner, count] of Object.entries(hintsFor)) {
        const isStranger = promises.members !== undefined && !promises.members.includes(owner)
        if (isLate && isStranger && count > 0) found.add(`hint-for-nobody  ${probe.node}`)
      }
      continue
    }
    const ofKey = operations.filter(({ key, type }) => key === probe.k && type !== 'get')
    if (!isLate || !operations.some(({ key }) => key === probe.k)) continue
    const vals = probe.vals ?? []
    for (const vid of vals)
      if (vals.filter((one) => one === vid).length > 1) found.add(`delivered-twice ${probe.k} ${vid}`)
    if (probe.marked) continue
    for (const put of ofKey) {
      if (put.type !== 'put' || put.outcome !== 'ok') continue
      const isOwed =
        promises.handedOver === undefined ? put.endedNs <= (healed?.ns ?? 0) : promises.handedOver.has(put.vid)
      const deletes = ofKey.filter(({ type, outcome }) => type === 'delete' && outcome !== 'fail')
      const ends = [...vals, ...deletes.map(({ vid }) => vid)]
      const isThere = ends.some(
        (end) => end === put.vid || pastOf(operations, probe.k as string, end, false).has(put.vid),
      )
      if (isOwed && !isThere) found.add(`hint-lost ${probe.k} ${put.vid}`)
    }
  }
  return [...found].sort()
}

function lateProbes(records: readonly HistoryRecord[], withinMs: number): readonly HistoryRecord[] {
  const healed = records.filter(({ p, f }) => p === 'nemesis' && f === 'heal').at(-1)
  if (healed === undefined) return []
  return records.filter(({ p, ns }) => p === 'probe' && ns - healed.ns > withinMs * 1_000_000)
}

export function oracleOfAvailability(
  records: readonly HistoryRecord[],
  promises: AvailabilityPromises,
): readonly string[] {
  const { timeoutMs, slackMs = 500, detectionMs, alwaysWritable, strict } = promises
  const found = new Set<string>()
  const refused: string[] = []
  let writes = 0
  const lastNs = Math.max(0, ...records.map(({ ns }) => ns))
  for (const begun of records) {
    if (begun.t !== 'invoke') continue
    const name = `${begun.k} ${begun.vid ?? ''}`
    const ended = records.find(({ i, p, t }) => i > begun.i && p === begun.p && t !== 'invoke')
    const limitNs = begun.ns + (timeoutMs + slackMs) * 1_000_000
    if ((ended?.ns ?? lastNs) > limitNs) found.add(`hang ${name}`)
    if (ended === undefined || begun.node === undefined) continue
    const changes = records.filter(({ p, i }) => p === 'nemesis' && i < ended.i)
    const isDisturbed = changes.some(({ i, ns }) => i > begun.i || begun.ns - ns < detectionMs * 1_000_000)
    const cluster = changes.length === 0 ? { down: [], cuts: [] } : changes.at(-1)?.cluster
    if (isDisturbed || cluster === undefined || cluster.down.some((node) => node === begun.node)) continue
    const ofReach = ['quorum-unavailable', 'deadline-exceeded', 'no-layout']
    const ofNode = ['overloaded', 'draining', 'storage-failed', 'clock-skew', 'unreachable', 'closed', 'internal']
    const isAnswered =
      ended.t === 'ok' ||
      (ended.t === 'fail' && ended.error !== undefined && ![...ofReach, ...ofNode].includes(ended.error))
    if (begun.f !== 'get') {
      writes += 1
      if (!isAnswered) refused.push(`write-refused ${name}`)
    }
    const probed = records.filter(({ f, k, node }) => f === 'replica-get' && k === begun.k && node !== undefined)
    const owners = strict?.ownersOf?.(begun.k ?? '') ?? [...new Set(probed.map(({ node }) => node as string))]
    if (strict === undefined || owners.length === 0) continue
    const reached = owners.filter((owner) => {
      const isCut = cluster.cuts.some((cut) => cut.includes(owner) && cut.includes(begun.node as string))
      return !cluster.down.some((node) => node === owner) && (owner === begun.node || !isCut)
    })
    if (reached.length >= strict.owners) {
      if (!isAnswered) found.add(`refused-in-reach ${name}`)
    } else if (ended.t === 'ok') found.add(`answered-out-of-reach ${name}`)
    else if (!isAnswered && !ofReach.includes(ended.error ?? '')) found.add(`untyped-refusal ${name}`)
    else if (ended.ns - begun.ns > timeoutMs * 1_200_000) found.add(`slow-refusal ${name}`)
  }
  const share = alwaysWritable?.share ?? 0.999
  if (alwaysWritable !== undefined && refused.length > writes - share * writes)
    for (const one of refused) found.add(one)
  return [...found].sort()
}
