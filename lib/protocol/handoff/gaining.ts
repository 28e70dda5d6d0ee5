import type { NodeId } from '../../vocabulary/ids.ts'
import { unreachable } from '../../vocabulary/invariant.ts'

/** What is remembered of a partition while its node gains it: it takes records of it, and has copied it up to here. */
export interface GainedSoFar {
  readonly isCopied: boolean
}

export type GainingEvent =
  /**
   * Another version is the newest; `assignedAt` says which one brought the assignment. `gained`: everything that is
   * gained with it. `remembered`: of those that were begun before the node started.
   */
  | {
      readonly type: 'layout-changed'
      readonly number: number
      readonly assignedAt: number
      readonly gained: readonly { readonly partition: number; readonly sources: readonly NodeId[] }[]
      readonly remembered: ReadonlyMap<number, GainedSoFar>
    }
  /** Nothing is left here of an earlier ownership, synced. */
  | { readonly type: 'swept'; readonly assignedAt: number; readonly partition: number }
  /** What was deleted there for good is known, synced; of `failed` nobody could tell. */
  | {
      readonly type: 'learnt'
      readonly assignedAt: number
      readonly partitions: readonly number[]
      readonly failed: readonly number[]
    }
  /** It is remembered, synced, that they are open. */
  | { readonly type: 'opened'; readonly assignedAt: number; readonly partitions: readonly number[] }
  | { readonly type: 'copied'; readonly assignedAt: number; readonly partition: number }
  /** The source does not give it, or not now; what came so far is kept. */
  | { readonly type: 'copy-failed'; readonly assignedAt: number; readonly partition: number }
  | { readonly type: 'timer-fired'; readonly attempt: number }

export type GainingEffect =
  | { readonly type: 'sweep'; readonly partition: number }
  | { readonly type: 'learn'; readonly partitions: readonly number[] }
  | { readonly type: 'remember-open'; readonly partitions: readonly number[] }
  /** The node takes records of everything that it gains with this version (docs/rules.md T6, T3). */
  | { readonly type: 'open-for'; readonly number: number }
  | { readonly type: 'copy'; readonly partition: number; readonly from: NodeId }
  /** It is gained no more: whatever is under way for it ends. */
  | { readonly type: 'stop'; readonly partition: number }
  | { readonly type: 'set-timer'; readonly delayMs: number; readonly attempt: number }

/** How much goes on at the same time, in partitions. */
export const sweepsMax = 2
export const copiesMax = 4
export const retryAfterMs = 1_000

const phases = ['waiting', 'sweeping', 'swept', 'learning', 'opening', 'open', 'copying', 'copied'] as const
type Phase = (typeof phases)[number]

interface Gained {
  readonly partition: number
  sources: readonly NodeId[]
  phase: Phase
  /** How many sources did not give it; the next one is asked then. */
  failures: number
}

/**
 * What a node does to become an owner of partitions (docs/rules.md T3, T6): first what is left of an earlier ownership
 * goes, then it learns what was deleted there for good; from then on it takes records. When all are that far it says so.
 * Then it copies each from one of those who have it, a few at a time, and from another one where that fails.
 */
export class Gaining {
  readonly #gained = new Map<number, Gained>()
  /** The same by phase: there may be thousands, and each event looks at a few. */
  readonly #in = new Map<Phase, Set<Gained>>(phases.map((phase) => [phase, new Set()]))
  /** Not gone on with before the timer has fired. */
  readonly #resting = new Set<Gained>()
  #number = 0
  #assignedAt = 0
  #openFor = 0
  #attempt = 0
  #isTimerSet = false

  /** No record of it may be taken, and nothing said about it. */
  isClosed(partition: number): boolean {
    const gained = this.#gained.get(partition)
    return gained !== undefined && !isOpen(gained)
  }

  /** It is not here yet as its source has it. */
  isCopying(partition: number): boolean {
    const gained = this.#gained.get(partition)
    return gained !== undefined && gained.phase !== 'copied'
  }

  has(partition: number): boolean {
    return this.#gained.has(partition)
  }

  /** What is still to be copied, and from whom. */
  owed(): readonly { readonly partition: number; readonly from: NodeId }[] {
    return [...this.#gained.values()].flatMap((gained) => {
      const from = sourceOf(gained)
      return gained.phase === 'copied' || from === undefined ? [] : [{ partition: gained.partition, from }]
    })
  }

  handle(event: GainingEvent): readonly GainingEffect[] {
    switch (event.type) {
      case 'layout-changed':
        return this.#follow(event)
      case 'swept':
        if (event.assignedAt === this.#assignedAt) this.#advance(event.partition, 'sweeping', 'swept')
        return this.#next()
      case 'learnt':
        return this.#learnt(event)
      case 'opened':
        if (event.assignedAt === this.#assignedAt) {
          for (const partition of event.partitions) this.#advance(partition, 'opening', 'open')
        }
        return this.#next()
      case 'copied':
        if (event.assignedAt === this.#assignedAt) this.#advance(event.partition, 'copying', 'copied')
        return this.#next()
      case 'copy-failed':
        return this.#copyFailed(event)
      case 'timer-fired':
        return this.#retry(event.attempt)
      default:
        return unreachable(event)
    }
  }

  #follow(event: Extract<GainingEvent, { type: 'layout-changed' }>): readonly GainingEffect[] {
    const isOther = event.assignedAt !== this.#assignedAt
    const wanted = new Map(event.gained.map(({ partition, sources }) => [partition, sources]))
    const stopped: GainingEffect[] = []
    for (const partition of this.#gained.keys()) {
      if (wanted.has(partition) && !isOther) continue
      this.#drop(partition)
      stopped.push({ type: 'stop', partition })
    }
    this.#number = event.number
    this.#assignedAt = event.assignedAt
    for (const [partition, sources] of wanted) {
      const known = this.#gained.get(partition)
      // An amendment goes on where it was; somebody who had it may be excluded.
      if (known !== undefined) this.#copyFrom(known, sources)
      else this.#add(begun(partition, sources, event.remembered.get(partition)))
    }
    return [...stopped, ...this.#next()]
  }

  #learnt(event: Extract<GainingEvent, { type: 'learnt' }>): readonly GainingEffect[] {
    if (event.assignedAt !== this.#assignedAt) return []
    const open = event.partitions.filter((partition) => this.#advance(partition, 'learning', 'opening'))
    for (const partition of event.failed) {
      if (this.#advance(partition, 'learning', 'swept')) this.#resting.add(this.#gained.get(partition) as Gained)
    }
    const remember: GainingEffect[] = open.length > 0 ? [{ type: 'remember-open', partitions: open }] : []
    return [...remember, ...this.#next()]
  }

  #copyFailed(event: Extract<GainingEvent, { type: 'copy-failed' }>): readonly GainingEffect[] {
    if (event.assignedAt !== this.#assignedAt) return []
    if (this.#advance(event.partition, 'copying', 'open')) {
      const gained = this.#gained.get(event.partition) as Gained
      gained.failures += 1
      this.#resting.add(gained)
    }
    return this.#next()
  }

  #retry(attempt: number): readonly GainingEffect[] {
    if (attempt !== this.#attempt) return []
    this.#isTimerSet = false
    this.#resting.clear()
    return this.#next()
  }

  #advance(partition: number, from: Phase, to: Phase): boolean {
    const gained = this.#gained.get(partition)
    if (gained?.phase !== from) return false
    this.#move(gained, to)
    return true
  }

  #add(gained: Gained): void {
    this.#gained.set(gained.partition, gained)
    this.#of(gained.phase).add(gained)
    // What nobody has cannot be copied.
    if (gained.phase === 'open' && gained.sources.length === 0) this.#move(gained, 'copied')
  }

  #copyFrom(gained: Gained, sources: readonly NodeId[]): void {
    gained.sources = sources
    if (gained.phase === 'open') this.#move(gained, 'open')
  }

  #drop(partition: number): void {
    const gained = this.#gained.get(partition) as Gained
    this.#gained.delete(partition)
    this.#of(gained.phase).delete(gained)
    this.#resting.delete(gained)
  }

  #move(gained: Gained, to: Phase): void {
    this.#of(gained.phase).delete(gained)
    gained.phase = to === 'open' && gained.sources.length === 0 ? 'copied' : to
    this.#of(gained.phase).add(gained)
  }

  #of(phase: Phase): Set<Gained> {
    return this.#in.get(phase) as Set<Gained>
  }

  #next(): readonly GainingEffect[] {
    return [...this.#sweepNext(), ...this.#learnNext(), ...this.#sayOpen(), ...this.#copyNext(), ...this.#timer()]
  }

  #sweepNext(): readonly GainingEffect[] {
    return this.#start('waiting', 'sweeping', sweepsMax).map(({ partition }) => ({ type: 'sweep', partition }))
  }

  /** Many in one question: when nothing is being swept any more. */
  #learnNext(): readonly GainingEffect[] {
    if (this.#of('sweeping').size > 0) return []
    const partitions = this.#start('swept', 'learning', Number.POSITIVE_INFINITY).map(({ partition }) => partition)
    return partitions.length > 0 ? [{ type: 'learn', partitions }] : []
  }

  #sayOpen(): readonly GainingEffect[] {
    const openCount = this.#of('open').size + this.#of('copying').size + this.#of('copied').size
    if (this.#openFor >= this.#number || openCount < this.#gained.size) return []
    this.#openFor = this.#number
    return [{ type: 'open-for', number: this.#number }]
  }

  #copyNext(): readonly GainingEffect[] {
    return this.#start('open', 'copying', copiesMax).map((gained) => ({
      type: 'copy',
      partition: gained.partition,
      from: sourceOf(gained) as NodeId,
    }))
  }

  #timer(): readonly GainingEffect[] {
    if (this.#isTimerSet || this.#resting.size === 0) return []
    this.#isTimerSet = true
    this.#attempt += 1
    return [{ type: 'set-timer', delayMs: retryAfterMs, attempt: this.#attempt }]
  }

  /** Moves partitions from one phase to the next, up to `max` in it at a time. */
  #start(from: Phase, to: Phase, max: number): readonly Gained[] {
    const started: Gained[] = []
    const room = max - this.#of(to).size
    for (const gained of this.#of(from)) {
      if (started.length >= room) break
      if (!this.#resting.has(gained)) started.push(gained)
    }
    for (const gained of started) this.#move(gained, to)
    return started
  }
}

function begun(partition: number, sources: readonly NodeId[], so: GainedSoFar | undefined): Gained {
  const phase = so === undefined ? 'waiting' : so.isCopied ? 'copied' : 'open'
  return { partition, sources, phase, failures: 0 }
}

function isOpen({ phase }: Gained): boolean {
  return phase === 'open' || phase === 'copying' || phase === 'copied'
}

function sourceOf({ sources, failures }: Gained): NodeId | undefined {
  return sources[failures % Math.max(1, sources.length)]
}
