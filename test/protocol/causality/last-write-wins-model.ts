import { contextAfterWrite, contextOfGet, emptyContext } from '../../../lib/protocol/causality/context.ts'
import { deleteRecord } from '../../../lib/protocol/causality/delete.ts'
import type { Dot } from '../../../lib/protocol/causality/dot.ts'
import { recordHlc } from '../../../lib/protocol/causality/inspect-record.ts'
import { asLastWriteWins } from '../../../lib/protocol/causality/last-write-wins.ts'
import { mergeRecords } from '../../../lib/protocol/causality/merge.ts'
import { mintAsAfterMerge, mintDot } from '../../../lib/protocol/causality/mint.ts'
import { type Content, putRecord } from '../../../lib/protocol/causality/put.ts'
import type { CausalContext, StoredRecord } from '../../../lib/protocol/causality/record.ts'
import { compareDots } from '../../../lib/protocol/causality/version-vector.ts'
import { type Hlc, hlcMax } from '../../../lib/protocol/clock/hlc.ts'

export interface Step {
  readonly what: string
  readonly at: number
  readonly from: number
  readonly client: number
  readonly isBlind: boolean
}

export interface Entry {
  readonly hlc: Hlc
  readonly dot: Dot
  readonly isDelete: boolean
}

const content: Content = {
  value: new Uint8Array(0),
  contentType: 'text/plain',
  metadata: [],
  expiresAtMs: undefined,
  checksum: 1,
}

/** Four owners of one key of a last-write-wins bucket, the real functions, and beside them all that was ever written. */
export class Owners {
  readonly copies: (StoredRecord | undefined)[] = [undefined, undefined, undefined, undefined]
  readonly #minted: Entry[] = []
  readonly #contexts: CausalContext[] = [emptyContext, emptyContext, emptyContext]
  readonly #skew: readonly number[]
  /** From which step on each owner knows that the bucket is last-write-wins. */
  readonly #knownFrom: readonly number[]
  readonly #clocks = [0, 0, 0, 0]
  #now = 0

  constructor(skew: readonly number[], knownFrom: readonly number[]) {
    this.#skew = skew
    this.#knownFrom = knownFrom
  }

  take({ what, at, from, client, isBlind }: Step): void {
    this.#now += 1
    if (what === 'merge') return this.merge(at, from)
    const copy = this.copies[at]
    if (what === 'read') {
      if (copy !== undefined) this.#contexts[client] = contextOfGet(copy.record)
      return
    }
    const context = isBlind ? emptyContext : (this.#contexts[client] as CausalContext)
    const mode = this.#now >= (this.#knownFrom[at] as number) ? 'lww' : 'siblings'
    // K1: above the own clock, what the copy holds, and what the context has seen.
    const floor = hlcMax(copy === undefined ? (0 as Hlc) : recordHlc(copy.record), context.hlc)
    const hlc = Math.max(this.#now + (this.#skew[at] as number), (this.#clocks[at] as number) + 1, floor + 1) as Hlc
    this.#clocks[at] = hlc
    const minted = mintDot(copy, context.vv, { shortId: at + 1, generation: 7 }, this.#now)
    const next =
      what === 'put'
        ? putRecord(copy, context, { ...minted, hlc }, mode, content)
        : deleteRecord(copy, context, { ...minted, hlc }, mode)
    if (next === undefined) return
    this.#minted.push({ hlc, dot: minted.dot, isDelete: what === 'delete' })
    this.copies[at] = next
    this.#contexts[client] = contextAfterWrite(context, minted.dot, next.record)
  }

  merge(at: number, from: number): void {
    const theirs = this.copies[from]
    if (theirs === undefined) return
    const ours = this.copies[at]
    if (ours === undefined) {
      this.copies[at] = { record: theirs.record, mintAs: undefined }
      return
    }
    const record = mergeRecords(ours.record, theirs.record)
    this.copies[at] = { record, mintAs: mintAsAfterMerge(ours, record, 7) }
  }

  /** Everybody hears of everybody, and of the mode. */
  settle(): void {
    for (let round = 0; round < 2; round += 1) {
      for (let at = 0; at < 4; at += 1) for (let from = 0; from < 4; from += 1) this.merge(at, from)
    }
    for (const [at, copy] of this.copies.entries()) {
      if (copy !== undefined) this.copies[at] = { ...copy, record: asLastWriteWins(copy.record) }
    }
  }

  /** What the rule says must be left of all that was ever written. */
  latest(): Entry | undefined {
    const [latest] = [...this.#minted].sort(
      (a, b) => b.hlc - a.hlc || Number(b.isDelete) - Number(a.isDelete) || compareDots(b.dot, a.dot),
    )
    return latest === undefined || latest.isDelete ? undefined : latest
  }
}
