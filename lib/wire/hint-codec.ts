import type { Hash } from '../vocabulary/hash.ts'
import type { BytesReader } from './bytes-reader.ts'
import type { BytesWriter } from './bytes-writer.ts'
import { readDurability, readTimeout, writeDurability, writeTimeout } from './client-codec.ts'
import { readHlc } from './dot-codec.ts'
import { readNodeId, writeNodeId } from './id-codec.ts'
import type { Request } from './messages.ts'
import { readRecordKey } from './part-codec.ts'

type StoreHint = Request & { readonly type: 'store-hint' }
type ReadHint = Request & { readonly type: 'read-hint' }

/** All of it but the record, which is the body. */
export function writeStoreHint(writer: BytesWriter, request: StoreHint): void {
  writeNodeId(writer, request.target)
  writer.bytes(request.key.bytes)
  writeDurability(writer, request.durability)
  writer.varint(request.layoutNumber)
  writer.varint(request.asOf)
  writeTimeout(writer, request.timeoutMs)
}

/** @throws {MalformedBytes} */
export function readStoreHint(reader: BytesReader, body: Uint8Array, hash: Hash): StoreHint {
  return {
    type: 'store-hint',
    target: readNodeId(reader),
    key: readRecordKey(reader, hash),
    record: body,
    durability: readDurability(reader),
    layoutNumber: reader.varint(),
    asOf: readHlc(reader),
    timeoutMs: readTimeout(reader),
  }
}

export function writeReadHint(writer: BytesWriter, request: ReadHint): void {
  writer.bytes(request.key.bytes)
  writer.varint(request.layoutNumber)
  writeTimeout(writer, request.timeoutMs)
}

/** @throws {MalformedBytes} */
export function readReadHint(reader: BytesReader, hash: Hash): ReadHint {
  return {
    type: 'read-hint',
    key: readRecordKey(reader, hash),
    layoutNumber: reader.varint(),
    timeoutMs: readTimeout(reader),
  }
}
