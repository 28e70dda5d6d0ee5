import type { RecordKey } from '../vocabulary/key.ts'
import { gather } from './gather.ts'
import type { RequestContext } from './request-context.ts'

const askTimeoutMs = 3_000
const retryAfterMs = 1_000

/**
 * Replaces a damaged record by what the other owners hold (docs/rules.md A6). Until every one of them has answered the
 * copy stays damaged: neither absent, nor counted, nor written over. One would not do: a write that this copy and one
 * other acknowledged may be missing at the one that answers (docs/decisions/0015-heal-from-all-owners.md). The only
 * owner has nobody to ask.
 */
export function healDamaged(context: RequestContext, key: RecordKey): void {
  const { layout, store, self, barriers } = context
  const inForce = layout.inForce
  if (inForce === undefined) return
  const { ring, decided } = inForce
  const owners = inForce.ownersOf(ring.partitionOf(key.token)).filter((owner) => !inForce.isExcluded(owner))
  // An old copy is swept, not healed: what is written now might come behind the sweep, and stay.
  if (!owners.includes(self)) return
  const others = owners.filter((owner) => owner !== self)
  const request = { key, owners, layoutNumber: decided.version.number, timeoutMs: askTimeoutMs }
  gather(context, request, ({ record, answered, asOf }) => {
    // Nobody knows what the damaged copy had seen; what was read before a deletion ended here may bring it back (D5).
    const isTooLate = record !== undefined && barriers.refuses(store.partitionOf(key), asOf, undefined, record)
    if (answered.length < others.length || isTooLate) {
      context.deadlines.after(retryAfterMs, () => healDamaged(context, key))
      return
    }
    store.heal(key, record, () => {})
  })
}
