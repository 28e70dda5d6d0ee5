import type { Time, Timer } from '../ports/time.ts'
import {
  Admission,
  type AdmissionLimits,
  admissionLimitsDefault,
  type RequestKind,
} from '../protocol/overload/admission.ts'
import { Overloaded } from '../vocabulary/errors.ts'
import type { NodeMetrics } from './node-metrics.ts'

/** Requests of clients under way at one node. A link to another node takes 4,096. */
const underWayMax = 4_000
/** Nothing tells when one has ended: how often it is looked for while that bound is met. */
const lookEveryMs = 5

/** Hears once what becomes of a request: inside the call that asked, where nothing is in the way. */
export type Admitted = (isAdmitted: boolean, waitedMs: number) => void

/** Where requests of clients enter a node, by HTTP, by frames, or forwarded; `Admission` decides. One for each process. */
export class Entrance {
  readonly #time: Time
  readonly #metrics: NodeMetrics
  readonly #admission: Admission<Admitted>
  /** Requests under way. */
  readonly #underWay: () => number
  readonly #onTurnEnd = (): void => this.#endTurn()
  #isEndAsked = false
  #timer: Timer | undefined

  constructor(
    parts: { readonly time: Time; readonly metrics: NodeMetrics; readonly underWay: () => number },
    limits: AdmissionLimits = admissionLimitsDefault,
  ) {
    this.#time = parts.time
    this.#metrics = parts.metrics
    this.#underWay = parts.underWay
    this.#admission = new Admission(limits)
  }

  get waiting(): number {
    return this.#admission.waiting
  }

  /** Clients wait, or were turned away a moment ago: work in the background makes room. */
  get isPressed(): boolean {
    return this.#admission.isPressed(this.#time.nowMs())
  }

  /** There are keys, or clients, that are asked for, or ask, far beyond all others, while some are turned away. */
  isDominated(by: 'key' | 'client'): boolean {
    const nowMs = this.#time.nowMs()
    return by === 'key' ? this.#admission.isKeyDominant(nowMs) : this.#admission.isClientDominant(nowMs)
  }

  /**
   * `done` hears now or soon whether the request may begin. Whoever is not admitted answers with `overloaded()`.
   * @param key what is asked for, in any form @param client who asks; empty: not known, or several
   */
  enter(kind: RequestKind, done: Admitted, key = '', client = ''): void {
    const verdict = this.#admission.arrive(kind, done, this.#isFull, this.#time.nowMs(), key, client)
    if (!this.#isEndAsked) this.#askEnd()
    switch (verdict) {
      case 'begin':
        return this.#begin(kind, done, 0)
      case 'wait':
        return
      case 'shed':
        return this.#shed(kind, done, 0)
    }
  }

  get #isFull(): boolean {
    return this.#underWay() >= underWayMax
  }

  #askEnd(): void {
    this.#isEndAsked = true
    this.#time.endOfTurn(this.#onTurnEnd)
  }

  #endTurn(): void {
    this.#isEndAsked = false
    const admission = this.#admission
    const time = this.#time
    let nowMs = time.nowMs()
    if (admission.waiting > 0) {
      const beganMs = nowMs
      for (let next = admission.next(this.#isFull, beganMs, nowMs); next !== undefined; ) {
        this.#metrics.admissionWaitSeconds.observe(next.waitedMs / 1000)
        this.#begin(next.kind, next.work, next.waitedMs)
        nowMs = time.nowMs()
        next = admission.next(this.#isFull, beganMs, nowMs)
      }
      for (let late = admission.nextOverdue(nowMs); late !== undefined; late = admission.nextOverdue(nowMs)) {
        this.#shed(late.kind, late.work, late.waitedMs)
      }
    }
    admission.endTurn(time.nowMs())
    if (admission.waiting > 0) this.#comeAgain()
  }

  #comeAgain(): void {
    if (!this.#isFull) return this.#askEnd()
    this.#timer ??= this.#time.after(lookEveryMs, () => {
      this.#timer = undefined
      if (!this.#isEndAsked) this.#askEnd()
    })
  }

  #begin(kind: RequestKind, work: Admitted, waitedMs: number): void {
    this.#metrics.admitted[kind].add(1)
    work(true, waitedMs)
  }

  #shed(kind: RequestKind, work: Admitted, waitedMs: number): void {
    this.#metrics.shed[kind].add(1)
    work(false, waitedMs)
  }
}

export function overloaded(): Overloaded {
  return new Overloaded('the node has more requests than it can serve now')
}
