import type { Charge } from '../../../examples/payments/gateway-ledger.ts'
import type { Told } from '../../../examples/payments/payer.ts'
import type { Payment } from '../../../examples/payments/payment.ts'

/** One thing that somebody wanted to pay for, and what every request for it was told. */
export interface Wanted {
  readonly reference: string
  readonly told: readonly Told[]
  /** What the database has of it in the end. */
  readonly record: Payment | undefined
}

/** What is wrong, by references. All empty: every payment was made once and is known. */
export interface Audit {
  /** Money was moved more than once. */
  readonly double: readonly string[]
  /** Somebody was told `charged`, and the money was not moved or the record does not say so. */
  readonly lost: readonly string[]
  /** Money was moved, and the record does not say so. */
  readonly unrecorded: readonly string[]
  /** Two answers about one payment differ, or one differs from what was done. */
  readonly contradicted: readonly string[]
  /** Begun, and never brought to an end. */
  readonly unfinished: readonly string[]
}

/** Compares what payers were told, what the database knows, and what the gateway's own ledger says. */
export function auditPayments(wanted: readonly Wanted[], ledger: readonly Charge[]): Audit {
  const charges = new Map<string, readonly Charge[]>()
  for (const charge of ledger) {
    const { reference } = charge.request
    charges.set(reference, [...(charges.get(reference) ?? []), charge])
  }
  const wrong = (isWrong: (one: Wanted, moved: readonly Charge[]) => boolean): readonly string[] =>
    wanted.filter((one) => isWrong(one, charges.get(one.reference) ?? [])).map(({ reference }) => reference)
  const known = new Set(wanted.map(({ reference }) => reference))
  return {
    double: wrong((_, moved) => moved.length > 1),
    lost: wrong(
      ({ told, record }, moved) =>
        told.some(({ state }) => state === 'charged') &&
        !(
          moved.length > 0 &&
          chargeOf(record) !== undefined &&
          moved.some(({ chargeId }) => chargeId === chargeOf(record))
        ),
    ),
    unrecorded: [
      ...wrong(({ record }, moved) => moved.length > 0 && chargeOf(record) === undefined),
      ...[...charges.keys()].filter((reference) => !known.has(reference)),
    ],
    contradicted: wrong(({ told, record }) => {
      const answers = told.map(({ state, chargeId }) => `${state} ${chargeId ?? ''}`)
      const { outcome } = record ?? {}
      if (outcome !== undefined) answers.push(`${outcome.state} ${chargeOf(record) ?? ''}`)
      return new Set(answers).size > 1
    }),
    unfinished: wrong(({ record }) => record !== undefined && record.outcome === undefined),
  }
}

function chargeOf(record: Payment | undefined): string | undefined {
  return record?.outcome?.state === 'charged' ? record.outcome.chargeId : undefined
}
