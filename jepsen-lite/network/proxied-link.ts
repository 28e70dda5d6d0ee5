import type { LinkCounts, LinkFaults } from './network.ts'

/** How long TCP waits before it sends again what got lost; twice as long each time. */
const retransmissionMs = 200
const retransmissionMsMax = 2000
/** After a mend TCP sends again when its timer happens to fire. */
const mendMsMax = 1000
/** How much later something is heard again, or is overtaken, at most. */
const againMsMax = 2000
const overtakenMsMax = 100

/**
 * Whatever brings a state or takes one away must do no harm when it is heard again, late and out of order. Anything
 * else is asked once on a connection, and a second time by a retry that knows about the first.
 */
const replayedTypes: ReadonlySet<string> = new Set([
  'write-record',
  'store-hint',
  'merge-records',
  'confirm-tombstones',
  'raise-barrier',
  'drop-tombstones',
])
/** What begins, ends or watches a connection is not overtaken by what is said on it. */
const orderedTypes: ReadonlySet<string> = new Set(['hello', 'welcome', 'goodbye', 'ping', 'pong', 'not-a-frame'])

/**
 * One direction between two nodes, and what is wrong with it.
 *
 * A datagram may be lost, late, doubled. A stream is TCP: what got lost is sent again, so that loss and cuts make it
 * late, in order, and lose nothing. `dropTypes` alone takes a frame out of a living connection, and `reorderChance`
 * alone breaks its order: what no network does to TCP, but a protocol of independent messages must bear.
 */
export class ProxiedLink {
  faults: LinkFaults = {}
  readonly #fraction: () => number
  #isCut = false
  #waiting = new Set<() => void>()
  #dropped = 0
  #held = 0
  #delayed = 0
  #duplicated = 0

  constructor(fraction: () => number) {
    this.#fraction = fraction
  }

  get isCut(): boolean {
    return this.#isCut
  }

  get counts(): LinkCounts {
    return { dropped: this.#dropped, held: this.#held, delayed: this.#delayed, duplicated: this.#duplicated }
  }

  cut(): void {
    this.#isCut = true
  }

  mend(): void {
    if (!this.#isCut) return
    this.#isCut = false
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const callback of waiting) callback()
  }

  /** Calls once, when nothing is cut any more; the same callback is called once however often it was given. */
  whenMended(callback: () => void): void {
    this.#waiting.add(callback)
  }

  forget(callback: () => void): void {
    this.#waiting.delete(callback)
  }

  noteHeld(): void {
    this.#held += 1
  }

  drawMendDelayMs(): number {
    return this.#fraction() * mendMsMax
  }

  /** How late each copy of a datagram arrives. Empty: it does not. */
  drawDatagram(type: string): readonly number[] {
    if (this.#isCut || this.#isDroppedByType(type) || this.#happens(this.faults.lossChance)) {
      this.#dropped += 1
      return []
    }
    const delayMs = this.#drawDelayMs()
    if (delayMs > 0) this.#delayed += 1
    if (!this.#happens(this.faults.duplicateChance)) return [delayMs]
    this.#duplicated += 1
    return [delayMs, delayMs + this.#drawDelayMs()]
  }

  /** What becomes of a frame; undefined: it is lost. */
  drawFrame(type: string): FrameFate | undefined {
    const { faults } = this
    if (this.#isDroppedByType(type)) {
      this.#dropped += 1
      return undefined
    }
    let delayMs = this.#drawDelayMs()
    let waitMs = retransmissionMs
    while (waitMs < retransmissionMsMax && this.#happens(faults.lossChance)) {
      this.#dropped += 1
      delayMs += waitMs
      waitMs *= 2
    }
    const isOvertaken = !orderedTypes.has(type) && this.#happens(faults.reorderChance)
    const overtakenMs = isOvertaken ? 1 + this.#fraction() * overtakenMsMax : 0
    if (delayMs > 0 || isOvertaken) this.#delayed += 1
    const isHeardAgain = replayedTypes.has(type) && this.#happens(faults.duplicateChance)
    if (isHeardAgain) this.#duplicated += 1
    return { delayMs, overtakenMs, againMs: isHeardAgain ? this.#fraction() * againMsMax : undefined }
  }

  #isDroppedByType(type: string): boolean {
    const { dropTypes, dropTypesChance = 1 } = this.faults
    return dropTypes?.includes(type) === true && this.#happens(dropTypesChance)
  }

  #drawDelayMs(): number {
    const { delayMs = 0, jitterMs = 0 } = this.faults
    return jitterMs === 0 ? delayMs : delayMs + this.#fraction() * jitterMs
  }

  #happens(chance: number | undefined): boolean {
    return chance !== undefined && chance > 0 && this.#fraction() < chance
  }
}

export interface FrameFate {
  /** Whatever comes behind it on its connection waits as long. */
  readonly delayMs: number
  /** It alone waits so much longer. */
  readonly overtakenMs: number
  /** It is heard once more, so much later. */
  readonly againMs: number | undefined
}
