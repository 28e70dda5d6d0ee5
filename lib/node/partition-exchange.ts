import type { NodeId } from '../vocabulary/ids.ts'
import { decodeRecord } from '../wire/record.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import type { RequestContext } from './request-context.ts'

const pageBytesMax = 256 * 1024
const pageTimeoutMs = 10_000
const noBytes = new Uint8Array(0)

/**
 * Brings this node's and `owner`'s copies of one partition together: first everything the owner has is merged here, then
 * everything this node has there. `done(true)`: both now hold the merge of what they had when it began.
 */
export function exchangePartition(
  context: RequestContext,
  partition: number,
  owner: NodeId,
  done: (isDone: boolean) => void,
): void {
  pull(context, partition, owner, noBytes, (isPulled) => {
    if (isPulled) push(context, partition, owner, noBytes, done)
    else done(false)
  })
}

function pull(
  context: RequestContext,
  partition: number,
  owner: NodeId,
  after: Uint8Array,
  done: (isDone: boolean) => void,
): void {
  const { peers, layout, store, hash } = context
  const layoutNumber = layout.inForce?.decided.version.number ?? 0
  const message = { type: 'pull-partition', partition, after, bytesMax: pageBytesMax, layoutNumber } as const
  peers.ask(owner, message, pageTimeoutMs, (outcome) => {
    if (outcome.type !== 'answered' || outcome.message.type !== 'partition-records') return done(false)
    const { entries, next, asOf } = outcome.message
    const following = (isStored: boolean): void => {
      if (!isStored) return done(false)
      if (next.length === 0) return done(true)
      pull(context, partition, owner, next, done)
    }
    let isStored = true
    let left = entries.length
    if (left === 0) return following(true)
    for (const { key, record } of entries) {
      try {
        store.merge(key, decodeRecord(record, hash), record, 'disk', asOf, (failure) => {
          if (failure !== undefined) isStored = false
          left -= 1
          if (left === 0) following(isStored)
        })
      } catch (error) {
        if (!(error instanceof UnreadableBytes)) throw error
        isStored = false
        left -= 1
        if (left === 0) following(false)
      }
    }
  })
}

function push(
  context: RequestContext,
  partition: number,
  owner: NodeId,
  after: Uint8Array,
  done: (isDone: boolean) => void,
): void {
  const { store, peers, minting, layout } = context
  const asOf = minting.read()
  store.scanPartition(partition, after, pageBytesMax, (failure, entries, next) => {
    if (failure !== undefined) return done(false)
    let isStored = true
    let left = entries.length
    const following = (): void => {
      if (!isStored) return done(false)
      if (next.length === 0) return done(true)
      push(context, partition, owner, next, done)
    }
    if (left === 0) return following()
    for (const { key, bytes } of entries) {
      const message = {
        type: 'write-record',
        key,
        record: bytes,
        purpose: 'recovery',
        durability: 'os',
        layoutNumber: layout.inForce?.decided.version.number ?? 0,
        asOf,
        timeoutMs: pageTimeoutMs,
      } as const
      peers.ask(owner, message, pageTimeoutMs, (outcome) => {
        if (outcome.type !== 'answered' || outcome.message.type !== 'record-written') isStored = false
        left -= 1
        if (left === 0) following()
      })
    }
  })
}
