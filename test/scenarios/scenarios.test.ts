import t, { type Test } from 'tap'
import { killAllOs } from './kill-all.ts'
import { reportOf } from './kit/report.ts'
import { runScenario } from './kit/run-scenario.ts'
import type { Scenario, ScenarioOptions } from './kit/scenario.ts'
import { oneOwnerAway } from './one-owner-away.ts'
import { repairMode } from './repair-modes.ts'
import { through } from './sizes.ts'

/** Short forms of some scenarios, with few writes and no promise about time: the long ones are run by hand. */

t.jobs = 3

const hintsInShort: Scenario = {
  name: 'hints-in-short',
  summary: 'one owner is away; hints alone bring its copies up to date',
  seconds: 3,
  run: (lab) => oneOwnerAway(lab, { flags: ['--anti-entropy', 'off', '--read-repair', 'off'], heldWithinSeconds: 60 }),
}

const repairInShort: Scenario = {
  name: 'blocking-repair-in-short',
  summary: 'blocking read repair alone brings copies together',
  seconds: 10,
  run: (lab) => repairMode(lab, 'blocking'),
}

const sizesInShort: Scenario = {
  name: 'sizes-in-short',
  summary: 'one node becomes two, and the second goes on alone',
  seconds: 2,
  run: (lab) => through(lab, 1, [2, 1], ['--partitions', '16']),
}

passes(hintsInShort, { seed: 1, seconds: 3, rate: 60 })
passes(killAllOs, { seed: 2, seconds: 3, rate: 60 })
passes(repairInShort, { seed: 3, seconds: 10, rate: 60 })
passes(sizesInShort, { seed: 4, seconds: 2, rate: 100, keys: 200 })

function passes(scenario: Scenario, options: ScenarioOptions): void {
  t.test(scenario.name, { timeout: 150_000 }, async (t: Test) => {
    const story: string[] = []
    const result = await runScenario(
      scenario,
      options,
      (line) => story.push(line),
      (lab) => t.teardown(() => lab.close()),
    )
    t.equal(result.verdict, 'passed', reportOf(result), { story: story.slice(-120) })
  })
}
