import type { StorageFailure } from '../ports/storage.ts'
import type { StarlingError } from '../vocabulary/errors.ts'
import type { Refusal } from '../wire/messages.ts'
import type { MergeFailure } from './replica-store.ts'

export function refusal(code: Refusal['code'], message: string): Refusal {
  return { type: 'refused', code, message, aftermath: 'nothing-changed', hint: '' }
}

export function storageRefused(failure: StorageFailure): Refusal {
  return {
    type: 'refused',
    code: 'storage-failed',
    message: failure.message,
    aftermath: 'may-have-changed',
    hint: 'see the log of the node',
  }
}

export function mergeRefused(failure: MergeFailure): Refusal {
  return failure.kind === 're-read' ? refusal('re-read', failure.message) : storageRefused(failure)
}

export function refusalOf(error: StarlingError | undefined): Refusal {
  if (error === undefined) return { ...refusal('internal', 'no answer'), aftermath: 'may-have-changed' }
  const { code, message, aftermath, hint, quorum } = error
  return { type: 'refused', code, message, aftermath, hint: hint ?? '', quorum }
}
