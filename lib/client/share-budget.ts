/**
 * What may be asked a second time: a share of what is asked at all, and a few saved up for a bad moment. Keeps second
 * questions from multiplying the load just when everything is slow, or nodes turn requests away.
 */
export class ShareBudget {
  readonly #share: number
  readonly #savedMax: number
  #saved: number

  constructor({ share, savedMax }: { readonly share: number; readonly savedMax: number }) {
    this.#share = share
    this.#savedMax = savedMax
    this.#saved = savedMax
  }

  /** One was asked for the first time. */
  note(): void {
    this.#saved = Math.min(this.#savedMax, this.#saved + this.#share)
  }

  /** True: one may be spent, and was. */
  spend(): boolean {
    // Twenty shares of 0.05 add up to a little less than 1.
    if (this.#saved < 1 - 1e-9) return false
    this.#saved -= 1
    return true
  }
}
