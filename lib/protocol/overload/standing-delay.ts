/**
 * Whether work keeps waiting too long, and not just in a burst: a line that is short now and then soaks up bursts, one
 * that is never short only makes everybody late. So the least wait of a stretch of time counts, not the longest and not
 * the mean. (Nichols and Jacobson, Controlling Queue Delay, ACM Queue 2012.)
 */
export class StandingDelay {
  readonly #targetMs: number
  readonly #intervalMs: number
  /** Since when every wait was too long. */
  #aboveSinceMs = Number.POSITIVE_INFINITY

  constructor(settings: { readonly targetMs: number; readonly intervalMs: number }) {
    this.#targetMs = settings.targetMs
    this.#intervalMs = settings.intervalMs
  }

  /**
   * Something was begun, or found to wait still, after so long. Only half of the target ends it: what is turned away at
   * the target keeps the wait just below it.
   */
  observe(waitedMs: number, nowMs: number): void {
    if (waitedMs >= this.#targetMs) this.#aboveSinceMs = Math.min(nowMs, this.#aboveSinceMs)
    else if (waitedMs < this.#targetMs / 2) this.#aboveSinceMs = Number.POSITIVE_INFINITY
  }

  isStanding(nowMs: number): boolean {
    return nowMs - this.#aboveSinceMs >= this.#intervalMs
  }
}
