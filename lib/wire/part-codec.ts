import type { Hash } from '../vocabulary/hash.ts'
import { invariant } from '../vocabulary/invariant.ts'
import { parseRecordKey, type RecordKey } from '../vocabulary/key.ts'
import { bucketBytesMax, keyBytesMax } from '../vocabulary/limits.ts'
import { BytesReader } from './bytes-reader.ts'
import { BytesWriter } from './bytes-writer.ts'
import { MalformedBytes } from './unreadable-bytes.ts'

/** One word of a list, as its place there: new words go to the end. */
export function writeChoice<Word extends string>(writer: BytesWriter, words: readonly Word[], word: Word): void {
  const place = words.indexOf(word)
  invariant(place !== -1, 'the list has every word')
  writer.u8(place)
}

export function readChoice<Word extends string>(reader: BytesReader, words: readonly Word[]): Word {
  const word = words[reader.u8()]
  if (word === undefined) throw new MalformedBytes('a word is unknown')
  return word
}

/** A flag, then the part if there is one. */
export function writeOptional<Part>(
  writer: BytesWriter,
  part: Part | undefined,
  write: (writer: BytesWriter, part: Part) => void,
): void {
  writer.flag(part !== undefined)
  if (part !== undefined) write(writer, part)
}

export function readOptional<Part>(reader: BytesReader, read: (reader: BytesReader) => Part): Part | undefined {
  return reader.flag() ? read(reader) : undefined
}

/** How many, then each. */
export function writeList<Part>(
  writer: BytesWriter,
  parts: readonly Part[],
  write: (writer: BytesWriter, part: Part) => void,
): void {
  writer.varint(parts.length)
  for (const part of parts) write(writer, part)
}

/**
 * @param bytesEach the fewest bytes a part has: a count beyond what they allow is refused before anything is read
 * @param countMax beyond it as well
 */
export function readList<Part>(
  reader: BytesReader,
  bytesEach: number,
  read: (reader: BytesReader) => Part,
  countMax = Number.MAX_SAFE_INTEGER,
): Part[] {
  const count = reader.count(bytesEach)
  if (count > countMax) throw new MalformedBytes('a list is longer than it may be')
  const parts: Part[] = []
  for (let index = 0; index < count; index += 1) parts.push(read(reader))
  return parts
}

/** Bucket and key with their length. */
export const recordKeyBytesMax = 1 + bucketBytesMax + keyBytesMax

/** @throws {MalformedBytes} */
export function readRecordKey(reader: BytesReader, hash: Hash): RecordKey {
  const key = parseRecordKey(reader.bytes(recordKeyBytesMax), hash)
  if (key === undefined) throw new MalformedBytes('a record key is not one')
  return key
}

/** A list that is a body of its own. */
export function listBytes<Part>(parts: readonly Part[], write: (writer: BytesWriter, part: Part) => void): Uint8Array {
  const writer = new BytesWriter(1024)
  writeList(writer, parts, write)
  return writer.finish()
}

export function readListBytes<Part>(body: Uint8Array, bytesEach: number, read: (reader: BytesReader) => Part): Part[] {
  const reader = new BytesReader(body)
  const parts = readList(reader, bytesEach, read)
  reader.end()
  return parts
}

export function writeText(writer: BytesWriter, text: string): void {
  writer.text(text)
}

export function readText(reader: BytesReader): string {
  return reader.text()
}
