import type { NodeId } from '../vocabulary/ids.ts'

/** One step of a request: somebody was asked for something, and it ended somehow. */
export interface Step {
  readonly node: NodeId
  /** What it was asked for: the type of the message, or what the own store does. */
  readonly what: string
  readonly askedAtMs: number
  /** Undefined: it has not ended. */
  readonly endedAtMs: number | undefined
  /** `answered`, or why not; empty while it has not ended. */
  readonly how: string
}

const placesMin = 256
/** Two seconds of what one node can do; some 2 MiB. */
const placesMax = 32_768

/**
 * The steps of the latest requests, in a ring that is written over: so that of a request that turns out to be slow can be
 * said who was asked when, and nothing is made for all those that are not. It grows as long as it would forget steps that
 * are younger than `rememberedMs`.
 */
export class FlightRecorder {
  readonly #rememberedMs: number
  #serials = new Float64Array(placesMin)
  #askedAtMs = new Float64Array(placesMin)
  #endedAtMs = new Float64Array(placesMin)
  #nodes: (NodeId | undefined)[] = emptyPlaces(placesMin)
  #whats: string[] = emptyTexts(placesMin)
  #hows: string[] = emptyTexts(placesMin)
  #next = 0
  #lastSerial = 0

  constructor(rememberedMs: number) {
    this.#rememberedMs = rememberedMs
  }

  get places(): number {
    return this.#serials.length
  }

  /** For a request that begins: 1 or more. */
  nextSerial(): number {
    this.#lastSerial += 1
    return this.#lastSerial
  }

  /** @returns its place, for `ended` */
  asked(serial: number, node: NodeId, what: string, nowMs: number): number {
    let place = this.#next
    if (this.#serials[place] !== 0 && nowMs - (this.#askedAtMs[place] as number) < this.#rememberedMs) {
      place = this.#grow(place)
    }
    this.#serials[place] = serial
    this.#nodes[place] = node
    this.#whats[place] = what
    this.#askedAtMs[place] = nowMs
    this.#endedAtMs[place] = 0
    this.#hows[place] = ''
    this.#next = place + 1 === this.#serials.length ? 0 : place + 1
    return place
  }

  ended(place: number, serial: number, how: string, nowMs: number): void {
    // It may have been written over.
    if (this.#serials[place] !== serial) return
    this.#endedAtMs[place] = nowMs
    this.#hows[place] = how
  }

  /** What is remembered of a request, as it came. */
  stepsOf(serial: number): readonly Step[] {
    const steps: Step[] = []
    const { length } = this.#serials
    for (let count = 0; count < length; count += 1) {
      const place = (this.#next + count) % length
      if (this.#serials[place] !== serial) continue
      const endedAtMs = this.#endedAtMs[place] as number
      steps.push({
        node: this.#nodes[place] as NodeId,
        what: this.#whats[place] as string,
        askedAtMs: this.#askedAtMs[place] as number,
        endedAtMs: endedAtMs === 0 ? undefined : endedAtMs,
        how: this.#hows[place] as string,
      })
    }
    return steps
  }

  /** Places keep their numbers, so the ring is full when it grows: its next place is its first. @returns the next place */
  #grow(next: number): number {
    const { length } = this.#serials
    if (next !== 0 || length >= placesMax) return next
    this.#serials = doubled(this.#serials)
    this.#askedAtMs = doubled(this.#askedAtMs)
    this.#endedAtMs = doubled(this.#endedAtMs)
    this.#nodes = [...this.#nodes, ...emptyPlaces(length)]
    this.#whats = [...this.#whats, ...emptyTexts(length)]
    this.#hows = [...this.#hows, ...emptyTexts(length)]
    return length
  }
}

function doubled(numbers: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const more = new Float64Array(numbers.length * 2)
  more.set(numbers)
  return more
}

function emptyPlaces(count: number): (NodeId | undefined)[] {
  return Array.from({ length: count }, () => undefined)
}

function emptyTexts(count: number): string[] {
  return Array.from({ length: count }, () => '')
}
