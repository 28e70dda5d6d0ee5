import { InvalidParameter } from './errors.ts'

/** How a client is given its token: the text, or who knows it, asked whenever it is to be shown. */
export type TokenSource = string | (() => string)

/** Longer ones are nobody's. */
const tokenCharsMax = 512

/** @throws {InvalidParameter} that says nothing of what was given: it may be a token but for one character */
export function checkedToken(given: unknown): string {
  const refused = (what: string): InvalidParameter =>
    new InvalidParameter(`the token ${what}`, { hint: 'a token is one line of visible ASCII, as it was given out' })
  if (typeof given !== 'string') throw refused('is no string')
  if (given === '') throw refused('is empty')
  if (given.length > tokenCharsMax) throw refused(`is longer than ${tokenCharsMax} characters`)
  if (!/^[!-~]+$/.test(given)) throw refused('holds what no header can carry')
  return given
}
