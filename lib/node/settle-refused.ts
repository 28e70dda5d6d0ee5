import type { Dot } from '../protocol/causality/dot.ts'
import type { KeyRecord } from '../protocol/causality/record.ts'
import { compareDots } from '../protocol/causality/version-vector.ts'
import type { RecordKey } from '../vocabulary/key.ts'
import { gather } from './gather.ts'
import type { RequestContext } from './request-context.ts'

const askTimeoutMs = 3_000

/**
 * What a restored store held and another owner refused, because a deletion has ended there since (docs/rules.md D5): all
 * other owners are read. A sibling that none of them holds, and that the restored copy may have brought, was deleted for
 * good: it goes. Whatever else stands here stays, merged with theirs.
 * `done(false)`: somebody did not answer; nothing was given up.
 */
export function settleRefused(
  context: RequestContext,
  refused: readonly { readonly key: RecordKey }[],
  done: (isSettled: boolean) => void,
): void {
  const [first, ...others] = refused
  if (first === undefined) return done(true)
  settle(context, first.key, (isSettled) => {
    if (isSettled) settleRefused(context, others, done)
    else done(false)
  })
}

function settle(context: RequestContext, key: RecordKey, done: (isSettled: boolean) => void): void {
  const { store, self, layout, parts, recovery, barriers } = context
  const inForce = layout.inForce
  if (inForce === undefined) return done(false)
  const owners = inForce.ownersOf(store.partitionOf(key)).filter((owner) => !inForce.isExcluded(owner))
  const others = owners.filter((owner) => owner !== self)
  const request = { key, owners, layoutNumber: inForce.decided.version.number, timeoutMs: askTimeoutMs }
  gather(context, request, ({ record: theirs, answered, asOf }) => {
    if (answered.length < others.length) return done(false)
    const copy = store.read(key)
    if (copy.state !== 'found') return done(copy.state === 'absent')
    const ours = store.decode(copy.bytes)
    const kept = ours.siblings.filter(({ dot, hlc }) => recovery.isSinceRestored(hlc) || holds(theirs, dot))
    const remains = { ...ours, siblings: kept }
    // Another of them may have been restored, too: what it holds is as old as its copy.
    if (theirs !== undefined && barriers.refuses(store.partitionOf(key), asOf, remains, theirs)) return done(false)
    const settled = theirs === undefined ? (kept.length === 0 ? undefined : remains) : parts.merge(theirs, remains)
    store.replace(key, settled, (failure) => done(failure === undefined))
  })
}

function holds(record: KeyRecord | undefined, dot: Dot): boolean {
  return record?.siblings.some((sibling) => compareDots(sibling.dot, dot) === 0) ?? false
}
