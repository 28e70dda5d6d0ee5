import type { Hlc } from '../protocol/clock/hlc.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { RecordEntry } from '../wire/messages.ts'
import { decodeRecord } from '../wire/record.ts'
import { compareBytes, dataKey } from '../wire/store-keys.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import { catchUpClock } from './catch-up-clock.ts'
import { takesRecords } from './closed-partition.ts'
import { mergeChunks } from './merge-chunks.ts'
import type { RequestContext } from './request-context.ts'
import { settleRefused } from './settle-refused.ts'

const pageBytesMax = 256 * 1024
const pageTimeoutMs = 10_000
const noBytes = new Uint8Array(0)

interface Page {
  readonly entries: readonly RecordEntry[]
  readonly after: Uint8Array
  /** Empty: the page reaches to the end of the partition. */
  readonly next: Uint8Array
}

/**
 * Brings this node's and `owner`'s copies of one partition together, page by page in token order: what the owner has is
 * merged here, synced, and what this node then has besides is merged there. `done(true)`: both now hold the merge of
 * what they had when it began.
 */
export function exchangePartition(
  context: RequestContext,
  partition: number,
  owner: NodeId,
  done: (isDone: boolean) => void,
): void {
  const from = (after: Uint8Array): void => {
    // Lost meanwhile: what is here is as old as the moment it was lost (docs/rules.md D5).
    if (!takesRecords(context, partition)) return context.time.soon(() => done(false))
    pull(context, partition, owner, after, (page) => {
      if (page === undefined) return done(false)
      push(context, partition, owner, page, (isPushed) => {
        if (!isPushed) return done(false)
        if (page.next.length === 0) return done(true)
        from(page.next)
      })
    })
  }
  from(noBytes)
}

function pull(
  context: RequestContext,
  partition: number,
  owner: NodeId,
  after: Uint8Array,
  done: (page: Page | undefined) => void,
): void {
  const { peers, store, hash } = context
  const message = {
    type: 'pull-partition',
    partition,
    after,
    bytesMax: pageBytesMax,
    layoutNumber: layoutNumberOf(context),
  } as const
  peers.ask(owner, message, pageTimeoutMs, (outcome) => {
    if (outcome.type !== 'answered' || outcome.message.type !== 'partition-records') return done(undefined)
    if (!takesRecords(context, partition)) return done(undefined)
    const { entries, next, asOf } = outcome.message
    const page = { entries, after, next }
    let isStored = true
    let left = entries.length
    if (left === 0) return done(page)
    const ended = (isMerged: boolean): void => {
      if (!isMerged) isStored = false
      left -= 1
      if (left === 0) done(isStored ? page : undefined)
    }
    for (const { key, record } of entries) {
      try {
        store.merge(key, decodeRecord(record, hash), record, 'disk', asOf, (failure) => ended(failure === undefined))
      } catch (error) {
        if (!(error instanceof UnreadableBytes)) throw error
        ended(false)
      }
    }
  })
}

/** Sends what stands here within the page and is not what the owner sent. */
function push(
  context: RequestContext,
  partition: number,
  owner: NodeId,
  page: Page,
  done: (isDone: boolean) => void,
): void {
  const { store, minting, recovery } = context
  const theirs = new Map(page.entries.map(({ key, record }) => [key.id, record]))
  const isBehindPage = (entry: { readonly key: RecordEntry['key'] }): boolean =>
    page.next.length > 0 && compareBytes(dataKey(partition, entry.key), page.next) > 0
  const from = (after: Uint8Array): void => {
    if (!takesRecords(context, partition)) return done(false)
    const asOf = recovery.asOf(partition, minting.read())
    store.scanPartition(partition, after, pageBytesMax, (failure, entries, next) => {
      if (failure !== undefined) return done(false)
      const within = entries.filter((entry) => !isBehindPage(entry))
      const differing = within
        .filter(({ key, bytes }) => {
          const record = theirs.get(key.id)
          return record === undefined || compareBytes(record, bytes) !== 0
        })
        .map(({ key, bytes }) => ({ key, record: bytes }))
      send(context, owner, mergeChunks(differing), asOf, (isSent) => {
        if (!isSent) return done(false)
        if (next.length === 0 || within.length < entries.length) return done(true)
        from(next)
      })
    })
  }
  from(page.after)
}

function send(
  context: RequestContext,
  owner: NodeId,
  chunks: readonly (readonly RecordEntry[])[],
  asOf: Hlc,
  done: (isDone: boolean) => void,
): void {
  const [entries, ...others] = chunks
  if (entries === undefined) return done(true)
  const message = {
    type: 'merge-records',
    purpose: 'recovery',
    durability: 'os',
    entries,
    layoutNumber: layoutNumberOf(context),
    asOf,
  } as const
  context.peers.ask(owner, message, pageTimeoutMs, (outcome) => {
    if (outcome.type !== 'answered' || outcome.message.type !== 'records-merged') return done(false)
    const { outcomes } = outcome.message
    if (outcomes.length !== entries.length || outcomes.includes('failed')) return done(false)
    const refused = entries.filter((_, index) => outcomes[index] === 're-read')
    const [first] = refused
    const partition = first === undefined ? undefined : context.store.partitionOf(first.key)
    if (partition !== undefined && !context.recovery.isRestored(partition)) {
      // A live owner gives nothing up: it reads again, later, with a clock that has passed the deletion.
      return catchUpClock(context, owner, [partition], () => done(false))
    }
    settleRefused(context, refused, (isSettled) => {
      if (isSettled) send(context, owner, others, asOf, done)
      else done(false)
    })
  })
}

function layoutNumberOf(context: RequestContext): number {
  return context.layout.inForce?.decided.version.number ?? 0
}
