import type { KeyRecord } from '../protocol/causality/record.ts'
import { stateHash } from '../protocol/causality/state-hash.ts'
import type { Hlc } from '../protocol/clock/hlc.ts'
import {
  type DoomedEntry,
  Removal,
  type RemovalEffect,
  type RemovalEvent,
  type WaitingFor,
} from '../protocol/deletion/removal.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import { unreachable } from '../vocabulary/invariant.ts'
import type { RecordKey } from '../vocabulary/key.ts'
import type { DoomedKey, Refusal, Request, Response } from '../wire/messages.ts'
import type { DataHandlers, Respond } from './data-handlers.ts'
import type { RequestContext } from './request-context.ts'
import type { TombstoneService } from './tombstone-service.ts'

const stepTimeoutMs = 5_000

export interface Tombstone {
  readonly key: RecordKey
  readonly record: KeyRecord
  /** encodeRecord's bytes. */
  readonly bytes: Uint8Array
  readonly seenHlc: Hlc
}

type StepRequest = Extract<
  Request,
  { type: 'tell-stable' | 'confirm-tombstones' | 'raise-barrier' | 'drop-tombstones' }
>

/** Carries out the removal of one batch of tombstones of one partition. `done` is called once, not inside the call. */
export class RemovalRun {
  readonly #context: RequestContext
  readonly #service: TombstoneService
  readonly #partition: number
  readonly #layoutHash: string
  readonly #tombstones: readonly Tombstone[]
  readonly #asOf: Hlc
  readonly #machine: Removal
  readonly #done: (waiting: readonly (WaitingFor | undefined)[], run: Removal) => void

  constructor(
    parts: { readonly context: RequestContext; readonly service: TombstoneService },
    batch: {
      readonly partition: number
      readonly layoutHash: string
      readonly members: readonly NodeId[]
      readonly owners: readonly NodeId[]
      /** Read in this turn. */
      readonly tombstones: readonly Tombstone[]
    },
    done: (waiting: readonly (WaitingFor | undefined)[], run: Removal) => void,
  ) {
    this.#context = parts.context
    this.#service = parts.service
    this.#partition = batch.partition
    this.#layoutHash = batch.layoutHash
    this.#tombstones = batch.tombstones
    this.#done = done
    this.#asOf = parts.context.minting.read()
    this.#machine = new Removal({
      members: batch.members,
      owners: batch.owners,
      candidates: batch.tombstones.map(({ record, seenHlc }) => ({ deletedHlc: record.deletedHlc, seenHlc })),
      clock: this.#asOf,
    })
    this.#dispatch({ type: 'begun' })
  }

  #dispatch(event: RemovalEvent): void {
    for (const effect of this.#machine.handle(event)) this.#carryOut(effect)
  }

  #carryOut(effect: RemovalEffect): void {
    switch (effect.type) {
      case 'ask-stable':
        return this.#ask(effect.to, { type: 'tell-stable' })
      case 'ask-confirm': {
        const entries = effect.entries.map((entry) => {
          const { key, bytes } = this.#tombstones[entry] as Tombstone
          return { key, record: bytes }
        })
        return this.#ask(effect.to, { type: 'confirm-tombstones', ...this.#head(), asOf: this.#asOf, entries })
      }
      case 'raise-barrier': {
        const entries = this.#doomed(effect.entries)
        return this.#ask(effect.to, { type: 'raise-barrier', ...this.#head(), barrier: effect.barrier, entries })
      }
      case 'drop': {
        const entries = this.#doomed(effect.entries)
        return this.#ask(effect.to, { type: 'drop-tombstones', ...this.#head(), barrier: effect.barrier, entries })
      }
      case 'report':
        return this.#context.time.soon(() => this.#done(effect.waiting, this.#machine))
      default:
        return unreachable(effect)
    }
  }

  #head(): { readonly partition: number; readonly layoutHash: string } {
    return { partition: this.#partition, layoutHash: this.#layoutHash }
  }

  #doomed(entries: readonly DoomedEntry[]): readonly DoomedKey[] {
    return entries.map(({ index, deletedHlc }) => {
      const { key, record } = this.#tombstones[index] as Tombstone
      return { key, stateHash: stateHash(key, record, this.#context.hash), deletedHlc }
    })
  }

  /** This node is one of the owners, and answers itself like any other. */
  #ask(to: NodeId, message: StepRequest): void {
    const { self, peers, time } = this.#context
    if (to === self) {
      const handler = this.#service.handlers[message.type] as DataHandlers[StepRequest['type']] as (
        message: StepRequest,
        respond: Respond,
      ) => void
      return handler(message, (answer) => time.soon(() => this.#hear(to, message, answer)))
    }
    if (!peers.isReachable(to)) return time.soon(() => this.#fail(to, message))
    peers.ask(to, message, stepTimeoutMs, (outcome) => {
      if (outcome.type === 'answered') this.#hear(to, message, outcome.message)
      else this.#fail(to, message, outcome.type === 'refused' ? outcome.refusal : undefined)
    })
  }

  #hear(node: NodeId, message: StepRequest, answer: Response | Refusal): void {
    const { minting } = this.#context
    switch (answer.type) {
      case 'stable-told':
        return minting.adopt(answer.clock)
          ? this.#dispatch({ ...answer, node })
          : this.#dispatch({ type: 'failed', node, waitingFor: { type: 'clock' } })
      case 'tombstones-confirmed':
        return minting.adopt(answer.clock)
          ? this.#dispatch({ ...answer, type: 'confirmed', node })
          : this.#dispatch({ type: 'failed', node, waitingFor: { type: 'clock' } })
      case 'barrier-raised':
        return this.#dispatch({ ...answer, node })
      case 'tombstones-dropped':
        return this.#dispatch({ type: 'dropped', node, isGone: answer.isGone })
      default:
        return this.#fail(node, message, answer.type === 'refused' ? answer : undefined)
    }
  }

  #fail(node: NodeId, message: StepRequest, refusal?: Refusal): void {
    this.#dispatch({ type: 'failed', node, waitingFor: reasonOf(node, message, refusal) })
  }
}

function reasonOf(node: NodeId, message: StepRequest, refusal: Refusal | undefined): WaitingFor {
  switch (refusal?.code) {
    case 'layout-stale':
    case 'not-owner':
      return { type: 'layout' }
    case 'busy':
      return { type: 'recovering' }
    case 'clock-skew':
      return { type: 'clock' }
    default:
      return { type: message.type === 'tell-stable' ? 'stable' : 'owner', node }
  }
}
