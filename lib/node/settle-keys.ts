import { contextOfGet } from '../protocol/causality/context.ts'
import { visibleSiblings } from '../protocol/causality/inspect-record.ts'
import { asLastWriteWins } from '../protocol/causality/last-write-wins.ts'
import type { KeyRecord, Sibling } from '../protocol/causality/record.ts'
import type { LayoutInForce } from '../protocol/layout/layout-in-force.ts'
import { DeadlineExceeded } from '../vocabulary/errors.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { RecordKey } from '../vocabulary/key.ts'
import { encodeContext } from '../wire/context-token.ts'
import type { ScanEntry } from '../wire/messages.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import type { Candidate } from './list-bucket.ts'
import type { ListRequest } from './node-api.ts'
import { ReadRun } from './read-run.ts'
import type { RequestContext } from './request-context.ts'

/** Read at the same time, as long as they are small. */
const readsAtOnceMax = 32
/** Before anything is known of their sizes. */
const firstReadsMax = 4
/** Of one page with its values. It holds one key at least, whatever its size. */
const pageBytesMax = 1024 * 1024
/** What an entry takes beside what it holds, about. */
const entryBytes = 128
/** Of the time there is, in which reads begin: a page that has not come to its end then ends where it is. */
const beginningShare = 0.5
/** Of it, until which reads are waited for: whoever waits for the page hears of it in time. */
const readingShare = 0.9

export interface SettledKeys {
  readonly entries: readonly ScanEntry[]
  /** The last key that was looked at, live or not: the page ends behind it. Undefined: there was none. */
  readonly lastKey: string | undefined
  /** Partitions that could not be read. */
  readonly unread: readonly number[]
}

interface Settled {
  readonly entry: ScanEntry | undefined
  readonly bytes: number
  /** The read did not end in time, or for another reason not well. */
  readonly failure: 'late' | 'unread' | undefined
}

/**
 * Decides which candidates are live, by reading those that are in dispute, or all when their values are wanted; as many
 * as make a page, in order. `done` is not called inside the call.
 */
export function settleKeys(
  context: RequestContext,
  job: {
    readonly layout: LayoutInForce
    readonly request: ListRequest
    readonly candidates: readonly Candidate[]
    readonly deadlineMs: number
  },
  done: (settled: SettledKeys) => void,
): void {
  const { layout, request, candidates } = job
  const { time } = context
  const leftMs = Math.max(0, job.deadlineMs - time.nowMs())
  const beginUntilMs = time.nowMs() + leftMs * beginningShare
  const deadlineMs = time.nowMs() + leftMs * readingShare
  const settled: Settled[] = []
  let begun = 0
  let running = 0
  let bytes = 0
  let largestBytes = 0
  const settle = (at: number, entry: ScanEntry | undefined, failure?: Settled['failure']): void => {
    const size = entry === undefined ? 0 : sizeOf(entry)
    settled[at] = { entry, bytes: size, failure }
    bytes += size
    largestBytes = Math.max(largestBytes, size)
  }
  const mayBegin = (): boolean => {
    if (begun === candidates.length || bytes >= pageBytesMax || request.isWanted?.() === false) return false
    if (begun > 0 && time.nowMs() > beginUntilMs) return false
    const atOnce = largestBytes === 0 ? firstReadsMax : Math.floor((pageBytesMax - bytes) / largestBytes)
    return running < Math.max(1, Math.min(readsAtOnceMax, atOnce))
  }
  const goOn = (): void => {
    while (mayBegin()) {
      const at = begun
      begun += 1
      const candidate = candidates[at] as Candidate
      if (candidate.isUndisputed && !request.withValues) {
        settle(at, { key: candidate.key.key, context: undefined, siblings: undefined })
        continue
      }
      running += 1
      context.metrics.scanReads.add(1)
      readLive(context, { layout, deadlineMs }, candidate, (failure, record, siblings) => {
        running -= 1
        const isShown = record !== undefined && siblings.length > 0
        settle(at, isShown ? entryOf(context, request, layout, candidate.key, record, siblings) : undefined, failure)
        goOn()
      })
    }
    if (running === 0) time.soon(() => done(pageOf(layout, candidates, settled)))
  }
  goOn()
}

/** Everything up to the size of a page, and up to what was not read in time: the next page begins with that. */
function pageOf(layout: LayoutInForce, candidates: readonly Candidate[], settled: readonly Settled[]): SettledKeys {
  const entries: ScanEntry[] = []
  const unread = new Set<number>()
  let bytes = 0
  let count = 0
  for (const { entry, bytes: size, failure } of settled) {
    if ((bytes > 0 && bytes + size > pageBytesMax) || (failure === 'late' && count > 0)) break
    if (failure !== undefined) unread.add(layout.ring.partitionOf((candidates[count] as Candidate).key.token))
    if (entry !== undefined) entries.push(entry)
    bytes += size
    count += 1
  }
  return { entries, lastKey: candidates[count - 1]?.key.key, unread: [...unread] }
}

function entryOf(
  context: RequestContext,
  { withValues }: ListRequest,
  { decided }: LayoutInForce,
  key: RecordKey,
  record: KeyRecord,
  siblings: readonly Sibling[],
): ScanEntry {
  if (!withValues) return { key: key.key, context: undefined, siblings: undefined }
  const token = encodeContext(contextOfGet(record), decided.clusterId, key, context.hash)
  return { key: key.key, context: token, siblings }
}

function sizeOf({ key, context, siblings = [] }: ScanEntry): number {
  let bytes = entryBytes + key.length + (context?.length ?? 0)
  for (const { value, contentType, metadata } of siblings) {
    bytes += entryBytes + value.length + contentType.length
    for (const [name, text] of metadata) bytes += name.length + text.length
  }
  return bytes
}

/** A quorum read; where that finds nothing to show, what is kept for absent owners, too: it was acknowledged. */
function readLive(
  context: RequestContext,
  { layout, deadlineMs }: { readonly layout: LayoutInForce; readonly deadlineMs: number },
  { key, hintedAt }: Candidate,
  done: (failure: Settled['failure'], record: KeyRecord | undefined, siblings: readonly Sibling[]) => void,
): void {
  const isLww = context.buckets.propertiesOf(key.bucket).conflict === 'lww'
  const levels = { r: 'quorum', pr: 0, sloppy: true } as const
  new ReadRun(context, { key, layout, levels, deadlineMs }, (error, result) => {
    const read = result?.record
    const failure = error === undefined ? undefined : error instanceof DeadlineExceeded ? 'late' : 'unread'
    const shown = siblingsOf(read)
    if (shown.length > 0 || hintedAt.length === 0) return done(failure, shownRecord(read), shown)
    readHints(context, key, { nodes: hintedAt, layout, deadlineMs, record: read }, (record, seen) => {
      const siblings = siblingsOf(record)
      if (siblings.length > 0 || seen === 'all') return done(failure, shownRecord(record), siblings)
      if (failure !== undefined || seen === 'unknown') return done(failure ?? 'unread', undefined, [])
      // What was kept was brought home behind the first read.
      readLive(context, { layout, deadlineMs }, { key, isUndisputed: false, hintedAt: [] }, done)
    })
  })

  function shownRecord(record: KeyRecord | undefined): KeyRecord | undefined {
    return record !== undefined && isLww ? asLastWriteWins(record) : record
  }
  function siblingsOf(record: KeyRecord | undefined): readonly Sibling[] {
    const whole = shownRecord(record)
    return whole === undefined ? [] : visibleSiblings(whole, context.time.wallMs())
  }
}

/** `gone`: somebody keeps nothing any more. `unknown`: somebody did not say. */
type HintsSeen = 'all' | 'gone' | 'unknown'

/** What `nodes` keep of the key for others, merged with `record`. */
function readHints(
  context: RequestContext,
  key: RecordKey,
  asked: {
    readonly nodes: readonly NodeId[]
    readonly layout: LayoutInForce
    readonly deadlineMs: number
    readonly record: KeyRecord | undefined
  },
  done: (record: KeyRecord | undefined, seen: HintsSeen) => void,
): void {
  const { self, peers, hints, minting, parts, time } = context
  let merged = asked.record
  let left = asked.nodes.length
  let seen: HintsSeen = 'all'
  const heard = (record: KeyRecord | 'gone' | 'unknown'): void => {
    if (typeof record !== 'string') merged = merged === undefined ? record : parts.merge(merged, record)
    else if (seen !== 'unknown') seen = record
    left -= 1
    if (left === 0) done(merged, seen)
  }
  const timeoutMs = Math.max(1, asked.deadlineMs - time.nowMs())
  const message = { type: 'read-hint', key, layoutNumber: asked.layout.plannedNumber, timeoutMs } as const
  for (const node of asked.nodes) {
    if (node === self) {
      hints.readAllStored(key, (record) => heard(record === 'failed' ? 'unknown' : (record ?? 'gone')))
      continue
    }
    peers.ask(node, message, timeoutMs, (outcome) => {
      if (outcome.type !== 'answered' || outcome.message.type !== 'record-read') return heard('unknown')
      const { state, record, asOf } = outcome.message
      minting.adopt(asOf)
      if (state === 'absent') return heard('gone')
      heard((state === 'found' ? decodeOrNothing(context, record) : undefined) ?? 'unknown')
    })
  }
}

/** An answer that cannot be read is no answer. */
function decodeOrNothing({ store }: RequestContext, bytes: Uint8Array): KeyRecord | undefined {
  try {
    return store.decode(bytes)
  } catch (error) {
    if (error instanceof UnreadableBytes) return undefined
    throw error
  }
}
