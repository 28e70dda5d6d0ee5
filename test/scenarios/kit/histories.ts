/** `acknowledged`: it was. `refused`: surely not applied. `unknown`: nobody knows; it may show up, or not. */
export type WriteOutcome = 'pending' | 'acknowledged' | 'refused' | 'unknown'

/** What a causal context covers of one key: every write up to `upTo`, but for some whose outcome is not known. */
export interface Known {
  readonly upTo: number
  readonly except: readonly number[]
}

interface OneWrite {
  outcome: WriteOutcome
  /** What the context it was sent with covers. */
  readonly past: Known
}

const nothing: Known = { upTo: 0, except: [] }

/**
 * The writes of one key, numbered from 1, by one writer that gives each the context of the last it knows: a later write
 * supersedes the earlier ones that were acknowledged. Values are made from the number, and are not kept.
 */
export class History {
  readonly key: string
  readonly #bytes: number
  readonly #writes: OneWrite[] = []
  #known: Known = nothing
  #context: string | undefined
  #isBusy = false
  #acknowledged = 0
  /** Whose outcome is unknown; they may stay beside later ones as siblings. */
  #loose: readonly number[] = []
  #seen: readonly number[] = []

  constructor(key: string, bytes: number) {
    this.key = key
    this.#bytes = bytes
  }

  /** A write of it is on its way. */
  get isBusy(): boolean {
    return this.#isBusy
  }

  /** Of the last answer; what the next write is to be sent with. */
  get context(): string | undefined {
    return this.#context
  }

  /** The number of the last acknowledged write; 0: none was. */
  get acknowledged(): number {
    return this.#acknowledged
  }

  /** Unlike every other; as long as was said. */
  value(number: number): string {
    const id = `${this.key}#${number}:`
    return id.padEnd(this.#bytes, id)
  }

  /** @returns the number of the write */
  begin(): number {
    this.#writes.push({ outcome: 'pending', past: this.#known })
    this.#isBusy = true
    return this.#writes.length
  }

  /**
   * @param context of the answer to an acknowledged write
   * @param isStrict it was written by a quorum of owners: every strict read from now on shows it
   */
  end(
    number: number,
    outcome: Exclude<WriteOutcome, 'pending'>,
    context: string | undefined = undefined,
    isStrict = false,
  ): void {
    const write = this.#writes[number - 1] as OneWrite
    write.outcome = outcome
    this.#isBusy = false
    if (outcome === 'unknown') this.#loose = [...this.#loose, number]
    if (outcome !== 'acknowledged') return
    this.#acknowledged = number
    this.#context = context
    const { upTo, except } = write.past
    const missed = this.#loose.filter((loose) => loose > upTo && loose < number)
    this.#known = { upTo: number, except: missed.length === 0 ? except : [...except, ...missed] }
    if (isStrict) this.#seen = this.#with(this.#seen, number)
  }

  /** What a strict read that begins now must show, or what supersedes it. */
  get floor(): readonly number[] {
    return this.#seen
  }

  /** The last acknowledged write, for a read that must find all that was acknowledged. */
  get demand(): readonly number[] {
    return this.#acknowledged === 0 ? [] : [this.#acknowledged]
  }

  /** @returns the numbers of the writes whose values these are; undefined: one was never written, or was refused */
  numbersOf(values: readonly string[]): readonly number[] | undefined {
    const numbers: number[] = []
    for (const value of values) {
      const number = Number(/#(\d+):/.exec(value)?.[1])
      const write = this.#writes[number - 1]
      if (write === undefined || write.outcome === 'refused' || value !== this.value(number)) return undefined
      numbers.push(number)
    }
    return numbers
  }

  /** @returns those of `demanded` that are neither shown nor superseded by what is shown */
  missing(demanded: readonly number[], shown: readonly number[]): readonly number[] {
    return demanded.filter((number) => !shown.some((other) => other === number || this.#supersedes(other, number)))
  }

  /**
   * Two values at once of which one supersedes the other: a write that was tried at two nodes has two names, and one of
   * them may outlive what superseded the other until copies have met (docs/rules.md I1). One sibling too many, no loss.
   */
  hasFalseSibling(shown: readonly number[]): boolean {
    return shown.some((one) => shown.some((other) => this.#supersedes(one, other)))
  }

  /** A strict read has shown this: from now on each must. */
  saw(shown: readonly number[]): void {
    for (const number of shown) this.#seen = this.#with(this.#seen, number)
  }

  #with(seen: readonly number[], number: number): readonly number[] {
    if (seen.length === 1 && seen[0] === number) return seen
    if (seen.some((other) => other === number || this.#supersedes(other, number))) return seen
    return [...seen.filter((other) => !this.#supersedes(number, other)), number]
  }

  #supersedes(newer: number, older: number): boolean {
    const { upTo, except } = (this.#writes[newer - 1] as OneWrite).past
    return older <= upTo && !except.includes(older)
  }
}

/** What went wrong with reads, by kind; of each some are kept in words. */
export interface Wrongs {
  /** A strict read that shows less than an earlier one did, or than was acknowledged strictly before it began. */
  readonly wentBack: string[]
  /** Acknowledged, and not there. */
  readonly lost: string[]
  /** What nobody wrote, or was refused. */
  readonly invented: string[]
}

/** Every key of a run. */
export class Histories {
  readonly bytes: number
  readonly wrongs: Wrongs = { wentBack: [], lost: [], invented: [] }
  readonly outcomes = { acknowledged: 0, refused: 0, unknown: 0 }
  strictReads = 0
  falseSiblings = 0
  readonly #all = new Map<string, History>()

  /** @param bytes of every value */
  constructor(bytes: number) {
    this.bytes = bytes
  }

  get all(): readonly History[] {
    return [...this.#all.values()]
  }

  of(key: string): History {
    let history = this.#all.get(key)
    if (history === undefined) {
      history = new History(key, this.bytes)
      this.#all.set(key, history)
    }
    return history
  }

  /** Judges a strict read that began when `floor` was the key's floor. */
  judgeStrict(history: History, floor: readonly number[], values: readonly string[], how: string): void {
    this.strictReads += 1
    const shown = this.#shown(history, values, how)
    if (shown === undefined) return
    const missing = history.missing(floor, shown)
    if (missing.length > 0)
      this.wrongs.wentBack.push(`${history.key} shows ${told(shown)} after ${told(missing)} ${how}`)
    history.saw(shown)
  }

  /** Judges what is shown of a key when no write is on its way, by a read of any kind or a copy. @returns whether all is there */
  judgeAll(history: History, values: readonly string[], how: string): boolean {
    const shown = this.#shown(history, values, how)
    if (shown === undefined) return false
    const missing = history.missing(history.demand, shown)
    if (missing.length > 0) this.wrongs.lost.push(`${history.key} shows ${told(shown)} and not ${told(missing)} ${how}`)
    return missing.length === 0
  }

  #shown(history: History, values: readonly string[], how: string): readonly number[] | undefined {
    const shown = history.numbersOf(values)
    if (shown !== undefined) {
      if (history.hasFalseSibling(shown)) this.falseSiblings += 1
      return shown
    }
    const what = values.map((value) => value.slice(0, 40)).join(' and ')
    this.wrongs.invented.push(`${history.key} shows ${what} ${how}`)
    return undefined
  }
}

function told(numbers: readonly number[]): string {
  return numbers.length === 0 ? 'nothing' : numbers.map((number) => `#${number}`).join(' and ')
}
