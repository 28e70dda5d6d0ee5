import type { Outcome } from '../links/frame-link.ts'
import {
  type Aftermath,
  DeadlineExceeded,
  type ErrorCode,
  errorOf,
  InternalError,
  type StarlingError,
  Unreachable,
} from '../vocabulary/errors.ts'
import type { Refusal } from '../wire/messages.ts'

const readFirst = 'the write may have taken effect, or may yet: read before writing again'

/**
 * What a client is told of a request that a node did not carry out, or whose outcome nobody knows.
 *
 * A get changes nothing, whatever became of it. A write whose answer is lost is never called failed: the node may have
 * taken it, and whoever took it will spread it.
 */
export function errorOfOutcome(
  outcome: Exclude<Outcome, { type: 'answered' }>,
  facts: { readonly node: string; readonly isRead: boolean; readonly isOverdue: boolean },
): StarlingError {
  const { node, isRead, isOverdue } = facts
  switch (outcome.type) {
    case 'refused':
      return errorOfRefusal(outcome.refusal, isRead)
    case 'not-sent':
      if (isOverdue) return new DeadlineExceeded(`no connection to ${node} before the deadline`)
      return new Unreachable(`${node} could not be reached: ${outcome.reason}`)
    case 'unknown': {
      const aftermath: Aftermath = isRead ? 'nothing-changed' : 'may-have-changed'
      const options = { aftermath, hint: isRead ? undefined : readFirst }
      if (isOverdue) return new DeadlineExceeded(`${node} did not answer before the deadline`, options)
      return new Unreachable(`the connection to ${node} ended before it answered: ${outcome.reason}`, options)
    }
  }
}

/** The same in one word, for those who count. */
export function codeOfOutcome(outcome: Outcome, isOverdue: boolean): 'ok' | ErrorCode {
  if (outcome.type === 'answered') return 'ok'
  if (outcome.type === 'refused') return codeOf(outcome.refusal.code)
  return isOverdue ? 'deadline-exceeded' : 'unreachable'
}

/** The last word about a write of which an earlier try may have taken effect. */
export function asDoubtful(error: StarlingError): StarlingError {
  if (error.aftermath === 'may-have-changed') return error
  const { code, message, quorum } = error
  return errorOf(code, message, { aftermath: 'may-have-changed', hint: readFirst, quorum, cause: error })
}

export function wrongAnswer(node: string, isRead: boolean): StarlingError {
  return new InternalError(`${node} gave an answer of the wrong kind`, {
    aftermath: isRead ? 'nothing-changed' : 'may-have-changed',
  })
}

function errorOfRefusal({ code, message, aftermath, hint, quorum }: Refusal, isRead: boolean): StarlingError {
  return errorOf(codeOf(code), message, {
    aftermath: isRead ? 'nothing-changed' : aftermath,
    hint: hint === '' ? undefined : hint,
    quorum,
  })
}

/** Nodes have some words among themselves that are no codes for users. */
function codeOf(code: Refusal['code']): ErrorCode {
  switch (code) {
    case 'busy':
      return 'overloaded'
    case 'layout-stale':
    case 'not-owner':
    case 're-read':
      return 'quorum-unavailable'
    case 'malformed':
      return 'internal'
    default:
      return code
  }
}
