import type { World } from '../simulator/world.ts'

/** Kept as it is now: test frameworks replace the global one by a clock of their own. */
const { setImmediate: inNextTurn } = globalThis

/** Then the real event loop gets a turn, so that a test runner can still end a test that hangs. */
const eventsPerTurnMax = 20_000

/**
 * Virtual time that moves while somebody awaits something of it, and stands still otherwise.
 *
 * An event of the world happens only when no code of the user is ready to run: after each event that may have settled a
 * promise, everything that awaited it runs first, in a turn of the real event loop. So what a program does that awaits
 * nothing but this world depends on the seed alone.
 */
export class MovingTime {
  readonly #world: World
  #awaited = 0
  #isMoving = false
  #mayHaveSettled = false
  readonly #rejects = new Set<(failure: unknown) => void>()
  #failure: { readonly reason: unknown } | undefined

  constructor(world: World) {
    this.#world = world
  }

  /** The same promise, and time moves until it is settled. Rejects also when the world cannot go on. */
  during<Result>(promise: Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure.reason)
      this.#rejects.add(reject)
      this.goOn()
      promise.then(
        (result) => {
          this.#ended(reject)
          resolve(result)
        },
        (error: unknown) => {
          this.#ended(reject)
          reject(error)
        },
      )
    })
  }

  /** So much time passes. */
  pass(ms: number): Promise<void> {
    return this.during(
      new Promise((resolve) => {
        this.#world.after(ms, () => {
          this.settled()
          resolve()
        })
      }),
    )
  }

  /** Time passes until `isSo`, which is looked at every `everyMs`; rejects with `overdue()` after `limitMs`. */
  until(isSo: () => boolean, everyMs: number, limitMs: number, overdue: () => Error): Promise<void> {
    const endMs = this.#world.nowMs + limitMs
    return this.during(
      new Promise((resolve, reject) => {
        const look = (): void => {
          const isOver = isSo()
          if (!isOver && this.#world.nowMs < endMs) return this.#world.after(everyMs, look)
          this.settled()
          if (isOver) resolve()
          else reject(overdue())
        }
        look()
      }),
    )
  }

  /** One more is awaited: time moves. */
  goOn(): void {
    this.#awaited += 1
    if (this.#isMoving) return
    this.#isMoving = true
    inNextTurn(() => this.#move())
  }

  /** One fewer is awaited; when nothing is, time stands still. */
  rest(): void {
    this.#awaited -= 1
  }

  /** A promise may have been settled by the event that happens now: whoever awaits it runs before the next event. */
  settled(): void {
    this.#mayHaveSettled = true
  }

  /** Nothing happens any more: everything that is awaited rejects with `reason`, now and later. */
  end(reason: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = { reason }
    for (const reject of this.#rejects) reject(reason)
    this.#rejects.clear()
  }

  #ended(reject: (failure: unknown) => void): void {
    this.#rejects.delete(reject)
    this.rest()
  }

  #move(): void {
    if (this.#awaited === 0 || this.#failure !== undefined) {
      this.#isMoving = false
      return
    }
    this.#mayHaveSettled = false
    try {
      for (let count = 0; count < eventsPerTurnMax && !this.#mayHaveSettled; count += 1) {
        if (!this.#world.step()) throw new Error('nothing can happen any more, and something is still awaited')
      }
    } catch (error) {
      this.end(error)
    }
    inNextTurn(() => this.#move())
  }
}
