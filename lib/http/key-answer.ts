import type { Sibling } from '../protocol/causality/record.ts'
import type { GetAnswer, WrittenAnswer } from '../protocol/quorum/client-request.ts'
import { NotFound } from '../vocabulary/errors.ts'
import { prefersMultipart } from './accept.ts'
import { isNotModified } from './conditions.ts'
import type { Exchange, HeaderList } from './exchange.ts'
import { encodeHeaderText, isHeaderName } from './header-text.ts'
import { multipartOf } from './multipart.ts'
import { pushQuorum } from './receipt.ts'
import { contentTypeDefault, single } from './request-headers.ts'
import { instant, viewSibling } from './sibling-view.ts'

/** What a key holds, in the shape that a read answers it. */
type State = Pick<GetAnswer, 'siblings' | 'context' | 'stateHash' | 'tombstone'>

/** Answers a read. @param headers what stands in the answer besides */
export function answerRead(exchange: Exchange, answer: GetAnswer, headers: HeaderList): void {
  pushQuorum(headers, answer.quorum)
  if (isNotModified(exchange.headers, answer.siblings.length === 0 ? undefined : answer.stateHash)) {
    pushState(headers, answer)
    exchange.answerPlainly('not-modified', 304, headers)
  } else {
    answerState(exchange, answer, headers)
  }
}

/** Answers a write: with nothing, or as a read would when the request asked for the value. */
export function answerWritten(exchange: Exchange, answer: WrittenAnswer, headers: HeaderList): void {
  pushQuorum(headers, answer.quorum)
  if (answer.state !== undefined && answer.state.siblings.length > 0) {
    answerState(exchange, { ...answer.state, tombstone: false }, headers)
    return
  }
  const context = answer.state?.context ?? answer.context
  if (context !== undefined) headers.push('Starling-Context', context)
  exchange.answerPlainly('ok', 204, headers)
}

function answerState(exchange: Exchange, state: State, headers: HeaderList): void {
  pushState(headers, state)
  const [sibling] = state.siblings
  if (sibling === undefined) {
    const detail = state.tombstone ? 'the key was deleted' : 'nothing is stored under this key'
    exchange.fail(new NotFound(detail), headers)
  } else if (state.siblings.length === 1) {
    pushSibling(headers, sibling)
    exchange.answerPlainly('ok', 200, headers, sibling.value)
  } else if (prefersMultipart(single(exchange.headers, 'accept'))) {
    const { contentType, body } = multipartOf(state.siblings, state.stateHash ?? '')
    headers.push('Content-Type', contentType, 'Content-Security-Policy', storedPolicy)
    exchange.answer('siblings', 300, headers, body)
  } else {
    headers.push('Content-Type', 'application/json')
    const view = { context: state.context, siblings: state.siblings.map(viewSibling) }
    exchange.answer('siblings', 300, headers, JSON.stringify(view))
  }
}

function pushState(headers: HeaderList, state: State): void {
  headers.push('Starling-Siblings', String(state.siblings.length))
  if (state.context !== undefined) headers.push('Starling-Context', state.context)
  if (state.tombstone) headers.push('Starling-Tombstone', 'true')
  if (state.stateHash !== undefined && state.siblings.length > 0) headers.push('ETag', `"${state.stateHash}"`)
}

/**
 * A stored page must not run as part of the API's origin: `sandbox` gives it an origin of its own, without scripts, forms or
 * anything else that acts; and it loads nothing, so it tells nobody that it was looked at.
 */
const storedPolicy = "default-src 'none'; sandbox"

function pushSibling(headers: HeaderList, sibling: Sibling): void {
  headers.push('Content-Type', encodeHeaderText(sibling.contentType) ?? contentTypeDefault)
  headers.push('Content-Security-Policy', storedPolicy)
  for (const [name, text] of sibling.metadata) {
    // Metadata from other doors than HTTP may be what no header can carry; JSON shows it.
    const value = encodeHeaderText(text)
    if (value !== undefined && isHeaderName(name)) headers.push(`Starling-Meta-${name}`, value)
  }
  if (sibling.expiresAtMs !== undefined) headers.push('Starling-Expires-At', instant(sibling.expiresAtMs))
}
