import type { TokenAuthority } from '../security/token-authority.ts'
import { decodeTokenMap, encodeTokenMap } from '../security/token-codec.ts'
import { emptyTokenMap, mergeTokenMaps, type TokenMap } from '../security/token-map.ts'
import { type SharedKind, SharedState, type SharedStateParts } from './shared-state.ts'

const tokensKind: SharedKind<TokenMap> = {
  name: 'tokens',
  title: 'tokens',
  empty: emptyTokenMap,
  merge: mergeTokenMaps,
  encode: encodeTokenMap,
  decode: decodeTokenMap,
  // A node that starts alone after a power cut must not take a token that it knew to be revoked.
  durability: 'disk',
}

/** The tokens of the cluster as this node knows them: loaded with the store, and put in force. */
export function tokensOf(authority: TokenAuthority, parts: SharedStateParts): SharedState<TokenMap> {
  return new SharedState(tokensKind, parts, (tokens) => authority.learn(tokens))
}
