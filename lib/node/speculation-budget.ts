/** Reads may ask one owner more than needed for this share of all reads, with this many saved up. */
const share = 0.05
const savedMax = 20

/** Keeps speculation from doubling the load just when everything is slow (Dean and Barroso, CACM 2013). */
export class SpeculationBudget {
  #saved = savedMax

  noteRead(): void {
    this.#saved = Math.min(savedMax, this.#saved + share)
  }

  /** True: one may be spent, and was. */
  spend(): boolean {
    if (this.#saved < 1) return false
    this.#saved -= 1
    return true
  }
}
