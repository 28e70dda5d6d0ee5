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

/** At most `most`: of each check the first ones, since the later are mostly more of the same. In their order. */
export function mostTelling(anomalies: readonly Anomaly[], most: number): readonly Anomaly[] {
  const byCheck = grouped(anomalies, ({ check }) => check)
  const chosen: Anomaly[] = []
  for (let rank = 0; chosen.length < Math.min(most, anomalies.length); rank += 1) {
    for (const ofCheck of byCheck.values()) {
      const next = ofCheck[rank]
      if (next !== undefined && chosen.length < most) chosen.push(next)
    }
  }
  return chosen.toSorted((a, b) => a.number - b.number)
}

/** What each check promises: the sentence that an anomaly breaks. */
export function promiseOf(check: string): string | undefined {
  return promises[check]
}

const promises: Readonly<Record<string, string>> = {
  'lost-write': 'An acknowledged write is read in the end, or something that had seen it.',
  'lost-write-to-blind-write': 'A blind write supersedes nothing: what was acknowledged beside it stays.',
  'lost-write-to-false-ordering': 'Only a write that has seen another supersedes it: concurrent writes both stay.',
  'invented-value': 'Nothing is read that nobody had written.',
  'false-sibling': 'Of two values shown together, neither had seen the other.',
  'duplicate-sibling': 'One write makes one sibling.',
  'value-of-another-key': 'A value is read where it was written.',
  'sibling-explosion': 'There are no more siblings than concurrent writes.',
  'siblings-of-sequential-writes': 'A client that writes step by step makes no siblings.',
  'expired-value': 'A value whose time is over is out of sight.',
  resurrection: 'What an acknowledged delete had seen does not come back.',
  zombie: 'What a session has seen superseded does not come back to it.',
  'stale-read': 'Where R + W > N, a read sees every write that was acknowledged before it began.',
  'read-went-back': 'With blocking repair, a read sees whatever an earlier read had seen.',
  'own-write-unread': 'A session reads what it wrote.',
  'session-went-back': 'A session never sees less than it saw before.',
  'session-saw-older': 'A session never sees what it has already passed.',
  'not-converged': 'In the end all owners of a key have the same.',
  'missing-copy': 'In the end every owner has every acknowledged write.',
  'tombstone-stays': 'A tombstone goes when its grace is over.',
  'tombstone-gone-early': 'A tombstone stays as long as its grace.',
}
