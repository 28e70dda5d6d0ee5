import type { LineFile } from '../ports/line-file.ts'
import type { Time, Timer } from '../ports/time.ts'
import type { AuditMetrics } from './audit-metrics.ts'
import type { Principal } from './principal.ts'

/** Of the data: what is written, or what is read as well. */
export type AuditedData = 'off' | 'writes' | 'all'

/**
 * `change`: of tokens, secrets, topology, buckets, or of the node itself. `write`, `read`: of data. `refused`: somebody
 * showed nothing that is good, or too little.
 */
export type AuditKind = 'change' | 'write' | 'read' | 'refused'

/** What somebody did, or wanted to do. Holds no value and no secret. */
export interface AuditEntry {
  readonly kind: AuditKind
  /** The word that the API has for it: `commit`, `put-bucket`. */
  readonly operation: string
  /** How it came: over HTTP, as a frame of an embedded client, or by the node itself. */
  readonly via: 'http' | 'frames' | 'node'
  /** Undefined: nobody is asked who they are here, or they did not say. */
  readonly who: Principal | undefined
  /** Where it came from, host:port, as the connection has it: a proxy's, if there is one. */
  readonly from: string | undefined
  /** On what, by the names of the request. */
  readonly on: Readonly<Record<string, unknown>> | undefined
  /** `ok`, or the code of the error. */
  readonly outcome: string
  readonly requestId: string | undefined
}

export interface AuditParts {
  readonly file: LineFile
  readonly time: Time
  readonly metrics: AuditMetrics
  readonly data: AuditedData
  /** The id is undefined until the node has one. */
  readonly node: { readonly name: string; readonly id: () => string | undefined }
}

/** Grows when a reader of version 1 would misunderstand what is written. */
const formatVersion = 1
/** Anybody can be refused as often as they like: what is beyond this is counted, and said once a second. */
export const refusalsPerSecondMax = 10

/**
 * Who did what: one JSON object a line. A deed is written when it has ended, with its outcome, before its answer is
 * sent. Whether it can be written decides nothing: see docs/decisions/0116-an-audit-log-that-stops-nobody.md.
 */
export class AuditLog {
  readonly #parts: AuditParts
  /** Counts the lines of this start of the node: a gap is a line that somebody has taken out, or that was lost. */
  #line = 0
  #nodeId: string | undefined
  #lost = 0
  #refusals = 0
  #refusalsLeftOut = 0
  #second: Timer | undefined

  constructor(parts: AuditParts) {
    this.#parts = parts
  }

  /** Whether deeds of this kind are written: what need not be gathered otherwise. */
  wants(kind: AuditKind): boolean {
    if (kind === 'read') return this.#parts.data === 'all'
    return kind !== 'write' || this.#parts.data !== 'off'
  }

  record(entry: AuditEntry): void {
    if (!this.wants(entry.kind) || (entry.kind === 'refused' && !this.#hasRoomForRefusal())) return
    const { operation, via, who, from, on, outcome, requestId } = entry
    this.#parts.metrics.records(entry.kind).add(1)
    this.#write(entry.kind, {
      operation,
      via,
      who: who === undefined ? null : { id: who.id, name: who.name, role: who.role },
      from: from ?? null,
      on: on ?? {},
      outcome,
      requestId: requestId ?? null,
    })
  }

  /** Whoever wanted to connect, as a node or as a client, and was told to go. */
  recordTurnedAway(from: string, reason: string, on: Readonly<Record<string, unknown>>): void {
    this.record({
      kind: 'refused',
      operation: 'connect',
      via: 'frames',
      who: undefined,
      from,
      on,
      outcome: reason,
      requestId: undefined,
    })
  }

  /** What the node does by itself or is made to do from its machine: a start, other keys in the secret file. */
  recordOwn(operation: string, on: Readonly<Record<string, unknown>> = {}): void {
    this.record({
      kind: 'change',
      operation,
      via: 'node',
      who: undefined,
      from: undefined,
      on,
      outcome: 'ok',
      requestId: undefined,
    })
  }

  /** The file has lost lines: counted, and told in a line of its own as soon as there can be one. */
  noteLost(lines: number): void {
    this.#parts.metrics.lost.add(lines)
    this.#lost += lines
  }

  /** The file can be written again. */
  mended(): void {
    if (this.#lost > 0) this.#write('lost', { lines: this.#lost })
    this.#lost = 0
  }

  /** The file was moved away: the next line goes to a new one. */
  reopen(): void {
    this.#parts.file.reopen()
  }

  close(done: () => void): void {
    this.#second?.cancel()
    this.#tellLeftOut()
    this.#parts.file.close(done)
  }

  #hasRoomForRefusal(): boolean {
    this.#second ??= this.#parts.time.after(1_000, () => {
      this.#second = undefined
      this.#refusals = 0
      this.#tellLeftOut()
    })
    this.#refusals += 1
    if (this.#refusals <= refusalsPerSecondMax) return true
    this.#refusalsLeftOut += 1
    this.#parts.metrics.refusalsLeftOut.add(1)
    return false
  }

  #tellLeftOut(): void {
    if (this.#refusalsLeftOut > 0) this.#write('left-out', { refusals: this.#refusalsLeftOut })
    this.#refusalsLeftOut = 0
  }

  #write(kind: AuditKind | 'lost' | 'left-out', fields: Readonly<Record<string, unknown>>): void {
    const { file, time, node } = this.#parts
    this.#line += 1
    // A node that is being stopped has none any more.
    this.#nodeId = node.id() ?? this.#nodeId
    const head = {
      v: formatVersion,
      time: new Date(time.wallMs()).toISOString(),
      node: node.name,
      nodeId: this.#nodeId ?? null,
      line: this.#line,
      kind,
    }
    file.append(onOneLine(JSON.stringify({ ...head, ...fields })))
  }
}

/**
 * Names may hold what some readers take for the end of a line, and what makes a terminal do or show something else: whoever
 * chooses a name must not write lines of their own. It is the same JSON.
 */
function onOneLine(json: string): string {
  return json.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  )
}
