import t from 'tap'
import type { Workload } from '../../jepsen-lite/workload.ts'
import { workloads } from '../../jepsen-lite/workloads/index.ts'
import { WorkloadTrial } from './workload-trial.ts'

t.setTimeout(120_000)

t.test(
  'against nodes that do what they promise each workload looks at something, and finds nothing wrong',
  async (t) => {
    const [plain, lastWriteWins] = await Promise.all([
      WorkloadTrial.start(t),
      WorkloadTrial.start(t, { conflict: 'lww', readRepair: 'blocking' }),
    ])
    for (const workload of inOrder(workloads)) {
      const trial = workload.bucket === undefined ? plain : lastWriteWins
      const records = await trial.run(workload)
      for (const { name, valid, compared, violations } of workload.check(records)) {
        // Values expire only after the test.
        const expected = name === 'expiry' ? 'unknown' : true
        t.equal(valid, expected, `${workload.name}: ${name}, ${compared} compared`, {
          violations: violations.slice(0, 3),
        })
      }
      const failures = records.filter((record) => record.t === 'fail' || record.t === 'info')
      t.same(failures.slice(0, 3), [], `${workload.name}: every operation succeeds`)
    }
  },
)

/** Who lists the whole bucket comes before the others that put keys into it. */
function inOrder(all: readonly Workload[]): readonly Workload[] {
  return all.toSorted((a, b) => Number(b.name === 'listing') - Number(a.name === 'listing'))
}
