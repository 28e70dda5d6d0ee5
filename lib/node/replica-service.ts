import type { Span } from '../ports/tracer.ts'
import type { KeyRecord } from '../protocol/causality/record.ts'
import { siblingChecksum } from '../protocol/causality/state-hash.ts'
import type { ClientAnswer } from '../protocol/quorum/client-request.ts'
import type { Token } from '../vocabulary/key.ts'
import type { MergeOutcome, Refusal, Response } from '../wire/messages.ts'
import { decodeRecord } from '../wire/record.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import { refusedWhileClosed } from './closed-partition.ts'
import type { Coordinator } from './coordinator.ts'
import type { DataHandlers, RequestOf, Respond } from './data-handlers.ts'
import { fenced } from './fenced.ts'
import { isSilent } from './is-silent.ts'
import type { Done } from './node-api.ts'
import { beginStoring, endStoring } from './node-spans.ts'
import { mergeRefused, refusal, refusalOf, storageRefused } from './refusals.ts'
import type { RequestContext } from './request-context.ts'

const pullBytesMax = 1024 * 1024
/** An event loop that keeps events waiting for longer has no time for bulk. */
const busyDelayMs = 100
const noBytes = new Uint8Array(0)
const written: Response = { type: 'record-written' }
/** A state from outside is checked before it is merged: damage on the way must not become data. */
const checked = { siblingChecksum }

/** Answers other nodes and embedded clients from this node's records, once it serves. */
export class ReplicaService {
  readonly #context: RequestContext
  readonly #coordinator: Coordinator

  constructor(context: RequestContext, coordinator: Coordinator) {
    this.#context = context
    this.#coordinator = coordinator
  }

  readonly handlers = {
    'write-record': (message, respond, span) => this.#writeRecord(message, respond, span),
    'read-record': (message, respond, span) => this.#readRecord(message, respond, span),
    coordinate: (message, respond, span) => this.#coordinate(message, respond, span),
    'list-keys': (message, respond) => this.#listKeys(message, respond),
    'pull-partition': (message, respond) => this.#pullPartition(message, respond),
    'merge-records': (message, respond) => this.#mergeRecords(message, respond),
  } satisfies Partial<DataHandlers>

  #writeRecord(message: RequestOf<'write-record'>, respond: Respond, span: Span | undefined): void {
    const { store, hash, minting } = this.#context
    const { token } = message.key
    const refused = fenced(this.#context, message.layoutNumber) ?? this.#notMine(token) ?? this.#closed(token)
    if (refused !== undefined) return respond(refused)
    if (store.isFull) return respond(refusal('overloaded', 'too many writes wait for the disk'))
    const incoming = decodeRecord(message.record, hash, checked)
    minting.adopt(message.asOf)
    const storing = beginStoring(span, 'write')
    store.merge(message.key, incoming, message.record, message.durability, message.asOf, (failure) => {
      endStoring(storing, failure)
      respond(failure === undefined ? written : mergeRefused(failure))
    })
  }

  #readRecord(message: RequestOf<'read-record'>, respond: Respond, span: Span | undefined): void {
    // A read that goes by owners of the past may miss what was acknowledged since (docs/rules.md T4).
    const refused = fenced(this.#context, message.layoutNumber) ?? this.#notMine(message.key.token)
    if (refused !== undefined) return respond(refused)
    const { store, minting, recovery, barriers, gained } = this.#context
    const partition = store.partitionOf(message.key)
    // What is here is of an earlier ownership: not even "absent" can be said (docs/rules.md T4).
    if (gained.isClosed(partition)) return respond(refusal('busy', 'the node has nothing of the partition yet'))
    const asOf = recovery.asOf(partition, minting.read())
    const reading = beginStoring(span, 'read')
    store.readStored(message.key, (copy) => {
      endStoring(reading, copy.state === 'failed' ? copy.failure : undefined)
      if (copy.state === 'failed') return respond(storageRefused(copy.failure))
      respond({
        type: 'record-read',
        state: copy.state,
        isRecovering: isSilent(this.#context, partition, message.key.bucket),
        record: copy.state === 'found' ? copy.bytes : noBytes,
        asOf,
        gcDeleted: barriers.of(partition).gcDeleted,
      })
    })
  }

  #coordinate(message: RequestOf<'coordinate'>, respond: Respond, span: Span | undefined): void {
    const done: Done<ClientAnswer> = (error, answer) => {
      if (answer !== undefined) respond({ type: 'coordinated', answer })
      else respond(refusalOf(error))
    }
    const origin = span === undefined ? undefined : { requestId: undefined, span, waitedMs: 0 }
    this.#coordinator.serve(message.request, message.hops, done, origin)
  }

  #listKeys(message: RequestOf<'list-keys'>, respond: Respond): void {
    const limits = { limit: message.limit, wallMs: this.#context.time.wallMs() }
    const { bucket, prefix, after } = message
    this.#context.store.list({ bucket, prefix, after }, limits, (failure, keys, isComplete) => {
      if (failure !== undefined) return respond(storageRefused(failure))
      respond({ type: 'keys', keys, isComplete })
    })
  }

  #pullPartition(message: RequestOf<'pull-partition'>, respond: Respond): void {
    const { store, layout, minting, recovery, gained, self } = this.#context
    if (layout.inForce?.owns(self, message.partition) !== true) {
      return respond(refusal('not-owner', 'this node does not own the partition'))
    }
    // What is here is of an earlier ownership, and may have been deleted for good since (docs/rules.md T6).
    if (gained.isClosed(message.partition)) {
      return respond(refusal('busy', 'the node has nothing of the partition yet'))
    }
    const asOf = recovery.asOf(message.partition, minting.read())
    const bytesMax = Math.min(message.bytesMax, pullBytesMax)
    store.scanPartition(message.partition, message.after, bytesMax, (failure, entries, next) => {
      if (failure !== undefined) return respond(storageRefused(failure))
      const records = entries.map(({ key, bytes }) => ({ key, record: bytes }))
      respond({ type: 'partition-records', entries: records, next, asOf })
    })
  }

  /** Each is judged by itself: one that cannot be read or is not ours holds nobody up. */
  #mergeRecords(message: RequestOf<'merge-records'>, respond: Respond): void {
    const { store, minting } = this.#context
    const { entries, durability, asOf } = message
    const stale = fenced(this.#context, message.layoutNumber)
    if (stale !== undefined) return respond(stale)
    if (store.isFull) return respond(refusal('overloaded', 'too many writes wait for the disk'))
    minting.adopt(asOf)
    const outcomes: MergeOutcome[] = entries.map(() => 'failed')
    let left = entries.length
    const ended = (index: number, outcome: MergeOutcome): void => {
      outcomes[index] = outcome
      left -= 1
      if (left === 0) respond({ type: 'records-merged', outcomes, isBusy: this.#isBusy() })
    }
    if (left === 0) return respond({ type: 'records-merged', outcomes, isBusy: this.#isBusy() })
    for (const [index, { key, record }] of entries.entries()) {
      const incoming = this.#mayTake(key.token) ? this.#decodeChecked(record) : undefined
      if (incoming === undefined) {
        ended(index, 'failed')
        continue
      }
      store.merge(key, incoming, record, durability, asOf, (failure) =>
        ended(index, failure === undefined ? 'merged' : failure.kind === 're-read' ? 're-read' : 'failed'),
      )
    }
  }

  /** Clients come first: what is sent in bulk should come more slowly for a while. */
  #isBusy(): boolean {
    const { store, time, entrance } = this.#context
    return entrance.isPressed || store.isBusy || time.eventLoopDelayMs() > busyDelayMs
  }

  #decodeChecked(record: Uint8Array): KeyRecord | undefined {
    try {
      return decodeRecord(record, this.#context.hash, checked)
    } catch (error) {
      if (error instanceof UnreadableBytes) return undefined
      throw error
    }
  }

  #mayTake(token: Token): boolean {
    return this.#notMine(token) === undefined && this.#closed(token) === undefined
  }

  #closed(token: Token): Refusal | undefined {
    return refusedWhileClosed(this.#context, this.#context.store.partitionOfToken(token))
  }

  #notMine(token: Token): Refusal | undefined {
    const { layout, self } = this.#context
    const inForce = layout.inForce
    if (inForce === undefined) return refusal('no-layout', 'the node knows no decided layout yet')
    if (inForce.isExcluded(self)) return refusal('not-owner', 'this node is excluded from the cluster')
    if (inForce.owns(self, inForce.ring.partitionOf(token))) return undefined
    return refusal('not-owner', 'this node does not own the partition of the key')
  }
}
