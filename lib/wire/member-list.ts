import type { Member } from '../protocol/membership/member.ts'
import { BytesReader } from './bytes-reader.ts'
import { BytesWriter } from './bytes-writer.ts'
import { memberBytesMin, readMember, writeMember } from './member-codec.ts'
import { readList, writeList } from './part-codec.ts'
import { UnknownFormat } from './unreadable-bytes.ts'

const listVersion = 1

/** The members a node knows, as it keeps them on its disk: version u8 | count | members. */
export function encodeMemberList(members: readonly Member[]): Uint8Array {
  const writer = new BytesWriter(16 + members.length * 96)
  writer.u8(listVersion)
  writeList(writer, members, writeMember)
  return writer.finish()
}

/**
 * @throws {MalformedBytes} when they are not a list of members
 * @throws {UnknownFormat} when a newer Starling wrote them
 */
export function decodeMemberList(bytes: Uint8Array): readonly Member[] {
  const reader = new BytesReader(bytes)
  const version = reader.u8()
  if (version !== listVersion) throw new UnknownFormat(`a member list of version ${version}`)
  const members = readList(reader, memberBytesMin, readMember)
  reader.end()
  return members
}
