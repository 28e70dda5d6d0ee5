import { mintAsAfterMerge } from '../protocol/causality/mint.ts'
import type { KeyRecord } from '../protocol/causality/record.ts'
import type { Hlc } from '../protocol/clock/hlc.ts'
import type { Durability } from '../protocol/quorum/client-request.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { RecordKey } from '../vocabulary/key.ts'
import { encodeRecord } from '../wire/record.ts'
import type { HintStore } from './hint-store.ts'
import type { NodeParts } from './node-settings.ts'
import type { LocalCopy, MergeFailure } from './replica-store.ts'

/** The seat of a fallback that coordinates for the first absent owner, `target`. */
export function hintSeat(
  context: { readonly hints: HintStore; readonly parts: NodeParts; readonly minting: { readonly generation: number } },
  target: NodeId,
): HintSeat {
  const { hints, parts, minting } = context
  return new HintSeat({ hints, merge: parts.merge, generation: () => minting.generation }, target)
}

/** The local copy that a coordinator builds on: its own record; or, where it owns nothing of the key, a hint. */
export interface LocalSeat {
  read(key: RecordKey): LocalCopy
  /** @returns the encoded record; undefined: there is no room for it, and nothing was stored */
  write(
    key: RecordKey,
    before: KeyRecord | undefined,
    after: KeyRecord,
    mintAs: number | undefined,
    durability: Durability,
    done: (failure: MergeFailure | undefined) => void,
  ): Uint8Array | undefined
  mergeDecoded(
    key: RecordKey,
    incoming: KeyRecord,
    durability: Durability,
    asOf: Hlc,
    done: (failure: MergeFailure | undefined) => void,
  ): void
}

/**
 * The hint for one owner as the copy that a fallback coordinates on (docs/rules.md Q2): all hints of the key are merged
 * into it, and `mintAs` is read from and stored in it alone, because only this record promises to hold everything that
 * was minted under it (A2). What another hint brings counts as a merge.
 */
export class HintSeat implements LocalSeat {
  readonly #hints: HintStore
  readonly #target: NodeId
  readonly #merge: (a: KeyRecord, b: KeyRecord) => KeyRecord
  readonly #generation: () => number

  constructor(
    parts: {
      readonly hints: HintStore
      readonly merge: (a: KeyRecord, b: KeyRecord) => KeyRecord
      readonly generation: () => number
    },
    target: NodeId,
  ) {
    this.#hints = parts.hints
    this.#merge = parts.merge
    this.#generation = parts.generation
    this.#target = target
  }

  read(key: RecordKey): LocalCopy {
    const own = this.#hints.read(this.#target, key)
    if (own.state === 'failed') return own
    const all = this.#hints.readAll(key)
    if (all === 'failed') return { state: 'failed', failure: { kind: 'failed', message: 'a hint cannot be read' } }
    if (all === undefined) return own
    if (own.state !== 'found') return { state: 'found', bytes: encodeRecord(all), mintAs: undefined }
    const record = this.#hints.decode(own.bytes)
    const merged = this.#merge(record, all)
    const mintAs = mintAsAfterMerge({ record, mintAs: own.mintAs }, merged, this.#generation())
    return { state: 'found', bytes: encodeRecord(merged), mintAs }
  }

  write(
    key: RecordKey,
    _before: KeyRecord | undefined,
    after: KeyRecord,
    mintAs: number | undefined,
    durability: Durability,
    done: (failure: MergeFailure | undefined) => void,
  ): Uint8Array | undefined {
    const written = this.#hints.write(this.#target, key, after, mintAs, durability, done)
    return typeof written === 'string' ? undefined : written
  }

  mergeDecoded(
    key: RecordKey,
    incoming: KeyRecord,
    durability: Durability,
    _asOf: Hlc,
    done: (failure: MergeFailure | undefined) => void,
  ): void {
    this.#hints.add(this.#target, key, incoming, encodeRecord(incoming), durability, (outcome) =>
      done(outcome.type === 'failed' ? outcome.failure : undefined),
    )
  }
}
