import type { QuorumReceipt, ReceiptDetails, ReceiptNode } from '../vocabulary/quorum-receipt.ts'
import type { BytesReader } from './bytes-reader.ts'
import type { BytesWriter } from './bytes-writer.ts'
import { nodeIdBytes, readNodeId, writeNodeId } from './id-codec.ts'
import { readChoice, readList, readOptional, writeChoice, writeList, writeOptional } from './part-codec.ts'

const kinds: readonly QuorumReceipt['kind'][] = ['r', 'w']
const roles: readonly ReceiptNode['role'][] = ['owner', 'fallback']
const durabilities: readonly NonNullable<ReceiptDetails['durability']>[] = ['os', 'disk']
const ownersMax = 65_535

export function writeReceipt(writer: BytesWriter, receipt: QuorumReceipt): void {
  writeChoice(writer, kinds, receipt.kind)
  writer.varint(receipt.answered)
  writer.varint(receipt.needed)
  writer.varint(receipt.owners)
  writer.varint(receipt.fallbacks)
  writeNodeId(writer, receipt.coordinator)
  writeOptional(writer, receipt.details, writeDetails)
}

/** @throws {MalformedBytes} */
export function readReceipt(reader: BytesReader): QuorumReceipt {
  const receipt = {
    kind: readChoice(reader, kinds),
    answered: reader.varint(ownersMax),
    needed: reader.varint(ownersMax),
    owners: reader.varint(ownersMax),
    fallbacks: reader.varint(ownersMax),
    coordinator: readNodeId(reader),
  }
  const details = readOptional(reader, readDetails)
  return details === undefined ? receipt : { ...receipt, details }
}

function writeDetails(writer: BytesWriter, { nodes, durability, repairs }: ReceiptDetails): void {
  writeList(writer, nodes, writeReceiptNode)
  writeOptional(writer, durability, (to, level) => writeChoice(to, durabilities, level))
  writer.varint(repairs)
}

function readDetails(reader: BytesReader): ReceiptDetails {
  return {
    nodes: readList(reader, 2 * nodeIdBytes + 1, readReceiptNode),
    durability: readOptional(reader, (from) => readChoice(from, durabilities)),
    repairs: reader.varint(ownersMax),
  }
}

function writeReceiptNode(writer: BytesWriter, { node, role, forNode }: ReceiptNode): void {
  writeNodeId(writer, node)
  writeChoice(writer, roles, role)
  writeNodeId(writer, forNode)
}

function readReceiptNode(reader: BytesReader): ReceiptNode {
  return { node: readNodeId(reader), role: readChoice(reader, roles), forNode: readNodeId(reader) }
}
