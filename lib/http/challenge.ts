/** RFC 6750, 3: how to ask, in the answer to whoever showed `authorization`; with a word where that was no good. */
export function challengeTo(authorization: string | undefined): string {
  const challenge = 'Bearer realm="starling"'
  return authorization === undefined ? challenge : `${challenge}, error="invalid_token"`
}
