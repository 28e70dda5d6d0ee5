import type { NetworkFailure } from '../ports/network.ts'
import type { StorageFailure } from '../ports/storage.ts'
import type { Endpoint } from '../vocabulary/ids.ts'

/** Why a node does not start, or cannot go on: for people, with what to do about it. The process exits with 1. */
export class StartProblem extends Error {
  readonly code:
    | 'directory-locked'
    | 'directory-foreign'
    | 'directory-unreadable'
    | 'identity-unreadable'
    | 'newer-format'
    | 'store-unreadable'
    | 'address-in-use'
    | 'address-unusable'
    | 'foreign-cluster'
    | 'name-in-use'
    | 'duplicate-identity'
    | 'rebuild-refused'
    | 'forgotten'
    | 'audit-log-unusable'
  readonly hint: string

  constructor(code: StartProblem['code'], message: string, hint: string) {
    super(message)
    this.name = 'StartProblem'
    this.code = code
    this.hint = hint
  }
}

export function addressProblem(at: Endpoint, failure: NetworkFailure | undefined): StartProblem {
  return failure?.kind === 'in-use'
    ? new StartProblem(
        'address-in-use',
        `${at} is in use by another process`,
        'stop that process, or choose another --peer',
      )
    : new StartProblem(
        'address-unusable',
        `cannot listen at ${at}: ${failure?.message ?? 'unknown reason'}`,
        'choose another --peer',
      )
}

/** Nobody waits for what it holds any more, and tombstones may be gone that it has not seen (docs/rules.md L5). */
export function forgottenProblem(path: string): StartProblem {
  return new StartProblem(
    'forgotten',
    'the cluster has forgotten this node, and takes nothing from it any more',
    `empty ${path}, or start with another --data: the node then joins as a new one`,
  )
}

export function unwritableProblem(reason: string, path: string): StartProblem {
  return new StartProblem(
    'directory-unreadable',
    `${path} cannot be written: ${reason}`,
    'free space, or mend its permissions',
  )
}

export function storeProblem(failure: StorageFailure | undefined, path: string): StartProblem {
  const message = `the store in ${path} cannot be opened: ${failure?.message ?? 'unknown reason'}`
  return new StartProblem(
    'store-unreadable',
    message,
    'nothing was changed; `starling start --rebuild` puts it aside and reads the data from the other owners: see docs/operations.md',
  )
}
