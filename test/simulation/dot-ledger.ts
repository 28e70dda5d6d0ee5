import type { Dot } from '../../lib/protocol/causality/dot.ts'
import type { KeyRecord } from '../../lib/protocol/causality/record.ts'
import { counterOf } from '../../lib/protocol/causality/version-vector.ts'
import { vidOf } from './clients.ts'
import type { SimulatedCluster } from './cluster.ts'
import type { Configuration } from './configuration.ts'

/** An owner's own copy, as it is just now. */
export interface FoundCopy {
  readonly name: string
  readonly record: KeyRecord
}

/** What was seen of one copy last, and how much its process had counted then of what takes records away. */
interface Last {
  readonly record: KeyRecord
  readonly start: number
  readonly taken: number
}

/** After these a copy may know less than before. */
const takingSeries = ['starling_tombstones_removed_total', 'starling_damaged_records_total'] as const

/** Remembers which write has which dot, and what each copy has seen: no dot names two writes, and no copy forgets. */
export class DotLedger {
  readonly #cluster: SimulatedCluster
  readonly #mayLeave: boolean
  readonly #report: (check: string, message: string) => void
  readonly #vids = new Map<string, string>()
  readonly #last = new Map<string, Last>()

  constructor(cluster: SimulatedCluster, { churn }: Configuration, report: (check: string, message: string) => void) {
    this.#cluster = cluster
    // Who owns a partition no more forgets it, and may own it again.
    this.#mayLeave = churn !== undefined
    this.#report = report
  }

  /** @param vid the write that has just been acknowledged */
  look(key: string, vid: string, copies: readonly FoundCopy[]): void {
    for (const { name, record } of copies) {
      for (const sibling of record.siblings) {
        if (vidOf(sibling) === vid) this.#noteDot(key, sibling.dot, vid)
      }
      this.#noteCopy(name, key, record)
    }
  }

  #noteDot(key: string, { shortId, generation, born, counter }: Dot, vid: string): void {
    const dot = `${key} ${shortId}/${generation}/${born}/${counter}`
    const known = this.#vids.get(dot)
    if (known === undefined) this.#vids.set(dot, vid)
    else if (known !== vid) this.#report('dot-twice', `${vid} and ${known} have the dot ${dot}`)
  }

  #noteCopy(name: string, key: string, record: KeyRecord): void {
    const place = `${name} ${key}`
    const start = this.#cluster.world.machine(name).starts
    const taken = takingSeries.reduce((sum, series) => sum + this.#cluster.metric(name, series), 0)
    const last = this.#last.get(place)
    this.#last.set(place, { record, start, taken })
    if (last === undefined || last.start !== start || last.taken !== taken || last.record === record) return
    for (const entry of last.record.vv) {
      const counter = counterOf(record.vv, entry)
      if (counter >= entry.counter || (counter === 0 && this.#mayLeave)) continue
      const of = `${entry.shortId}/${entry.generation}/${entry.born}`
      this.#report('copy-forgot', `${name} had seen ${entry.counter} writes of ${of} to ${key}, and now ${counter}`)
    }
  }
}
