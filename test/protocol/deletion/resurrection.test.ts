import t from 'tap'
import { seededRandom, seedFor } from '../../../lib/ports/random.ts'
import { DeletionModel, type Ended } from './deletion-model.ts'
import { evenWeights, type Rules, removedRules, swarm, theRules, type Weights } from './deletion-rules.ts'

/** All of them: STARLING_DELETION_RUNS=6000 node dist/test/protocol/deletion/resurrection.test.js */
const runs = Number(process.env.STARLING_DELETION_RUNS ?? 600)
const runsOfMix = Math.ceil(runs / 10)
const roundsOfRun = 3

t.setTimeout(600_000)

t.test(`nothing deleted comes back, in ${runs} random runs`, async (t) => {
  let removed = 0
  const failed: number[] = []
  for (let seed = 0; seed < runs; seed += 1) {
    const ended = run(seed, theRules, undefined)
    removed += ended.removed
    if (ended.resurrected.length > 0) failed.push(seed)
  }
  t.same(failed, [], 'seeds of runs in which something came back')
  t.ok(removed > runs / 2, 'and tombstones were removed in them')
})

for (const { rule, without, trouble, seed } of removedRules) {
  t.test(rule, async (t) => {
    const weights = { ...evenWeights, ...trouble }
    const failed = firstFailure(seed, { ...theRules, ...without }, weights)
    t.not(failed, undefined, 'without it something comes back')
    let withIt = 0
    for (let at = 0; at < runsOfMix; at += 1) withIt += run(seed + at, theRules, weights).resurrected.length
    t.equal(withIt, 0, 'with it nothing does')
  })
}

/** From the run that a search found on; a change of the model moves it elsewhere. */
function firstFailure(from: number, rules: Rules, weights: Weights): number | undefined {
  for (let seed = from; seed < from + 6000; seed += 1) {
    if (run(seed, rules, weights).resurrected.length > 0) return seed
  }
  return undefined
}

function run(seed: number, rules: Rules, weights: Weights | undefined): Ended {
  const random = seededRandom(seedFor(seed, 'deletion'))
  const mix = weights ?? swarm(random)
  return new DeletionModel(random, rules).run(roundsOfRun, mix)
}
