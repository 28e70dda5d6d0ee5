import { seenWith } from '../protocol/causality/seen.ts'
import type { ClientAnswer, ClientRequest } from '../protocol/quorum/client-request.ts'
import { newSession, noteSeen, type Session, seenOf } from '../protocol/session/session.ts'
import { InvalidHeader, type StarlingError } from '../vocabulary/errors.ts'
import type { Hash } from '../vocabulary/hash.ts'
import { type RecordKey, toRecordKey } from '../vocabulary/key.ts'
import { contextIn } from '../wire/context-token.ts'
import { decodeSession, encodeSession } from '../wire/session-token.ts'
import type { Coordinator } from './coordinator.ts'
import type { Done } from './node-api.ts'
import type { RequestContext } from './request-context.ts'
import type { RequestOrigin } from './trail.ts'

/** `session` is the token for the next request, also with an error: so a client that keeps the last one keeps it. */
export type SessionDone = (
  error: StarlingError | undefined,
  answer: ClientAnswer | undefined,
  session: string | undefined,
) => void

/**
 * Serves a request that carries its session with it (docs/rules.md S1): whatever node it comes to, the token says what
 * the answer may not be older than, and the answer's token says so to the next one. Only the entry of the key goes on to
 * the coordinator; the others stay at this door.
 *
 * @param token undefined: the session begins with this request, and asks nothing of it
 */
export function serveInSession(
  serving: { readonly coordinator: Coordinator; readonly context: RequestContext },
  request: ClientRequest,
  token: string | undefined,
  done: SessionDone,
  origin: RequestOrigin | undefined,
): void {
  const { coordinator, context } = serving
  const { hash, layout, time } = context
  const key = toRecordKey(request.bucket, request.key, hash)
  const clusterId = layout.inForce?.decided.clusterId
  if (clusterId === undefined || token === undefined) {
    const unbound: Done<ClientAnswer> = (error, answer) =>
      done(error, answer, tokenAfter(newSession, key, answer, layout.inForce?.decided.clusterId, hash))
    return coordinator.serve(request, 0, unbound, origin)
  }
  const session = decodeSession(token, clusterId, hash)
  if (session === undefined) return time.soon(() => done(invalidSession(), undefined, undefined))
  const need = seenOf(session, key.token) ?? 'quorum'
  const bound: Done<ClientAnswer> = (error, answer) =>
    done(error, answer, tokenAfter(session, key, answer, clusterId, hash) ?? token)
  coordinator.serve({ ...request, session: need }, 0, bound, origin)
}

/** Undefined: the answer shows nothing and wrote nothing, so the session is as it was. */
function tokenAfter(
  session: Session,
  key: RecordKey,
  answer: ClientAnswer | undefined,
  clusterId: string | undefined,
  hash: Hash,
): string | undefined {
  if (answer === undefined || clusterId === undefined) return undefined
  const shown = answer.type === 'written' && answer.state !== undefined ? answer.state.context : answer.context
  const context = shown === undefined ? undefined : contextIn(shown)
  if (context === undefined) return undefined
  return encodeSession(noteSeen(session, key.token, seenWith(context)), clusterId, hash)
}

export function invalidSession(): InvalidHeader {
  return new InvalidHeader('Starling-Session is damaged, or of another cluster', {
    hint: 'Send the Starling-Session of the last answer, unchanged; without one a new session begins.',
  })
}
