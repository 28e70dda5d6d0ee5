import assert from 'node:assert/strict'
import t from 'tap'
import { type Cart, contentsOf, emptyCart, mergeCarts, withAddition, without } from '../../examples/cart/cart.ts'
import { Shopper } from '../../examples/cart/shopper.ts'
import { json } from '../../lib/index.ts'
import { simulateCluster } from '../../lib/testing.ts'
import fc from '../fixtures/fast-check.ts'
import { tellsItsReadme } from './fixtures/story.ts'

// A machine that is busy takes its time.
t.setTimeout(120_000)

t.test('the story of the README is what the program prints', async (t) => {
  await tellsItsReadme(t, 'cart')
})

t.test('merging carts is commutative, associative and idempotent', async (t) => {
  const laws = fc.property(histories(), ([one, other, third]) => {
    assert.deepStrictEqual(mergeCarts([one, other]), mergeCarts([other, one]))
    assert.deepStrictEqual(mergeCarts([mergeCarts([one, other]), third]), mergeCarts([one, mergeCarts([other, third])]))
    assert.deepStrictEqual(mergeCarts([one, one]), mergeCarts([one]))
  })
  t.doesNotThrow(() => fc.assert(laws, { numRuns: 300 }))
})

t.test('whatever way carts meet, an addition stays until somebody who has seen it removes it', async (t) => {
  const start = withAddition(emptyCart, 'ada', 'milk', 1)
  const removed = without(start, 'milk')
  const more = withAddition(start, 'bob', 'jam', 2)
  t.same(contentsOf(mergeCarts([removed, more])), { jam: 2 }, 'what was removed does not come back')
  const again = withAddition(start, 'bob', 'milk', 1)
  t.same(contentsOf(mergeCarts([removed, again])), { milk: 1 }, 'what the remover had not seen stays')
  t.same(contentsOf(mergeCarts([withAddition(removed, 'ada', 'milk', 3), start])), { milk: 3 })
})

t.test(
  'shoppers on both sides of changing partitions lose nothing and get nothing back',
  { timeout: 60_000 },
  async (t) => {
    const cluster = await simulateCluster({ nodes: 6, seed: 11 })
    t.teardown(() => cluster.close())
    const carts = ['one', 'two', 'three']
    const dbs = cluster.names.map((name) => cluster.database(name))
    const shoppers = carts.flatMap((cartId) =>
      [0, 3, 5].map((at) => {
        const carts = dbs[at]?.bucket<Cart>('carts', { codec: json })
        if (carts === undefined) throw new Error('six nodes')
        return { cartId, shopper: new Shopper(carts, cartId, `${cartId}-${at}`) }
      }),
    )
    const added = new Map<string, Set<string>>(carts.map((cartId) => [cartId, new Set()]))
    let items = 0
    for (let round = 0; round < 6; round += 1) {
      const sides = round % 2 === 0 ? [cluster.names.slice(0, 3), cluster.names.slice(3)] : []
      await cluster.partition(...sides)
      for (let change = 0; change < 8; change += 1) {
        const { cartId, shopper } = cluster.pick(shoppers)
        const mine = added.get(cartId)
        const contents = await shopper.look()
        const [first] = Object.keys(contents)
        if (first !== undefined && cluster.random() < 0.3) {
          await shopper.remove(first)
          mine?.delete(first)
        } else {
          items += 1
          const item = `item-${items}` // Never added twice: so what was removed must not be seen again.
          await shopper.add(item)
          mine?.add(item)
        }
      }
    }
    await cluster.heal()
    await cluster.settle()
    for (const { cartId, shopper } of shoppers) {
      t.same(Object.keys(await shopper.look()), [...(added.get(cartId) ?? [])].sort(), cartId)
    }
    for (const cartId of carts) {
      const copies = cluster.copies<Cart>('carts', cartId, json)
      const merged = copies.map(({ siblings }) => contentsOf(mergeCarts(siblings.map(({ value }) => value))))
      for (const contents of merged) t.same(Object.keys(contents), [...(added.get(cartId) ?? [])].sort())
    }
  },
)

/** Three carts that have a past in common, as those of three shoppers do. */
function histories(): fc.Arbitrary<readonly [Cart, Cart, Cart]> {
  const step = fc.record({
    who: fc.integer({ min: 0, max: 2 }),
    what: fc.constantFrom('add', 'remove', 'meet'),
    item: fc.constantFrom('tea', 'milk', 'jam'),
    whom: fc.integer({ min: 0, max: 2 }),
  })
  return fc.array(step, { maxLength: 25 }).map((steps) => {
    const carts: [Cart, Cart, Cart] = [emptyCart, emptyCart, emptyCart]
    for (const { who, what, item, whom } of steps) {
      const cart = carts[who] as Cart
      if (what === 'add') carts[who] = withAddition(cart, `s${who}`, item, 1)
      else if (what === 'remove') carts[who] = without(cart, item)
      else carts[who] = mergeCarts([cart, carts[whom] as Cart])
    }
    return carts
  })
}
