import { siblingChecksum } from '../protocol/causality/state-hash.ts'
import type { Token } from '../vocabulary/key.ts'
import type { Refusal, Request, Response } from '../wire/messages.ts'
import { decodeRecord } from '../wire/record.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import type { Coordinator } from './coordinator.ts'
import { refusal, refusalOf, storageRefused } from './refusals.ts'
import type { RequestContext } from './request-context.ts'

type Respond = (answer: Response | Refusal) => void
type RequestOf<Type extends Request['type']> = Extract<Request, { type: Type }>

/** What the frame protocol asks of a node's data. */
export type DataRequest = RequestOf<
  'write-record' | 'read-record' | 'coordinate' | 'list-keys' | 'pull-partition' | 'explain-replica'
>

const pullBytesMax = 1024 * 1024
const listKeysMax = 10_001
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

  serve(message: DataRequest, respond: Respond): void {
    try {
      this.#serve(message, respond)
    } catch (error) {
      if (error instanceof UnreadableBytes) respond(refusal('malformed', error.message))
      else throw error
    }
  }

  #serve(message: DataRequest, respond: Respond): void {
    switch (message.type) {
      case 'write-record':
        return this.#writeRecord(message, respond)
      case 'read-record':
        return this.#readRecord(message, respond)
      case 'coordinate':
        return this.#coordinate(message, respond)
      case 'list-keys':
        return this.#listKeys(message, respond)
      case 'pull-partition':
        return this.#pullPartition(message, respond)
      case 'explain-replica':
        return this.#explainReplica(message, respond)
    }
  }

  #writeRecord(message: RequestOf<'write-record'>, respond: Respond): void {
    const { store, hash, minting } = this.#context
    const refused = this.#notMine(message.key.token)
    if (refused !== undefined) return respond(refused)
    if (store.isFull) return respond(refusal('overloaded', 'too many writes wait for the disk'))
    const incoming = decodeRecord(message.record, hash, checked)
    minting.adopt(message.asOf)
    store.merge(message.key, incoming, message.record, message.durability, (failure) => {
      respond(failure === undefined ? written : storageRefused(failure))
    })
  }

  #readRecord(message: RequestOf<'read-record'>, respond: Respond): void {
    const refused = this.#notMine(message.key.token)
    if (refused !== undefined) return respond(refused)
    const { store, minting, recovery } = this.#context
    const asOf = minting.read()
    store.readStored(message.key, (copy) => {
      if (copy.state === 'failed') return respond(storageRefused(copy.failure))
      respond({
        type: 'record-read',
        state: copy.state,
        isRecovering: recovery.isRecovering(store.partitionOf(message.key)),
        record: copy.state === 'found' ? copy.bytes : noBytes,
        asOf,
      })
    })
  }

  #coordinate(message: RequestOf<'coordinate'>, respond: Respond): void {
    this.#coordinator.serve(message.request, message.hops, (error, answer) => {
      if (answer !== undefined) respond({ type: 'coordinated', answer })
      else respond(refusalOf(error))
    })
  }

  #listKeys(message: RequestOf<'list-keys'>, respond: Respond): void {
    const limit = Math.min(message.limit, listKeysMax)
    const { bucket, prefix, after } = message
    this.#context.store.list({ bucket, prefix, after, limit }, (failure, keys) => {
      if (failure !== undefined) return respond(storageRefused(failure))
      respond({ type: 'keys', keys, isComplete: keys.length < limit })
    })
  }

  #pullPartition(message: RequestOf<'pull-partition'>, respond: Respond): void {
    const { store, layout, minting, self } = this.#context
    if (layout.inForce?.ring.owns(self, message.partition) !== true) {
      return respond(refusal('not-owner', 'this node does not own the partition'))
    }
    const asOf = minting.read()
    const bytesMax = Math.min(message.bytesMax, pullBytesMax)
    store.scanPartition(message.partition, message.after, bytesMax, (failure, entries, next) => {
      if (failure !== undefined) return respond(storageRefused(failure))
      const records = entries.map(({ key, bytes }) => ({ key, record: bytes }))
      respond({ type: 'partition-records', entries: records, next, asOf })
    })
  }

  #explainReplica(message: RequestOf<'explain-replica'>, respond: Respond): void {
    const { store, recovery, layout, self } = this.#context
    const partition = store.partitionOf(message.key)
    store.readStored(message.key, (copy) => {
      if (copy.state === 'failed') return respond(storageRefused(copy.failure))
      respond({
        type: 'replica-explained',
        state: copy.state,
        isOwner: layout.inForce?.ring.owns(self, partition) ?? false,
        isRecovering: recovery.isRecovering(partition),
        record: copy.state === 'found' ? copy.bytes : noBytes,
      })
    })
  }

  #notMine(token: Token): Refusal | undefined {
    const { layout, self } = this.#context
    const inForce = layout.inForce
    if (inForce === undefined) return refusal('no-layout', 'the node knows no decided layout yet')
    const { ring } = inForce
    if (ring.owns(self, ring.partitionOf(token))) return undefined
    return refusal('not-owner', 'this node does not own the partition of the key')
  }
}
