import { siblingChecksum } from '../protocol/causality/state-hash.ts'
import { hlcZero } from '../protocol/clock/hlc.ts'
import type { HintRefusal } from '../protocol/handoff/hint-budget.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { RecordKey } from '../vocabulary/key.ts'
import type { Refusal, Response } from '../wire/messages.ts'
import { decodeRecord, encodeRecord } from '../wire/record.ts'
import type { DataHandlers, RequestOf, Respond } from './data-handlers.ts'
import { fenced } from './fenced.ts'
import { refusal, storageRefused } from './refusals.ts'
import type { RequestContext } from './request-context.ts'

/** Streams of hints taken at a time: each sender has one batch under way. */
const streamsMax = 4
const noBytes = new Uint8Array(0)
const written: Response = { type: 'record-written' }
const checked = { siblingChecksum }

/** Keeps hints for coordinators that miss an owner, and says what it keeps. */
export class HintService {
  readonly #context: RequestContext
  #streams = 0

  constructor(context: RequestContext) {
    this.#context = context
  }

  readonly handlers = {
    'store-hint': (message, respond) => this.#storeHint(message, respond),
    'read-hint': (message, respond) => this.#readHint(message, respond),
  } satisfies Partial<DataHandlers>

  /** Clients come first: more than a few streams of hints at a time are asked to come again. */
  admit(merge: DataHandlers['merge-records']): DataHandlers['merge-records'] {
    return (message, respond) => {
      if (message.purpose !== 'hint') return merge(message, respond)
      if (this.#streams >= streamsMax) return respond(refusal('busy', `${streamsMax} nodes deliver hints already`))
      this.#streams += 1
      merge(message, (answer) => {
        this.#streams -= 1
        respond(answer)
      })
    }
  }

  #storeHint(message: RequestOf<'store-hint'>, respond: Respond): void {
    const { hints, hash, minting } = this.#context
    const refused = this.#notFor(message.target, message.key, message.layoutNumber)
    if (refused !== undefined) return respond(refused)
    if (hints.isFull) return respond(refusal('overloaded', 'too many writes wait for the disk'))
    const { target, key, record, durability, asOf } = message
    const incoming = decodeRecord(record, hash, checked)
    minting.adopt(asOf)
    hints.add(target, key, incoming, record, durability, (outcome) => {
      if (outcome.type === 'stored') return respond(written)
      if (outcome.type === 'failed') return respond(storageRefused(outcome.failure))
      respond(refusal('overloaded', `no hint is kept: ${sentences[outcome.reason]}`))
    })
  }

  #readHint(message: RequestOf<'read-hint'>, respond: Respond): void {
    const { hints, minting } = this.#context
    const stale = fenced(this.#context, message.layoutNumber)
    if (stale !== undefined) return respond(stale)
    const asOf = minting.read()
    hints.readAllStored(message.key, (record) => {
      if (record === 'failed') return respond(refusal('storage-failed', 'the hints cannot be read'))
      const state = record === undefined ? 'absent' : 'found'
      const bytes = record === undefined ? noBytes : encodeRecord(record)
      respond({ type: 'record-read', state, isRecovering: false, record: bytes, asOf, gcDeleted: hlcZero })
    })
  }

  /** A hint goes to one specific owner; whoever names another one has another layout, or is mistaken. */
  #notFor(target: NodeId, key: RecordKey, layoutNumber: number): Refusal | undefined {
    const { layout, self } = this.#context
    const inForce = layout.inForce
    if (inForce === undefined) return refusal('no-layout', 'the node knows no decided layout yet')
    const partition = inForce.ring.partitionOf(key.token)
    const stale = fenced(this.#context, layoutNumber)
    if (stale !== undefined) return this.#refuse('layout', stale)
    if (!inForce.has(self) || inForce.isExcluded(self)) {
      return this.#refuse('outsider', refusal('not-owner', 'this node is no member: it keeps nothing for others'))
    }
    if (!inForce.has(target))
      return this.#refuse('unknown-node', refusal('not-owner', 'the hint is for an unknown node'))
    if (!inForce.owns(target, partition)) {
      return this.#refuse('not-owner', refusal('not-owner', 'the hint is for a node that does not own the key'))
    }
    if (inForce.owns(self, partition)) {
      return this.#refuse('owner', refusal('not-owner', 'this node owns the key itself: no copy of it counts twice'))
    }
    return undefined
  }

  #refuse(reason: string, answer: Refusal): Refusal {
    this.#context.metrics.hintsRefused(reason).add(1)
    return answer
  }
}

const sentences: Readonly<Record<HintRefusal, string>> = {
  off: 'hints are off on this node',
  'target-budget': 'there are too many for this owner already',
  'node-budget': 'there are too many on this disk already',
  window: 'the owner has been away for too long',
  stable: 'part of it is so old that it must be compared instead',
}
