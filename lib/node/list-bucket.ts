import { contextOfGet } from '../protocol/causality/context.ts'
import { visibleSiblings } from '../protocol/causality/inspect-record.ts'
import { asLastWriteWins } from '../protocol/causality/last-write-wins.ts'
import type { LayoutInForce } from '../protocol/layout/layout-in-force.ts'
import { quorumNeeds } from '../protocol/quorum/quorum-level.ts'
import { NoLayout } from '../vocabulary/errors.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import { type Key, type RecordKey, toRecordKey } from '../vocabulary/key.ts'
import { encodeContext } from '../wire/context-token.ts'
import type { Done, ListPage, ListRequest } from './node-api.ts'
import { ReadRun } from './read-run.ts'
import type { RequestContext } from './request-context.ts'

const readsAtATime = 64

interface IndexPage {
  readonly node: NodeId
  readonly keys: readonly string[]
  readonly isComplete: boolean
}

interface Candidate {
  readonly key: RecordKey
  /** Every owner that answered lists it: nothing is left to be decided. */
  readonly isUndisputed: boolean
}

/**
 * One page of a bucket's live keys in key order. The key index of every node in reach is asked for the page; a key that
 * its owners disagree about is read at a quorum, so a write acknowledged by a quorum is listed and a delete is not.
 */
export function listBucket(context: RequestContext, request: ListRequest, done: Done<ListPage>): void {
  const inForce = context.layout.inForce
  if (inForce === undefined) return done(new NoLayout('the node knows no decided layout yet'), undefined)
  const deadlineMs = context.time.nowMs() + request.timeoutMs
  askIndexes(context, inForce, request, (pages) => {
    const { candidates, next, missing } = mergePages(context, inForce, request, pages)
    settle(context, inForce, request, candidates, deadlineMs, (entries, unread) => {
      done(undefined, {
        entries,
        next,
        complete: missing.length === 0 && unread.length === 0,
        missing: [...new Set([...missing, ...unread])].sort((a, b) => a - b),
      })
    })
  })
}

function askIndexes(
  context: RequestContext,
  layout: LayoutInForce,
  request: ListRequest,
  done: (pages: readonly IndexPage[]) => void,
): void {
  const { self, peers, store, time } = context
  const { bucket, prefix, after } = request
  // One more than wanted: so a full page knows whether there is a next one.
  const limit = request.limit + 1
  const asked = layout.nodeIds.filter((node) => node === self || peers.isReachable(node))
  const pages: IndexPage[] = []
  let left = asked.length
  const answered = (page: IndexPage | undefined): void => {
    if (page !== undefined) pages.push(page)
    left -= 1
    if (left === 0) done(pages)
  }
  if (left === 0) return time.soon(() => done(pages))
  for (const node of asked) {
    if (node === self) {
      store.list({ bucket, prefix, after, limit, wallMs: time.wallMs() }, (failure, keys) =>
        answered(failure === undefined ? { node, keys, isComplete: keys.length < limit } : undefined),
      )
      continue
    }
    const message = { type: 'list-keys', bucket, prefix, after, limit, timeoutMs: request.timeoutMs } as const
    peers.ask(node, message, request.timeoutMs, (outcome) => {
      if (outcome.type !== 'answered' || outcome.message.type !== 'keys') return answered(undefined)
      const { keys, isComplete } = outcome.message
      answered({ node, keys, isComplete })
    })
  }
}

/** The union of the pages up to where all of them reach, cut at the limit. */
function mergePages(
  context: RequestContext,
  layout: LayoutInForce,
  request: ListRequest,
  pages: readonly IndexPage[],
): {
  readonly candidates: readonly Candidate[]
  readonly next: string | undefined
  readonly missing: readonly number[]
} {
  const listed = new Map<string, Set<NodeId>>()
  /** Behind the last key of a page that was cut, that node may have keys it has not told. */
  let horizon: Uint8Array | undefined
  for (const page of pages) {
    for (const key of page.keys) {
      const nodes = listed.get(key)
      if (nodes === undefined) listed.set(key, new Set([page.node]))
      else nodes.add(page.node)
    }
    const last = page.keys.at(-1)
    if (page.isComplete || last === undefined) continue
    const bytes = utf8.encode(last)
    if (horizon === undefined || Buffer.compare(bytes, horizon) < 0) horizon = bytes
  }
  const answering = new Set(pages.map(({ node }) => node))
  const sorted = [...listed.keys()]
    .map((key) => ({ key, bytes: utf8.encode(key) }))
    .filter(({ bytes }) => horizon === undefined || Buffer.compare(bytes, horizon) <= 0)
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
  const page = sorted.slice(0, request.limit)
  const candidates = page.map(({ key }): Candidate => {
    const recordKey = toRecordKey(request.bucket, key as Key, context.hash)
    const nodes = listed.get(key)
    const owners = layout.readersOf(layout.ring.partitionOf(recordKey.token)).filter((owner) => answering.has(owner))
    return { key: recordKey, isUndisputed: owners.length > 0 && owners.every((owner) => nodes?.has(owner) === true) }
  })
  const hasMore = sorted.length > request.limit || horizon !== undefined
  return { candidates, next: hasMore ? page.at(-1)?.key : undefined, missing: uncovered(layout, answering) }
}

/** Partitions of which too few owners answered to be sure that every acknowledged key was seen. */
function uncovered(layout: LayoutInForce, answering: ReadonlySet<NodeId>): readonly number[] {
  const missing: number[] = []
  for (let partition = 0; partition < layout.partitionCount; partition += 1) {
    const readers = layout.readersOf(partition)
    const { needed } = quorumNeeds('quorum', 0, false, readers.length)
    let answered = 0
    for (const owner of readers) if (answering.has(owner)) answered += 1
    if (answered < needed) missing.push(partition)
  }
  return missing
}

/** Reads what must be read, a bounded number at a time, and keeps the order. `unread`: partitions that did not answer. */
function settle(
  context: RequestContext,
  inForce: LayoutInForce,
  request: ListRequest,
  candidates: readonly Candidate[],
  deadlineMs: number,
  done: (entries: ListPage['entries'], unread: readonly number[]) => void,
): void {
  const { ring, decided } = inForce
  const isLww = context.buckets.propertiesOf(request.bucket).conflict === 'lww'
  const settled: (ListPage['entries'][number] | undefined)[] = new Array(candidates.length)
  const unread: number[] = []
  let begun = 0
  let running = 0
  const finish = (): void => {
    const entries = settled.filter((entry) => entry !== undefined)
    context.time.soon(() => done(entries, unread))
  }
  const more = (): void => {
    while (running < readsAtATime && begun < candidates.length) {
      const at = begun
      begun += 1
      const { key, isUndisputed } = candidates[at] as Candidate
      if (isUndisputed && !request.withValues) {
        settled[at] = { key: key.key, context: undefined, siblings: undefined }
        continue
      }
      running += 1
      const levels = { r: 'quorum', pr: 0, sloppy: false } as const
      new ReadRun(context, { key, layout: inForce, levels, deadlineMs }, (error, result) => {
        running -= 1
        if (error !== undefined) unread.push(ring.partitionOf(key.token))
        const read = result?.record
        const record = read !== undefined && isLww ? asLastWriteWins(read) : read
        const siblings = record === undefined ? [] : visibleSiblings(record, context.time.wallMs())
        if (record !== undefined && siblings.length > 0) {
          settled[at] = {
            key: key.key,
            context: request.withValues
              ? encodeContext(contextOfGet(record), decided.clusterId, key, context.hash)
              : undefined,
            siblings: request.withValues ? siblings : undefined,
          }
        }
        more()
      })
    }
    if (running === 0 && begun === candidates.length) {
      begun += 1
      finish()
    }
  }
  more()
}

const utf8 = new TextEncoder()
