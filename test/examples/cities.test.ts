import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { type CityRecord, cityRecords, toLine } from '../../examples/cities/city-records.ts'
import { compareExport } from '../../examples/cities/compare-export.ts'
import { parseOptions } from '../../examples/cities/options.ts'
import { isFaithful, runCities } from '../../examples/cities/run-cities.ts'
import { plainly } from '../fixtures/plain-program.ts'

// Seven processes start one after the other, on a machine that may be busy.
t.setTimeout(120_000)
// How tap ends a test that takes too long. An ordinary exit takes the nodes along.
process.once('SIGALRM', () => process.exit(1))

t.test('cities imported while a node is killed are all there after all three are killed', async (t) => {
  const count = 1_500
  const said: string[] = []
  const outcome = await runCities({ count, seed: 7 }, (sentence) => said.push(sentence))
  t.match(outcome, {
    kills: 4,
    imported: { records: count, failed: 0 },
    exported: { exported: count, complete: true },
  })
  t.same(outcome.comparison, faultless(count))
  t.ok(isFaithful(outcome, count))
  t.ok(outcome.imported.retries > 0, 'the kill met requests under way')
  t.ok(outcome.killedAfter < outcome.restartedAfter && outcome.restartedAfter < count, 'the victim returned meanwhile')
  const account = said.join('\n')
  const pids = new Set([...account.matchAll(/pid (\d+)/g)].map(([, pid]) => Number(pid)))
  t.equal(pids.size, 3 + 1 + 3, 'each start is a new process')
  for (const pid of pids) t.throws(() => process.kill(pid, 0), { code: 'ESRCH' }, 'no process is left')
})

t.test('the comparison notices every kind of difference', async (t) => {
  const source = [...cityRecords(100)]
  const lines = source.map(toLine)
  const [first, second, third, fourth] = source as [CityRecord, CityRecord, CityRecord, CityRecord]
  t.same(await compared(t.testdir(), lines, source), faultless(100))
  t.same(await compared(t.testdir(), [...lines].reverse(), source), faultless(100), 'in any order')
  lines[0] = '' // Missing.
  lines[1] = toLine({ ...second, value: `${second.value} ` })
  lines[2] = toLine(third).replace('application/json', 'text/plain')
  lines[3] = `${JSON.stringify({ key: fourth.key, siblings: [{ value: fourth.value }, { value: fourth.value }] })}\n`
  lines.push(lines[50] as string, toLine({ key: 'Atlantis', value: '{}' }))
  t.same(await compared(t.testdir(), lines, source), {
    ...{ same: 96, missing: 1, different: 2, foreign: 1, twice: 1, withSiblings: 1 },
    examples: [
      `${second.key} different`,
      `${third.key} different`,
      `${fourth.key} withSiblings`,
      `${source[50]?.key} twice`,
      'Atlantis foreign',
      `${first.key} missing`,
    ],
  })
})

t.test('a part of the cities is spread over all of them, each once', async (t) => {
  const keys = [...cityRecords(1_000)].map(({ key }) => key)
  t.equal(new Set(keys).size, 1_000)
  const countries = new Set([...cityRecords(1_000)].map(({ value }) => JSON.parse(value).country))
  t.ok(countries.size > 100, `${countries.size} countries`)
})

t.test('the command refuses what it cannot do', async (t) => {
  t.match(await refused('--count', '7'), { code: 1, stderr: '--count takes 100 to 135233, not 7\n' })
  t.throws(() => parseOptions(['--seed=-1']), RangeError)
  t.throws(() => parseOptions(['--cuont', '100']), /--cuont/)
  t.same(parseOptions([]), { count: 135_233, seed: 1 }, 'all of them')
})

function faultless(count: number) {
  return { same: count, missing: 0, different: 0, foreign: 0, twice: 0, withSiblings: 0, examples: [] }
}

function compared(directory: string, lines: readonly string[], source: readonly CityRecord[]) {
  const file = join(directory, 'export.ndjson')
  writeFileSync(file, lines.join(''))
  return compareExport(file, source)
}

function refused(...words: readonly string[]): Promise<{ code: unknown; stderr: string }> {
  const program = fileURLToPath(import.meta.resolve('../../examples/cities/cities.js'))
  return new Promise((resolve) => {
    execFile(...plainly(program, words), (error, _, stderr) => resolve({ code: error?.code ?? 0, stderr }))
  })
}
