/** What must be equal for a directory to be the same one on the same machine (rules.md A4, A5). */
export interface DirectoryFingerprint {
  readonly inode: string
  readonly filesystem: string
  readonly machine: string
  /** Changes with every boot of the machine. */
  readonly boot: string
}

/**
 * The few small things of a node beside its store: `node.json`, its votes, the error byte, the lock. Synchronous: used at start, at
 * stop and when a disk fails, never per request. Every method throws the system's error when it cannot.
 */
export interface DataDirectory {
  /** Where it is, for messages. */
  readonly path: string
  /**
   * Takes the lock and makes the directory if need be. Refuses, touching nothing, a directory that another process
   * holds (`locked`), that is not a Starling directory (`foreign`), or that it may not write (`failed`).
   */
  open():
    | { readonly ok: true }
    | { readonly ok: false; readonly kind: 'locked' | 'foreign' | 'failed'; readonly message: string }
  fingerprint(): DirectoryFingerprint
  /** The bytes of `node.json`, or undefined in a new directory. */
  readIdentity(): Uint8Array | undefined
  /** Replaces `node.json` at once and durably: afterwards it is the old or the new one, never a mixture. */
  writeIdentity(bytes: Uint8Array): void
  /** The bytes of `votes`, or undefined where this node has never voted. */
  readVotes(): Uint8Array | undefined
  /** Replaces `votes` at once and durably, as `writeIdentity` does. */
  writeVotes(bytes: Uint8Array): void
  /** The error byte, preallocated beside `node.json` (rules.md A5): set when the store failed. */
  readErrorByte(): boolean
  /** Overwritten in place and synced: works on a full disk. */
  writeErrorByte(isSet: boolean): void
  /**
   * Gives the directory, with everything in it, another name beside it, and releases the lock: the next `open` makes a
   * new one. The store in it must be closed.
   * @returns where it is now
   */
  setAside(): string
  /** Bytes that the disk of the directory has left for this process. */
  freeBytes(): number
  /** Releases the lock. */
  close(): void
}
