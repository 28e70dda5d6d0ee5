import type { QuorumReceipt } from './quorum-receipt.ts'

/** An unanswered write is not an undone one: a replica that took it will spread it. */
export type Aftermath = 'nothing-changed' | 'may-have-changed'

export type ErrorCode =
  | 'invalid-key'
  | 'invalid-bucket'
  | 'invalid-parameter'
  | 'invalid-header'
  | 'invalid-body'
  | 'invalid-context'
  | 'unauthenticated'
  | 'forbidden'
  | 'not-found'
  | 'unknown-node'
  | 'unknown-route'
  | 'method-not-allowed'
  | 'too-many-siblings'
  | 'stale-plan'
  | 'plan-refused'
  | 'transition-running'
  | 'precondition-failed'
  | 'session-unavailable'
  | 'value-too-large'
  | 'metadata-too-large'
  | 'unsupported-encoding'
  | 'idempotency-key-reused'
  | 'overloaded'
  | 'quorum-unavailable'
  | 'no-layout'
  | 'draining'
  | 'storage-failed'
  | 'clock-skew'
  | 'deadline-exceeded'
  | 'unreachable'
  | 'closed'
  | 'internal'

/** One of the things that a plan for the next layout is examined for. */
export interface PlanCheckResult {
  readonly name: string
  readonly ok: boolean
  /** A sentence: what was found, or what to do about it. */
  readonly detail: string
}

export interface StarlingErrorOptions {
  /** What this leaves behind. Default: nothing changed. */
  readonly aftermath?: Aftermath | undefined
  /** What the caller can do about it, in one sentence. */
  readonly hint?: string | undefined
  /** Who answered, where it was for want of answers. */
  readonly quorum?: QuorumReceipt | undefined
  /** What a plan was examined for, where it was refused. */
  readonly checks?: readonly PlanCheckResult[] | undefined
  readonly cause?: unknown
}

/**
 * A condition that callers can meet and handle: the same codes in HTTP, in the library and on the wire.
 * Our own bugs throw InvariantViolation instead.
 */
export abstract class StarlingError extends Error {
  /** Stable across releases: branch on this, never on `message`. */
  abstract readonly code: ErrorCode
  /** Whether the same request may succeed later without being changed. */
  abstract readonly retryable: boolean
  readonly aftermath: Aftermath
  readonly hint: string | undefined
  /** Who answered, where it was for want of answers. */
  readonly quorum: QuorumReceipt | undefined

  constructor(message: string, options: StarlingErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = new.target.name
    this.aftermath = options.aftermath ?? 'nothing-changed'
    this.hint = options.hint
    this.quorum = options.quorum
  }
}

/** The key is empty, too long, or not one that a URL can carry. */
export class InvalidKey extends StarlingError {
  override readonly code = 'invalid-key'
  override readonly retryable = false
}

/** The bucket is empty, too long, reserved, or not one that a URL can carry. */
export class InvalidBucket extends StarlingError {
  override readonly code = 'invalid-bucket'
  override readonly retryable = false
}

/** A parameter or option is unknown or out of its range. */
export class InvalidParameter extends StarlingError {
  override readonly code = 'invalid-parameter'
  override readonly retryable = false
}

/** A header is malformed or out of its range. */
export class InvalidHeader extends StarlingError {
  override readonly code = 'invalid-header'
  override readonly retryable = false
}

/** The body is not what the request needs. */
export class InvalidBody extends StarlingError {
  override readonly code = 'invalid-body'
  override readonly retryable = false
}

/** The causal context is damaged, of another key or cluster, or from the far future. */
export class InvalidContext extends StarlingError {
  override readonly code = 'invalid-context'
  override readonly retryable = false
}

/** The request names nobody. */
export class Unauthenticated extends StarlingError {
  override readonly code = 'unauthenticated'
  override readonly retryable = false
}

/** The request names somebody who may not do this. */
export class Forbidden extends StarlingError {
  override readonly code = 'forbidden'
  override readonly retryable = false
}

/** There is no such thing. */
export class NotFound extends StarlingError {
  override readonly code = 'not-found'
  override readonly retryable = false
}

/** No member has this name or id. */
export class UnknownNode extends StarlingError {
  override readonly code = 'unknown-node'
  override readonly retryable = false
}

/** No route answers this path. */
export class UnknownRoute extends StarlingError {
  override readonly code = 'unknown-route'
  override readonly retryable = false
}

/** The path exists, but not with this method. */
export class MethodNotAllowed extends StarlingError {
  override readonly code = 'method-not-allowed'
  override readonly retryable = false
}

/** The put would leave more siblings, or a larger record, than a record may have: read, merge and write back. */
export class TooManySiblings extends StarlingError {
  override readonly code = 'too-many-siblings'
  override readonly retryable = false
}

/** The plan is not the current one, or lost to another. */
export class StalePlan extends StarlingError {
  override readonly code = 'stale-plan'
  override readonly retryable = false
}

/** The plan breaks a rule that protects data. */
export class PlanRefused extends StarlingError {
  override readonly code = 'plan-refused'
  override readonly retryable = false
  /** Those that are not ok say why. */
  readonly checks: readonly PlanCheckResult[]

  constructor(message: string, options: StarlingErrorOptions = {}) {
    super(message, options)
    this.checks = options.checks ?? []
  }
}

/** Another layout transition has not ended. */
export class TransitionRunning extends StarlingError {
  override readonly code = 'transition-running'
  override readonly retryable = true
}

/** The condition of the request does not hold. */
export class PreconditionFailed extends StarlingError {
  override readonly code = 'precondition-failed'
  override readonly retryable = false
}

/** No owner in reach has everything this session has seen. */
export class SessionUnavailable extends StarlingError {
  override readonly code = 'session-unavailable'
  override readonly retryable = true
}

/** The value is larger than a value may be. */
export class ValueTooLarge extends StarlingError {
  override readonly code = 'value-too-large'
  override readonly retryable = false
}

/** The metadata is larger than metadata may be. */
export class MetadataTooLarge extends StarlingError {
  override readonly code = 'metadata-too-large'
  override readonly retryable = false
}

/** The body is encoded or typed in a way the server does not read. */
export class UnsupportedEncoding extends StarlingError {
  override readonly code = 'unsupported-encoding'
  override readonly retryable = false
}

/** The idempotency key belongs to another request. */
export class IdempotencyKeyReused extends StarlingError {
  override readonly code = 'idempotency-key-reused'
  override readonly retryable = false
}

/** A bound on work in progress is reached, or requests wait longer than they should. */
export class Overloaded extends StarlingError {
  override readonly code = 'overloaded'
  override readonly retryable = true
  /** Whoever sends the request again should not do so before; the same as `Retry-After` says in seconds. */
  readonly retryAfterMs = 1_000
}

/** Too few owners can be reached for the quorum asked for. */
export class QuorumUnavailable extends StarlingError {
  override readonly code = 'quorum-unavailable'
  override readonly retryable = true
}

/** The node knows no decided layout yet. */
export class NoLayout extends StarlingError {
  override readonly code = 'no-layout'
  override readonly retryable = true
}

/** The node is being taken out of coordination. */
export class Draining extends StarlingError {
  override readonly code = 'draining'
  override readonly retryable = true
}

/** The store of the node refuses to read or write. */
export class StorageFailed extends StarlingError {
  override readonly code = 'storage-failed'
  override readonly retryable = true
}

/** The clock of the node is too far from the other members. */
export class ClockSkew extends StarlingError {
  override readonly code = 'clock-skew'
  override readonly retryable = true
}

/** The deadline passed before the quorum answered. A write may still take effect. */
export class DeadlineExceeded extends StarlingError {
  override readonly code = 'deadline-exceeded'
  override readonly retryable = true
}

/** No node could be reached. */
export class Unreachable extends StarlingError {
  override readonly code = 'unreachable'
  override readonly retryable = true
}

/** The client or node was closed. */
export class Closed extends StarlingError {
  override readonly code = 'closed'
  override readonly retryable = false
}

/** A bug of ours; please report it with the request id. */
export class InternalError extends StarlingError {
  override readonly code = 'internal'
  override readonly retryable = false
}

const classes: Readonly<Record<ErrorCode, new (message: string, options?: StarlingErrorOptions) => StarlingError>> = {
  'invalid-key': InvalidKey,
  'invalid-bucket': InvalidBucket,
  'invalid-parameter': InvalidParameter,
  'invalid-header': InvalidHeader,
  'invalid-body': InvalidBody,
  'invalid-context': InvalidContext,
  unauthenticated: Unauthenticated,
  forbidden: Forbidden,
  'not-found': NotFound,
  'unknown-node': UnknownNode,
  'unknown-route': UnknownRoute,
  'method-not-allowed': MethodNotAllowed,
  'too-many-siblings': TooManySiblings,
  'stale-plan': StalePlan,
  'plan-refused': PlanRefused,
  'transition-running': TransitionRunning,
  'precondition-failed': PreconditionFailed,
  'session-unavailable': SessionUnavailable,
  'value-too-large': ValueTooLarge,
  'metadata-too-large': MetadataTooLarge,
  'unsupported-encoding': UnsupportedEncoding,
  'idempotency-key-reused': IdempotencyKeyReused,
  overloaded: Overloaded,
  'quorum-unavailable': QuorumUnavailable,
  'no-layout': NoLayout,
  draining: Draining,
  'storage-failed': StorageFailed,
  'clock-skew': ClockSkew,
  'deadline-exceeded': DeadlineExceeded,
  unreachable: Unreachable,
  closed: Closed,
  internal: InternalError,
}

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(classes, text)
}

/** Rebuilds an error from its code, as it came over a wire. */
export function errorOf(code: ErrorCode, message: string, options?: StarlingErrorOptions): StarlingError {
  return new classes[code](message, options)
}
