import type { StoreRow } from '../protocol/continuity/store-row.ts'
import type { Member, MemberMetadata, MemberState } from '../protocol/membership/member.ts'
import type { BytesReader } from './bytes-reader.ts'
import type { BytesWriter } from './bytes-writer.ts'
import { readHlc } from './dot-codec.ts'
import { nodeIdBytes, readEndpoint, readNodeId, writeEndpoint, writeNodeId } from './id-codec.ts'
import { readChoice, readOptional, writeChoice, writeOptional } from './part-codec.ts'
import { MalformedBytes } from './unreadable-bytes.ts'

const states: readonly MemberState[] = ['alive', 'suspect', 'dead', 'left']
const u32Max = 0xffffffff
const wordBytesMax = 255
/** id, two numbers, state, five lengths, weight, two flags, expect, generation. */
export const memberBytesMin = nodeIdBytes + 23

/** id 16 | start number, incarnation varint | state u8 | metadata. The same in datagrams and frames. */
export function writeMember(writer: BytesWriter, member: Member): void {
  writeNodeId(writer, member.id)
  writer.varint(member.startNumber)
  writer.varint(member.incarnation)
  writeChoice(writer, states, member.state)
  writeMemberMetadata(writer, member.metadata)
}

export function readMember(reader: BytesReader): Member {
  return {
    id: readNodeId(reader),
    startNumber: reader.varint(),
    incarnation: reader.varint(),
    state: readChoice(reader, states),
    metadata: readMemberMetadata(reader),
  }
}

function writeMemberMetadata(writer: BytesWriter, metadata: MemberMetadata): void {
  writer.text(metadata.name)
  writeEndpoint(writer, metadata.peer)
  writeOptional(writer, metadata.http, writeEndpoint)
  writer.text(metadata.zone)
  writer.f64(metadata.weight)
  writer.text(metadata.version)
  writer.flag(metadata.isFresh)
  writer.varint(metadata.expect)
  writer.u32(metadata.storeGeneration)
}

function readMemberMetadata(reader: BytesReader): MemberMetadata {
  return {
    name: reader.text(wordBytesMax),
    peer: readEndpoint(reader),
    http: readOptional(reader, readEndpoint),
    zone: reader.text(wordBytesMax),
    weight: readWeight(reader),
    version: reader.text(wordBytesMax),
    isFresh: reader.flag(),
    expect: reader.varint(u32Max),
    storeGeneration: reader.u32(),
  }
}

export function readWeight(reader: BytesReader): number {
  const weight = reader.f64()
  if (weight < 0) throw new MalformedBytes('a weight is below 0')
  return weight
}

/** seq varint | generation u32 | leaseUpTo, hlcUpTo varint. */
export function writeStoreRow(writer: BytesWriter, row: StoreRow): void {
  writer.varint(row.seq)
  writer.u32(row.generation)
  writer.varint(row.leaseUpTo)
  writer.varint(row.hlcUpTo)
}

export function readStoreRow(reader: BytesReader): StoreRow {
  return { seq: reader.varint(), generation: reader.u32(), leaseUpTo: reader.varint(), hlcUpTo: readHlc(reader) }
}
