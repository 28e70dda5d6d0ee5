import { joinSeen, type Seen, seenWith } from '../protocol/causality/seen.ts'
import type { ClientAnswer, SessionNeed } from '../protocol/quorum/client-request.ts'
import { newSession, noteSeen, type Session, seenOf, sessionKeysMax } from '../protocol/session/session.ts'
import type { Hash } from '../vocabulary/hash.ts'
import type { RecordKey } from '../vocabulary/key.ts'
import { contextIn } from '../wire/context-token.ts'
import { decodeSession, encodeSession } from '../wire/session-token.ts'

/** The session of a whole batch (docs/rules.md S1): it begins with what its token says, and ends with one token for all answers. */
export class BatchSession {
  readonly #parts: { readonly clusterId: string; readonly hash: Hash }
  readonly #token: string | undefined
  readonly #before: Session
  /** Of the keys answered, the latest last. */
  readonly #seen = new Map<bigint, Seen>()

  private constructor(
    parts: { readonly clusterId: string; readonly hash: Hash },
    token: string | undefined,
    before: Session,
  ) {
    this.#parts = parts
    this.#token = token
    this.#before = before
  }

  /** Undefined: the token is damaged, or of another cluster. @param token undefined: the session begins with this batch */
  static of(token: string | undefined, clusterId: string, hash: Hash): BatchSession | undefined {
    const before = token === undefined ? newSession : decodeSession(token, clusterId, hash)
    return before === undefined ? undefined : new BatchSession({ clusterId, hash }, token, before)
  }

  /** What a session that has just begun asks is nothing. */
  needOf({ token }: RecordKey): SessionNeed | undefined {
    return this.#token === undefined ? undefined : (seenOf(this.#before, token) ?? 'quorum')
  }

  note({ token }: RecordKey, answer: ClientAnswer): void {
    const context = answer.context === undefined ? undefined : contextIn(answer.context)
    if (context === undefined) return
    const seen = seenWith(context)
    const before = this.#seen.get(token)
    // At the end again: it was touched last.
    this.#seen.delete(token)
    this.#seen.set(token, before === undefined ? seen : joinSeen(before, seen))
  }

  /** For the next request; undefined: nothing was ever seen. */
  token(): string | undefined {
    if (this.#seen.size === 0) return this.#token
    let session = this.#before
    for (const [token, seen] of [...this.#seen].slice(-sessionKeysMax)) session = noteSeen(session, token, seen)
    return encodeSession(session, this.#parts.clusterId, this.#parts.hash)
  }
}
