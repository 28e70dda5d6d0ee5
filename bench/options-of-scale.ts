/** @throws TypeError for what is no number above 0 */
export function positive(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise
  const value = Number(text)
  if (!(value > 0) || !Number.isFinite(value)) throw new TypeError(`--${name} must be a number above 0, not "${text}"`)
  return value
}
