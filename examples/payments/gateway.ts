import { setTimeout as sleep } from 'node:timers/promises'
import { backoffMs } from './backoff.ts'
import { CircuitBreaker } from './circuit-breaker.ts'
import type { Outcome, PaymentRequest } from './payment.ts'

/**
 * Whoever moves the money. It is asked with an id, and for a while it answers the same id with what it did the first
 * time. That is what makes a payment happen once: no database can promise it, because no database is asked in the
 * moment in which the gateway takes the money.
 */
export interface Gateway {
  /**
   * @param notAfterMs the gateway refuses the charge when it reads it later than that
   * @throws {GatewayAway} nobody knows whether it was charged; ask again, under the same id
   */
  charge(id: string, request: PaymentRequest, notAfterMs: number): Promise<Outcome>
  /** What has become of an id, however long ago. @throws {GatewayAway} */
  find(id: string): Promise<Outcome | undefined>
}

export class GatewayAway extends Error {
  override readonly name = 'GatewayAway'
  /** When it is worth asking again. */
  readonly retryAfterMs: number

  constructor(message: string, retryAfterMs: number, options?: ErrorOptions) {
    super(message, options)
    this.retryAfterMs = retryAfterMs
  }
}

const answerMsMax = 2_000
const triesMax = 3
const firstPauseMsMax = 50
const pauseMsMax = 400
const breakerOptions = { failuresInRowMax: 8, openMs: 500 }

/** A gateway over HTTP: tried again after lost and late answers, left alone while it fails. */
export class HttpGateway implements Gateway {
  readonly #url: string
  readonly #breaker = new CircuitBreaker(breakerOptions)

  constructor(url: string) {
    this.#url = url
  }

  async charge(id: string, request: PaymentRequest, notAfterMs: number): Promise<Outcome> {
    const answer = await this.#ask('/charges', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': id },
      body: JSON.stringify({ ...request, notAfterMs }),
    })
    if (answer.status === 200) return answer.body as Outcome
    // The id was used for something else. What that was is the truth about this id.
    const outcome = answer.status === 422 ? await this.find(id) : undefined
    if (outcome !== undefined) return outcome
    throw new GatewayAway(`the gateway refused with ${answer.status}`, pauseMsMax)
  }

  async find(id: string): Promise<Outcome | undefined> {
    const answer = await this.#ask(`/charges/${encodeURIComponent(id)}`, { method: 'GET' })
    if (answer.status === 200) return answer.body as Outcome
    if (answer.status === 404) return undefined
    throw new GatewayAway(`the gateway refused with ${answer.status}`, pauseMsMax)
  }

  /** Safe to repeat whatever went wrong: a charge has its id. */
  async #ask(path: string, init: RequestInit): Promise<{ readonly status: number; readonly body: unknown }> {
    for (let tries = 1; ; tries += 1) {
      const waitMs = this.#breaker.waitMs(performance.now())
      if (waitMs > 0) throw new GatewayAway('the gateway is left alone for a moment', waitMs)
      try {
        const response = await fetch(`${this.#url}${path}`, { ...init, signal: AbortSignal.timeout(answerMsMax) })
        const body: unknown = await response.json()
        if (response.status < 500 && response.status !== 429) {
          this.#breaker.succeeded()
          return { status: response.status, body }
        }
        throw new Error(`the gateway answered ${response.status}`)
      } catch (cause) {
        this.#breaker.failed(performance.now())
        if (tries === triesMax) throw new GatewayAway('the gateway does not answer', pauseMsMax, { cause })
        await sleep(backoffMs(tries, firstPauseMsMax, pauseMsMax))
      }
    }
  }
}
