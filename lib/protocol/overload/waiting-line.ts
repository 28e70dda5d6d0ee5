/** First in, first out; everything in constant time, over all. */
export class WaitingLine<Entry> {
  #entries: Entry[] = []
  #from = 0

  get length(): number {
    return this.#entries.length - this.#from
  }

  get first(): Entry | undefined {
    return this.#entries[this.#from]
  }

  push(entry: Entry): void {
    this.#entries.push(entry)
  }

  shift(): Entry | undefined {
    const first = this.#entries[this.#from]
    if (first === undefined) return undefined
    this.#from += 1
    if (this.#from * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#from)
      this.#from = 0
    }
    return first
  }
}
