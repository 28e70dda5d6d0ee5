import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { Latencies, type LatencySummary } from '../../../bench/load/latencies.ts'
import { type Driver, RequestFailed } from './drivers.ts'
import type { Histories, History } from './histories.ts'
import type { Lab } from './lab.ts'

const tickMs = 5
/** Beyond this the next requests are not sent, and counted as held back. */
const inFlightMax = 2_000
const drawsMax = 50
const readShare = 0.5
/** Of the keys: they are written by quorums of owners only, so that every strict read owes what was acknowledged. */
const strictEvery = 2
const preloadLanes = 64
const troublesTold = 8

/** What became of the requests of some time. */
export class Period {
  readonly name: string
  readonly latencies = new Latencies()
  /** Failed beyond the client's own retries. */
  failed = 0
  heldBack = 0
  readonly startedMs = performance.now()
  /** How late this process itself was: what it measures cannot be better than that. */
  readonly #lateness = monitorEventLoopDelay({ resolution: 10 })
  #endedMs: number | undefined

  constructor(name: string) {
    this.name = name
    this.#lateness.enable()
  }

  end(): void {
    this.#endedMs ??= performance.now()
    this.#lateness.disable()
  }

  get answered(): number {
    return this.latencies.count
  }

  get seconds(): number {
    return ((this.#endedMs ?? performance.now()) - this.startedMs) / 1000
  }

  /** In words. */
  get story(): string {
    const { p50Ms, p99Ms, maxMs } = this.summary
    return [
      `${this.answered} requests answered in ${this.seconds.toFixed(1)} s`,
      `p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms, max ${maxMs.toFixed(0)} ms`,
      `${this.failed} failed, ${this.heldBack} not sent`,
      `this process was ${(this.#lateness.max / 1e6).toFixed(0)} ms late at most`,
    ].join('; ')
  }

  get summary(): LatencySummary {
    return this.latencies.summary()
  }
}

/** How the requests are shared out: each driver's share of all. */
export type Mix = readonly { readonly driver: Driver; readonly share: number }[]

/** Reads and writes of the same keys, half and half; every read is judged by what was acknowledged and seen before. */
export class MixedLoad {
  readonly histories: Histories
  readonly periods: Period[] = []
  readonly troubles = new Map<string, number>()
  readonly #lab: Lab
  readonly #mix: Mix
  readonly #keys: readonly History[]
  readonly #inFlight = new Set<Promise<void>>()
  #period = new Period('before')
  #timer: NodeJS.Timeout | undefined

  constructor(lab: Lab, histories: Histories, mix: Mix, keys: number) {
    this.#lab = lab
    this.histories = histories
    this.#mix = mix
    this.#keys = Array.from({ length: keys }, (_, at) => histories.of(`k/${at}`))
    lab.teardown(() => clearInterval(this.#timer))
  }

  /** Writes every key once. @throws Error when one was not acknowledged */
  async preload(): Promise<void> {
    const startedMs = performance.now()
    await this.#lanes(preloadLanes, this.#keys.length, (at) => this.#write(this.#keys[at] as History, at))
    const missing = this.#keys.filter(({ acknowledged }) => acknowledged === 0).length
    this.sayTroubles()
    if (missing > 0) throw new Error(`${missing} of ${this.#keys.length} keys could not be written`)
    const seconds = (performance.now() - startedMs) / 1000
    this.#lab.say(`${this.#keys.length} keys of ${this.histories.bytes} bytes written in ${seconds.toFixed(1)} s`)
  }

  /** As fast as so many lanes go, each waiting for its answer. @returns requests per second */
  async peak(seconds: number, lanes = preloadLanes): Promise<number> {
    const period = this.period('peak')
    const endMs = performance.now() + seconds * 1000
    await this.#lanes(lanes, Number.POSITIVE_INFINITY, () =>
      performance.now() > endMs ? undefined : this.#one(this.#lab.fraction()),
    )
    return period.answered / period.seconds
  }

  /** From now on so many requests per second, however fast the answers come. */
  start(rate: number): void {
    const startedMs = performance.now()
    let sent = 0
    this.#timer = setInterval(() => {
      const due = Math.floor(((performance.now() - startedMs) / 1000) * rate)
      for (; sent < due; sent += 1) {
        if (this.#inFlight.size >= inFlightMax) this.#period.heldBack += 1
        else this.#track(this.#one(this.#lab.fraction()))
      }
    }, tickMs)
  }

  /** Requests sent from now on belong to this. */
  period(name: string): Period {
    this.#endPeriod()
    this.#period = new Period(name)
    this.periods.push(this.#period)
    return this.#period
  }

  async runFor(seconds: number): Promise<void> {
    await sleep(seconds * 1000)
  }

  /** Resolves when everything that was sent has ended. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await Promise.all(this.#inFlight)
    this.#endPeriod()
    this.sayTroubles()
  }

  #endPeriod(): void {
    this.#period.end()
    if (this.periods.includes(this.#period)) this.#lab.say(`${this.#period.name}: ${this.#period.story}`)
  }

  get answered(): number {
    return this.periods.reduce((sum, { answered }) => sum + answered, 0)
  }

  get failed(): number {
    return this.periods.reduce((sum, { failed }) => sum + failed, 0)
  }

  get heldBack(): number {
    return this.periods.reduce((sum, { heldBack }) => sum + heldBack, 0)
  }

  sayTroubles(): void {
    for (const [why, count] of [...this.troubles].slice(0, troublesTold)) this.#lab.say(`failed: ${count} x ${why}`)
  }

  async #one(chance: number): Promise<void> {
    const isRead = chance < readShare
    const history = this.#draw(!isRead)
    if (history === undefined) this.#period.heldBack += 1
    else if (isRead) await this.#read(history)
    else await this.#write(history)
  }

  #draw(isFree: boolean): History | undefined {
    for (let drawn = 0; drawn < drawsMax; drawn += 1) {
      const history = this.#lab.pick(this.#keys)
      if (!isFree || !history.isBusy) return history
    }
    return undefined
  }

  async #read(history: History): Promise<void> {
    const driver = this.#driver()
    const { floor } = history
    await this.#timed(async () => {
      const values = await driver.readStrict(history.key)
      this.histories.judgeStrict(history, floor, values, `by ${driver.name} in "${this.#period.name}"`)
    })
  }

  async #write(history: History, at?: number): Promise<void> {
    const driver = this.#driver()
    const number = history.begin()
    const isStrict = isStrictKey(history.key)
    let outcome: 'acknowledged' | 'refused' | 'unknown' = 'acknowledged'
    let context: string | undefined
    const put = async (): Promise<void> => {
      try {
        context = await driver.put(history.key, history.value(number), history.context, isStrict)
      } catch (error) {
        outcome = error instanceof RequestFailed && !error.isUnknown ? 'refused' : 'unknown'
        throw error
      }
    }
    await (at === undefined ? this.#timed(put) : put().catch((error) => this.#trouble(error)))
    this.histories.outcomes[outcome] += 1
    history.end(number, outcome, context, isStrict)
  }

  async #timed(work: () => Promise<void>): Promise<void> {
    const period = this.#period
    const sentMs = performance.now()
    try {
      await work()
      period.latencies.add(performance.now() - sentMs)
    } catch (error) {
      period.failed += 1
      this.#trouble(error)
    }
  }

  #trouble(error: unknown): void {
    if (!(error instanceof RequestFailed)) throw error
    const why = error.message.replaceAll(/k\/\d+/g, 'k/...').slice(0, 160)
    this.troubles.set(why, (this.troubles.get(why) ?? 0) + 1)
  }

  #driver(): Driver {
    let chance = this.#lab.fraction()
    for (const { driver, share } of this.#mix) {
      chance -= share
      if (chance < 0) return driver
    }
    return (this.#mix[0] as Mix[number]).driver
  }

  #track(work: Promise<void>): void {
    const done: Promise<void> = work.finally(() => this.#inFlight.delete(done))
    this.#inFlight.add(done)
  }

  async #lanes(lanes: number, count: number, work: (at: number) => Promise<void> | undefined): Promise<void> {
    let next = 0
    const lane = async (): Promise<void> => {
      while (next < count) {
        const at = next
        next += 1
        const doing = work(at)
        if (doing === undefined) return
        await doing
      }
    }
    await Promise.all(Array.from({ length: lanes }, lane))
  }
}

/** Whether a key is written by quorums of owners only. */
function isStrictKey(key: string): boolean {
  return Number(key.slice(key.lastIndexOf('/') + 1)) % strictEvery === 0
}
