import type { BytesReader } from './bytes-reader.ts'
import type { BytesWriter } from './bytes-writer.ts'
import { readHlc } from './dot-codec.ts'
import type { HandedBarrier, Request, Response } from './messages.ts'
import { readList, writeList } from './part-codec.ts'

type HandOver = Request & { readonly type: 'hand-over' }
type HandedOver = Response & { readonly type: 'handed-over' }

/** A partition and two clocks. */
const barrierBytesMin = 4

export function writeHandOver(writer: BytesWriter, request: HandOver): void {
  writer.flag(request.isLast)
  writer.varint(request.layoutNumber)
  writeList(writer, request.barriers, (each, { partition, gcBarrier, gcDeleted }) => {
    each.u16(partition)
    each.varint(gcBarrier)
    each.varint(gcDeleted)
  })
}

/** @throws {MalformedBytes} */
export function readHandOver(reader: BytesReader): HandOver {
  return {
    type: 'hand-over',
    isLast: reader.flag(),
    layoutNumber: reader.varint(),
    barriers: readList(
      reader,
      barrierBytesMin,
      (each): HandedBarrier => ({ partition: each.u16(), gcBarrier: readHlc(each), gcDeleted: readHlc(each) }),
    ),
  }
}

export function writeHandedOver(writer: BytesWriter, response: HandedOver): void {
  writeList(writer, response.partitions, (each, partition) => each.u16(partition))
}

/** @throws {MalformedBytes} */
export function readHandedOver(reader: BytesReader): HandedOver {
  return { type: 'handed-over', partitions: readList(reader, 2, (each) => each.u16()) }
}
