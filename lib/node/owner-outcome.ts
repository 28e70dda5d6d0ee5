import type { Outcome } from '../links/frame-link.ts'
import { DeadlineExceeded, errorOf, isErrorCode, QuorumUnavailable, type StarlingError } from '../vocabulary/errors.ts'

/** A forwarder leaves the owner a little less time than it has itself, so that the owner's own answer arrives. */
export const hopMarginMs = 10

/** What a forwarder tells its client of an owner that did not answer as hoped. */
export function errorOfOutcome(outcome: Outcome, isRead: boolean): StarlingError {
  const aftermath = isRead ? 'nothing-changed' : 'may-have-changed'
  switch (outcome.type) {
    case 'not-sent':
      return new QuorumUnavailable(`an owner could not be reached: ${outcome.reason}`, { hint: 'retry' })
    case 'unknown':
      return new DeadlineExceeded(`an owner did not answer: ${outcome.reason}`, {
        aftermath,
        hint: 'read before writing again',
      })
    case 'refused': {
      const { code, message, aftermath: left, hint, quorum } = outcome.refusal
      const known = isErrorCode(code) ? code : 'quorum-unavailable'
      return errorOf(known, message, { aftermath: left, hint: hint === '' ? undefined : hint, quorum })
    }
    case 'answered':
      return new QuorumUnavailable('an owner gave an answer of the wrong kind', { aftermath })
  }
}

/** Some node that was asked may have carried it out. */
export function asDoubtful({ code, message, hint, quorum, cause }: StarlingError): StarlingError {
  return errorOf(code, message, { aftermath: 'may-have-changed', hint, quorum, cause })
}
