import t from 'tap'
import { workloads } from '../../jepsen-lite/workloads/index.ts'
import { WorkloadTrial } from './workload-trial.ts'

t.test('every workload, without faults', async (t) => {
  const trial = await WorkloadTrial.start(t)
  for (const workload of workloads) {
    const records = await trial.run(workload)
    for (const { name, valid, compared, violations } of workload.check(records)) {
      t.equal(valid, true, `${workload.name}: ${name}`, { violations: violations.slice(0, 3) })
      t.ok(compared > 0, `${workload.name}: ${name} has compared something`)
    }
  }
})
