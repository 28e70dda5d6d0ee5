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
export const passesMax = 4
export const askAgainAfterMs = 500

type Phase = 'waiting' | 'asked' | 'ready' | 'comparing' | 'together' | 'settling' | 'done'

interface Pass {
  readonly partition: number
  readonly to: NodeId
  phase: Phase
}

/**
 * What an owner does that others take over from (docs/rules.md T3): when everybody plans with the new owners in mind, it
 * compares each moving partition with each of them and brings what they lack; at the end they say that it is on their
 * disks. Only then do its copies stop to matter.
 */
export class Giving {
  #assignedAt = 0
  #isPastBarrier = false
  #syncedFor = 0
  #passes = new Map<string, Pass>()
  #attempt = 0
  #isTimerSet = false

  /** Passes that are not over. */
  get left(): number {
    let left = 0
    for (const { phase } of this.#passes.values()) if (phase !== 'done') left += 1
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
        const pass = this.#passes.get(nameOf(event.partition, event.to))
        if (pass?.phase === 'comparing') pass.phase = event.isTogether ? 'together' : 'waiting'
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
    for (const { partition, to } of event.handovers) {
      for (const each of to) {
        const name = nameOf(partition, each)
        const known = isOther ? undefined : before.get(name)
        this.#passes.set(name, known ?? { partition, to: each, phase: 'waiting' })
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
    for (const pass of this.#passes.values()) {
      if (pass.to !== event.to || pass.phase !== from) continue
      pass.phase = named.has(pass.partition) ? then : 'waiting'
      if (!named.has(pass.partition)) isAll = false
    }
    return this.#next(isAll)
  }

  /** @param mayAsk false: whoever was not ready is asked again when the timer has fired */
  #next(mayAsk: boolean): readonly GivingEffect[] {
    if (!this.#isPastBarrier || this.#syncedFor >= this.#assignedAt) return []
    const all = [...this.#passes.values()]
    if (all.every(({ phase }) => phase === 'done')) {
      this.#syncedFor = this.#assignedAt
      return [{ type: 'synced', assignedAt: this.#assignedAt }]
    }
    const effects: GivingEffect[] = mayAsk && !this.#isTimerSet ? this.#askReady(all) : []
    let running = all.filter(({ phase }) => phase === 'comparing').length
    for (const pass of all) {
      if (running >= passesMax) break
      if (pass.phase !== 'ready') continue
      pass.phase = 'comparing'
      running += 1
      effects.push({ type: 'exchange', partition: pass.partition, to: pass.to })
    }
    effects.push(...this.#settle(all))
    if (!this.#isTimerSet && all.some(({ phase }) => phase === 'waiting')) {
      this.#isTimerSet = true
      this.#attempt += 1
      effects.push({ type: 'set-timer', delayMs: askAgainAfterMs, attempt: this.#attempt })
    }
    return effects
  }

  #askReady(all: readonly Pass[]): GivingEffect[] {
    const effects: GivingEffect[] = []
    for (const [to, waiting] of byNode(all.filter(({ phase }) => phase === 'waiting'))) {
      // One question at a time to each.
      if (all.some((pass) => pass.to === to && pass.phase === 'asked')) continue
      for (const pass of waiting) pass.phase = 'asked'
      effects.push({ type: 'ask-ready', to, partitions: waiting.map(({ partition }) => partition) })
    }
    return effects
  }

  /** When nothing else is left to do with a node. */
  #settle(all: readonly Pass[]): readonly GivingEffect[] {
    const effects: GivingEffect[] = []
    for (const [to, passes] of byNode(all)) {
      if (passes.some(({ phase }) => phase !== 'together' && phase !== 'done')) continue
      const together = passes.filter(({ phase }) => phase === 'together')
      if (together.length === 0) continue
      for (const pass of together) pass.phase = 'settling'
      effects.push({ type: 'settle', to, partitions: together.map(({ partition }) => partition) })
    }
    return effects
  }
}

function byNode(passes: readonly Pass[]): ReadonlyMap<NodeId, readonly Pass[]> {
  const found = new Map<NodeId, Pass[]>()
  for (const pass of passes) {
    const those = found.get(pass.to)
    if (those === undefined) found.set(pass.to, [pass])
    else those.push(pass)
  }
  return found
}

function nameOf(partition: number, to: NodeId): string {
  return `${partition} ${to}`
}
