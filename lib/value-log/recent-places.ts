import type { Place } from './frame.ts'

/** The key has no value in the log. */
export const nowhere = 'nowhere'

/**
 * Where the values of recently used keys lie, so that whoever overwrites one need not ask the index which bytes are dead
 * now. Always the newest: every change of a key comes by here. In two halves: when the newer one is full, the older is dropped.
 */
export class RecentPlaces {
  readonly #halfMax: number
  #newer = new Map<string, Place | typeof nowhere>()
  #older = new Map<string, Place | typeof nowhere>()

  constructor(placesMax: number) {
    this.#halfMax = Math.ceil(placesMax / 2)
  }

  get(id: string): Place | typeof nowhere | undefined {
    return this.#newer.get(id) ?? this.#older.get(id)
  }

  set(id: string, place: Place | typeof nowhere): void {
    if (this.#newer.size >= this.#halfMax) {
      this.#older = this.#newer
      this.#newer = new Map()
    }
    this.#newer.set(id, place)
  }
}
