import type { Keyring, SecretKey } from './keyring.ts'

/** The keys of the cluster as one node has them, and the place where it keeps them. */
export interface ClusterSecret {
  /** What sealing and opening go by; always what was kept last. */
  readonly keyring: Keyring
  /** Where they are kept, for messages. */
  readonly place: string
  /** Goes by what stands there now, if that can be used: somebody may have written it. */
  reload(): void
  /**
   * Keeps these instead, at once and durably, and goes by them from then on.
   * @throws the system's error when they cannot be kept; then nothing has changed
   */
  keep(keys: readonly SecretKey[]): void
}
