import type { DataDirectory, DirectoryFingerprint } from '../ports/data-directory.ts'
import type { Machine } from './machine.ts'
import type { SimulatedProcess } from './simulated-process.ts'

/** A node's small files on its machine's simulated disk. The lock dies with the process. */
export class SimulatedDirectory implements DataDirectory {
  readonly path: string
  readonly #process: SimulatedProcess
  readonly #machine: Machine

  constructor(process: SimulatedProcess, machine: Machine) {
    this.path = `/var/lib/starling/${machine.name}`
    this.#process = process
    this.#machine = machine
  }

  open(): ReturnType<DataDirectory['open']> {
    const holder = this.#machine.lockHolder
    if (holder?.isHeld === true)
      return { ok: false, kind: 'locked', message: `${this.path} is in use by another process` }
    if (this.#machine.disk.isForeign) {
      return { ok: false, kind: 'foreign', message: `${this.path} is not a Starling directory` }
    }
    if (this.#machine.disk.fault === 'failed' || this.#machine.disk.fault === 'read-only') {
      return { ok: false, kind: 'failed', message: `${this.path} cannot be written` }
    }
    this.#machine.lockHolder = this
    return { ok: true }
  }

  /** Whether the process that has the lock still lives. */
  get isHeld(): boolean {
    return this.#process.isAlive
  }

  fingerprint(): DirectoryFingerprint {
    return {
      inode: String(this.#machine.disk.inode),
      filesystem: `disk-of-${this.#machine.name}`,
      machine: this.#machine.name,
      boot: `${this.#machine.name}-boot-${this.#machine.boots}`,
    }
  }

  readIdentity(): Uint8Array | undefined {
    return this.#machine.disk.identity?.slice()
  }

  writeIdentity(bytes: Uint8Array): void {
    const fault = this.#machine.disk.fault
    if (fault !== 'none') throw new Error(`simulated disk: ${fault}`)
    if (this.#process.isAlive) this.#machine.disk.identity = bytes.slice()
  }

  readVotes(): Uint8Array | undefined {
    return this.#machine.disk.votes?.slice()
  }

  writeVotes(bytes: Uint8Array): void {
    const fault = this.#machine.disk.fault
    if (fault !== 'none') throw new Error(`simulated disk: ${fault}`)
    if (this.#process.isAlive) this.#machine.disk.votes = bytes.slice()
  }

  readErrorByte(): boolean {
    return this.#machine.disk.errorByte
  }

  writeErrorByte(isSet: boolean): void {
    const fault = this.#machine.disk.fault
    // It was allocated before: a full disk does not matter.
    if (fault === 'failed' || fault === 'read-only') throw new Error(`simulated disk: ${fault}`)
    if (this.#process.isAlive) this.#machine.disk.errorByte = isSet
  }

  freeBytes(): number {
    const { disk } = this.#machine
    return disk.fault === 'full' ? 0 : disk.freeBytes
  }

  setAside(): string {
    this.#machine.disk.wipe()
    this.close()
    return `${this.path}.damaged`
  }

  close(): void {
    if (this.#machine.lockHolder === this) this.#machine.lockHolder = undefined
  }
}
