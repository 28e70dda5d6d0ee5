import t from 'tap'
import { reportOf } from './kit/report.ts'
import { runScenario } from './kit/run-scenario.ts'
import { payments } from './payments.ts'

t.setTimeout(175_000)

/** The short form of a scenario that is run by hand with 10,000 payments. */
t.test('a few hundred payments while nodes and services are killed', { timeout: 170_000 }, async (t) => {
  const story: string[] = []
  const result = await runScenario(
    payments,
    { seed: 1, seconds: 6, rate: 500, keys: 250 },
    (line) => story.push(line),
    (lab) => t.teardown(() => lab.close()),
  )
  t.equal(result.verdict, 'passed', reportOf(result), { story: story.slice(-120) })
})
