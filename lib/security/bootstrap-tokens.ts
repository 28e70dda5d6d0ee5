import type { Cryptography } from '../ports/cryptography.ts'
import { InvalidParameter } from '../vocabulary/errors.ts'
import type { Principal } from './principal.ts'
import { hashToken, tokenCharsMax } from './token-text.ts'

export const bootstrapCharsMin = 32
/** Changing one needs two; each is compared with whatever is shown. */
export const bootstrapTokensMax = 16

/** A token of the file that a node was started with: an admin at this node, and never stored in the cluster. */
export interface BootstrapToken {
  readonly principal: Principal
  readonly hash: Uint8Array
}

/**
 * Reads a token file: one token a line, each any visible ASCII text of 32 characters or more; empty lines and lines that
 * begin with `#` are skipped.
 * @throws {InvalidParameter} that says which line and what is wrong with it, but nothing of what stands there
 */
export function parseBootstrapTokens(text: string, cryptography: Cryptography): readonly BootstrapToken[] {
  const tokens: BootstrapToken[] = []
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const word = line.trim()
    if (word === '' || word.startsWith('#')) continue
    const refused = (what: string, hint: string): InvalidParameter =>
      new InvalidParameter(`line ${index + 1} of the token file ${what}`, { hint })
    if (!/^[!-~]+$/.test(word)) {
      throw refused('holds what no header can carry', 'a token is visible ASCII without spaces')
    }
    if (word.length < bootstrapCharsMin || word.length > tokenCharsMax) {
      throw refused(
        `has ${word.length} characters`,
        `a token has ${bootstrapCharsMin} to ${tokenCharsMax}: \`openssl rand -base64 32\` makes one`,
      )
    }
    const token = toBootstrapToken(word, cryptography)
    if (tokens.some(({ hash }) => cryptography.isEqual(hash, token.hash))) {
      throw refused('repeats a token', 'remove the line')
    }
    tokens.push(token)
  }
  if (tokens.length === 0) {
    throw new InvalidParameter('the token file holds no token', {
      hint: 'write one into it: `openssl rand -base64 32` makes one',
    })
  }
  if (tokens.length > bootstrapTokensMax) {
    throw new InvalidParameter(`the token file holds ${tokens.length} tokens`, {
      hint: `keep at most ${bootstrapTokensMax}: others are made by \`starling token create\``,
    })
  }
  return tokens
}

function toBootstrapToken(text: string, cryptography: Cryptography): BootstrapToken {
  // The same at every node that has it, so that logs of several nodes speak of one; and it does not betray the token.
  const id = cryptography.deriveKey(Buffer.from(text, 'utf8'), nothing, 'starling token id', 4)
  return {
    principal: {
      id: `bootstrap-${Buffer.from(id).toString('hex')}`,
      name: 'token file',
      role: 'admin',
      scopes: undefined,
      expiresAtMs: undefined,
    },
    hash: hashToken(text, cryptography),
  }
}

const nothing = new Uint8Array(0)
