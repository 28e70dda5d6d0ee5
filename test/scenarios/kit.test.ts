import t from 'tap'
import { catalogue } from './catalogue.ts'
import { type Demand, judge, type KeyStory, Ledger, type Shown } from './kit/ledger.ts'
import { lineOf, reportOf } from './kit/report.ts'
import { runScenario } from './kit/run-scenario.ts'
import { NothingSeen, type Scenario, type ScenarioResult } from './kit/scenario.ts'
import { withResult } from './kit/write-docs.ts'

t.test('what a copy must hold', async (t) => {
  t.test('is the last acknowledged write', async (t) => {
    const { demand, values } = written('acknowledged', 'acknowledged')
    t.equal(judge(demand, holding(values[1])), 'held')
    t.equal(judge(demand, holding(values[0])), 'behind', 'an older one is not enough')
    t.equal(judge(demand, holding()), 'behind')
    t.equal(judge(demand, holding(values[0], values[1])), 'held', 'beside a sibling')
  })

  t.test('or what was written later, whatever became of that', async (t) => {
    const { demand, values } = written('acknowledged', 'unknown')
    t.equal(judge(demand, holding(values[1])), 'held')
    t.equal(judge(demand, holding(values[0])), 'held')
  })

  t.test('and never what nobody wrote, or what was refused', async (t) => {
    const { demand, values } = written('acknowledged', 'refused')
    t.equal(judge(demand, holding(values[0], values[1])), 'invented')
    t.equal(judge(demand, holding(values[0], 'x')), 'invented')
  })

  t.test('nothing, after a delete', async (t) => {
    const { demand, values } = written('acknowledged', 'delete')
    t.equal(judge(demand, { values: [], isTombstone: true }), 'held')
    t.equal(judge(demand, holding()), 'held', 'the tombstone may be gone as well')
    t.equal(judge(demand, holding(values[0])), 'behind')
  })

  t.test('is not asked of a key without an acknowledged write', async (t) => {
    const ledger = new Ledger()
    const story = ledger.story('k')
    ledger.end(story, ledger.begin(story, 'n1', 10), 'unknown', undefined)
    t.same(ledger.demands(), [])
  })
})

t.test('every value is unlike every other, and as long as was asked', async (t) => {
  const ledger = new Ledger()
  const values = ['a', 'b', 'a'].map((key) => ledger.begin(ledger.story(key), 'n1', 100).value)
  t.equal(new Set(values).size, 3)
  t.same(
    values.map((value) => value?.length),
    [100, 100, 100],
  )
})

t.test('a run', async (t) => {
  t.test('passed when every claim held and there was enough to see', async (t) => {
    const { verdict, claims } = await ran((lab) => {
      lab.claim('one', true)
      lab.mustHaveSeen('writes', 10, 10)
    })
    t.equal(verdict, 'passed')
    t.equal(claims.length, 2)
  })

  t.test('failed when a claim is broken, or something unforeseen happens, whatever was not seen', async (t) => {
    const broken = await ran((lab) => {
      lab.mustHaveSeen('writes', 0, 1)
      lab.claim('one', false)
    })
    t.equal(broken.verdict, 'failed')
    t.match(await ran(() => Promise.reject(new Error('no node'))), { verdict: 'failed', problem: 'no node' })
  })

  t.test('has shown nothing when too little was seen, the machine cannot do it, or nothing was claimed', async (t) => {
    const tooLittle = await ran((lab) => {
      lab.claim('one', true)
      lab.mustHaveSeen('writes', 9, 10)
    })
    t.equal(tooLittle.verdict, 'unseen')
    t.match(await ran(() => Promise.reject(new NothingSeen('needs root'))), {
      verdict: 'unseen',
      problem: 'needs root',
    })
    t.equal((await ran(() => undefined)).verdict, 'unseen')
  })

  t.test('cleans up, last things first, even where cleaning fails', async (t) => {
    const cleaned: number[] = []
    await ran((lab) => {
      lab.teardown(() => cleaned.push(1))
      lab.teardown(() => Promise.reject(new Error('busy')))
      lab.teardown(() => cleaned.push(2))
    })
    t.same(cleaned, [2, 1])
  })

  t.test('is the same chance for the same seed', async (t) => {
    const drawn: number[] = []
    for (let run = 0; run < 2; run += 1) await ran((lab) => drawn.push(lab.fraction()))
    t.equal(drawn[0], drawn[1])
  })
})

t.test('a report has what was measured, the claims, and the verdict last', async (t) => {
  const result = await ran((lab) => {
    lab.measure('until it was there', 1.234, 's')
    lab.claim('it is there', false, 'k/1')
  })
  t.match(reportOf(result), /1\.23\s+s\s+until it was there\n\s+BROKEN\s+it is there\s+k\/1\nFAILED after/)
  t.match(JSON.parse(lineOf(result)), { apiVersion: 'v1', kind: 'Scenario', verdict: 'failed', scenario: 'try' })
})

t.test('the page keeps one section for each scenario, in the order of the catalogue', async (t) => {
  const [first, second] = catalogue as [Scenario, Scenario]
  const resultOf = async (scenario: Scenario): Promise<ScenarioResult> => ({
    ...(await ran(() => undefined)),
    scenario: scenario.name,
  })
  let page = withResult('# Scenarios\n\nWords.\n', await resultOf(second), catalogue)
  page = withResult(page, await resultOf(first), catalogue)
  page = withResult(page, await resultOf(second), catalogue)
  t.same(
    [...page.matchAll(/^## `(.*)`$/gm)].map(([, name]) => name),
    [first.name, second.name],
  )
  t.match(page, /^# Scenarios\n\nWords\.\n\n## /)
})

t.test('every scenario has a name of its own', async (t) => {
  t.equal(new Set(catalogue.map(({ name }) => name)).size, catalogue.length)
  for (const { name, summary } of catalogue) t.match(`${name} ${summary}`, /^[a-z][a-z-]* \S.*[^.]$/)
})

function written(...what: readonly ('acknowledged' | 'refused' | 'unknown' | 'delete')[]): {
  readonly demand: Demand
  readonly values: readonly string[]
} {
  const ledger = new Ledger()
  const story: KeyStory = ledger.story('k')
  const values = what.map((outcome) => {
    const write = outcome === 'delete' ? ledger.beginDelete(story, 'n1') : ledger.begin(story, 'n1', 10)
    ledger.end(story, write, outcome === 'delete' ? 'acknowledged' : outcome, undefined)
    return write.value ?? ''
  })
  return { demand: ledger.demands()[0] as Demand, values }
}

function holding(...values: readonly (string | undefined)[]): Shown {
  return { values: values.filter((value) => value !== undefined), isTombstone: false }
}

function ran(run: (lab: Parameters<Scenario['run']>[0]) => unknown): Promise<ScenarioResult> {
  const scenario: Scenario = { name: 'try', summary: 'tries', seconds: 1, run: async (lab) => void (await run(lab)) }
  return runScenario(scenario, { seed: 1, seconds: 1, rate: 1 }, () => undefined)
}
