import { setTimeout as sleep } from 'node:timers/promises'
import type { Reachable } from '../../node/fixtures/real-nodes.ts'
import { type Http, pathOf } from './http.ts'
import type { Lab } from './lab.ts'
import type { KeyStory, Ledger, Write } from './ledger.ts'

const tickMs = 10
/** Beyond this the next writes are not sent, and counted as held back: the nodes answer too slowly for the rate. */
const inFlightMax = 2_000
const drawsMax = 50

export interface LoadOptions {
  /** The nodes to write through, asked at every write. */
  readonly through: () => readonly Reachable[]
  readonly rate: number
  /** The first so many keys are written again and again, one after the other. */
  readonly keys: number
  readonly prefix?: string
  readonly query?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly valueBytes?: number
}

/**
 * Writes at a fixed rate, however fast the answers come. A key is never written twice at once; each write carries the
 * context of the last answer for its key.
 */
export class Load {
  readonly #lab: Lab
  readonly #http: Http
  readonly #ledger: Ledger
  readonly #options: LoadOptions
  readonly #timer: NodeJS.Timeout
  readonly #startedMs = performance.now()
  readonly #inFlight = new Set<Promise<void>>()
  #due = 0
  #next = 0
  #heldBack = 0
  #slowestMs = 0
  #acknowledged = 0

  constructor(lab: Lab, http: Http, ledger: Ledger, options: LoadOptions) {
    this.#lab = lab
    this.#http = http
    this.#ledger = ledger
    this.#options = options
    this.#timer = setInterval(() => this.#tick(), tickMs)
    lab.teardown(() => clearInterval(this.#timer))
  }

  get acknowledged(): number {
    return this.#acknowledged
  }

  /** Writes that were due and not sent. */
  get heldBack(): number {
    return this.#heldBack
  }

  /** Until an acknowledgement came. */
  get slowestMs(): number {
    return this.#slowestMs
  }

  async runFor(seconds: number): Promise<void> {
    await sleep(seconds * 1000)
  }

  /** Goes on until so many of its writes were acknowledged, on a slow machine too; but not for ever. */
  async until(acknowledged: number, secondsMax = 60): Promise<void> {
    const endMs = performance.now() + secondsMax * 1000
    while (this.#acknowledged < acknowledged && performance.now() < endMs) await sleep(tickMs)
  }

  /** Resolves when every write that was sent has ended. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await Promise.all(this.#inFlight)
    const troubles = [...this.#ledger.troubles].map(([why, count]) => `${count} x ${why}`)
    if (troubles.length > 0) this.#lab.say(`not acknowledged so far: ${troubles.join(', ')}`)
  }

  #tick(): void {
    const due = Math.floor(((performance.now() - this.#startedMs) / 1000) * this.#options.rate)
    for (; this.#due < due; this.#due += 1) {
      const story = this.#freeKey()
      if (story === undefined || this.#inFlight.size >= inFlightMax) this.#heldBack += 1
      else this.#send(story)
    }
  }

  #freeKey(): KeyStory | undefined {
    for (let drawn = 0; drawn < drawsMax; drawn += 1) {
      const story = this.#ledger.story(`${this.#options.prefix ?? 'k'}/${this.#next}`)
      this.#next = (this.#next + 1) % this.#options.keys
      if (!story.isBusy) return story
    }
    return undefined
  }

  #send(story: KeyStory): void {
    const nodes = this.#options.through()
    const node = nodes[this.#due % nodes.length]
    if (node === undefined) return
    const { query = '', headers = {}, valueBytes = 200 } = this.#options
    const write = this.#ledger.begin(story, node.http ?? '', valueBytes)
    const sentMs = performance.now()
    const done = putOnce(this.#http, this.#ledger, node, story, write, query, headers).then((isAcknowledged) => {
      this.#inFlight.delete(done)
      if (!isAcknowledged) return
      this.#acknowledged += 1
      this.#slowestMs = Math.max(this.#slowestMs, performance.now() - sentMs)
    })
    this.#inFlight.add(done)
  }
}

/** @returns whether it was acknowledged */
export async function putOnce(
  http: Http,
  ledger: Ledger,
  node: Reachable,
  story: KeyStory,
  write: Write,
  query = '',
  headers: Readonly<Record<string, string>> = {},
): Promise<boolean> {
  const context = story.context === undefined ? {} : { 'starling-context': story.context }
  const reply =
    write.value === undefined
      ? await http.call(node, 'DELETE', `${pathOf(story.key)}${query}`, { headers: { ...headers, ...context } })
      : await http.call(node, 'PUT', `${pathOf(story.key)}${query}`, {
          headers: { 'content-type': 'text/plain', ...headers, ...context },
          body: write.value,
        })
  const isAcknowledged = reply.status === 204
  if (!isAcknowledged) ledger.trouble(reply.status === 0 ? 'no answer' : `${reply.status} ${codeOf(reply.text)}`)
  ledger.end(story, write, isAcknowledged ? 'acknowledged' : outcomeOf(reply.text), reply.context)
  return isAcknowledged
}

function codeOf(text: string): string {
  return /"code":"([a-z-]+)"/.exec(text)?.[1] ?? ''
}

function outcomeOf(text: string): 'refused' | 'unknown' {
  return text.includes('"aftermath":"nothing-changed"') ? 'refused' : 'unknown'
}

/** Writes each key once and waits for all; several at once. @returns how many were acknowledged */
export async function putAll(
  http: Http,
  ledger: Ledger,
  nodes: readonly Reachable[],
  keys: readonly string[],
  options: {
    readonly query?: string
    readonly headers?: Readonly<Record<string, string>>
    readonly valueBytes?: number
  } = {},
): Promise<number> {
  let acknowledged = 0
  await inLanes(keys, async (key, at) => {
    const story = ledger.story(key)
    const node = nodes[at % nodes.length] as Reachable
    const write = ledger.begin(story, node.http ?? '', options.valueBytes ?? 200)
    if (await putOnce(http, ledger, node, story, write, options.query, options.headers)) acknowledged += 1
  })
  return acknowledged
}

/** Deletes each key with the last known context. @returns how many were acknowledged */
export async function deleteAll(
  http: Http,
  ledger: Ledger,
  nodes: readonly Reachable[],
  keys: readonly string[],
): Promise<number> {
  let acknowledged = 0
  await inLanes(keys, async (key, at) => {
    const story = ledger.story(key)
    const node = nodes[at % nodes.length] as Reachable
    const write = ledger.beginDelete(story, node.http ?? '')
    if (await putOnce(http, ledger, node, story, write)) acknowledged += 1
  })
  return acknowledged
}

const lanes = 32

/** Each item once, several at a time. */
export async function inLanes<Item>(
  items: readonly Item[],
  work: (item: Item, at: number) => Promise<void>,
): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      const at = next
      next += 1
      await work(items[at] as Item, at)
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}
