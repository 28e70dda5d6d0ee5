import { setTimeout as sleep } from 'node:timers/promises'
import { backoffMs } from './backoff.ts'
import type { PaymentRequest } from './payment.ts'

/** What a payer was told in the end. */
export interface Told {
  readonly state: 'charged' | 'declined' | 'refused'
  readonly chargeId: string | undefined
  /** Requests it took. */
  readonly tries: number
}

const answerMsMax = 10_000
const firstPauseMsMax = 100
const pauseMsMax = 2_000

/**
 * Asks one service after the other until one of them knows what became of the payment. The id stays the same: that is
 * all a payer has to do to be charged once.
 *
 * @param services where they are now, for each try anew
 * @throws {Error} nobody could tell within `patienceMs`; the payment may have been made, or may be yet
 */
export async function payUntilTold(
  services: () => readonly string[],
  id: string,
  request: PaymentRequest,
  patienceMs: number,
): Promise<Told> {
  const endMs = performance.now() + patienceMs
  let last = 'no service runs'
  for (let tries = 1; performance.now() < endMs; tries += 1) {
    const urls = services()
    const url = urls[Math.floor(Math.random() * urls.length)]
    if (url !== undefined) {
      try {
        const response = await fetch(`${url}/payments/${id}`, {
          method: 'PUT',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(request),
          signal: AbortSignal.timeout(answerMsMax),
        })
        const body = (await response.json()) as { readonly chargeId?: string; readonly problem?: string }
        const { chargeId } = body
        if (response.status === 200) return { state: 'charged', chargeId, tries }
        if (response.status === 402) return { state: 'declined', chargeId, tries }
        if (response.status === 400 || response.status === 422) return { state: 'refused', chargeId, tries }
        last = `${response.status} ${body.problem ?? ''}`
      } catch (error) {
        last = String(error)
      }
    }
    await sleep(backoffMs(tries, firstPauseMsMax, pauseMsMax))
  }
  throw new Error(`nobody could tell what became of ${id}: ${last}`)
}
