import type { MembershipPacket, MemberUpdate, PacketMessage } from '../protocol/membership/packet.ts'
import type { Hash } from '../vocabulary/hash.ts'
import { invariant, unreachable } from '../vocabulary/invariant.ts'
import { datagramBytesMax } from '../vocabulary/limits.ts'
import { BytesReader } from './bytes-reader.ts'
import { BytesWriter } from './bytes-writer.ts'
import {
  nodeIdBytes,
  readClusterId,
  readEndpoint,
  readNodeId,
  writeClusterId,
  writeEndpoint,
  writeNodeId,
} from './id-codec.ts'
import { memberBytesMin, readMember, writeMember } from './member-codec.ts'
import { readChoice, writeChoice } from './part-codec.ts'
import { MalformedBytes, UnreadableBytes } from './unreadable-bytes.ts'

/** Told apart at a glance from DNS, QUIC and text, which also arrive at open ports. */
export const datagramMagic = 0xd7
export const plainDatagramVersion = 1
/** Encrypted and authenticated: lib/security/sealed-header.ts. */
export const sealedDatagramVersion = 2
const checksumBytes = 4
const updateBytesMin = memberBytesMin + nodeIdBytes
const messages: readonly PacketMessage['type'][] = ['probe', 'ack', 'indirect-probe', 'nack', 'gossip']

/**
 * Why a datagram was not read: `foreign` is no datagram of Starling's, `wrong-cluster` one of another cluster, `sealed`
 * one of nodes that have a secret. None of them is an error of ours: an open port hears everybody.
 */
export type DatagramProblem = 'foreign' | 'sealed' | 'unknown-version' | 'wrong-cluster' | 'checksum' | 'malformed'

/**
 * magic u8 | version u8 | cluster name | cluster id 8 | from 16 | start number, incarnation varint | layout digest |
 * message | updates | hash32 of all before, u32. The packet must fit: see estimateOverheadBytes and its companions.
 */
export function encodeDatagram(packet: MembershipPacket, hash: Hash): Uint8Array {
  const { header, message, updates } = packet
  const writer = new BytesWriter(datagramBytesMax)
  writer.u8(datagramMagic)
  writer.u8(plainDatagramVersion)
  writer.text(header.cluster)
  writeClusterId(writer, header.clusterId)
  writeNodeId(writer, header.from)
  writer.varint(header.startNumber)
  writer.varint(header.incarnation)
  writer.varint(header.digest.number)
  writer.u32(header.digest.documentHash)
  writeMessage(writer, message)
  writer.u8(updates.length)
  for (const update of updates) {
    writeMember(writer, update.member)
    writeNodeId(writer, update.from)
  }
  writer.u32(hash.hash32(writer.view()))
  invariant(updates.length <= 255 && writer.length <= datagramBytesMax, 'a packet fits into a datagram')
  return writer.finish()
}

/** The packet, if it was sent in the cluster named `expected.cluster`; otherwise why it cannot be read. */
export function decodeDatagram(
  bytes: Uint8Array,
  hash: Hash,
  expected: { readonly cluster: string },
): MembershipPacket | DatagramProblem {
  if (bytes[0] !== datagramMagic) return 'foreign'
  if (bytes[1] === sealedDatagramVersion) return 'sealed'
  if (bytes[1] !== plainDatagramVersion) return 'unknown-version'
  const end = bytes.length - checksumBytes
  if (bytes.length > datagramBytesMax || end < 2) return 'malformed'
  try {
    const reader = new BytesReader(bytes, 2, end)
    const cluster = reader.text()
    if (cluster !== expected.cluster) return 'wrong-cluster'
    const checksum = new BytesReader(bytes, end).u32()
    if (hash.hash32(bytes.subarray(0, end)) !== checksum) return 'checksum'
    return readPacket(reader, cluster)
  } catch (error) {
    if (error instanceof UnreadableBytes) return 'malformed'
    throw error
  }
}

function readPacket(reader: BytesReader, cluster: string): MembershipPacket {
  const header = {
    cluster,
    clusterId: readClusterId(reader),
    from: readNodeId(reader),
    startNumber: reader.varint(),
    incarnation: reader.varint(),
    digest: { number: reader.varint(), documentHash: reader.u32() },
  }
  const message = readMessage(reader)
  const count = reader.u8()
  const updates: MemberUpdate[] = []
  if (count * updateBytesMin > reader.remaining) throw new MalformedBytes('a count promises more than is there')
  for (let index = 0; index < count; index += 1) {
    updates.push({ member: readMember(reader), from: readNodeId(reader) })
  }
  reader.end()
  return { header, message, updates }
}

function writeMessage(writer: BytesWriter, message: PacketMessage): void {
  writeChoice(writer, messages, message.type)
  switch (message.type) {
    case 'gossip':
      return
    case 'nack':
      return writer.u32(message.sequence)
    case 'ack':
      writer.u32(message.sequence)
      return writer.f64(message.wallMs)
    case 'probe':
      writer.u32(message.sequence)
      return writeNodeId(writer, message.target)
    case 'indirect-probe':
      writer.u32(message.sequence)
      writeNodeId(writer, message.target)
      return writeEndpoint(writer, message.targetEndpoint)
    default:
      return unreachable(message)
  }
}

function readMessage(reader: BytesReader): PacketMessage {
  const type = readChoice(reader, messages)
  switch (type) {
    case 'gossip':
      return { type }
    case 'nack':
      return { type, sequence: reader.u32() }
    case 'ack':
      return { type, sequence: reader.u32(), wallMs: reader.f64() }
    case 'probe':
      return { type, sequence: reader.u32(), target: readNodeId(reader) }
    case 'indirect-probe':
      return { type, sequence: reader.u32(), target: readNodeId(reader), targetEndpoint: readEndpoint(reader) }
    default:
      return unreachable(type)
  }
}
