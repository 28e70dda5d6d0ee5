import t from 'tap'
import { type Omission, TransitionModel } from './transition-model.ts'

// docs/rules.md T1 to T5. The failure cases: scylladb/scylladb#5252, #6128, #6126, #13884; CASSANDRA-2434.

const runs = Number(process.env.STARLING_TRANSITION_RUNS ?? 400)

t.test('no read of a quorum misses what was acknowledged while the owners change', async (t) => {
  const totals = { reads: 0, acknowledged: 0, over: 0 }
  for (let seed = 1; seed <= runs; seed += 1) {
    const model = new TransitionModel(seed, 'nothing')
    model.run()
    if (model.isStale) t.fail(`seed ${seed}`)
    totals.reads += model.reads
    totals.acknowledged += model.acknowledged
    totals.over += model.isOver ? 1 : 0
  }
  t.ok(totals.acknowledged > runs * 10 && totals.reads > runs * 10, JSON.stringify(totals))
  t.ok(totals.over > runs * 0.9, `${totals.over} of ${runs} transitions came to their end`)
})

/** Each with the seed from which on the model is known to notice soon: most schedules do no harm without the rule. */
const omissions: readonly (readonly [Omission, number])[] = [
  ['T1 acknowledgements in each set', 1],
  ['T2 lock and fence', 830],
  ['T3 synchronising after the barrier', 185],
  ['T4 every old owner', 400],
  ['T5 every member reads from the newest', 910],
]

for (const [omission, from] of omissions) {
  t.test(`without ${omission} it does`, async (t) => {
    let seed = from
    while (seed < from + 50 && !isStale(seed, omission)) seed += 1
    t.ok(seed < from + 50, `noticed with seed ${seed}`)
  })
}

function isStale(seed: number, omission: Omission): boolean {
  const model = new TransitionModel(seed, omission)
  model.run()
  return model.isStale
}
