import { InvalidContext } from '../vocabulary/errors.ts'
import { contextCharsMax } from '../vocabulary/limits.ts'

declare const brand: unique symbol

/**
 * What a reader has seen of one key, opaque: given with a write, it says what that write is based on. Text of the letters
 * that URLs and headers can carry, good at every node and over HTTP too (`Starling-Context`).
 */
export type CausalContext = string & { readonly [brand]: 'CausalContext' }

const tokenPattern = /^[A-Za-z0-9_-]+$/

/**
 * A context that was kept as text meanwhile: in a form, a cookie, a file. Only its letters are checked here; a damaged one,
 * or one of another key, is refused when it is used.
 *
 * @throws {InvalidContext}
 */
export function toCausalContext(text: string): CausalContext {
  if (typeof text !== 'string' || text.length > contextCharsMax || !tokenPattern.test(text)) {
    throw new InvalidContext('this text is not a context', { hint: 'keep what get and put return, unchanged' })
  }
  return text as CausalContext
}
