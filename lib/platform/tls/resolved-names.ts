/** More names than any client or node was ever given. */
const addressesMax = 4096
const namesPerAddressMax = 8

/**
 * Which names have led to which addresses. Addresses are what is connected to, and names are what people were given and
 * what certificates are made for.
 */
export class ResolvedNames {
  readonly #names = new Map<string, readonly string[]>()

  learn(name: string, addresses: readonly string[]): void {
    for (const address of addresses) {
      const known = this.#names.get(address) ?? []
      if (known.includes(name)) continue
      // Whoever was learnt first goes first.
      if (known.length === 0 && this.#names.size >= addressesMax) {
        const [oldest] = this.#names.keys()
        if (oldest !== undefined) this.#names.delete(oldest)
      }
      this.#names.set(address, [name, ...known].slice(0, namesPerAddressMax))
    }
  }

  of(address: string): readonly string[] {
    return this.#names.get(address) ?? []
  }
}
