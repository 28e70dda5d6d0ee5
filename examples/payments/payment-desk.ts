import type { Bucket, CausalContext, Database } from 'starling-kv'
import { json } from 'starling-kv'
import type { Gateway } from './gateway.ts'
import { isSameRequest, mergePayments, type Outcome, type Payment, type PaymentRequest } from './payment.ts'

export interface DeskOptions {
  /** How long the gateway knows an id for certain, in milliseconds; many know it for a day. */
  readonly gatewayMemoryMs: number
  /** How old an open payment is before `settleOpen` takes it up, in milliseconds. */
  readonly openForMsMin: number
  readonly nowMs?: () => number
}

/** A marker of a payment that may not have its outcome yet; holds all that is needed to finish it. */
interface OpenPayment {
  readonly request: PaymentRequest
  readonly sinceMs: number
}

/** Somebody has used the id for another payment. */
export class IdReused extends Error {
  override readonly name = 'IdReused'
}

/**
 * Only owners count, at a majority: of two requests the later one hears of what the earlier one was acknowledged.
 * While owners are away that is refused rather than guessed. (Fallbacks would take the write, and a read might miss it.)
 */
const strict = { sloppy: false } as const

/** Payments, each made once, by any number of desks at the same time. */
export class PaymentDesk {
  readonly #payments: Bucket<Payment>
  readonly #open: Bucket<OpenPayment>
  readonly #gateway: Gateway
  readonly #options: DeskOptions
  readonly #nowMs: () => number
  /** One payment is worked on once at a time by this desk. Other desks may work on it, too. */
  readonly #inHand = new Map<string, Promise<Payment>>()

  constructor(db: Database, gateway: Gateway, options: DeskOptions) {
    this.#payments = db.bucket<Payment>('payments', { codec: json })
    this.#open = db.bucket<OpenPayment>('open-payments', { codec: json })
    this.#gateway = gateway
    this.#options = options
    this.#nowMs = options.nowMs ?? Date.now
  }

  /**
   * Makes the payment, or finishes it, or says what became of it long ago. After a failure nobody knows whether it was
   * made: ask again with the same id, as often as you like.
   *
   * @throws {IdReused} the id belongs to another payment
   * @throws {GatewayAway} the payment is noted, and is made when the gateway is back, also if nobody asks again
   * @throws {StarlingError} the database did not take or tell what it had to; nothing was charged by this call unless
   *   its `aftermath` is `may-have-changed`
   */
  async pay(id: string, request: PaymentRequest): Promise<Payment> {
    const inHand = this.#inHand.get(id)
    const work = inHand ?? this.#settle(id, request)
    if (inHand === undefined) {
      this.#inHand.set(id, work)
      const forget = (): unknown => this.#inHand.delete(id)
      work.then(forget, forget)
    }
    const payment = await work
    if (payment.outcome === undefined || !isSameRequest(payment.outcome.request, request)) {
      throw new IdReused(`the payment ${id} is another one`)
    }
    return payment
  }

  /** What is known of a payment; undefined: nothing. @throws {StarlingError} */
  async find(id: string): Promise<Payment | undefined> {
    const found = await this.#payments.get(id, strict)
    return mergePayments(found?.siblings.map(({ value }) => value) ?? [])
  }

  /**
   * Finishes what services have begun that are no more. Several desks may do so at once. What cannot be finished now is
   * left for the next time.
   *
   * @throws {StarlingError} the database cannot tell what is open
   */
  async settleOpen({ signal }: { readonly signal?: AbortSignal } = {}): Promise<{ settled: number; left: number }> {
    const result = { settled: 0, left: 0 }
    for await (const { key: id } of this.#open.scan()) {
      signal?.throwIfAborted()
      await this.#settleOpen(id).then(
        () => (result.settled += 1),
        () => (result.left += 1),
      )
    }
    return result
  }

  async #settleOpen(id: string): Promise<void> {
    const found = await this.#open.get(id, strict)
    const [marker, ...others] = found?.siblings.map(({ value }) => value) ?? []
    if (marker === undefined) return
    const sinceMs = Math.max(marker.sinceMs, ...others.map((other) => other.sinceMs))
    if (this.#nowMs() - sinceMs < this.#options.openForMsMin) throw new Error('somebody is at it')
    await this.#settle(id, marker.request)
    await this.#open.delete(id, { ...strict, context: found?.context })
  }

  async #settle(id: string, request: PaymentRequest): Promise<Payment> {
    const readAtMs = this.#nowMs()
    const found = await this.#payments.get(id, strict)
    const known = mergePayments(found?.siblings.map(({ value }) => value) ?? [])
    if (known?.outcome !== undefined) return known
    // First the marker, then the record, then the gateway: whatever may have been charged can be found by others.
    const asked = known ?? { requests: [request], requestedAtMs: readAtMs, outcome: undefined }
    let context = found?.context
    let open: CausalContext | undefined
    if (known === undefined) {
      open = await this.#note(id, request, readAtMs)
      context = await this.#payments.put(id, asked, strict)
    }
    const outcome = await this.#charge(id, asked, readAtMs)
    const done = { ...asked, outcome }
    // Supersedes what this desk has read and written; a desk that worked beside it may leave a sibling with the same outcome.
    await this.#payments.put(id, done, { ...strict, context })
    // The marker has done its work. If it stays, somebody will look, and find nothing to do.
    if (open !== undefined) await this.#open.delete(id, { ...strict, context: open }).catch(() => {})
    return done
  }

  async #note(id: string, request: PaymentRequest, sinceMs: number): Promise<CausalContext | undefined> {
    return (await this.#open.update(id, () => ({ request, sinceMs }), strict)).context
  }

  /**
   * Within its memory the gateway knows an id. A payment that is open for longer than half of that is looked for before
   * it is charged, and no charge is taken later than a quarter of it after the record was read.
   *
   * So there is no second charge. It would come a whole memory after the first; its record was read at most a quarter
   * before it, so three quarters after the first charge; the request had been acknowledged before that charge, the read
   * found it, and it was old: the desk has looked, and found the charge. The last quarter is for clocks that differ.
   */
  async #charge(id: string, { requests, requestedAtMs }: Payment, readAtMs: number): Promise<Outcome> {
    const { gatewayMemoryMs } = this.#options
    const isOld = readAtMs - requestedAtMs > gatewayMemoryMs / 2
    const outcome = isOld ? await this.#gateway.find(id) : undefined
    return outcome ?? this.#gateway.charge(id, requests[0] as PaymentRequest, readAtMs + gatewayMemoryMs / 4)
  }
}
