import type { Hlc } from '../protocol/clock/hlc.ts'
import type { RecoveryReason } from '../protocol/continuity/start-kind.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import { BytesReader } from './bytes-reader.ts'
import { BytesWriter } from './bytes-writer.ts'
import { readHlc } from './dot-codec.ts'
import { readNodeId, writeNodeId } from './id-codec.ts'
import { readChoice, readList, writeChoice, writeList } from './part-codec.ts'
import { UnknownFormat } from './unreadable-bytes.ts'

const progressVersion = 1
const reasons: readonly RecoveryReason[] = ['lossy', 'restored', 'wiped']
/** A partition and an empty list. */
const owedBytesMin = 3

/** How far a recovery has come, as its node keeps it (docs/rules.md A5). */
export interface RecoveryProgress {
  readonly reason: RecoveryReason
  /** Of a restored store: the least and the latest clock that its copy can have been made at (docs/rules.md D6). */
  readonly copiedFrom: Hlc
  readonly copiedUpTo: Hlc
  readonly owed: readonly { readonly partition: number; readonly owners: readonly NodeId[] }[]
}

/** version u8 | reason | copiedFrom | copiedUpTo | partitions with the owners they must still be exchanged with. */
export function encodeRecoveryProgress(progress: RecoveryProgress): Uint8Array {
  const writer = new BytesWriter(64 + progress.owed.length * 40)
  writer.u8(progressVersion)
  writeChoice(writer, reasons, progress.reason)
  writer.varint(progress.copiedFrom)
  writer.varint(progress.copiedUpTo)
  writeList(writer, progress.owed, (to, { partition, owners }) => {
    to.u16(partition)
    writeList(to, owners, writeNodeId)
  })
  return writer.finish()
}

/**
 * @throws {MalformedBytes} when they are not one
 * @throws {UnknownFormat} when a newer Starling wrote them
 */
export function decodeRecoveryProgress(bytes: Uint8Array): RecoveryProgress {
  const reader = new BytesReader(bytes)
  const version = reader.u8()
  if (version !== progressVersion) throw new UnknownFormat(`a recovery's progress of version ${version}`)
  const reason = readChoice(reader, reasons)
  const copiedFrom = readHlc(reader)
  const copiedUpTo = readHlc(reader)
  const owed = readList(reader, owedBytesMin, (from) => ({
    partition: from.u16(),
    owners: readList(from, 16, readNodeId),
  }))
  reader.end()
  return { reason, copiedFrom, copiedUpTo, owed }
}
