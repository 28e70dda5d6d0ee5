import type { Dot } from '../../lib/protocol/causality/dot.ts'
import type { KeyRecord } from '../../lib/protocol/causality/record.ts'
import { counterOf } from '../../lib/protocol/causality/version-vector.ts'
import { vidOf } from './clients.ts'

/** An owner's own copy, as it is just now. */
export interface FoundCopy {
  readonly name: string
  readonly record: KeyRecord
}

interface Last {
  readonly record: KeyRecord
  readonly life: string
}

interface DotLedgerParts {
  /** Something else as soon as the copies of that node may know less than before; undefined: it does not run. */
  readonly lifeOf: (name: string) => string | undefined
  /** Copies may go and come again. */
  readonly mayLeave: boolean
  readonly report: (check: string, message: string) => void
}

/** Remembers which write has which dot, and what each copy has seen: no dot names two writes, and no copy forgets. */
export class DotLedger {
  readonly #parts: DotLedgerParts
  readonly #vids = new Map<string, string>()
  readonly #last = new Map<string, Last>()

  constructor(parts: DotLedgerParts) {
    this.#parts = parts
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
    else if (known !== vid) this.#parts.report('dot-twice', `${vid} and ${known} have the dot ${dot}`)
  }

  #noteCopy(name: string, key: string, record: KeyRecord): void {
    const place = `${name} ${key}`
    const life = this.#parts.lifeOf(name)
    const last = this.#last.get(place)
    // A dead machine's disk may lose what it had, or be put back to an older state, before the next start.
    if (life === undefined) this.#last.delete(place)
    else this.#last.set(place, { record, life })
    if (last === undefined || last.life !== life || last.record === record) return
    for (const entry of last.record.vv) {
      const counter = counterOf(record.vv, entry)
      if (counter >= entry.counter || (counter === 0 && this.#parts.mayLeave)) continue
      const of = `${entry.shortId}/${entry.generation}/${entry.born}`
      this.#parts.report(
        'copy-forgot',
        `${name} had seen ${entry.counter} writes of ${of} to ${key}, and now ${counter}`,
      )
    }
  }
}
