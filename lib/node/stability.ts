import { StorageError, type StorageFailure } from '../ports/storage.ts'
import type { Time, Timer } from '../ports/time.ts'
import type { Hlc } from '../protocol/clock/hlc.ts'
import { hlcToMs, hlcZero } from '../protocol/clock/hlc.ts'
import { StableMark } from '../protocol/deletion/stability.ts'
import { BytesReader } from '../wire/bytes-reader.ts'
import { BytesWriter } from '../wire/bytes-writer.ts'
import { readHlc } from '../wire/dot-codec.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import type { MetaStore } from './meta-store.ts'
import type { Minting } from './minting.ts'

/** Who still has something that has not reached every owner. */
export interface StabilitySources {
  /** Of the writes this node coordinates. */
  readonly oldestWrite: () => Hlc | undefined
  /** Of the hints this node holds. */
  readonly oldestHint: () => Hlc | undefined
  /** The hints of earlier lives have been counted: before that, nobody knows the oldest. */
  readonly isCounted: () => boolean
}

const stableName = 'stable'
/** Nobody needs it fresher than this; each one told anew costs a synced write. */
const freshMs = 500
const publishEveryMs = 10_000

/** Tells below which clock everything that this node had to pass on has arrived (docs/rules.md D2). */
export class Stability {
  readonly #time: Time
  readonly #meta: MetaStore
  readonly #minting: Minting
  readonly #sources: StabilitySources
  readonly #mark: StableMark
  #publishedAtMs = Number.NEGATIVE_INFINITY
  #waiting: ((stable: Hlc) => void)[] | undefined
  #timer: Timer | undefined
  #isStopped = false

  constructor(
    parts: { readonly time: Time; readonly meta: MetaStore; readonly minting: Minting },
    sources: StabilitySources,
    /** The store does not say what was told before: nothing may be told any more. */
    onFailure: (failure: StorageFailure) => void,
  ) {
    this.#time = parts.time
    this.#meta = parts.meta
    this.#minting = parts.minting
    this.#sources = sources
    let persisted = hlcZero
    try {
      persisted = loadStable(parts.meta)
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      onFailure(error.failure)
    }
    this.#mark = new StableMark(persisted)
  }

  start(): void {
    if (this.#isStopped) return
    this.publish(() => {})
    // Also when nobody asks, so that a metric and the next life have a fresh one.
    this.#timer = this.#time.after(publishEveryMs, () => this.start())
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  /** What a hint must lie above to be taken: see `StableMark.hintFloor`. */
  publishedStable(): Hlc {
    return this.#mark.hintFloor
  }

  /** Whether this life of the node has told one: before, no hint can be taken. */
  get isToldInThisLife(): boolean {
    return this.#mark.isToldInThisLife
  }

  /** How far the last one told lies behind the clock. */
  ageSeconds(): number {
    return Math.max(0, (this.#time.wallMs() - hlcToMs(this.#mark.told)) / 1000)
  }

  /**
   * Calls back with the stable that may be told now: synced. Not called back when the store fails. Before the store is
   * checked there is no lease on the clock, and what the wall clock says may be minted below later.
   */
  publish(done: (stable: Hlc) => void): void {
    const isFresh = this.#time.nowMs() - this.#publishedAtMs < freshMs
    if (!this.#minting.isReady || !this.#sources.isCounted() || (isFresh && this.#waiting === undefined)) {
      const { told } = this.#mark
      return this.#time.soon(() => done(told))
    }
    if (this.#waiting !== undefined) {
      this.#waiting.push(done)
      return
    }
    this.#waiting = [done]
    const stable = this.#mark.next({
      clock: this.#minting.read(),
      oldestWrite: this.#sources.oldestWrite(),
      oldestHint: this.#sources.oldestHint(),
    })
    this.#meta.write(stableName, encodeStable(stable), 'disk', (failure) => {
      const waiting = this.#waiting ?? []
      this.#waiting = undefined
      if (failure !== undefined || this.#isStopped) return
      this.#mark.persisted(stable)
      this.#publishedAtMs = this.#time.nowMs()
      for (const callback of waiting) callback(this.#mark.told)
    })
  }
}

function encodeStable(stable: Hlc): Uint8Array {
  const writer = new BytesWriter(8)
  writer.varint(stable)
  return writer.finish()
}

function loadStable(meta: MetaStore): Hlc {
  const bytes = meta.read(stableName)
  if (!(bytes instanceof Uint8Array)) return hlcZero
  try {
    return readHlc(new BytesReader(bytes))
  } catch (error) {
    if (error instanceof UnreadableBytes) return hlcZero
    throw error
  }
}
