import type { BytesReader } from './bytes-reader.ts'
import type { BytesWriter } from './bytes-writer.ts'
import { readHlc } from './dot-codec.ts'
import { nodeIdBytes, readNodeId, writeNodeId } from './id-codec.ts'
import type { Comparison, HintHeld, Response } from './messages.ts'
import { readList, writeList } from './part-codec.ts'

/** What stands in `replica-explained` beside the copy itself. */
type Explained = Pick<Extract<Response, { type: 'replica-explained' }>, 'hints' | 'comparisons' | 'waitingFor'>

const stateHashBytes = 8

export function writeExplained(writer: BytesWriter, { hints, comparisons, waitingFor }: Explained): void {
  writeList(writer, hints, writeHint)
  writeList(writer, comparisons, writeComparison)
  writer.text(waitingFor)
}

/** @throws {MalformedBytes} */
export function readExplained(reader: BytesReader): Explained {
  return {
    hints: readList(reader, nodeIdBytes + stateHashBytes + 2, readHint),
    comparisons: readList(reader, nodeIdBytes + 1, readComparison),
    waitingFor: reader.text(),
  }
}

function writeHint(writer: BytesWriter, { target, stateHash, siblings, changedHlc }: HintHeld): void {
  writeNodeId(writer, target)
  writer.hex(stateHash, stateHashBytes)
  writer.varint(siblings)
  writer.varint(changedHlc)
}

function readHint(reader: BytesReader): HintHeld {
  return {
    target: readNodeId(reader),
    stateHash: reader.hex(stateHashBytes),
    siblings: reader.varint(),
    changedHlc: readHlc(reader),
  }
}

function writeComparison(writer: BytesWriter, { peer, agoMs }: Comparison): void {
  writeNodeId(writer, peer)
  writer.varint(agoMs)
}

function readComparison(reader: BytesReader): Comparison {
  return { peer: readNodeId(reader), agoMs: reader.varint() }
}
