import type { RunRecord } from '../run-directory.ts'
import { grouped } from './grouped.ts'

export type Results = RunRecord['results']

/** One promise broken for some values of one key; however many reads showed it. */
export interface Anomaly {
  /** From 1, in the order of the history within each check. */
  readonly number: number
  readonly property: string
  readonly check: string
  readonly key: string
  readonly values: readonly string[]
  /** Where it shows, ascending. */
  readonly at: readonly number[]
  /** Of where it shows first. */
  readonly message: string
}

/** What the checkers complained of; the same complaint about several reads is one anomaly. */
export function anomaliesOf(results: Results): readonly Anomaly[] {
  const found = new Map<string, Omit<Anomaly, 'number'> & { readonly at: number[] }>()
  for (const { name: property, violations } of results) {
    for (const { check, key, values, at, message } of violations) {
      const id = JSON.stringify([property, check, key, values])
      const known = found.get(id)
      if (known === undefined) found.set(id, { property, check, key, values, at: [at], message })
      else known.at.push(at)
    }
  }
  const inOrder = [...found.values()].toSorted((a, b) => (a.at[0] as number) - (b.at[0] as number))
  return inOrder.map((anomaly, index) => ({ ...anomaly, number: index + 1 }))
}

/** At most `most`: the first of each check, then the second of each, and so on: later ones are mostly more of the same. */
export function mostTelling(anomalies: readonly Anomaly[], most: number): readonly Anomaly[] {
  const byCheck = grouped(anomalies, ({ check }) => check)
  const chosen: Anomaly[] = []
  for (let rank = 0; chosen.length < Math.min(most, anomalies.length); rank += 1) {
    for (const ofCheck of byCheck.values()) {
      const next = ofCheck[rank]
      if (next !== undefined && chosen.length < most) chosen.push(next)
    }
  }
  return chosen
}
