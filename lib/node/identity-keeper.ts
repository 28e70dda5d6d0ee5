import type { DataDirectory } from '../ports/data-directory.ts'
import { type Identity, writeIdentity } from './identity-file.ts'

/** Who a node is, in step with its `node.json`: what cannot be written there has not changed. */
export class IdentityKeeper {
  readonly #directory: DataDirectory
  readonly #onUnwritable: (reason: string) => void
  #identity: Identity

  /** @param onUnwritable the directory took no change while the node ran: like a store that failed */
  constructor(directory: DataDirectory, identity: Identity, onUnwritable: (reason: string) => void) {
    this.#directory = directory
    this.#identity = identity
    this.#onUnwritable = onUnwritable
  }

  get current(): Identity {
    return this.#identity
  }

  /** @returns why it could not be written; then nothing was changed */
  change(changes: Partial<Identity>): string | undefined {
    const identity = { ...this.#identity, ...changes }
    try {
      writeIdentity(this.#directory, identity)
      this.#identity = identity
      return undefined
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  }

  /** The same while the node runs. @returns whether it was written */
  record(changes: Partial<Identity>): boolean {
    const reason = this.change(changes)
    if (reason !== undefined) this.#onUnwritable(`node.json cannot be written: ${reason}`)
    return reason === undefined
  }
}
