// Two shoppers with one cart, on both sides of a partition of six simulated nodes:
//   node dist/examples/cart/story.js [SEED]
import { type Database, json } from 'starling-kv'
import { simulateCluster } from 'starling-kv/testing'
import { type Cart, type Contents, contentsOf } from './cart.ts'
import { Shopper } from './shopper.ts'

const seed = Number(process.argv[2] ?? 1)
const cluster = await simulateCluster({ nodes: ['n1', 'n2', 'n3', 'n4', 'n5', 'n6'], seed })
const west = ['n1', 'n2', 'n3']
const east = ['n4', 'n5', 'n6']
const cartId = 'household-7'
const westDb = cluster.database('n1')
const ada = shopper(westDb, 'ada')
const bob = shopper(cluster.database('n4'), 'bob')

await ada.add('tea')
await ada.add('milk')
tell('ada adds tea and milk; bob sees', await bob.look())

await cluster.partition(west, east)
console.log('\nThe network is cut in two. Both halves go on.\n')
tell('ada adds bread and sees', await ada.add('bread'))
tell('ada removes the milk and sees', await ada.remove('milk'))
tell('bob adds jam and sees', await bob.add('jam'))
tell('bob adds two more teas and sees', await bob.add('tea', 2))

await cluster.heal()
await cluster.settle()
console.log('\nThe network is whole again.\n')
const found = await westDb.bucket<Cart>('carts', { codec: json }).get(cartId)
for (const { value } of [...(found?.siblings ?? [])].sort(byShoppers)) tell('  a sibling', contentsOf(value))
tell('ada sees', await ada.look())
tell('bob sees', await bob.look())
tell('  a cart that only collects would hold', collected(found?.siblings.map(({ value }) => contentsOf(value)) ?? []))

await cluster.partition(west, east)
console.log('\nThe network is cut again.\n')
tell('ada removes all tea and sees', await ada.remove('tea'))
tell('bob adds a tea and sees', await bob.add('tea'))
tell('ada buys', await ada.checkOut())

await cluster.heal()
await cluster.settle()
console.log('\nThe network is whole again.\n')
tell('ada sees', await ada.look())
tell('bob sees', await bob.look())
await cluster.close()

function shopper(db: Database, name: string): Shopper {
  return new Shopper(db.bucket<Cart>('carts', { codec: json }), cartId, name)
}

function tell(what: string, contents: Contents): void {
  const items = Object.entries(contents).map(([item, quantity]) => (quantity === 1 ? item : `${quantity} ${item}`))
  console.log(`${what}: ${items.join(', ') || 'nothing'}`)
}

/** The merge of the Dynamo paper: whatever is in one of them. */
function collected(carts: readonly Contents[]): Contents {
  const items = [...new Set(carts.flatMap((cart) => Object.keys(cart)))].sort()
  return Object.fromEntries(items.map((item) => [item, Math.max(...carts.map((cart) => cart[item] ?? 0))]))
}

function byShoppers({ value: one }: { readonly value: Cart }, { value: other }: { readonly value: Cart }): number {
  return JSON.stringify(one) < JSON.stringify(other) ? -1 : 1
}
