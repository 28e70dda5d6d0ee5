import { NotFound, PreconditionFailed, type StarlingError } from '../vocabulary/errors.ts'
import {
  endedKeptMs,
  endedKeptMsMin,
  type TokenEntry,
  type TokenMap,
  tokensMax,
  withoutEnded,
  withRevoked,
  withToken,
} from './token-map.ts'

/** What is to become of the tokens of a cluster; to do it again changes nothing. */
export type TokenChange =
  | { readonly type: 'create'; readonly token: TokenEntry }
  | { readonly type: 'revoke'; readonly id: string; readonly atMs: number }

export type ChangedTokens =
  | { readonly next: TokenMap; readonly token: TokenEntry }
  | { readonly next?: undefined; readonly refused: StarlingError }

/** The tokens after the change, and the one that it is about; or why they stay as they are. Forgets whatever ended long ago. */
export function changeTokens(known: TokenMap, change: TokenChange, nowMs: number): ChangedTokens {
  const map = withoutEnded(known, nowMs, endedKeptMs)
  if (change.type === 'create') return created(map, change.token, nowMs)
  const next = withRevoked(map, change.id, change.atMs)
  const token = next.entries.get(change.id)
  return token === undefined ? { refused: unknownToken(change.id) } : { next, token }
}

function created(map: TokenMap, token: TokenEntry, nowMs: number): ChangedTokens {
  // An owner that was asked before has made it.
  const made = map.entries.get(token.id)
  if (made !== undefined) return { next: map, token: made }
  const roomy = map.entries.size < tokensMax ? map : withoutEnded(map, nowMs, endedKeptMsMin)
  if (roomy.entries.size >= tokensMax) return { refused: tooMany() }
  if (token.number <= roomy.closed) return { refused: tooLate() }
  return { next: withToken(roomy, token), token }
}

function tooMany(): StarlingError {
  return new PreconditionFailed(`a cluster keeps at most ${tokensMax} tokens`, {
    hint: 'revoke those that nobody uses: an hour later they make room',
  })
}

/** It has been on its way for an hour. */
function tooLate(): StarlingError {
  return new PreconditionFailed('newer tokens were made and removed meanwhile', { hint: 'try again' })
}

function unknownToken(id: string): StarlingError {
  return new NotFound(`there is no token "${id}"`, {
    hint: '`starling token list` shows them; those of a token file are taken out of the file',
  })
}
