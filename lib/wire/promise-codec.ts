import type { Idempotency, SessionNeed } from '../protocol/quorum/client-request.ts'
import { idempotencyKeyBytesMax } from '../vocabulary/limits.ts'
import type { BytesReader } from './bytes-reader.ts'
import type { BytesWriter } from './bytes-writer.ts'
import { readHlc, readVector, writeVector } from './dot-codec.ts'
import { MalformedBytes } from './unreadable-bytes.ts'

/** Perhaps a space in front: then a client library made it. */
const keyPattern = /^ ?[!-~]+$/

/** u8: 0 no session, 1 a quorum, 2 what follows: hlc varint | vector. */
export function writeSessionNeed(writer: BytesWriter, need: SessionNeed | undefined): void {
  if (need === undefined) return writer.u8(0)
  if (need === 'quorum') return writer.u8(1)
  writer.u8(2)
  writer.varint(need.hlc)
  writeVector(writer, need.vv)
}

export function readSessionNeed(reader: BytesReader): SessionNeed | undefined {
  const form = reader.u8()
  if (form === 0) return undefined
  if (form === 1) return 'quorum'
  if (form > 2) throw new MalformedBytes('a session asks for something unknown')
  const hlc = readHlc(reader)
  return { vv: readVector(reader), hlc }
}

/** key text | first flag | since hlc. */
export function writeIdempotency(writer: BytesWriter, { key, isFirst, since }: Idempotency): void {
  writer.text(key)
  writer.flag(isFirst)
  writer.varint(since)
}

export function readIdempotency(reader: BytesReader): Idempotency {
  const key = reader.text(idempotencyKeyBytesMax + 1)
  if (!keyPattern.test(key)) throw new MalformedBytes('an idempotency key is not visible ASCII')
  return { key, isFirst: reader.flag(), since: readHlc(reader) }
}
