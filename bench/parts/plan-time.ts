/** How long a plan takes for 30 nodes, 1024 partitions and 3 replicas in a new process: one line of JSON. */
import { planAssignment } from '../../lib/protocol/ring/planner.ts'
import { toNodeId } from '../../lib/vocabulary/ids.ts'

const nodes = Array.from({ length: 30 }, (_, index) => ({
  id: toNodeId((index + 1).toString(16).padStart(32, '0')),
  zone: `zone-${index % 3}`,
  weight: 1,
}))
const startMs = performance.now()
const plan = planAssignment({ nodes, partitionCount: 1024, replicaCount: 3, previous: undefined })
const planMs = performance.now() - startMs
if (!plan.ok) throw new Error(plan.reason)
console.log(JSON.stringify({ planMs }))
