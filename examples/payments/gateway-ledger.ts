import { isSameRequest, type Outcome, type PaymentRequest } from './payment.ts'

/** One movement of money. */
export interface Charge {
  readonly chargeId: string
  /** The id it was asked for under. */
  readonly id: string
  readonly request: PaymentRequest
}

export type Decision = Outcome | 'too-late' | 'id-in-use'

/**
 * What stands behind a gateway like real ones: idempotent by an id, but only for a while. It declines whoever is called
 * `poor`.
 */
export class GatewayLedger {
  /** All the money that was ever moved. */
  readonly charges: Charge[] = []
  readonly asked = { charge: 0, find: 0, tooLate: 0, repeated: 0 }
  readonly #memoryMs: number
  readonly #nowMs: () => number
  readonly #known = new Map<string, { readonly outcome: Outcome; readonly atMs: number }>()

  /** @param memoryMs how long it knows an id; after that the same id is charged again */
  constructor(memoryMs: number, nowMs: () => number = Date.now) {
    this.#memoryMs = memoryMs
    this.#nowMs = nowMs
  }

  charge(id: string, request: PaymentRequest, notAfterMs: number): Decision {
    this.asked.charge += 1
    const nowMs = this.#nowMs()
    if (nowMs > notAfterMs) {
      this.asked.tooLate += 1
      return 'too-late'
    }
    const known = this.#known.get(id)
    if (known === undefined || nowMs - known.atMs >= this.#memoryMs) {
      const outcome = this.#move(id, request)
      this.#known.set(id, { outcome, atMs: nowMs })
      return outcome
    }
    this.asked.repeated += 1
    return isSameRequest(known.outcome.request, request) ? known.outcome : 'id-in-use'
  }

  /** What was charged under an id, however long ago. */
  find(id: string): Outcome | undefined {
    this.asked.find += 1
    const charge = this.charges.find((one) => one.id === id)
    return charge && { state: 'charged', chargeId: charge.chargeId, request: charge.request }
  }

  #move(id: string, request: PaymentRequest): Outcome {
    if (request.account === 'poor') return { state: 'declined', reason: 'no cover', request }
    const chargeId = `charge-${this.charges.length + 1}`
    this.charges.push({ chargeId, id, request })
    return { state: 'charged', chargeId, request }
  }
}
