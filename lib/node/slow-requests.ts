import type { Log } from '../ports/log.ts'
import type { CounterCell } from '../ports/metrics.ts'
import type { Time } from '../ports/time.ts'
import type { ClientAnswer, ClientRequest } from '../protocol/quorum/client-request.ts'
import type { StarlingError } from '../vocabulary/errors.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { RecordKey } from '../vocabulary/key.ts'
import type { QuorumReceipt } from '../vocabulary/quorum-receipt.ts'
import type { FlightRecorder, Step } from './flight-recorder.ts'
import type { RequestOrigin } from './trail.ts'

/** Lines in each window; what is more is counted, and the next line says how many. */
const linesMax = 5
const windowMs = 10_000

/** One request that took long, and how it ended. */
export interface SlowRequest {
  readonly serial: number
  readonly request: ClientRequest
  readonly key: RecordKey
  /** Forwarders before this node. */
  readonly hops: number
  readonly origin: RequestOrigin | undefined
  readonly startedAtMs: number
  readonly tookMs: number
  readonly error: StarlingError | undefined
  readonly answer: ClientAnswer | undefined
}

/**
 * Says in the log which requests took long and who kept them waiting. Keys may be somebody's name or number: a line
 * has the key's hash only (docs/decisions/0091-slow-requests.md).
 */
export class SlowRequests {
  readonly afterMs: number
  readonly #time: Time
  readonly #log: Log
  readonly #recorder: FlightRecorder
  readonly #nameOf: (node: NodeId) => string
  readonly #counted: (operation: ClientRequest['type']) => CounterCell
  #windowFromMs = Number.NEGATIVE_INFINITY
  #lines = 0
  #keptBack = 0

  constructor(
    parts: {
      readonly time: Time
      readonly log: Log
      readonly recorder: FlightRecorder
      readonly nameOf: (node: NodeId) => string
      readonly counted: (operation: ClientRequest['type']) => CounterCell
    },
    afterMs: number,
  ) {
    this.afterMs = afterMs
    this.#time = parts.time
    this.#log = parts.log
    this.#recorder = parts.recorder
    this.#nameOf = parts.nameOf
    this.#counted = parts.counted
  }

  note(slow: SlowRequest): void {
    this.#counted(slow.request.type).add(1)
    const nowMs = this.#time.nowMs()
    if (nowMs - this.#windowFromMs >= windowMs) {
      this.#windowFromMs = nowMs
      this.#lines = 0
    }
    if (this.#lines >= linesMax) {
      this.#keptBack += 1
      return
    }
    this.#lines += 1
    this.#log.warn(this.#fieldsOf(slow), 'a request was slow')
    this.#keptBack = 0
  }

  #fieldsOf({ serial, request, key, hops, origin, startedAtMs, tookMs, error, answer }: SlowRequest) {
    const quorum = answer?.quorum ?? error?.quorum
    const steps = this.#recorder.stepsOf(serial)
    return {
      operation: request.type,
      bucket: request.bucket,
      keyHash: key.token.toString(16).padStart(16, '0'),
      outcome: error?.code ?? 'ok',
      tookMs: rounded(tookMs),
      ...(origin !== undefined && origin.waitedMs > 0 ? { waitedMs: rounded(origin.waitedMs) } : {}),
      ...(origin?.requestId === undefined ? {} : { requestId: origin.requestId }),
      ...(origin?.span === undefined ? {} : { traceId: origin.span.context.traceId }),
      ...(hops === 0 ? {} : { hops }),
      ...(quorum === undefined ? {} : { quorum: toldQuorum(quorum) }),
      replicas: steps.map((step) => this.#told(step, startedAtMs)),
      ...(this.#keptBack === 0 ? {} : { keptBack: this.#keptBack }),
    }
  }

  /** In milliseconds since the request began here. */
  #told({ node, what, askedAtMs, endedAtMs, how }: Step, startedAtMs: number) {
    const asked = { node: this.#nameOf(node), what, askedAtMs: rounded(askedAtMs - startedAtMs) }
    if (endedAtMs === undefined) return { ...asked, how: 'no answer yet' }
    return { ...asked, endedAtMs: rounded(endedAtMs - startedAtMs), how }
  }
}

/** As `Starling-Quorum` says it. */
function toldQuorum({ kind, answered, needed, owners, fallbacks }: QuorumReceipt): string {
  return `${kind}=${answered}/${needed}; owners=${owners}; fallbacks=${fallbacks}`
}

function rounded(ms: number): number {
  return Math.round(ms * 10) / 10
}
