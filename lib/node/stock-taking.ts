import type { Time } from '../ports/time.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { Response } from '../wire/messages.ts'
import type { Peers } from './peers.ts'

export type Stock = Extract<Response, { type: 'stock' }>

/** Whoever has not answered by then is left out: what is asked for is a view, not a promise. */
const answerMsMax = 400
/** Askers within this time share one round. */
const keptMs = 1_000
const membersAskedMax = 100

/** What the other members keep and lack, asked of them when somebody wants to know. */
export class StockTaking {
  readonly #time: Time
  readonly #peers: Peers
  #stocks: ReadonlyMap<NodeId, Stock> = new Map()
  #takenAtMs = Number.NEGATIVE_INFINITY
  #waiting: ((stocks: ReadonlyMap<NodeId, Stock>) => void)[] | undefined

  constructor(parts: { readonly time: Time; readonly peers: Peers }) {
    this.#time = parts.time
    this.#peers = parts.peers
  }

  /** `done` with those that answered, at the latest after 400 ms; never inside the call. */
  take(members: readonly NodeId[], done: (stocks: ReadonlyMap<NodeId, Stock>) => void): void {
    if (this.#time.nowMs() - this.#takenAtMs < keptMs) return this.#time.soon(() => done(this.#stocks))
    if (this.#waiting !== undefined) {
      this.#waiting.push(done)
      return
    }
    this.#waiting = [done]
    const asked = members.filter((id) => this.#peers.isReachable(id)).slice(0, membersAskedMax)
    const stocks = new Map<NodeId, Stock>()
    let left = asked.length
    const end = (): void => {
      this.#stocks = stocks
      this.#takenAtMs = this.#time.nowMs()
      const waiting = this.#waiting ?? []
      this.#waiting = undefined
      for (const tell of waiting) tell(stocks)
    }
    if (left === 0) return this.#time.soon(end)
    for (const id of asked) {
      this.#peers.ask(id, { type: 'take-stock' }, answerMsMax, (outcome) => {
        if (outcome.type === 'answered' && outcome.message.type === 'stock') stocks.set(id, outcome.message)
        left -= 1
        if (left === 0) end()
      })
    }
  }
}
