import t from 'tap'
import { Departure } from '../../lib/node/departure.ts'
import { createCryptography } from '../../lib/platform/node-cryptography.ts'
import { World } from '../../lib/simulator/world.ts'
import { hash } from '../wire/fixtures/hash.ts'

t.test('a node that leaves', async (t) => {
  await t.test('waits until nothing is left, says what it waits for, and then ends once', async (t) => {
    const { world, state, log } = leaving('it keeps hints for others')
    world.run(30_000)
    t.equal(state.ends, 0)
    t.match(log(), [/stays until nothing is left.*it keeps hints for others/], 'not every time it looks')
    state.left = undefined
    world.run(1_000)
    t.equal(state.ends, 1)
    world.run(60_000)
    t.equal(state.ends, 1)
  })

  await t.test('does not end at the very moment: others hear first', async (t) => {
    const { world, state } = leaving(undefined)
    t.equal(state.ends, 0)
    world.run(1_000)
    t.equal(state.ends, 1)
  })

  await t.test('does not end when it is wanted again', async (t) => {
    const { world, state, departure } = leaving('something')
    world.run(1_000)
    departure.stop()
    state.left = undefined
    world.run(60_000)
    t.equal(state.ends, 0)
  })
})

function leaving(left: string | undefined) {
  const world = new World({ seed: 1, hash, createCryptography, logLevel: 'info' })
  const state = { left, ends: 0 }
  const departure = new Departure(
    world.portsFor('ada'),
    () => state.left,
    () => {
      state.ends += 1
    },
  )
  const log = (): readonly string[] =>
    world.log
      .format(20)
      .split('\n')
      .filter((line) => line.includes('handed over'))
  return { world, state, departure, log }
}
