import type { ErrorCode } from '../vocabulary/errors.ts'

/** One get, put or delete that has ended. */
export interface RequestReport {
  readonly operation: 'get' | 'put' | 'delete'
  readonly bucket: string
  /** The code of the error that it rejected with; `aborted`: its signal was. */
  readonly outcome: 'ok' | 'aborted' | ErrorCode
  /** From the call to the answer, waiting in line and all attempts included. */
  readonly durationMs: number
  /** How often a node was asked; 0: it was still in line. */
  readonly attempts: number
  /** Whether a second owner was asked because the first was late. */
  readonly isHedged: boolean
}

/** One question to one node, whose answer has come, or will not. */
export interface AttemptReport {
  /** The node's name; its address as long as it is known by that only. */
  readonly node: string
  readonly peer: string
  /** `get`, `put`, `delete`, or what else was asked. */
  readonly operation: string
  /** The code of what the node refused with; `unreachable` or `deadline-exceeded`: it gave no answer. */
  readonly outcome: 'ok' | ErrorCode
  readonly durationMs: number
}

/**
 * Hears what becomes of requests, for counters and histograms of any kind. Called for each of them: be quick. What it
 * throws is an uncaught error, and changes nothing for the request.
 */
export interface ClientMetrics {
  request?(report: RequestReport): void
  attempt?(report: AttemptReport): void
}
