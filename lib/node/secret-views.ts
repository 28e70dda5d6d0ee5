import type { NodeId } from '../vocabulary/ids.ts'

/** Which keys one member has, by their ids. */
export interface NodeKeys {
  readonly node: NodeId
  readonly name: string
  /** Undefined: it has not said, because of `problem`. */
  readonly keyIds: readonly string[] | undefined
  readonly problem: string | undefined
}

export interface SecretStatus {
  /** All members of the layout, and who else is there. */
  readonly nodes: readonly NodeKeys[]
}

/** One of the three steps in which a key is changed. */
export interface SecretOrder {
  readonly action: 'add' | 'use' | 'remove'
  /** Undefined with `add`: a new one is made. */
  readonly keyId: string | undefined
  /** Although a member may be cut off by it. */
  readonly force: boolean
  /** Only asks, and says what would be refused. */
  readonly isRehearsal: boolean
  readonly timeoutMs: number
}

export interface SecretChanged {
  readonly action: SecretOrder['action']
  readonly keyId: string
  /** Their keys as they are now. Those with a problem have not done it, or have not said so. */
  readonly nodes: readonly NodeKeys[]
}
