import type { BatchedLevel } from './batched-level.ts'

/** Stored bytes are wire bytes: counter u32 | node u8 | value. */
const versionBytes = 5

/** One number that orders versions: by counter, then by node. 0: nothing there. */
export type Version = number

export function versionOf(record: Uint8Array | undefined): Version {
  if (record === undefined) return 0
  const [a = 0, b = 0, c = 0, d = 0, node = 0] = record
  return (((a * 256 + b) * 256 + c) * 256 + d) * 256 + node
}

export function makeRecord(after: Version, node: number, value: Uint8Array): Buffer {
  const record = Buffer.allocUnsafe(versionBytes + value.length)
  record.writeUInt32BE(Math.floor(after / 256) + 1, 0)
  record.writeUInt8(node, 4)
  record.set(value, versionBytes)
  return record
}

export function valueIn(record: Uint8Array): Uint8Array {
  return record.subarray(versionBytes)
}

/** One copy of everything: newest version wins. Each write reads the version that is there. */
export class Replica {
  readonly #level: BatchedLevel
  /** Versions on their way to LevelDB, which a read of it does not show yet. */
  readonly #inFlight = new Map<string, Version>()

  constructor(level: BatchedLevel) {
    this.#level = level
  }

  version(key: string): Version {
    return this.#inFlight.get(key) ?? versionOf(this.#level.get(key))
  }

  read(key: string): Uint8Array | undefined {
    return this.#level.get(key)
  }

  keep(key: string, record: Uint8Array, kept: () => void): void {
    const version = versionOf(record)
    if (version <= this.version(key)) return kept()
    this.keepNewer(key, record, version, kept)
  }

  /** For a writer that knows its version to be newer. */
  keepNewer(key: string, record: Uint8Array, version: Version, kept: () => void): void {
    this.#inFlight.set(key, version)
    this.#level.put(key, record, () => {
      if (this.#inFlight.get(key) === version) this.#inFlight.delete(key)
      kept()
    })
  }
}
