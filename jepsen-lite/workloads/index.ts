import type { Workload } from '../workload.ts'
import { blindWrites } from './blind-writes.ts'
import { causalChain } from './causal-chain.ts'
import { conditionalPut } from './conditional-put.ts'
import { deleteRecreate } from './delete-recreate.ts'
import { availability, endings, rest } from './judge.ts'
import { limits } from './limits.ts'
import { listing } from './listing.ts'
import { membership } from './membership.ts'
import { registerAtomic, registerRegular } from './registers.ts'
import { session } from './session.ts'
import { siblingSet } from './sibling-set.ts'
import { ttl } from './ttl.ts'
import { twoWriters } from './two-writers.ts'

/** The rows of the matrix. */
export const workloads: readonly Workload[] = [
  siblingSet,
  registerRegular,
  registerAtomic,
  causalChain,
  session,
  blindWrites,
  twoWriters,
  deleteRecreate,
  ttl,
  membership,
  listing,
  conditionalPut,
  limits,
].map(alsoAsksWhoIsServed)

function alsoAsksWhoIsServed(workload: Workload): Workload {
  const { isAlwaysWritable } = workload
  const check: Workload['check'] = (records) => {
    return [...workload.check(records), endings(records), ...availability(records, isAlwaysWritable), ...rest(records)]
  }
  return { ...workload, check }
}
