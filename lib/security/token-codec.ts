import { bucketBytesMax, keyBytesMax } from '../vocabulary/limits.ts'
import { BytesReader } from '../wire/bytes-reader.ts'
import { BytesWriter } from '../wire/bytes-writer.ts'
import { readChoice, readList, readOptional, writeChoice, writeList, writeOptional } from '../wire/part-codec.ts'
import { MalformedBytes, UnknownFormat } from '../wire/unreadable-bytes.ts'
import type { TokenChange } from './change-tokens.ts'
import { type Role, roles, type Scope } from './principal.ts'
import { scopesMax } from './scope-text.ts'
import type { TokenEntry, TokenMap } from './token-map.ts'

const mapVersion = 1
const changeVersion = 1
const idBytes = 6
const hashBytes = 32
const nameBytesMax = 512
/** Id, number, hash, and a byte each of what may be empty. */
const entryBytesMin = idBytes + 1 + hashBytes + 7
/** A bucket, whether it is a prefix, a prefix of keys. */
const scopeBytesMin = 3
/** `Role`s by their place: new ones go to the end. */
const roleWords: readonly Role[] = roles

const changeTypes: readonly TokenChange['type'][] = ['create', 'revoke']

/** All tokens as one value: version u8 | closed | entries, sorted by id. Equal maps give equal bytes. */
export function encodeTokenMap(map: TokenMap): Uint8Array {
  const writer = new BytesWriter(16 + map.entries.size * 128)
  writer.u8(mapVersion)
  writer.varint(map.closed)
  const sorted = [...map.entries.values()].sort((one, other) => (one.id < other.id ? -1 : 1))
  writeList(writer, sorted, writeEntry)
  return writer.finish()
}

/**
 * @throws {MalformedBytes}
 * @throws {UnknownFormat} when a newer Starling wrote them
 */
export function decodeTokenMap(bytes: Uint8Array): TokenMap {
  const reader = new BytesReader(bytes)
  const version = reader.u8()
  if (version !== mapVersion) throw new UnknownFormat(`tokens of version ${version}`)
  const closed = reader.varint()
  const entries = readList(reader, entryBytesMin, readEntry)
  reader.end()
  const isSorted = entries.every(({ id }, at) => at === 0 || (entries[at - 1] as TokenEntry).id < id)
  if (!isSorted) throw new MalformedBytes('the tokens are not sorted')
  return { closed, entries: new Map(entries.map((entry) => [entry.id, entry])) }
}

export function encodeTokenEntry(entry: TokenEntry): Uint8Array {
  const writer = new BytesWriter(256)
  writer.u8(mapVersion)
  writeEntry(writer, entry)
  return writer.finish()
}

/** @throws {UnreadableBytes} */
export function decodeTokenEntry(bytes: Uint8Array): TokenEntry {
  const reader = new BytesReader(bytes)
  const version = reader.u8()
  if (version !== mapVersion) throw new UnknownFormat(`a token of version ${version}`)
  const entry = readEntry(reader)
  reader.end()
  return entry
}

/** A change as it goes to an owner of the record that holds all tokens: version u8 | what | of which. */
export function encodeTokenChange(change: TokenChange): Uint8Array {
  const writer = new BytesWriter(256)
  writer.u8(changeVersion)
  writeChoice(writer, changeTypes, change.type)
  if (change.type === 'create') writeEntry(writer, change.token)
  else {
    writer.hex(change.id, idBytes)
    writer.varint(change.atMs)
  }
  return writer.finish()
}

/** @throws {UnreadableBytes} */
export function decodeTokenChange(bytes: Uint8Array): TokenChange {
  const reader = new BytesReader(bytes)
  const version = reader.u8()
  if (version !== changeVersion) throw new UnknownFormat(`a change of tokens of version ${version}`)
  const type = readChoice(reader, changeTypes)
  const change: TokenChange =
    type === 'create' ? { type, token: readEntry(reader) } : { type, id: reader.hex(idBytes), atMs: reader.varint() }
  reader.end()
  return change
}

function writeEntry(writer: BytesWriter, entry: TokenEntry): void {
  writer.hex(entry.id, idBytes)
  writer.varint(entry.number)
  writer.raw(entry.hash)
  writer.text(entry.name)
  writeChoice(writer, roleWords, entry.role)
  writeOptional(writer, entry.scopes, (to, scopes) => writeList(to, scopes, writeScope))
  writer.varint(entry.createdAtMs)
  writer.text(entry.createdBy)
  writeOptional(writer, entry.expiresAtMs, (to, ms) => to.varint(ms))
  writeOptional(writer, entry.revokedAtMs, (to, ms) => to.varint(ms))
}

function readEntry(reader: BytesReader): TokenEntry {
  const entry: TokenEntry = {
    id: reader.hex(idBytes),
    number: reader.varint(),
    hash: reader.raw(hashBytes).slice(),
    name: reader.text(nameBytesMax),
    role: readChoice(reader, roleWords),
    scopes: readOptional(reader, (from) => readList(from, scopeBytesMin, readScope, scopesMax)),
    createdAtMs: reader.varint(),
    createdBy: reader.text(nameBytesMax),
    expiresAtMs: readOptional(reader, (from) => from.varint()),
    revokedAtMs: readOptional(reader, (from) => from.varint()),
  }
  // None was closed before there was one.
  if (entry.number === 0) throw new MalformedBytes('the number of a token is 0')
  return entry
}

function writeScope(writer: BytesWriter, scope: Scope): void {
  writer.text(scope.bucket)
  writer.flag(scope.isBucketPrefix)
  writer.text(scope.keyPrefix)
}

function readScope(reader: BytesReader): Scope {
  return { bucket: reader.text(bucketBytesMax), isBucketPrefix: reader.flag(), keyPrefix: reader.text(keyBytesMax) }
}
