/** A timer that may still be called off. Cancelling one that fired is harmless. */
export interface Timer {
  cancel(): void
}

/** Time as a node sees it. In production the machine's; in the simulator virtual, with drift, jumps and pauses. */
export interface Time {
  /** Monotonic milliseconds, with fractions; only differences inside one process start mean anything. */
  nowMs(): number
  /** Wall-clock milliseconds since the epoch. May jump, either way. */
  wallMs(): number
  /** Calls back once, `delayMs` or more from now; never inside this call. */
  after(delayMs: number, callback: () => void): Timer
  /** Calls back as soon as what runs now has returned, before anything else happens. In order of asking. */
  soon(callback: () => void): void
  /** Calls back when everything that is ready now has been handled, before the process waits again. In order of asking. */
  endOfTurn(callback: () => void): void
  /** The longest the process lately kept an event waiting (about the last second), in milliseconds. */
  eventLoopDelayMs(): number
}
