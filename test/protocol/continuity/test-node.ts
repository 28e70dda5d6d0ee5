import { hlcFromMs } from '../../../lib/protocol/clock/hlc.ts'
import { Continuity } from '../../../lib/protocol/continuity/continuity.ts'
import type { ContinuityEffect, ContinuityEvent } from '../../../lib/protocol/continuity/continuity-events.ts'
import type { OwnRow, StartFacts } from '../../../lib/protocol/continuity/start-kind.ts'
import type { StoreRow } from '../../../lib/protocol/continuity/store-row.ts'
import { type NodeId, toNodeId } from '../../../lib/vocabulary/ids.ts'

export const bob = toNodeId('b'.repeat(32))
export const cyd = toNodeId('c'.repeat(32))
export const wallMs = 1_800_000_000_000
export const marks = { inode: '7', filesystem: 'ext4', machine: 'm', boot: 'first' }
export const ownRow: StoreRow = { seq: 10, generation: 4711, leaseUpTo: 65_537, hlcUpTo: hlcFromMs(wallMs + 10_000) }
/** A directory in which no node was ever ready. */
export const fresh: Partial<StartFacts> = {
  stoppedCleanly: false,
  marksRecorded: undefined,
  generationRecorded: undefined,
  own: undefined,
}

/** A node around the machine: its disk answers at once unless `auto` is false, its members only when told to. */
export class TestNode {
  readonly continuity = new Continuity(randomFrom(99))
  readonly sent: ContinuityEffect[] = []
  readonly #facts: StartFacts
  readonly #others: readonly NodeId[]
  persisted: OwnRow | undefined
  auto: boolean

  constructor(options: { facts?: Partial<StartFacts>; others?: readonly NodeId[]; auto?: boolean } = {}) {
    this.auto = options.auto ?? true
    this.#others = options.others ?? [bob, cyd]
    this.#facts = {
      stoppedCleanly: true,
      marks,
      marksRecorded: marks,
      generationRecorded: options.facts?.own?.row.generation ?? 4711,
      hasErrorByte: false,
      isStoreDamaged: false,
      own: { row: ownRow, recovering: undefined },
      isResumed: false,
      ...options.facts,
    }
  }

  begin(options: { living?: readonly NodeId[]; knowsLayout?: boolean } = {}): readonly ContinuityEffect[] {
    const members = { others: this.#others, living: options.living ?? this.#others }
    return this.send({
      type: 'begun',
      facts: this.#facts,
      members: options.knowsLayout === false ? undefined : members,
    })
  }

  send(event: DistributiveOmit<ContinuityEvent, 'wallMs'>, nowMs = wallMs): readonly ContinuityEffect[] {
    const effects = [...this.continuity.handle({ ...event, wallMs: nowMs } as ContinuityEvent)]
    this.sent.push(...effects)
    if (!this.auto) return effects
    for (const effect of [...effects]) {
      if (effect.type === 'remove-marker') effects.push(...this.send({ type: 'marker-removed' }, nowMs))
      if (effect.type !== 'persist-row') continue
      this.persisted = effect.own
      effects.push(...this.send({ type: 'row-persisted', seq: effect.own.row.seq }, nowMs))
    }
    return effects
  }

  answer(from: NodeId, row: StoreRow | undefined): readonly ContinuityEffect[] {
    return this.send({ type: 'row-recalled', from, row })
  }

  members(living: readonly NodeId[]): readonly ContinuityEffect[] {
    return this.send({ type: 'members-changed', others: this.#others, living })
  }

  /** Everyone keeps the newest row. */
  keepAll(): void {
    const seq = this.persisted?.row.seq ?? 0
    for (const from of this.#others) this.send({ type: 'row-kept', from, seq })
  }

  pass(timer: 'check' | 'retry' | 'witness' | 'renew', nowMs = wallMs): readonly ContinuityEffect[] {
    const { attempt } = this.#timer(timer)
    return this.send({ type: 'deadline-passed', timer, attempt }, nowMs)
  }

  delayOf(timer: 'check' | 'witness'): number {
    return this.#timer(timer).delayMs
  }

  #timer(timer: string): Extract<ContinuityEffect, { type: 'start-timer' }> {
    const started = this.sent.findLast((effect) => effect.type === 'start-timer' && effect.timer === timer)
    if (started?.type !== 'start-timer') throw new Error(`${timer} was never started`)
    return started
  }

  find<Type extends ContinuityEffect['type']>(type: Type): Extract<ContinuityEffect, { type: Type }> | undefined {
    return this.sent.findLast((effect): effect is Extract<ContinuityEffect, { type: Type }> => effect.type === type)
  }

  ready(): Extract<ContinuityEffect, { type: 'ready' }> {
    const ready = this.find('ready')
    if (ready === undefined) throw new Error('the node is not ready')
    return ready
  }
}

type DistributiveOmit<Union, Key extends PropertyKey> = Union extends unknown ? Omit<Union, Key> : never

function randomFrom(seed: number) {
  let state = seed
  const uint32 = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state
  }
  return { uint32, fraction: () => uint32() / 4294967296, below: (below: number) => uint32() % below }
}
