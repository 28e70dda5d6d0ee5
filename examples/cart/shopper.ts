import { randomUUID } from 'node:crypto'
import { type Bucket, QuorumUnavailable } from 'starling-kv'
import { type Cart, type Contents, contentsOf, emptied, emptyCart, mergeCarts, withAddition, without } from './cart.ts'

/**
 * One browser tab, one phone: somebody who changes a cart that others change, too.
 *
 * It keeps what it has last seen and done. So nothing it added is lost when an answer is, and no addition of its own can
 * ever be missing from the cart it counts in.
 */
export class Shopper {
  readonly #carts: Bucket<Cart>
  readonly #cartId: string
  readonly #name: string
  #mine: Cart = emptyCart

  /** @param name unlike that of every other shopper, also of an earlier tab of the same person */
  constructor(carts: Bucket<Cart>, cartId: string, name: string = randomUUID()) {
    this.#carts = carts
    this.#cartId = cartId
    this.#name = name
  }

  /** @throws {StarlingError} it stays in the cart of this shopper, and arrives with his next change, or `save` */
  async add(item: string, quantity = 1): Promise<Contents> {
    this.#mine = withAddition(this.#mine, this.#name, item, quantity)
    return this.save()
  }

  /** Removes what this shopper sees of it. @throws {StarlingError} as `add` does */
  async remove(item: string): Promise<Contents> {
    await this.look()
    this.#mine = without(this.#mine, item)
    return this.save()
  }

  /** Buys what he sees; what others add meanwhile is in the cart for next time. @throws {StarlingError} as `add` does */
  async checkOut(): Promise<Contents> {
    const bought = await this.look()
    this.#mine = emptied(this.#mine)
    await this.save()
    return bought
  }

  /**
   * What is in the cart, as far as anybody in reach knows. Reading writes nothing: the next change merges the siblings for
   * good.
   */
  async look(): Promise<Contents> {
    const found = await this.#carts.get(this.#cartId, alwaysReadable).catch(unlessNobodyCanTell)
    this.#mine = mergeCarts([this.#mine, ...(found?.siblings ?? []).map(({ value }) => value)])
    return contentsOf(this.#mine)
  }

  /** Brings his cart and the stored one together. */
  async save(): Promise<Contents> {
    const updated = await this.#carts
      .update(
        this.#cartId,
        (siblings) => {
          this.#mine = mergeCarts([this.#mine, ...siblings.map(({ value }) => value)])
          return this.#mine
        },
        alwaysReadable,
      )
      .catch(unlessNobodyCanTell)
    // Nobody in reach knows what is stored. Then this cart is written beside it, and merged when somebody sees both.
    if (updated === undefined) await this.#carts.put(this.#cartId, this.#mine)
    return contentsOf(this.#mine)
  }
}

/** One answer will do: what it lacks, others bring as siblings. A shopper remembers himself what a session would. */
const alwaysReadable = { r: 1, session: false } as const

function unlessNobodyCanTell(error: unknown): undefined {
  if (error instanceof QuorumUnavailable && error.aftermath === 'nothing-changed') return undefined
  throw error
}
