import { compareDots } from '../protocol/causality/version-vector.ts'
import type { Hlc } from '../protocol/clock/hlc.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { RecordEntry } from '../wire/messages.ts'
import { gather } from './gather.ts'
import { mergeChunks } from './merge-chunks.ts'
import type { RequestContext } from './request-context.ts'

const pageBytesMax = 256 * 1024
const pushTimeoutMs = 10_000
const askTimeoutMs = 3_000
const noBytes = new Uint8Array(0)

/**
 * Sends `owner` everything that stands here of a partition which this node owns no more, page by page. What it refuses,
 * because a deletion ended there after `asOf`, is given up once every owner has answered and none of them has it
 * (docs/rules.md D5). `done(true)`: nothing is here that its owners lack.
 */
export function pushPartition(
  context: RequestContext,
  partition: number,
  owner: NodeId,
  asOf: Hlc,
  done: (isGiven: boolean) => void,
): void {
  const from = (after: Uint8Array): void =>
    context.store.scanPartition(partition, after, pageBytesMax, (failure, entries, next) => {
      if (failure !== undefined) return done(false)
      const chunks = mergeChunks(entries.map(({ key, bytes }) => ({ key, record: bytes })))
      push(context, owner, chunks, asOf, (isTaken) => {
        if (!isTaken) return done(false)
        if (next.length === 0) return done(true)
        from(next)
      })
    })
  from(noBytes)
}

function push(
  context: RequestContext,
  owner: NodeId,
  [entries, ...others]: readonly (readonly RecordEntry[])[],
  asOf: Hlc,
  done: (isTaken: boolean) => void,
): void {
  if (entries === undefined) return context.time.soon(() => done(true))
  const layoutNumber = context.layout.inForce?.number ?? 0
  const message = {
    type: 'merge-records',
    purpose: 'recovery',
    durability: 'disk',
    entries,
    layoutNumber,
    asOf,
  } as const
  context.peers.ask(owner, message, pushTimeoutMs, (outcome) => {
    if (outcome.type !== 'answered' || outcome.message.type !== 'records-merged') return done(false)
    const { outcomes } = outcome.message
    if (outcomes.length !== entries.length || outcomes.includes('failed')) return done(false)
    giveUp(
      context,
      entries.filter((_, index) => outcomes[index] === 're-read'),
      (isGivenUp) => {
        if (isGivenUp) push(context, owner, others, asOf, done)
        else done(false)
      },
    )
  })
}

function giveUp(
  context: RequestContext,
  [refused, ...others]: readonly RecordEntry[],
  done: (isGivenUp: boolean) => void,
): void {
  if (refused === undefined) return done(true)
  const { layout, store } = context
  const inForce = layout.inForce
  if (inForce === undefined) return done(false)
  const owners = inForce
    .readersOf(store.partitionOf(refused.key))
    .filter((owner) => owner !== context.self && !inForce.isExcluded(owner))
  const request = { key: refused.key, owners, layoutNumber: inForce.number, timeoutMs: askTimeoutMs }
  gather(context, request, ({ record, answered }) => {
    const ours = store.decode(refused.record).siblings
    const isHeld = ours.some(({ dot }) => record?.siblings.some((their) => compareDots(their.dot, dot) === 0) === true)
    // One of them has it: the others will, too, and then it is refused no more.
    if (answered.length < owners.length || isHeld) return done(false)
    giveUp(context, others, done)
  })
}
