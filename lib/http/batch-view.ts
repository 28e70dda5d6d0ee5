import type { Ending } from '../node/batch-run.ts'
import type { QuorumReceipt } from '../protocol/quorum/client-request.ts'
import { InternalError, NotFound, type StarlingError } from '../vocabulary/errors.ts'
import { isNotModified } from './conditions.ts'
import { array, boolean, integer, type JsonSchema, object, optional, text } from './json-schema.ts'
import { type Problem, problemOf, problemSchema } from './problem.ts'
import { quorumText } from './receipt.ts'
import { siblingSchema, viewSibling } from './sibling-view.ts'

/** How one operation of a batch ended: what the same request by itself would say in its status, headers and body. */
interface ResultView {
  readonly status: number
  readonly context?: string
  readonly siblings?: readonly ReturnType<typeof viewSibling>[]
  readonly etag?: string
  readonly tombstone?: true
  readonly quorum?: string
  readonly problem?: Problem
}

export const resultSchema: JsonSchema = object('How one operation ended.', {
  status: integer('As the same request by itself would have had.', { minimum: 200, maximum: 599 }),
  context: optional(text('The Starling-Context of the answer.')),
  siblings: optional(array('What a get found.', siblingSchema)),
  etag: optional(text('The ETag of what a get found, in its quotes.')),
  tombstone: optional(boolean('True with 404: the key was deleted.')),
  quorum: optional(text('What Starling-Quorum would say.')),
  problem: optional({ ...problemSchema, description: 'With a status from 400 on: what happened to this operation.' }),
})

/** @param outcome what metrics call it */
export interface Result {
  readonly view: ResultView
  readonly outcome: string
}

/** @param ifNoneMatch of a get */
export function viewEnding({ error, answer }: Ending, ifNoneMatch: string | undefined, requestId: string): Result {
  if (answer === undefined) return viewProblem(error ?? new InternalError('no answer'), requestId)
  const quorum = quorumText(answer.quorum)
  const { context } = answer
  if (answer.type === 'written') {
    return { outcome: 'ok', view: { status: 204, ...(context === undefined ? {} : { context }), quorum } }
  }
  const { siblings, tombstone, stateHash } = answer
  const seen = context === undefined ? {} : { context }
  if (siblings.length === 0) {
    const missing = viewProblem(
      new NotFound(tombstone ? 'the key was deleted' : 'nothing is stored under this key'),
      requestId,
    )
    const view = { ...missing.view, ...seen, ...(tombstone ? { tombstone: true as const } : {}), quorum }
    return { outcome: missing.outcome, view }
  }
  const etag = `"${stateHash}"`
  if (ifNoneMatch !== undefined && isNotModified({ 'if-none-match': ifNoneMatch }, stateHash)) {
    return { outcome: 'not-modified', view: { status: 304, ...seen, etag, quorum } }
  }
  const isOne = siblings.length === 1
  const view = { status: isOne ? 200 : 300, ...seen, siblings: siblings.map(viewSibling), etag, quorum }
  return { outcome: isOne ? 'ok' : 'siblings', view }
}

export function viewProblem(error: StarlingError, requestId: string): Result {
  const problem = problemOf(error, requestId)
  const quorum: QuorumReceipt | undefined = error.quorum
  const view = { status: problem.status, ...(quorum === undefined ? {} : { quorum: quorumText(quorum) }), problem }
  return { outcome: error.code, view }
}
