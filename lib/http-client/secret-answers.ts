/** The keys of one node, by their ids. */
export interface NodeKeys {
  readonly node: string
  readonly name: string
  /** The key with which it seals what it says; null: it has not told. */
  readonly sendsWith: string | null
  readonly keys: readonly string[] | null
  /** Why it has not told. */
  readonly problem: string | null
}

export interface SecretStatus {
  /** Every node has told, and all have the same keys and send with the same. */
  readonly agreed: boolean
  readonly nodes: readonly NodeKeys[]
}

/** One of the three steps in which a key is changed: add, use, remove the old one. */
export interface SecretOrder {
  readonly action: 'add' | 'use' | 'remove'
  /** The id of the key. With `add` it may be left out: then a new one is made. */
  readonly key?: string | undefined
  /** Although a node that cannot be asked, or lacks the key, may be cut off. */
  readonly force?: boolean | undefined
  /** Only find out whether it would be refused. */
  readonly dryRun?: boolean | undefined
}

export interface SecretChanged {
  readonly action: SecretOrder['action']
  readonly key: string
  /** False: not every node has done it; the same order again goes on with it. */
  readonly complete: boolean
  readonly nodes: readonly NodeKeys[]
}
