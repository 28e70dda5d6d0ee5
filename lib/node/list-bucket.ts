import type { LayoutInForce } from '../protocol/layout/layout-in-force.ts'
import { NoLayout } from '../vocabulary/errors.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import { type Key, type RecordKey, toRecordKey } from '../vocabulary/key.ts'
import type { Response } from '../wire/messages.ts'
import { type Answers, askMembers, isReadAlike, neededFor } from './ask-members.ts'
import { type IndexPage, ownIndexPage } from './index-page.ts'
import { mergeLists } from './merge-lists.ts'
import type { Done, ListPage, ListRequest } from './node-api.ts'
import type { RequestContext } from './request-context.ts'
import { settleKeys } from './settle-keys.ts'

/** Before a question is asked again that met a layout of which this node has not heard. */
const againMs = 30

/** A key that somebody lists. */
export interface Candidate {
  readonly key: RecordKey
  /** Every owner whose answer counts lists it: nothing is left to be decided. */
  readonly isUndisputed: boolean
  /** Who keeps something of it for somebody. */
  readonly hintedAt: readonly NodeId[]
}

/**
 * One page of a bucket's live keys in key order, or against it. Every member in reach is asked for the page by its index;
 * a key that its owners disagree about is read at a quorum. So what a quorum has acknowledged is listed, and what it has
 * deleted is not, where enough owners of its partition answer; and where they do not, the page says so.
 */
export function listBucket(context: RequestContext, request: ListRequest, done: Done<ListPage>): void {
  const deadlineMs = context.time.nowMs() + request.timeoutMs
  attempt(context, request, deadlineMs, done)
}

function attempt(context: RequestContext, request: ListRequest, deadlineMs: number, done: Done<ListPage>): void {
  const { time, deadlines } = context
  const layout = context.layout.inForce
  if (layout === undefined) {
    return time.soon(() => done(new NoLayout('the node knows no decided layout yet'), undefined))
  }
  const { bucket, prefix, start, end, after, reverse } = request
  // One more than wanted: so a full page knows whether there is a next one.
  const range = { bucket, prefix, start, end, after, reverse, limit: request.limit + 1 }
  const layoutNumber = layout.plannedNumber
  const question = {
    layout,
    needed: neededFor(context, bucket),
    message: {
      type: 'list-index',
      range,
      layoutNumber,
      timeoutMs: Math.max(1, deadlineMs - time.nowMs()),
    },
    deadlineMs,
    span: request.span,
    answerHere: (answered: Parameters<typeof ownIndexPage>[3]) => ownIndexPage(context, range, layoutNumber, answered),
    read: (message: Response) => (message.type === 'index-listed' ? pageOf(message) : undefined),
  } as const
  askMembers<IndexPage>(context, question, (answers) => {
    // Owners of the past may not know what was acknowledged since: all is asked again (docs/rules.md T4, T8).
    const isOutdated = answers.isStale || !isReadAlike(layout, context.layout.inForce)
    if (isOutdated && time.nowMs() + againMs < deadlineMs) {
      deadlines.after(againMs, () => attempt(context, request, deadlineMs, done))
      return
    }
    const missing = isOutdated ? allPartitions(layout) : answers.missing()
    const { candidates, hasMore } = candidatesOf(context, answers, request)
    settleKeys(context, { layout, request, candidates, deadlineMs }, ({ entries, lastKey, unread }) => {
      // The page may have been cut where it became too large.
      const isWhole = lastKey === candidates.at(-1)?.key.key
      done(undefined, {
        entries,
        next: isWhole && !hasMore ? undefined : lastKey,
        complete: missing.length + unread.length === 0,
        missing: [...new Set([...missing, ...unread])].sort((a, b) => a - b),
      })
    })
  })
}

/** An end that does not say where it ends would hide what is behind it. */
function pageOf(message: Response & { readonly type: 'index-listed' }): IndexPage | undefined {
  const isEndKnown = message.isComplete || message.keys.length + message.hinted.length > 0
  return isEndKnown ? message : undefined
}

/** What anybody lists, up to where all of them reach, cut at the limit. */
function candidatesOf(
  context: RequestContext,
  answers: Answers<IndexPage>,
  { bucket, limit, reverse }: ListRequest,
): { readonly candidates: readonly Candidate[]; readonly hasMore: boolean } {
  const { layout } = answers
  const lists = [...answers.all.values()].map(({ keys, hinted, isComplete }) =>
    hinted.length === 0
      ? { keys, isComplete }
      : { keys: mergeLists([whole(keys), whole(hinted)], reverse).keys, isComplete },
  )
  const { keys, isComplete } = mergeLists(lists, reverse)
  const listed = [...answers.all].map(([node, page]) => ({
    node,
    keys: new Set(page.keys),
    hinted: new Set(page.hinted),
  }))
  const candidates = keys.slice(0, limit).map((key): Candidate => {
    const recordKey = toRecordKey(bucket, key as Key, context.hash)
    const owners = answers.countingFor(layout.ring.partitionOf(recordKey.token))
    const isUndisputed =
      owners.length > 0 && listed.every(({ node, keys: theirs }) => !owners.includes(node) || theirs.has(key))
    const hintedAt = isUndisputed ? [] : listed.filter(({ hinted }) => hinted.has(key)).map(({ node }) => node)
    return { key: recordKey, isUndisputed, hintedAt }
  })
  return { candidates, hasMore: keys.length > limit || !isComplete }
}

function whole(keys: readonly string[]) {
  return { keys, isComplete: true }
}

function allPartitions({ partitionCount }: LayoutInForce): readonly number[] {
  return Array.from({ length: partitionCount }, (_, partition) => partition)
}
