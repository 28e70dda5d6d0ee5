import { parseArgs } from 'node:util'
import { catalogue } from './catalogue.ts'
import type { Lab } from './kit/lab.ts'
import { lineOf, reportOf } from './kit/report.ts'
import { runScenario } from './kit/run-scenario.ts'
import type { Verdict } from './kit/scenario.ts'
import { writeToDocs } from './kit/write-docs.ts'

/** `npm run scenario -- NAME`: real processes, one promise. Exit code 0: passed; 1: failed; 2: nothing seen. */

const usage = `usage: npm run scenario -- NAME [--seed S] [--seconds N] [--rate N] [--keys N] [--runs N] [--json] [--write]

  --seed S     of what chance decides (default 1)
  --seconds N  how long the fault lasts (default: as the scenario says)
  --rate N     writes per second (default 500)
  --keys N     how many keys, where a change of owners moves them (default: as the scenario says)
  --runs N     how often, where a median is taken (default: as the scenario says)
  --json       only one line of JSON on standard output
  --write      keep the output in docs/scenarios.md

exit code 0: passed; 1: failed; 2: nothing seen, as the machine cannot do it or the fault did not bite; 64: usage

${catalogue.map(({ name, summary, seconds }) => `  ${name.padEnd(22)}${String(seconds).padStart(4)} s  ${summary}`).join('\n')}`

const exitCodes: Readonly<Record<Verdict, number>> = { passed: 0, failed: 1, unseen: 2 }

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string', default: '1' },
    seconds: { type: 'string' },
    rate: { type: 'string', default: '500' },
    keys: { type: 'string' },
    runs: { type: 'string' },
    json: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const scenario = catalogue.find(({ name }) => name === positionals[0])
const seed = Number(values.seed)
const rate = Number(values.rate)
const seconds = Number(values.seconds ?? scenario?.seconds)
const keys = Number(values.keys ?? scenario?.keys ?? 1)
const runs = Number(values.runs ?? scenario?.runs ?? 1)

if (values.help || positionals.length === 0) console.log(usage)
else if (scenario === undefined || positionals.length > 1) misused(`there is no scenario ${positionals.join(' ')}`)
else if (!Number.isSafeInteger(seed) || !(rate > 0 && rate <= 10_000) || !(seconds > 0 && seconds <= 3600))
  misused('--seed is a whole number, --rate 1 to 10000, --seconds 1 to 3600')
else if (!isCount(keys, 10_000_000) || !isCount(runs, 100)) misused('--keys is 1 to 10000000, --runs 1 to 100')
else if (
  (values.keys !== undefined && scenario.keys === undefined) ||
  (values.runs !== undefined && scenario.runs === undefined)
)
  misused(`${scenario.name} does not take that`)
else {
  let lab: Lab | undefined
  const endEarly = (): void => {
    lab?.close().finally(() => process.exit(130))
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, endEarly)
  const result = await runScenario(
    scenario,
    {
      seed,
      seconds,
      rate,
      ...(scenario.keys === undefined ? {} : { keys }),
      ...(scenario.runs === undefined ? {} : { runs }),
    },
    (line) => console.error(line),
    (opened) => {
      lab = opened
    },
  )
  if (!values.json) console.log(reportOf(result))
  console.log(lineOf(result))
  if (values.write) writeToDocs(result, catalogue)
  if (values.write && result.verdict === 'passed') scenario.keep?.()
  process.exitCode = exitCodes[result.verdict]
}

function isCount(count: number, max: number): boolean {
  return Number.isSafeInteger(count) && count >= 1 && count <= max
}

function misused(what: string): void {
  console.error(`${what}\n\n${usage}`)
  process.exitCode = 64
}
