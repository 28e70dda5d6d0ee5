/** This share of the gets may be asked a second time; so many may be saved up for a bad moment. */
const shareMax = 0.05
const savedMax = 10

/** Keeps hedging from doubling the load just when everything is slow. (Dean and Barroso, The Tail at Scale, CACM 2013.) */
export class HedgeBudget {
  #saved = savedMax

  noteGet(): void {
    this.#saved = Math.min(savedMax, this.#saved + shareMax)
  }

  /** True: one may be spent, and was. */
  spend(): boolean {
    // Twenty shares of 0.05 add up to a little less than 1.
    if (this.#saved < 1 - 1e-9) return false
    this.#saved -= 1
    return true
  }
}
