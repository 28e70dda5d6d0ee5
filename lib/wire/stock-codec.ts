import type { BytesReader } from './bytes-reader.ts'
import type { BytesWriter } from './bytes-writer.ts'
import { nodeIdBytes, readNodeId, writeNodeId } from './id-codec.ts'
import type { HeldFor, Response } from './messages.ts'
import { readList, writeList } from './part-codec.ts'

type Stock = Extract<Response, { type: 'stock' }>

export function writeStock(writer: BytesWriter, { node, recovering, hints }: Stock): void {
  writeNodeId(writer, node)
  writeList(writer, recovering, (to, partition) => to.u16(partition))
  writeList(writer, hints, writeHeldFor)
}

/** @throws {MalformedBytes} */
export function readStock(reader: BytesReader): Stock {
  return {
    type: 'stock',
    node: readNodeId(reader),
    recovering: readList(reader, 2, (from) => from.u16()),
    hints: readList(reader, nodeIdBytes + 2, readHeldFor),
  }
}

function writeHeldFor(writer: BytesWriter, { target, count, bytes }: HeldFor): void {
  writeNodeId(writer, target)
  writer.varint(count)
  writer.varint(bytes)
}

function readHeldFor(reader: BytesReader): HeldFor {
  return { target: readNodeId(reader), count: reader.varint(), bytes: reader.varint() }
}
