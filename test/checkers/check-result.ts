/** One broken promise. */
export interface Violation {
  /** The name of the promise, in kebab-case. */
  readonly check: string
  readonly key: string
  /** The values concerned. */
  readonly values: readonly string[]
  /** Where in the history it shows. */
  readonly at: number
  /** One sentence. */
  readonly message: string
}

export interface CheckResult {
  /** `unknown`: the history holds nothing that could have been wrong. It must not pass for a success. */
  readonly valid: boolean | 'unknown'
  readonly violations: readonly Violation[]
  /** How many facts were compared. */
  readonly compared: number
}

/** A checker stops looking when it has found about so many: a history that is wrong everywhere is wrong enough. */
export const violationsMax = 1000

export function checkResult(violations: readonly Violation[], compared: number): CheckResult {
  return { valid: violations.length > 0 ? false : compared === 0 ? 'unknown' : true, violations, compared }
}
