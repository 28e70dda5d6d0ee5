import type { Place } from './frame.ts'

/** The key has no value in the log. */
export const nowhere = 'nowhere'

/**
 * Where the values of recently used keys lie, so that whoever reads or overwrites one need not ask the index. Always the newest: every change of a key comes by here. In two halves: when the newer one is full, the older is dropped.
 */
export class RecentPlaces {
  readonly #halfMax: number
  #newer = new Map<string, Place | typeof nowhere>()
  #older = new Map<string, Place | typeof nowhere>()

  constructor(placesMax: number) {
    this.#halfMax = Math.ceil(placesMax / 2)
  }

  get(id: string): Place | typeof nowhere | undefined {
    const newer = this.#newer.get(id)
    if (newer !== undefined) return newer
    const older = this.#older.get(id)
    if (older !== undefined) this.set(id, older)
    return older
  }

  /** A value was moved: whoever is not remembered is not for this. */
  move(id: string, place: Place): void {
    if (this.#newer.has(id)) this.#newer.set(id, place)
    else if (this.#older.has(id)) this.#older.set(id, place)
  }

  set(id: string, place: Place | typeof nowhere): void {
    if (this.#newer.size >= this.#halfMax) {
      this.#older = this.#newer
      this.#newer = new Map()
    }
    this.#newer.set(id, place)
  }
}
