/** Makes the load of an overload run, in a process of its own. Obeys one order at a time. */
import { KeySpace } from '../load/key-space.ts'
import { Latencies, type LatencySummary } from '../load/latencies.ts'
import type { Target } from '../load/orders.ts'
import { type Fractions, seededFractions } from '../load/random.ts'
import type { Client, Outcome } from './client.ts'
import { openEmbedded } from './embedded-pool.ts'
import { HttpPool } from './http-pool.ts'

export interface LoadOrder {
  readonly target: Target
  readonly durationMs: number
  /** 0 to 1. */
  readonly writeShare: number
  /** Closed: so many clients, each of which waits for its answer. Open: so many requests a second, whatever comes of them. */
  readonly pace:
    | { readonly type: 'closed'; readonly inFlight: number }
    | { readonly type: 'open'; readonly perSecond: number }
  /** First writes every key once. */
  readonly fills?: boolean
}

export interface LoadReport {
  readonly elapsedMs: number
  readonly counts: Readonly<Record<Outcome, number>>
  /** From when each was due, so that what came late counts as late. */
  readonly done: LatencySummary
  readonly refused: LatencySummary
  readonly refusedWithin100Ms: number
  readonly writesDone: number
  readonly writesRefused: number
  /** How late the generator itself was with a request, at the 99th percentile. */
  readonly generatorLateP99Ms: number
}

const keyCount = 20_000
const valueBytes = 1024
const connectionsMax = 9_000
const promptMs = 100
/** Whoever has not answered by then is not waited for. */
const drainMs = 4_000

const keys = new KeySpace(keyCount, valueBytes)
const fraction: Fractions = seededFractions(1)
let client: { readonly id: string; readonly client: Client } | undefined

process.on('message', (order: LoadOrder) => {
  obey(order).then(
    (report) => process.send?.(report),
    (error: Error) => process.send?.({ problem: error.stack ?? error.message }),
  )
})
process.on('disconnect', () => process.exit(0))

async function obey(order: LoadOrder): Promise<LoadReport> {
  const open = await clientFor(order.target)
  if (order.fills === true) await fill(open)
  if (order.pace.type === 'open') await open.connectAll()
  const run = new Run(open, order)
  return await run.finished
}

async function clientFor(target: Target): Promise<Client> {
  const id = JSON.stringify(target)
  if (client?.id === id) return client.client
  await client?.client.close()
  client = { id, client: await open(target) }
  return client.client
}

async function open(target: Target): Promise<Client> {
  if (target.type === 'http') return new HttpPool(keys, target.ports, target.path, connectionsMax)
  if (target.type === 'embedded') return await openEmbedded(keys, target, connectionsMax)
  throw new Error('the floor does not say when it is overloaded')
}

function fill(client: Client): Promise<void> {
  let next = 0
  let left = keys.count
  return new Promise((resolve) => {
    const ask = (key: number): void =>
      client.ask({ key, isWrite: true }, (outcome) => {
        // Again: every key shall be there.
        if (outcome !== 'done') return void setTimeout(ask, 20, key)
        left -= 1
        if (left === 0) resolve()
        else step()
      })
    const step = (): void => {
      if (next === keys.count) return
      next += 1
      ask(next - 1)
    }
    for (let lane = 0; lane < 32; lane += 1) step()
  })
}

class Run {
  readonly finished: Promise<LoadReport>
  readonly #client: Client
  readonly #order: LoadOrder
  readonly #startMs = performance.now()
  readonly #counts: Record<Outcome, number> = { done: 0, refused: 0, failed: 0, unsent: 0 }
  readonly #done = new Latencies()
  readonly #refused = new Latencies()
  readonly #late = new Latencies()
  #refusedPrompt = 0
  #writesDone = 0
  #writesRefused = 0
  #underWay = 0
  #sent = 0
  #isOver = false
  #resolve: (report: LoadReport) => void = () => {}

  constructor(client: Client, order: LoadOrder) {
    this.#client = client
    this.#order = order
    this.finished = new Promise((resolve) => {
      this.#resolve = resolve
    })
    if (order.pace.type === 'closed') for (let lane = 0; lane < order.pace.inFlight; lane += 1) this.#lane()
    else this.#tick(order.pace.perSecond)
    setTimeout(() => this.#end(), order.durationMs)
  }

  #lane(): void {
    if (!this.#isOver) this.#ask(performance.now(), () => this.#lane())
  }

  /** Sends what has become due since the last look: in small bursts, as timers are no finer than that. */
  #tick(perSecond: number): void {
    if (this.#isOver) return
    const nowMs = performance.now()
    const due = Math.floor(((nowMs - this.#startMs) / 1000) * perSecond)
    for (; this.#sent < due; this.#sent += 1) {
      const dueMs = this.#startMs + ((this.#sent + 1) * 1000) / perSecond
      this.#late.add(nowMs - dueMs)
      this.#ask(dueMs, () => {})
    }
    setTimeout(() => this.#tick(perSecond), 1)
  }

  #ask(dueMs: number, then: () => void): void {
    const isWrite = fraction() < this.#order.writeShare
    const key = this.#chooseKey(isWrite)
    this.#underWay += 1
    this.#client.ask({ key, isWrite }, (outcome) => {
      this.#underWay -= 1
      if (isWrite) keys.endWrite(key)
      this.#note(outcome, isWrite, performance.now() - dueMs)
      if (outcome === 'failed' || outcome === 'unsent') setTimeout(then, 5)
      else then()
      if (this.#isOver && this.#underWay === 0) this.#report()
    })
  }

  #chooseKey(isWrite: boolean): number {
    for (;;) {
      const key = Math.floor(fraction() * keys.count)
      if (!isWrite || keys.beginWrite(key)) return key
    }
  }

  #note(outcome: Outcome, isWrite: boolean, tookMs: number): void {
    this.#counts[outcome] += 1
    if (outcome === 'done') {
      this.#done.add(tookMs)
      if (isWrite) this.#writesDone += 1
    } else if (outcome === 'refused') {
      this.#refused.add(tookMs)
      if (tookMs <= promptMs) this.#refusedPrompt += 1
      if (isWrite) this.#writesRefused += 1
    }
  }

  #end(): void {
    this.#isOver = true
    if (this.#underWay === 0) this.#report()
    else setTimeout(() => this.#report(), drainMs).unref()
  }

  #report(): void {
    this.#resolve({
      elapsedMs: this.#order.durationMs,
      counts: { ...this.#counts, failed: this.#counts.failed + this.#underWay },
      done: this.#done.summary(),
      refused: this.#refused.summary(),
      refusedWithin100Ms: this.#refusedPrompt,
      writesDone: this.#writesDone,
      writesRefused: this.#writesRefused,
      generatorLateP99Ms: this.#late.summary().p99Ms,
    })
  }
}
