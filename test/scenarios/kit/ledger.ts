/** `acknowledged`: 204. `refused`: surely not applied. `unknown`: nobody knows; it may show up, or not. */
export type WriteOutcome = 'pending' | 'acknowledged' | 'refused' | 'unknown'

export interface Write {
  /** The value it wrote, unlike every other; undefined: a delete. */
  readonly value: string | undefined
  outcome: WriteOutcome
  /** The node it was sent to, and when, in seconds since the process began. */
  readonly through: string
  readonly atSeconds: number
}

/** One key and everything that was written there: one write after another, each with the context of the last known one. */
export interface KeyStory {
  readonly key: string
  readonly writes: Write[]
  context: string | undefined
  isBusy: boolean
}

/**
 * What a copy must hold of a key, as seen at one moment: the last write acknowledged by then, or what superseded it since.
 */
export interface Demand {
  readonly story: KeyStory
  /** Position in `story.writes` of the last acknowledged write. */
  readonly from: number
}

/** `held`: as demanded. `behind`: what was acknowledged is not there. `invented`: what nobody wrote, or was refused. */
export type Finding = 'held' | 'behind' | 'invented'

/** What a node or a copy shows of a key. */
export interface Shown {
  readonly values: readonly string[]
  /** It holds a tombstone; from a read by quorum, that it found none of the values. */
  readonly isTombstone: boolean
}

/** Every write of a run, with what became of it. */
export class Ledger {
  readonly counts = { acknowledged: 0, refused: 0, unknown: 0 }
  /** Why writes were not acknowledged, and how often. */
  readonly troubles = new Map<string, number>()
  readonly #stories = new Map<string, KeyStory>()
  #valueCount = 0

  get stories(): readonly KeyStory[] {
    return [...this.#stories.values()]
  }

  story(key: string): KeyStory {
    let story = this.#stories.get(key)
    if (story === undefined) {
      story = { key, writes: [], context: undefined, isBusy: false }
      this.#stories.set(key, story)
    }
    return story
  }

  /** @param bytes of the value; its beginning is unique */
  begin(story: KeyStory, through: string, bytes: number): Write {
    this.#valueCount += 1
    const id = `${story.key}#${this.#valueCount}:`
    return this.#begin(story, through, id.padEnd(bytes, id))
  }

  beginDelete(story: KeyStory, through: string): Write {
    return this.#begin(story, through, undefined)
  }

  trouble(why: string): void {
    this.troubles.set(why, (this.troubles.get(why) ?? 0) + 1)
  }

  end(story: KeyStory, write: Write, outcome: Exclude<WriteOutcome, 'pending'>, context: string | undefined): void {
    write.outcome = outcome
    story.isBusy = false
    if (context !== undefined) story.context = context
    this.counts[outcome] += 1
  }

  /** What every copy must hold of what has been acknowledged until now. */
  demands(): readonly Demand[] {
    return this.stories
      .map((story) => ({ story, from: story.writes.findLastIndex(({ outcome }) => outcome === 'acknowledged') }))
      .filter(({ from }) => from >= 0)
  }

  #begin(story: KeyStory, through: string, value: string | undefined): Write {
    const write: Write = { value, outcome: 'pending', through, atSeconds: performance.now() / 1000 }
    story.writes.push(write)
    story.isBusy = true
    return write
  }
}

/** The last writes of a key, for whoever must find out why a copy is wrong. */
export function historyOf({ key, writes }: KeyStory): string {
  const lines = writes
    .slice(-6)
    .map(({ value, outcome, through, atSeconds }) => `${atSeconds.toFixed(1)} s ${idOf(value)} ${outcome} (${through})`)
  return `${key}: ${lines.join(', ')}`
}

/** The unique beginning of a value. */
export function idOf(value: string | undefined): string {
  return value === undefined ? 'delete' : value.slice(value.indexOf('#'), value.indexOf(':'))
}

/**
 * Whether what is shown contains what is demanded. A later write of the same key knew the demanded one: it may stand for
 * it, whether it was acknowledged or not.
 */
export function judge({ story, from }: Demand, shown: Shown): Finding {
  const known = new Set(story.writes.filter(({ outcome }) => outcome !== 'refused').map(({ value }) => value))
  if (shown.values.some((value) => !known.has(value))) return 'invented'
  const acceptable = story.writes.slice(from).filter(({ outcome }) => outcome !== 'refused')
  const isHeld = acceptable.some(({ value }) =>
    value === undefined ? shown.isTombstone || shown.values.length === 0 : shown.values.includes(value),
  )
  return isHeld ? 'held' : 'behind'
}
