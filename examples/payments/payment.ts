/** What a payer asks for, under an id of his own choice. Whoever asks again asks for the same. */
export interface PaymentRequest {
  readonly account: string
  readonly amountCents: number
  /** What is paid for, such as the number of an order. */
  readonly reference: string
}

/** The gateway's last word. */
export type Outcome =
  | { readonly state: 'charged'; readonly chargeId: string; readonly request: PaymentRequest }
  | { readonly state: 'declined'; readonly reason: string; readonly request: PaymentRequest }

/** The record of one payment. Its key is the payer's id. */
export interface Payment {
  /** One, unless somebody used an id twice at the same moment; in a fixed order. */
  readonly requests: readonly PaymentRequest[]
  /** When it was asked for first, in milliseconds since the epoch. */
  readonly requestedAtMs: number
  /** Undefined: asked for; perhaps charged, perhaps not. */
  readonly outcome: Outcome | undefined
}

/**
 * What several siblings of a payment mean together; undefined for none.
 *
 * A payment only ever learns: a request is never taken back, and an outcome beats none. So the order in which services
 * wrote does not matter, and no write has to be kept from another. Money that has moved is a fact: were there ever two
 * outcomes, `charged` would be the one.
 */
export function mergePayments(siblings: readonly Payment[]): Payment | undefined {
  if (siblings.length === 0) return undefined
  const requests = new Map(siblings.flatMap((payment) => payment.requests.map((request) => [nameOf(request), request])))
  const outcomes = siblings.flatMap(({ outcome }) => (outcome === undefined ? [] : [outcome]))
  return {
    requests: [...requests].sort(byName).map(([, request]) => request),
    requestedAtMs: Math.min(...siblings.map(({ requestedAtMs }) => requestedAtMs)),
    outcome: outcomes.sort((one, other) => byText(rankOf(one), rankOf(other)))[0],
  }
}

export function isSameRequest(one: PaymentRequest, other: PaymentRequest): boolean {
  return nameOf(one) === nameOf(other)
}

function nameOf({ account, amountCents, reference }: PaymentRequest): string {
  return JSON.stringify([account, amountCents, reference])
}

function rankOf(outcome: Outcome): string {
  const detail = outcome.state === 'charged' ? outcome.chargeId : outcome.reason
  return `${outcome.state} ${detail} ${nameOf(outcome.request)}` // "charged" stands before "declined".
}

function byName([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number {
  return byText(one, other)
}

function byText(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}
