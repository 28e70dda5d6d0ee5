/**
 * With which layout versions anything on its way was planned: client writes until they are answered, and every message
 * until it is (docs/rules.md T2). A node says that it knows a newer version when nothing is left of the older ones.
 */
export class PlansInFlight {
  readonly #onOldestEnded: () => void
  #newest = 0
  #ofNewest = 0
  /** Of versions before the newest; nearly always empty. */
  readonly #older = new Map<number, number>()

  /** @param onOldestEnded nothing is left of an older version */
  constructor(onOldestEnded: () => void) {
    this.#onOldestEnded = onOldestEnded
  }

  /** The lowest layout number that anything in flight was planned with; undefined: nothing is in flight. */
  get oldest(): number | undefined {
    let oldest: number | undefined
    for (const number of this.#older.keys()) if (oldest === undefined || number < oldest) oldest = number
    return oldest ?? (this.#ofNewest > 0 ? this.#newest : undefined)
  }

  /** From now on this is the newest version. */
  moveTo(number: number): void {
    if (number <= this.#newest) return
    if (this.#ofNewest > 0) this.#older.set(this.#newest, this.#ofNewest)
    this.#newest = number
    this.#ofNewest = 0
  }

  begin(number: number): void {
    this.moveTo(number)
    if (number === this.#newest) this.#ofNewest += 1
    else this.#older.set(number, (this.#older.get(number) ?? 0) + 1)
  }

  end(number: number): void {
    if (number === this.#newest) {
      this.#ofNewest -= 1
      return
    }
    const left = (this.#older.get(number) ?? 0) - 1
    if (left > 0) {
      this.#older.set(number, left)
      return
    }
    this.#older.delete(number)
    this.#onOldestEnded()
  }
}
