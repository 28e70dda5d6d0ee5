/** Why a node does not start, or cannot go on: for people, with what to do about it. The process exits with 1. */
export class StartProblem extends Error {
  readonly code:
    | 'directory-locked'
    | 'directory-foreign'
    | 'directory-unreadable'
    | 'identity-unreadable'
    | 'store-unreadable'
    | 'address-in-use'
    | 'address-unusable'
    | 'foreign-cluster'
    | 'name-in-use'
    | 'duplicate-identity'
  readonly hint: string

  constructor(code: StartProblem['code'], message: string, hint: string) {
    super(message)
    this.name = 'StartProblem'
    this.code = code
    this.hint = hint
  }
}
