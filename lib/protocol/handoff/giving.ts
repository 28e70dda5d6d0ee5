import type { NodeId } from '../../vocabulary/ids.ts'
import { unreachable } from '../../vocabulary/invariant.ts'

export type GivingEvent =
  /**
   * The layout, or how far its members have come, is another. `isPastBarrier`: everybody plans with the new owners in
   * mind, so what is found from now on counts. `handovers`: what this node must have brought to whom.
   */
  | {
      readonly type: 'layout-changed'
      readonly assignedAt: number
      readonly isPastBarrier: boolean
      readonly handovers: readonly { readonly partition: number; readonly to: readonly NodeId[] }[]
    }
  /** Of what was asked for, the partitions that `to` is ready to be compared in; the others are being copied there. */
  | {
      readonly type: 'ready'
      readonly assignedAt: number
      readonly to: NodeId
      readonly partitions: readonly number[]
    }
  /** `isTogether`: `to` now holds, durably or on its way there, all that this node had when it began. */
  | {
      readonly type: 'exchanged'
      readonly assignedAt: number
      readonly partition: number
      readonly to: NodeId
      readonly isTogether: boolean
    }
  /** All that `to` holds of these is on its disk; it has not lost any of it since it was compared. */
  | {
      readonly type: 'settled'
      readonly assignedAt: number
      readonly to: NodeId
      readonly partitions: readonly number[]
    }
  | { readonly type: 'timer-fired'; readonly attempt: number }

export type GivingEffect =
  | { readonly type: 'ask-ready'; readonly to: NodeId; readonly partitions: readonly number[] }
  | { readonly type: 'exchange'; readonly partition: number; readonly to: NodeId }
  | { readonly type: 'settle'; readonly to: NodeId; readonly partitions: readonly number[] }
  /** Everything this node had of the moving partitions is durably on their new owners (docs/rules.md T3). */
  | { readonly type: 'synced'; readonly assignedAt: number }
  | { readonly type: 'set-timer'; readonly delayMs: number; readonly attempt: number }

/** Partitions compared at the same time. */
export const passesMax = 2
export const askAgainAfterMs = 500

const phases = ['waiting', 'asked', 'ready', 'comparing', 'together', 'settling', 'done'] as const
type Phase = (typeof phases)[number]

interface Pass {
  readonly partition: number
  readonly to: NodeId
  phase: Phase
}

/** What there is to do with one new owner, by phase: there may be thousands of passes, and each event looks at a few. */
type Passes = ReadonlyMap<Phase, Set<Pass>>

/**
 * What an owner does that others take over from (docs/rules.md T3): when everybody plans with the new owners in mind, it
 * compares each moving partition with each of them and brings what they lack; at the end they say that it is on their
 * disks. Only then do its copies stop to matter.
 */
export class Giving {
  #assignedAt = 0
  #isPastBarrier = false
  #syncedFor = 0
  #passes = new Map<NodeId, Map<number, Pass>>()
  #byNode = new Map<NodeId, Passes>()
  #comparing = 0
  #attempt = 0
  #isTimerSet = false

  /** Passes that are not over. */
  get left(): number {
    let left = 0
    for (const [to, passes] of this.#passes) left += passes.size - this.#in(to, 'done').size
    return left
  }

  handle(event: GivingEvent): readonly GivingEffect[] {
    switch (event.type) {
      case 'layout-changed':
        return this.#follow(event)
      case 'ready':
        return this.#answered(event, 'asked', 'ready')
      case 'exchanged': {
        if (event.assignedAt !== this.#assignedAt) return []
        const pass = this.#passes.get(event.to)?.get(event.partition)
        if (pass?.phase === 'comparing') this.#move(pass, event.isTogether ? 'together' : 'waiting')
        // Not at once again: the other side is busy, or the layout has changed.
        return this.#next(event.isTogether)
      }
      case 'settled':
        return this.#answered(event, 'settling', 'done')
      case 'timer-fired':
        if (event.attempt !== this.#attempt) return []
        this.#isTimerSet = false
        return this.#next(true)
      default:
        return unreachable(event)
    }
  }

  #follow(event: Extract<GivingEvent, { type: 'layout-changed' }>): readonly GivingEffect[] {
    const isOther = event.assignedAt !== this.#assignedAt
    const before = this.#passes
    this.#assignedAt = event.assignedAt
    this.#isPastBarrier = event.isPastBarrier
    this.#passes = new Map()
    this.#byNode = new Map()
    this.#comparing = 0
    for (const { partition, to } of event.handovers) {
      for (const each of to) {
        const known = isOther ? undefined : before.get(each)?.get(partition)
        this.#add(known ?? { partition, to: each, phase: 'waiting' })
      }
    }
    return this.#next(true)
  }

  #answered(
    event: { readonly assignedAt: number; readonly to: NodeId; readonly partitions: readonly number[] },
    from: Phase,
    then: Phase,
  ): readonly GivingEffect[] {
    if (event.assignedAt !== this.#assignedAt) return []
    const named = new Set(event.partitions)
    let isAll = true
    for (const pass of [...this.#in(event.to, from)]) {
      this.#move(pass, named.has(pass.partition) ? then : 'waiting')
      if (!named.has(pass.partition)) isAll = false
    }
    return this.#next(isAll)
  }

  /** @param mayAsk false: whoever was not ready is asked again when the timer has fired */
  #next(mayAsk: boolean): readonly GivingEffect[] {
    if (!this.#isPastBarrier || this.#syncedFor >= this.#assignedAt) return []
    if (this.left === 0) {
      this.#syncedFor = this.#assignedAt
      return [{ type: 'synced', assignedAt: this.#assignedAt }]
    }
    return [
      ...(mayAsk && !this.#isTimerSet ? this.#askReady() : []),
      ...this.#exchangeNext(),
      ...this.#settle(),
      ...this.#timer(),
    ]
  }

  #askReady(): readonly GivingEffect[] {
    const effects: GivingEffect[] = []
    for (const to of this.#passes.keys()) {
      const waiting = [...this.#in(to, 'waiting')]
      // One question at a time to each.
      if (waiting.length === 0 || this.#in(to, 'asked').size > 0) continue
      for (const pass of waiting) this.#move(pass, 'asked')
      effects.push({ type: 'ask-ready', to, partitions: waiting.map(({ partition }) => partition) })
    }
    return effects
  }

  #exchangeNext(): readonly GivingEffect[] {
    const effects: GivingEffect[] = []
    for (const to of this.#passes.keys()) {
      for (const pass of this.#in(to, 'ready')) {
        if (this.#comparing >= passesMax) return effects
        this.#move(pass, 'comparing')
        effects.push({ type: 'exchange', partition: pass.partition, to })
      }
    }
    return effects
  }

  /** When nothing else is left to do with a node. */
  #settle(): readonly GivingEffect[] {
    const effects: GivingEffect[] = []
    for (const [to, passes] of this.#passes) {
      const count = this.#in(to, 'together').size
      if (count === 0 || count + this.#in(to, 'done').size < passes.size) continue
      const together = [...this.#in(to, 'together')]
      for (const pass of together) this.#move(pass, 'settling')
      effects.push({ type: 'settle', to, partitions: together.map(({ partition }) => partition) })
    }
    return effects
  }

  #timer(): readonly GivingEffect[] {
    const isWaiting = [...this.#passes.keys()].some((to) => this.#in(to, 'waiting').size > 0)
    if (this.#isTimerSet || !isWaiting) return []
    this.#isTimerSet = true
    this.#attempt += 1
    return [{ type: 'set-timer', delayMs: askAgainAfterMs, attempt: this.#attempt }]
  }

  #add(pass: Pass): void {
    const passes = this.#passes.get(pass.to)
    if (passes === undefined) {
      this.#passes.set(pass.to, new Map([[pass.partition, pass]]))
      this.#byNode.set(pass.to, new Map(phases.map((phase) => [phase, new Set()])))
    } else {
      passes.set(pass.partition, pass)
    }
    this.#in(pass.to, pass.phase).add(pass)
    if (pass.phase === 'comparing') this.#comparing += 1
  }

  #move(pass: Pass, to: Phase): void {
    this.#in(pass.to, pass.phase).delete(pass)
    if (pass.phase === 'comparing') this.#comparing -= 1
    pass.phase = to
    this.#in(pass.to, to).add(pass)
    if (to === 'comparing') this.#comparing += 1
  }

  #in(to: NodeId, phase: Phase): Set<Pass> {
    return this.#byNode.get(to)?.get(phase) ?? new Set()
  }
}
