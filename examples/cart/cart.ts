/**
 * A shopping cart that several people change at once, and that can be merged.
 *
 * Every addition has a name of its own, `SHOPPER:NUMBER`. A cart knows which additions are in it, and of each shopper the
 * last number it has heard of. So of an addition that is missing it can tell whether it was removed (heard of, and gone)
 * or never arrived. That is all the difference between a cart and a pile of things.
 */
export interface Cart {
  /** For each shopper the number of the last addition that this cart has heard of. */
  readonly heardOf: Readonly<Record<string, number>>
  readonly additions: readonly Addition[]
}

export interface Addition {
  readonly shopper: string
  /** Counts the additions of its shopper, from 1. */
  readonly number: number
  readonly item: string
  readonly quantity: number
}

/** Quantities by item, in the order of the items. */
export type Contents = Readonly<Record<string, number>>

export const emptyCart: Cart = { heardOf: {}, additions: [] }

/**
 * What several carts mean together: everything that was added, but for what one of them has removed.
 *
 * An addition stays if it is in both carts, or in one and unheard of in the other. The order of merging does not matter,
 * and merging twice changes nothing: carts that have met all others are equal.
 */
export function mergeCarts(carts: readonly Cart[]): Cart {
  return carts.reduce(merge, emptyCart)
}

function merge(one: Cart, other: Cart): Cart {
  const inOther = new Set(other.additions.map(nameOf))
  const inOne = new Set(one.additions.map(nameOf))
  const kept = [
    ...one.additions.filter((addition) => inOther.has(nameOf(addition)) || !hasHeardOf(other, addition)),
    ...other.additions.filter((addition) => !inOne.has(nameOf(addition)) && !hasHeardOf(one, addition)),
  ]
  const shoppers = [...new Set([...Object.keys(one.heardOf), ...Object.keys(other.heardOf)])].sort()
  const heardOf = shoppers.map((name) => [name, Math.max(one.heardOf[name] ?? 0, other.heardOf[name] ?? 0)] as const)
  return { heardOf: Object.fromEntries(heardOf), additions: kept.sort(byName) }
}

/** The cart with one more addition of `shopper`, who must hand in a cart with all of his own. */
export function withAddition(cart: Cart, shopper: string, item: string, quantity: number): Cart {
  const number = (cart.heardOf[shopper] ?? 0) + 1
  const additions = [...cart.additions, { shopper, number, item, quantity }].sort(byName)
  return { heardOf: { ...cart.heardOf, [shopper]: number }, additions }
}

/** Removes the additions that are in this cart. Others of the same item, which it has not heard of, will stay. */
export function without(cart: Cart, item: string): Cart {
  return { ...cart, additions: cart.additions.filter((addition) => addition.item !== item) }
}

/** Nothing in it, and everything heard of: what was bought does not come back. */
export function emptied(cart: Cart): Cart {
  return { ...cart, additions: [] }
}

export function contentsOf({ additions }: Cart): Contents {
  const contents: Record<string, number> = {}
  const items = [...new Set(additions.map(({ item }) => item))].sort()
  for (const item of items) contents[item] = 0
  for (const { item, quantity } of additions) contents[item] = (contents[item] ?? 0) + quantity
  return contents
}

function hasHeardOf({ heardOf }: Cart, { shopper, number }: Addition): boolean {
  return number <= (heardOf[shopper] ?? 0)
}

function nameOf({ shopper, number }: Addition): string {
  return `${shopper}:${number}`
}

function byName(one: Addition, other: Addition): number {
  if (one.shopper !== other.shopper) return one.shopper < other.shopper ? -1 : 1
  return one.number - other.number
}
