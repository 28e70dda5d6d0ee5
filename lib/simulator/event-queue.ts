/** Something that will happen at a moment of virtual time. The object is its own closure: it carries what it needs. */
export abstract class SimulatedEvent {
  /** Called once, at its time, by the world. */
  abstract happen(): void
}

/**
 * Events in order of (time, order of asking): a binary heap. Times and sequence numbers lie in arrays of floats beside
 * the events, because comparing them is most of what a simulation does.
 */
export class EventQueue {
  #timesMs = new Float64Array(1024)
  #sequences = new Float64Array(1024)
  readonly #events: SimulatedEvent[] = []
  #sequence = 0

  get length(): number {
    return this.#events.length
  }

  /** How many events were ever asked for. */
  get pushed(): number {
    return this.#sequence
  }

  /** The time of the next event; Infinity when there is none. */
  get nextMs(): number {
    return this.#events.length === 0 ? Number.POSITIVE_INFINITY : (this.#timesMs[0] as number)
  }

  push(atMs: number, event: SimulatedEvent): void {
    const events = this.#events
    let index = events.length
    if (index === this.#timesMs.length) this.#grow()
    events.push(event)
    const timesMs = this.#timesMs
    const sequences = this.#sequences
    // A new event has the highest sequence number: only an earlier time moves it up.
    while (index > 0) {
      const parent = (index - 1) >> 1
      if ((timesMs[parent] as number) <= atMs) break
      timesMs[index] = timesMs[parent] as number
      sequences[index] = sequences[parent] as number
      events[index] = events[parent] as SimulatedEvent
      index = parent
    }
    timesMs[index] = atMs
    sequences[index] = this.#sequence
    events[index] = event
    this.#sequence += 1
  }

  /** Removes and returns the next event; undefined when there is none. */
  pop(): SimulatedEvent | undefined {
    const events = this.#events
    const first = events[0]
    const last = events.pop()
    if (first === undefined || last === undefined || events.length === 0) return first
    const timesMs = this.#timesMs
    const sequences = this.#sequences
    const count = events.length
    const atMs = timesMs[count] as number
    const sequence = sequences[count] as number
    let index = 0
    for (;;) {
      let child = index * 2 + 1
      if (child >= count) break
      if (child + 1 < count && this.#isBefore(child + 1, timesMs[child] as number, sequences[child] as number))
        child += 1
      if (!this.#isBefore(child, atMs, sequence)) break
      timesMs[index] = timesMs[child] as number
      sequences[index] = sequences[child] as number
      events[index] = events[child] as SimulatedEvent
      index = child
    }
    timesMs[index] = atMs
    sequences[index] = sequence
    events[index] = last
    return first
  }

  #isBefore(index: number, atMs: number, sequence: number): boolean {
    const otherMs = this.#timesMs[index] as number
    return otherMs < atMs || (otherMs === atMs && (this.#sequences[index] as number) < sequence)
  }

  #grow(): void {
    const timesMs = new Float64Array(this.#timesMs.length * 2)
    timesMs.set(this.#timesMs)
    this.#timesMs = timesMs
    const sequences = new Float64Array(this.#sequences.length * 2)
    sequences.set(this.#sequences)
    this.#sequences = sequences
  }
}
