import { BytesReader } from './bytes-reader.ts'
import { BytesWriter } from './bytes-writer.ts'

/** The mark of a node that had decided versions which a forced one has overruled (rules.md L5). */
export interface ForkedOff {
  /** Of the forced version. */
  readonly forks: number
  /** Of the membership that this is about: a later one has another. */
  readonly shortId: number
}

export function encodeForkedOff({ forks, shortId }: ForkedOff): Uint8Array {
  const writer = new BytesWriter(16)
  writer.varint(forks)
  writer.varint(shortId)
  return writer.finish()
}

/** @throws {MalformedBytes} */
export function decodeForkedOff(bytes: Uint8Array): ForkedOff {
  const reader = new BytesReader(bytes)
  const mark = { forks: reader.varint(), shortId: reader.varint() }
  reader.end()
  return mark
}
