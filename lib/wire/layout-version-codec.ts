import type { LayoutNode, LayoutVersion } from '../protocol/layout/layout-version.ts'
import type { BytesReader } from './bytes-reader.ts'
import type { BytesWriter } from './bytes-writer.ts'
import { nodeIdBytes, readNodeId, writeNodeId } from './id-codec.ts'
import { readWeight } from './member-codec.ts'
import { readList, writeList } from './part-codec.ts'
import { MalformedBytes } from './unreadable-bytes.ts'

const u32Max = 0xffffffff
/** Partitions are u16 in data keys. */
const partitionsMax = 65_536
/** Indexes of nodes are u16. */
const nodesMax = 65_535
const zoneBytesMax = 255
const parentBytes = 8
/** id, short id, zone's length, weight. */
const layoutNodeBytesMin = nodeIdBytes + 10
/** Up to here an index into the nodes is one byte. */
const nodesPerByteMax = 256

/** 2 has `forgotten`. What can be written as 1 is, so that older nodes read it. */
export type LayoutFormat = 1 | 2

export function layoutFormatOf(version: LayoutVersion): LayoutFormat {
  return version.forgotten.length > 0 ? 2 : 1
}

export function writeLayoutVersion(writer: BytesWriter, version: LayoutVersion, format: LayoutFormat): void {
  writer.varint(version.number)
  if (version.number > 1) {
    writer.hex(version.parent, parentBytes)
    writer.varint(version.number - version.assignedAt)
  }
  writer.varint(version.partitionCount)
  writer.varint(version.replicaCount)
  writeList(writer, version.nodes, writeLayoutNode)
  const isNarrow = version.nodes.length <= nodesPerByteMax
  for (const index of version.assignment) isNarrow ? writer.u8(index) : writer.u16(index)
  writeList(writer, version.excluded, writeNodeId)
  writeList(writer, version.awaited, writeNodeId)
  writer.varint(version.forks)
  if (format >= 2) writeList(writer, version.forgotten, writeNodeId)
}

/** @throws {MalformedBytes} when the table does not fit the nodes, or names an owner twice: such a ring has holes */
export function readLayoutVersion(reader: BytesReader, format: LayoutFormat): LayoutVersion {
  const number = reader.varint()
  if (number === 0) throw new MalformedBytes('there is no layout 0')
  const parent = number > 1 ? reader.hex(parentBytes) : ''
  const assignedAt = number > 1 ? number - reader.varint() : 1
  if (assignedAt < 1) throw new MalformedBytes('a layout was assigned before the first')
  const partitionCount = reader.varint(partitionsMax)
  const replicaCount = reader.varint(nodesMax)
  if (replicaCount === 0) throw new MalformedBytes('a layout keeps no replicas')
  // Only a power of two shares no bit with the number below it.
  if (partitionCount === 0 || (partitionCount & (partitionCount - 1)) !== 0) {
    throw new MalformedBytes('the number of partitions is not a power of two')
  }
  const nodes = readList(reader, layoutNodeBytesMin, readLayoutNode)
  checkNodes(nodes)
  return {
    number,
    assignedAt,
    parent,
    partitionCount,
    replicaCount,
    nodes,
    assignment: readAssignment(reader, partitionCount, Math.min(replicaCount, nodes.length), nodes.length),
    excluded: readList(reader, nodeIdBytes, readNodeId),
    awaited: readList(reader, nodeIdBytes, readNodeId),
    forks: reader.varint(),
    forgotten: format >= 2 ? readList(reader, nodeIdBytes, readNodeId) : [],
  }
}

function writeLayoutNode(writer: BytesWriter, node: LayoutNode): void {
  writeNodeId(writer, node.id)
  writer.varint(node.shortId)
  writer.text(node.zone)
  writer.f64(node.weight)
}

function readLayoutNode(reader: BytesReader): LayoutNode {
  return {
    id: readNodeId(reader),
    shortId: reader.varint(u32Max),
    zone: reader.text(zoneBytesMax),
    weight: readWeight(reader),
  }
}

function checkNodes(nodes: readonly LayoutNode[]): void {
  if (nodes.length === 0 || nodes.length > nodesMax) throw new MalformedBytes('a layout has no nodes, or too many')
  for (let index = 1; index < nodes.length; index += 1) {
    const [one, next] = [nodes[index - 1] as LayoutNode, nodes[index] as LayoutNode]
    if (one.id >= next.id) throw new MalformedBytes('the nodes of a layout are not sorted by id')
  }
  if (new Set(nodes.map((node) => node.shortId)).size !== nodes.length) {
    throw new MalformedBytes('two nodes of a layout share a short id')
  }
}

function readAssignment(reader: BytesReader, partitions: number, owners: number, nodes: number): Uint16Array {
  const isNarrow = nodes <= nodesPerByteMax
  const count = partitions * owners
  if (count * (isNarrow ? 1 : 2) > reader.remaining) throw new MalformedBytes('a table of owners is too short')
  const assignment = new Uint16Array(count)
  let last = 0
  for (let index = 0; index < count; index += 1) {
    const node = isNarrow ? reader.u8() : reader.u16()
    if (node >= nodes) throw new MalformedBytes('a table of owners names a node that is not there')
    if (index % owners !== 0 && node <= last) throw new MalformedBytes('the owners of a partition are not ascending')
    assignment[index] = node
    last = node
  }
  return assignment
}
