import { parseArgs } from 'node:util'
import { Coverage } from './coverage/coverage.ts'

const usage = `npm run fuzz -- --list
npm run fuzz -- --target T|all [--minutes M | --inputs N] [--seed S] [--keep] [--blind]
npm run fuzz -- --finding FILE

  --target    what is fed: one of --list, or all of them one after the other
  --minutes   how long each of them; default 1
  --inputs    how many inputs each of them, instead
  --seed      where chance begins; default 1. The same seed, code and number give the same inputs
  --keep      write what was interesting into test/fuzz/corpus
  --blind     without looking at which branches are taken: more inputs a second, as in the tests
  --finding   feed one input that was found`

const { values: options } = parseArgs({
  options: {
    target: { type: 'string' },
    minutes: { type: 'string', default: '1' },
    inputs: { type: 'string' },
    seed: { type: 'string', default: '1' },
    keep: { type: 'boolean', default: false },
    blind: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    finding: { type: 'string' },
  },
})

// Before anything of the product is imported: only what comes later is counted.
const coverage = options.blind || options.list || options.finding !== undefined ? undefined : Coverage.install()
const { listTargets, feedAll, feedFinding } = await import('./command.ts')

if (options.list) {
  process.stdout.write(listTargets())
} else if (options.finding !== undefined) {
  process.exitCode = (await feedFinding(options.finding)) ? 0 : 1
} else if (options.target === undefined) {
  process.stderr.write(`${usage}\n`)
  process.exitCode = 2
} else {
  const minutes = Number(options.minutes)
  const inputs = options.inputs === undefined ? undefined : Number(options.inputs)
  const { target, keep } = options
  const isSound = await feedAll({ target, minutes, inputs, seed: Number(options.seed), keeps: keep, coverage })
  process.exitCode = isSound ? 0 : 1
}
