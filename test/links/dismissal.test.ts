import t from 'tap'
import type { World } from '../../lib/simulator/world.ts'
import { answerTo, type Linking, type Listening, linking, listening, newWorld, told } from './parties.ts'

t.test('a node that stops dismisses whoever is connected', async (t) => {
  await t.test('at once when it owes nobody anything', async (t) => {
    const { world, ada, bob } = connected()
    t.equal(dismissed(world, bob), true)
    t.equal(bob.acceptor.connections, 0)
    t.match(ada.told.at(-1), 'draining')
  })

  await t.test('after its answers: what came before the goodbye is answered', async (t) => {
    const { world, ada, bob } = connected()
    bob.isSlow = true
    const outcomes = ada.ask('bob', 'slow')
    world.run(10)
    let hasGone = false
    bob.acceptor.dismissAll('the node is being stopped', 1000, () => {
      hasGone = true
    })
    world.run(50)
    t.notOk(hasGone, 'an answer is owed')
    const [asked] = bob.served.splice(-1)
    asked?.respond(answerTo(asked.message))
    world.run(50)
    t.same(told(outcomes), ['answered slow'])
    t.ok(hasGone)
  })

  await t.test('what it has not looked at was not carried out, and is known not to be', async (t) => {
    const { world, ada, bob } = connected()
    const before = bob.served.length
    bob.acceptor.dismissAll('the node is being stopped', 1000, () => {})
    // The goodbye is on its way.
    const outcomes = ada.ask('bob', 'crossing')
    world.run(50)
    t.same(told(outcomes), ['not-sent: the node is being stopped'])
    t.equal(bob.served.length, before)
  })

  await t.test('what comes while an older answer is owed is refused: nothing has changed', async (t) => {
    const { world, ada, bob } = connected()
    bob.isSlow = true
    ada.ask('bob', 'slow')
    world.run(10)
    bob.acceptor.dismissAll('the node is being stopped', 1000, () => {})
    const outcomes = ada.ask('bob', 'late')
    world.run(10)
    t.same(told(outcomes), ['refused draining'])
    t.match(outcomes[0], { refusal: { aftermath: 'nothing-changed' } })
  })

  await t.test(
    'not longer than it may take, whoever is slow; the answer that never came may have been one',
    async (t) => {
      const { world, ada, bob } = connected()
      bob.isSlow = true
      const outcomes = ada.ask('bob', 'endless', 10_000)
      world.run(10)
      let hasGone = false
      bob.acceptor.dismissAll('the node is being stopped', 1000, () => {
        hasGone = true
        bob.acceptor.close(() => {})
      })
      world.run(900)
      t.notOk(hasGone)
      world.run(200)
      t.ok(hasGone)
      t.match(told(outcomes), [/^unknown/])
    },
  )

  await t.test('and whoever comes later', async (t) => {
    const { world, ada, bob } = connected()
    t.equal(dismissed(world, bob), true)
    world.run(500)
    const outcomes = ada.ask('bob', 'again')
    world.run(50)
    t.match(told(outcomes), [/^not-sent: draining/])
  })
})

function connected(): { world: World; ada: Linking; bob: Listening } {
  const world = newWorld()
  const bob = listening(world, 'bob')
  const ada = linking(world, 'ada')
  ada.ask('bob', 'hello')
  world.run(50)
  return { world, ada, bob }
}

function dismissed(world: World, side: Listening): boolean {
  let hasGone = false
  side.acceptor.dismissAll('the node is being stopped', 1000, () => {
    hasGone = true
  })
  world.run(50)
  return hasGone
}
