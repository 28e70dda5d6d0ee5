/** A bound on how much is under way at once. */
export class Slots {
  readonly #count: number
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(count: number) {
    this.#count = count
    this.#free = count
  }

  /** Resolves when there is a place; give it back with `give`. */
  async take(): Promise<void> {
    if (this.#free > 0) this.#free -= 1
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  give(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#free += 1
    else next()
  }

  /** Resolves when nothing is under way. Nobody else may take meanwhile. */
  async drain(): Promise<void> {
    for (let taken = 0; taken < this.#count; taken += 1) await this.take()
    this.#free = this.#count
  }
}
