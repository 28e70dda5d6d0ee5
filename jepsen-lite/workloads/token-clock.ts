import { BytesReader } from '../../lib/wire/bytes-reader.ts'
import { readHlc } from '../../lib/wire/dot-codec.ts'

/** A token begins with its version and the clock of the latest thing it has seen; only a harness looks into one. */
export function clockIn(token: string): number {
  const reader = new BytesReader(Buffer.from(token, 'base64url'))
  reader.u8()
  return readHlc(reader)
}
