import t from 'tap'
import fc from '../fixtures/fast-check.ts'
import { testHash } from '../simulator/test-hash.ts'
import { makeStarlingNode } from './make-starling-node.ts'
import { type Mutant, mutants, simulateMutant } from './mutants.ts'
import { runSimulation, type SimulationResult } from './run-simulation.ts'
import { renamedIn } from './script.ts'
import { fewest, simplest } from './shrink.ts'
import { runScript, shrinkRun } from './shrink-run.ts'

t.setTimeout(180_000)

t.test('the fewest items that still fail', async (t) => {
  await t.test('are those that cause it together, in their order', async (t) => {
    const items = Array.from({ length: 300 }, (_, index) => index)
    t.same(
      fewest(items, (kept) => [7, 150, 299].every((cause) => kept.includes(cause))),
      [7, 150, 299],
    )
    t.same(
      fewest(items, () => true),
      [],
      'none, where it fails in any case',
    )
  })

  await t.test('are found with few looks', async (t) => {
    const items = Array.from({ length: 300 }, (_, index) => index)
    let looks = 0
    fewest(items, (kept) => {
      looks += 1
      return [7, 150, 299].every((cause) => kept.includes(cause))
    })
    t.ok(looks < 60, `${looks} looks at 300 items`)
  })

  await t.test('fail, and without any one of them do not', async () => {
    const causes = fc.uniqueArray(fc.array(fc.nat(40), { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 3 })
    fc.assert(
      fc.property(causes, fc.nat(60), (alternatives, more) => {
        const items = Array.from({ length: 41 + more }, (_, index) => index)
        const fails = (kept: readonly number[]): boolean =>
          alternatives.some((together) => together.every((cause) => kept.includes(cause)))
        const kept = fewest(items, fails)
        return fails(kept) && kept.every((one) => !fails(kept.filter((other) => other !== one)))
      }),
    )
  })

  await t.test('are what is left when nobody looks any more', async (t) => {
    let looks = 0
    const items = Array.from({ length: 64 }, (_, index) => index)
    const kept = fewest(items, (some) => {
      looks += 1
      return looks <= 3 && some.includes(0)
    })
    t.ok(kept.includes(0) && kept.length < 64, `${kept.length} of 64`)
  })
})

t.test('of several candidates the first that fails is taken, and the value itself when none does', async (t) => {
  t.equal(
    simplest(9, [1, 2, 3], (value) => value > 1),
    2,
  )
  t.equal(
    simplest(9, [1, 2, 3], () => false),
    9,
  )
})

t.test('a run that is done again from what was written down is the same run', async (t) => {
  for (const seed of [1, 2, 3]) {
    const drawn = runSimulation({ seed, hash: testHash, makeNode: makeStarlingNode, operations: 60 })
    const again = runScript(JSON.parse(JSON.stringify(drawn.script)))
    t.equal(again.history.toLines(), drawn.history.toLines(), `seed ${seed}`)
    t.same(again.script.operations, drawn.script.operations)
    t.same(again.script.faults, drawn.script.faults)
  }
})

t.test('a failing run becomes one that a reader can follow', async (t) => {
  const name = 'session-ignored'
  const mutant = mutants[name] as Mutant
  const failed = firstFailed(mutant)
  // Bounded by runs alone: how fast the machine is does not matter here.
  const shrunk = shrinkRun(failed, name, { runsMax: 100, secondsMax: Number.POSITIVE_INFINITY })
  if (shrunk === undefined) throw new Error('it does not fail again')
  const { operations, faults } = shrunk.script
  const size = `${operations.length} of ${failed.script.operations.length} operations, ${faults.length} faults`
  t.ok(operations.length <= 5 && faults.length <= 3, size)
  t.equal(shrunk.check, mutant.killedBy, 'the same check')
  const violations = runScript(shrunk.script, name).violations.map(({ check }) => check)
  t.ok(violations.includes(mutant.killedBy), 'still fails')
  t.same(runScript(shrunk.script).violations, [], 'and without the bug nothing is wrong')
})

t.test('what does not fail has nothing to be shrunk', async (t) => {
  const fine = runSimulation({ seed: 1, hash: testHash, makeNode: makeStarlingNode, operations: 20 })
  t.equal(shrinkRun(fine, undefined), undefined)
})

t.test('a fault can be made to hit other nodes', async (t) => {
  const other = (node: string): string => (node === 'ada' ? 'bob' : node)
  const strikes = { kind: 'isolate', side: ['ada', 'cyd'], lastsMs: 1 } as const
  const fault = { kind: 'mid-move', moment: 'copying', node: 'ada', isThere: false, strikes } as const
  t.same(renamedIn(fault, other), { ...fault, node: 'bob', strikes: { ...strikes, side: ['bob', 'cyd'] } })
  t.same(renamedIn({ kind: 'reset', between: ['ada', 'cyd'] }, other), { kind: 'reset', between: ['bob', 'cyd'] })
})

/** Where it is known to show, or near. */
function firstFailed(mutant: Mutant): SimulationResult {
  const first = mutant.seed ?? 1
  for (let seed = first; seed < first + 100; seed += 1) {
    const result = simulateMutant(mutant, { seed, hash: testHash, makeNode: makeStarlingNode, operations: 80 })
    if (result.violations.some(({ check }) => check === mutant.killedBy)) return result
  }
  throw new Error(`nobody notices the mutant that ${mutant.killedBy} is there for`)
}
