/** A bug of ours: a state that the surrounding argument excludes. Never thrown for anything that comes from outside. */
export class InvariantViolation extends Error {
  readonly details: Readonly<Record<string, unknown>>

  constructor(claim: string, details: Readonly<Record<string, unknown>> = {}) {
    super(`invariant violated: ${claim}`)
    this.name = 'InvariantViolation'
    this.details = details
  }
}

/** Asserts what must hold if the program is right. Stays on in production. */
export function invariant(holds: boolean, claim: string, details?: Readonly<Record<string, unknown>>): asserts holds {
  if (!holds) throw new InvariantViolation(claim, details)
}

/** Closes a union: the compiler refuses a forgotten case, the running program refuses an impossible one. */
export function unreachable(value: never): never {
  throw new InvariantViolation('every case of the union is handled', { value })
}
