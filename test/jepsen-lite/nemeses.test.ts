import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { probeCapabilities } from '../../jepsen-lite/capabilities.ts'
import { lossDelayDuplication, lostMessages } from '../../jepsen-lite/nemeses/bad-links.ts'
import { bridge, halves, majoritiesRing, oneNode, oneWay } from '../../jepsen-lite/nemeses/partitions.ts'
import { killAll, killMinority, killOne, pause } from '../../jepsen-lite/nemeses/processes.ts'
import { flapping, swizzled } from '../../jepsen-lite/nemeses/unsteady-links.ts'
import type { Bite } from '../../jepsen-lite/nemesis.ts'
import { Seen, type SleepingNode, TrialStage } from './fixtures/trial-stage.ts'

const seeds = Array.from({ length: 50 }, (_, index) => index + 1)
const [signals] = await probeCapabilities(['signals'])

t.test('a partition, whatever chance decides', async (t) => {
  for (const [nemesis, sizes, isSo] of [
    [
      halves,
      [2, 3, 5, 6],
      (seen: Seen) => new Set(seen.groups.map(({ length }) => length)).size <= 2 && seen.groups.length === 2,
    ],
    [oneNode, [2, 3, 5], (seen: Seen) => seen.groups.length === 2 && seen.groups.some(({ length }) => length === 1)],
    [bridge, [3, 5, 6], (seen: Seen) => seen.groups.length === 1 && seen.seeingAll.length === 1],
    [majoritiesRing, [4, 5, 7, 9], (seen: Seen) => seen.isMajoritiesAllDifferent],
    [oneWay, [2, 3, 5], (seen: Seen) => seen.cut.every(([from, to]) => !seen.isCut(to, from))],
  ] as const) {
    t.test(nemesis.name, async (t) => {
      const failures: string[] = []
      for (const size of sizes) {
        for (const seed of seeds) {
          const stage = new TrialStage(size, seed)
          const strike = await nemesis.strike(stage)
          const seen = new Seen(stage)
          const struck = [...new Set(seen.cut.flat())].sort().join()
          if (!isSo(seen) || struck === '' || struck !== strike.nodes.toSorted().join()) {
            failures.push(`${size} nodes, seed ${seed}: ${strike.what}`)
          }
          await strike.undo()
          if (stage.network.cuts.size > 0) failures.push(`${size} nodes, seed ${seed}: not all is mended`)
        }
      }
      t.same(failures, [])
    })
  }

  t.test('of too few nodes for it is refused', async (t) => {
    await t.rejects(majoritiesRing.strike(new TrialStage(3, 1)), /too few nodes/)
    await t.rejects(halves.strike(new TrialStage(1, 1)), /too few nodes/)
  })
})

t.test('links that flap are cut and mended again and again, and whole in the end', async (t) => {
  const stage = new TrialStage(5, 3)
  const strike = await flapping.strike(stage)
  await sleep(3500)
  await strike.undo()
  t.equal(stage.network.cuts.size, 0)
  const { log } = stage.network
  const one = log.filter(([, way]) => way === log[0]?.[1]).map(([what]) => what)
  t.ok(one.length >= 4 && one.every((what, index) => what === (index % 2 === 0 ? 'cut' : 'mend')), one.join(' '))
})

t.test('links that swizzle come back in another order than they went', async (t) => {
  const stage = new TrialStage(3, 3)
  const strike = await swizzled.strike(stage)
  const went = [...stage.network.cuts]
  t.equal(went.length, 3, 'half of six')
  await strike.undo()
  const came = stage.network.log.filter(([what]) => what === 'mend').map(([, way]) => way)
  t.same(came.toSorted(), went.toSorted())
  t.not(came.join(), went.join())
})

t.test('bad links suffer all that the network can do, and no more', async (t) => {
  const stage = new TrialStage(3, 3)
  const strike = await lossDelayDuplication.strike(stage)
  t.equal(stage.network.faults.size, 6)
  for (const faults of stage.network.faults.values()) {
    t.same(Object.keys(faults).sort(), ['duplicateChance', 'lossChance'])
    t.ok(Number(faults.lossChance) > 0 && Number(faults.duplicateChance) > 0)
  }
  await strike.undo()
  t.same([...stage.network.faults.values()], Array(6).fill({}))
  const victim = (await lostMessages.strike(stage)).nodes
  const spoilt = [...stage.network.faults].filter(([, faults]) => faults.dropTypes !== undefined)
  t.same(victim.length, 1)
  t.ok(spoilt.length === 4 && spoilt.every(([way]) => way.includes(String(victim))))
})

t.test('only what was kept back on the very links that were cut is evidence', async (t) => {
  const stage = new TrialStage(3, 1)
  stage.network.pass('n1', 'n2', 100)
  const first = await oneNode.strike(stage)
  await first.undo()
  t.same(await oneNode.bites(stage), [], 'nobody spoke meanwhile')
  const second = await oneNode.strike(stage)
  for (const way of stage.network.cuts) stage.network.pass(...(way.split(' ') as [string, string]), 3)
  await second.undo()
  t.same(counted(await oneNode.bites(stage)), {
    'messages kept back on links that were cut': 12,
    'partitions that were felt': 1,
  })
  t.same(await oneNode.bites(new TrialStage(3, 1)), [], 'another run has its own')
})

t.test('processes', { skip: signals?.isThere === true ? false : (signals?.detail ?? 'nobody looked') }, async (t) => {
  for (const [nemesis, killed] of [
    [killOne, 1],
    [killMinority, 2],
    [killAll, 5],
  ] as const) {
    t.test(`${nemesis.name} leaves ${5 - killed} of 5, until it is undone`, async (t) => {
      const stage = await staged(t, 5)
      const strike = await nemesis.strike(stage)
      t.equal(stage.nodes.filter(({ isRunning }) => !isRunning).length, killed)
      t.equal(strike.nodes.length, killed)
      t.same(counted(await nemesis.bites(stage)), { 'processes killed and gone': killed })
      await strike.undo()
      t.ok(stage.nodes.every(({ isRunning }) => isRunning))
    })
  }

  t.test('pause stops a minority, which is seen, and lets it go on', async (t) => {
    const stage = await staged(t, 5)
    const strike = await pause.strike(stage)
    t.ok(strike.nodes.length === 1 || strike.nodes.length === 2)
    t.same(counted(await pause.bites(stage)), { 'processes seen in state T': strike.nodes.length })
    await strike.undo()
    for (const node of stage.nodes) node.signal('SIGTERM')
    await Promise.all(stage.nodes.map((node) => (node as SleepingNode).ended))
    t.pass('who goes on hears SIGTERM')
  })

  t.test('a signal that stops nobody is no evidence', async (t) => {
    const stage = await staged(t, 3)
    for (const node of stage.nodes) (node as SleepingNode).isDeaf = true
    await pause.strike(stage)
    t.same(await pause.bites(stage), [])
  })
})

function counted(bites: readonly Bite[]): Readonly<Record<string, number>> {
  return Object.fromEntries(bites.map(({ what, count }) => [what, count]))
}

async function staged(t: Test, size: number): Promise<TrialStage> {
  const stage = new TrialStage(size, 5)
  t.teardown(() => Promise.all(stage.nodes.map((node) => node.kill())))
  await Promise.all(stage.nodes.map((node) => node.start()))
  return stage
}
