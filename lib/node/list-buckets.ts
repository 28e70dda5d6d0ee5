import { NoLayout } from '../vocabulary/errors.ts'
import { type Bucket, bucketProblem, type Key, toRecordKey } from '../vocabulary/key.ts'
import { bucketsListedMax } from '../vocabulary/limits.ts'
import type { Refusal } from '../wire/messages.ts'
import { type Answers, askMembers, type IndexAnswer, isReadAlike, neededFor } from './ask-members.ts'
import { fenced } from './fenced.ts'
import { silentPartitions } from './index-page.ts'
import { listBucket } from './list-bucket.ts'
import type { Done, ListRequest } from './node-api.ts'
import { storageRefused } from './refusals.ts'
import type { RequestContext } from './request-context.ts'
import type { HeldBucket } from './scan-buckets.ts'
import { settleKeys } from './settle-keys.ts'

/** Buckets that hold keys, by name. */
export interface HeldBuckets {
  readonly buckets: readonly Bucket[]
  /** False: there are more than are listed, or some partition had too few owners in reach. */
  readonly complete: boolean
  readonly missing: readonly number[]
}

/** What one node knows. */
interface BucketsPage extends IndexAnswer {
  readonly buckets: readonly HeldBucket[]
  readonly isComplete: boolean
}

/** `unknown`: not before the deadline, or too few owners answered. */
type Found = 'held' | 'empty' | 'unknown'

const checkedAtOnceMax = 32
/** Keys of one page in which a live one is looked for. */
const lookedAtMax = 16

/** This node's buckets, from its key index. */
export function ownBuckets(
  context: RequestContext,
  { after, limit, layoutNumber }: { readonly after: string; readonly limit: number; readonly layoutNumber: number },
  done: (refused: Refusal | undefined, page: BucketsPage | undefined) => void,
): void {
  const refused = fenced(context, layoutNumber)
  if (refused !== undefined) return done(refused, undefined)
  // Of which bucket is not known yet: one whose writes are not synced.
  const silent = silentPartitions(context, '' as Bucket)
  context.store.listBuckets(after, { limit, wallMs: context.time.wallMs() }, (failure, buckets, isComplete) => {
    if (failure !== undefined) return done(storageRefused(failure), undefined)
    done(undefined, { buckets, isComplete, silent })
  })
}

/**
 * The buckets in which a key lives, of all partitions. Each member skips through its index from bucket to bucket and names
 * one key of each; where not all owners of that key say the same it is read, so a bucket whose keys are deleted is none.
 */
export function listHeldBuckets(context: RequestContext, timeoutMs: number, done: Done<HeldBuckets>): void {
  const { time } = context
  const layout = context.layout.inForce
  if (layout === undefined) {
    return time.soon(() => done(new NoLayout('the node knows no decided layout yet'), undefined))
  }
  const deadlineMs = time.nowMs() + timeoutMs
  const limit = bucketsListedMax
  const layoutNumber = layout.plannedNumber
  const question = {
    layout,
    needed: neededFor(context, '' as Bucket),
    message: { type: 'tell-buckets', after: '', limit, layoutNumber, timeoutMs },
    deadlineMs,
    answerHere: (answered: Parameters<typeof ownBuckets>[2]) =>
      ownBuckets(context, { after: '', limit, layoutNumber }, answered),
    read: (message: { readonly type: string }) =>
      message.type === 'buckets-told' ? (message as BucketsPage & { readonly type: string }) : undefined,
  } as const
  askMembers<BucketsPage>(context, question, (answers) => {
    const isOutdated = answers.isStale || !isReadAlike(layout, context.layout.inForce)
    const missing = isOutdated ? Array.from({ length: layout.partitionCount }, (_, at) => at) : answers.missing()
    const named = namedBuckets(answers)
    checkBuckets(context, { answers, named, deadlineMs }, (buckets, isSure) => {
      const areAll =
        isSure && [...answers.all.values()].every(({ isComplete }) => isComplete) && buckets.length <= limit
      done(undefined, { buckets: buckets.slice(0, limit), complete: areAll && missing.length === 0, missing })
    })
  })
}

/** For each bucket the keys that were named, and by how many members. */
function namedBuckets({ all }: Answers<BucketsPage>): ReadonlyMap<string, readonly string[]> {
  const named = new Map<string, string[]>()
  for (const { buckets } of all.values()) {
    for (const { bucket, key } of buckets) {
      const keys = named.get(bucket)
      if (keys !== undefined) keys.push(key)
      else if (bucketProblem(bucket) === undefined) named.set(bucket, [key])
    }
  }
  return named
}

/** Those in which a key lives, by name; a bounded number at a time. `isSure`: of each of the others no key does. */
function checkBuckets(
  context: RequestContext,
  job: {
    readonly answers: Answers<BucketsPage>
    readonly named: ReadonlyMap<string, readonly string[]>
    readonly deadlineMs: number
  },
  done: (buckets: readonly Bucket[], isSure: boolean) => void,
): void {
  const left = [...job.named].sort(([one], [other]) => (one < other ? -1 : 1))
  const held: Bucket[] = []
  let isSure = true
  let next = 0
  let running = 0
  const goOn = (): void => {
    while (running < checkedAtOnceMax && next < left.length) {
      const [name, keys] = left[next] as readonly [string, readonly string[]]
      const bucket = name as Bucket
      next += 1
      running += 1
      checkBucket(context, job, bucket, keys, (found) => {
        running -= 1
        if (found === 'held') held.push(bucket)
        else if (found === 'unknown') isSure = false
        goOn()
      })
    }
    if (running > 0 || next < left.length) return
    next += 1
    context.time.soon(() =>
      done(
        held.sort((one, other) => (one < other ? -1 : 1)),
        isSure,
      ),
    )
  }
  goOn()
}

function checkBucket(
  context: RequestContext,
  { answers, deadlineMs }: { readonly answers: Answers<BucketsPage>; readonly deadlineMs: number },
  bucket: Bucket,
  named: readonly string[],
  done: (found: Found) => void,
): void {
  const { time } = context
  const { layout } = answers
  const [first] = named
  const key = toRecordKey(bucket, first as Key, context.hash)
  const owners = answers.countingFor(layout.ring.partitionOf(key.token))
  const isUndisputed =
    owners.length > 0 &&
    owners.every((owner) => {
      const own = answers.all.get(owner)?.buckets.find((held) => held.bucket === bucket)
      return own?.key === first
    })
  if (isUndisputed) return time.soon(() => done('held'))
  const bounds = { bucket, prefix: '', start: '', end: '', after: '', reverse: false }
  const request = {
    ...bounds,
    limit: lookedAtMax,
    withValues: false,
    timeoutMs: Math.max(1, deadlineMs - time.nowMs()),
  }
  const candidates = [{ key, isUndisputed: false, hintedAt: [] }]
  settleKeys(context, { layout, request, candidates, deadlineMs }, ({ entries }) => {
    if (entries.length > 0) return done('held')
    // That key is gone; perhaps not the last one.
    findLive(context, request, deadlineMs, done)
  })
}

/** Looks on, page by page, until a key lives: those that somebody lists may all be gone. */
function findLive(
  context: RequestContext,
  request: ListRequest,
  deadlineMs: number,
  done: (found: Found) => void,
): void {
  const timeoutMs = deadlineMs - context.time.nowMs()
  if (timeoutMs <= 0) return done('unknown')
  listBucket(context, { ...request, timeoutMs }, (_error, page) => {
    if (page === undefined) return done('unknown')
    if (page.entries.length > 0) return done('held')
    if (!page.complete) return done('unknown')
    if (page.next === undefined) return done('empty')
    findLive(context, { ...request, after: page.next }, deadlineMs, done)
  })
}
