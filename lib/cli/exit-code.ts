import { StarlingError } from '../vocabulary/errors.ts'

/** What the exit code of every command means. */
export const exitCode = {
  done: 0,
  failed: 1,
  usage: 2,
  unreachable: 3,
  refused: 4,
  notFound: 5,
  conflict: 6,
  /** Also: the outcome of a write is unknown. */
  partial: 7,
  unhealthy: 8,
} as const

/** The command was not understood, or cannot be meant. Exit code 2. */
export class UsageError extends Error {
  readonly hint: string | undefined

  constructor(message: string, hint?: string) {
    super(message)
    this.name = 'UsageError'
    this.hint = hint
  }
}

/** The command would do something that cannot be undone, and was not told to. Exit code 4. */
export class NotConfirmed extends Error {
  readonly hint: string

  constructor(message: string, hint: string) {
    super(message)
    this.name = 'NotConfirmed'
    this.hint = hint
  }
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return exitCode.usage
  if (error instanceof NotConfirmed) return exitCode.refused
  if (!(error instanceof StarlingError)) return exitCode.failed
  switch (error.code) {
    case 'invalid-key':
    case 'invalid-bucket':
    case 'invalid-parameter':
    case 'invalid-header':
    case 'invalid-body':
    case 'invalid-context':
      return exitCode.usage
    case 'unauthenticated':
    case 'forbidden':
    case 'plan-refused':
      return exitCode.refused
    case 'not-found':
    case 'unknown-node':
      return exitCode.notFound
    case 'too-many-siblings':
    case 'stale-plan':
    case 'precondition-failed':
    case 'transition-running':
    case 'idempotency-key-reused':
      return exitCode.conflict
    case 'deadline-exceeded':
      return exitCode.partial
    case 'unreachable':
      return error.aftermath === 'may-have-changed' ? exitCode.partial : exitCode.unreachable
    default:
      return error.aftermath === 'may-have-changed' ? exitCode.partial : exitCode.failed
  }
}
