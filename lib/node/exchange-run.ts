import type { TreeReader } from '../protocol/anti-entropy/answer.ts'
import {
  Exchange,
  type ExchangeEffect,
  type ExchangeEvent,
  type ExchangePlan,
  type ExchangeSummary,
} from '../protocol/anti-entropy/exchange.ts'
import type { CompareQuestion } from '../protocol/anti-entropy/exchange-messages.ts'
import type { Hlc } from '../protocol/clock/hlc.ts'
import type { LayoutInForce } from '../protocol/layout/layout-in-force.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import { unreachable } from '../vocabulary/invariant.ts'
import { answerBytes, questionBytes } from '../wire/exchange-codec.ts'
import { scanLeaves } from './leaf-scan.ts'
import { RecordMover } from './record-mover.ts'
import type { RequestContext } from './request-context.ts'

const askTimeoutMs = 10_000

export interface ExchangeTraffic {
  /** Sent and received to compare. */
  readonly compareBytes: number
  readonly recordBytes: number
  readonly roundTrips: number
}

/** Carries out one exchange with `peer`: questions go out, leaves are read, records are moved. */
export class ExchangeRun {
  readonly peer: NodeId
  readonly #context: RequestContext
  readonly #trees: TreeReader
  readonly #layout: LayoutInForce
  readonly #machine: Exchange
  readonly #mover: RecordMover
  readonly #done: (summary: ExchangeSummary, traffic: ExchangeTraffic) => void
  readonly #events: ExchangeEvent[] = []
  #isHandling = false
  #isStopped = false
  #compareBytes = 0
  #roundTrips = 0

  constructor(
    context: RequestContext,
    trees: TreeReader,
    layout: LayoutInForce,
    peer: NodeId,
    plan: ExchangePlan,
    sparing: { readonly mustWait: () => boolean; readonly asOfMax?: Hlc | undefined },
    done: (summary: ExchangeSummary, traffic: ExchangeTraffic) => void,
  ) {
    this.peer = peer
    this.#context = context
    this.#trees = trees
    this.#layout = layout
    this.#machine = new Exchange(plan, trees)
    // What a node that recovers takes back must not be lost once more.
    this.#mover = new RecordMover(context, peer, layout, {
      durability: plan.isThorough ? 'disk' : 'os',
      ...sparing,
    })
    this.#done = done
  }

  begin(): void {
    this.#dispatch({ type: 'begun' })
  }

  stop(): void {
    this.#isStopped = true
    this.#mover.stop()
  }

  /** An event runs to completion before the next begins. */
  #dispatch(event: ExchangeEvent): void {
    this.#events.push(event)
    if (this.#isHandling) return
    this.#isHandling = true
    for (let next = this.#events.shift(); next !== undefined && !this.#isStopped; next = this.#events.shift()) {
      for (const effect of this.#machine.handle(next)) this.#carryOut(effect)
    }
    this.#isHandling = false
  }

  #carryOut(effect: ExchangeEffect): void {
    const { time, store, hash } = this.#context
    switch (effect.type) {
      case 'ask':
        return this.#ask(effect.question)
      case 'set-timer':
        time.after(effect.delayMs, () => this.#dispatch({ type: 'timer-fired' }))
        return
      case 'scan-leaves': {
        const source = { store, hash, trees: this.#trees, partitionCount: this.#layout.ring.partitionCount }
        this.#mover.forget()
        return scanLeaves(
          source,
          effect.leaves,
          (failure, leaves) => {
            if (failure === undefined) this.#dispatch({ type: 'leaves-scanned', leaves, wallMs: time.wallMs() })
            else this.#dispatch({ type: 'failed', outcome: 'failed', reason: failure.message })
          },
          (key) => this.#mover.know(key),
        )
      }
      case 'push':
        return this.#mover.push(effect.tokens, (count, failed) => this.#dispatch({ type: 'pushed', count, failed }))
      case 'pull':
        return this.#mover.pull(effect.wanted, (records, failed) => this.#dispatch({ type: 'pulled', records, failed }))
      case 'finished':
        return this.#done(effect.summary, {
          compareBytes: this.#compareBytes,
          recordBytes: this.#mover.bytes,
          roundTrips: this.#roundTrips,
        })
      default:
        return unreachable(effect)
    }
  }

  #ask(question: CompareQuestion): void {
    const { peers, self } = this.#context
    this.#roundTrips += 1
    this.#compareBytes += questionBytes(question)
    const message = { type: 'exchange', from: self, layoutHash: this.#layout.decided.hash, question } as const
    peers.ask(this.peer, message, askTimeoutMs, (outcome) => {
      if (this.#isStopped) return
      if (outcome.type === 'refused') {
        const { code, message: reason } = outcome.refusal
        return this.#dispatch({ type: 'failed', outcome: code === 'busy' ? 'busy' : 'refused', reason })
      }
      if (outcome.type !== 'answered') {
        return this.#dispatch({ type: 'failed', outcome: 'failed', reason: outcome.reason })
      }
      const answer = outcome.message.type === 'exchanged' ? outcome.message.answer : undefined
      if (answer?.type !== answers[question.type]) {
        return this.#dispatch({ type: 'failed', outcome: 'failed', reason: 'the answer is not one to the question' })
      }
      this.#compareBytes += answerBytes(answer)
      this.#dispatch({ type: 'answered', answer })
    })
  }
}

const answers = {
  'compare-roots': 'roots-compared',
  'compare-branches': 'branches-compared',
  'compare-leaves': 'leaves-compared',
} as const satisfies Record<CompareQuestion['type'], string>
