import type {
  AcceptedVersion,
  AcceptorState,
  AcceptReply,
  PrepareReply,
  VoteRefused,
} from '../protocol/layout/acceptor.ts'
import type { Ballot } from '../protocol/layout/ballot.ts'
import type { LayoutVersion } from '../protocol/layout/layout-version.ts'
import { BytesReader } from './bytes-reader.ts'
import { BytesWriter } from './bytes-writer.ts'
import { readNodeId, writeNodeId } from './id-codec.ts'
import { layoutFormatOf, readLayoutVersion, writeLayoutVersion } from './layout-version-codec.ts'
import { readChoice, readOptional, writeChoice, writeOptional } from './part-codec.ts'
import { MalformedBytes, UnknownFormat } from './unreadable-bytes.ts'

const replies = ['promised', 'accepted', 'outbid', 'asker-behind', 'acceptor-behind', 'no-vote'] as const
const acceptorFormat = 1

export function writeBallot(writer: BytesWriter, ballot: Ballot): void {
  writer.varint(ballot.round)
  writeNodeId(writer, ballot.node)
}

export function readBallot(reader: BytesReader): Ballot {
  return { round: reader.varint(), node: readNodeId(reader) }
}

/** A version that is not decided: its format, then the version. */
export function encodeCandidate(version: LayoutVersion): Uint8Array {
  const writer = new BytesWriter(4096)
  const format = layoutFormatOf(version)
  writer.u8(format)
  writeLayoutVersion(writer, version, format)
  return writer.finish()
}

/** @throws {MalformedBytes} */
export function decodeCandidate(bytes: Uint8Array): LayoutVersion {
  const reader = new BytesReader(bytes)
  const format = reader.u8()
  if (format !== 1 && format !== 2) throw new UnknownFormat(`a layout version of format ${format}`)
  const version = readLayoutVersion(reader, format)
  reader.end()
  return version
}

/** What is accepted goes into the body: see `acceptedCandidate`. */
export function writePrepareReply(writer: BytesWriter, reply: PrepareReply): void {
  if (reply.type !== 'promised') return writeRefused(writer, reply)
  writeChoice(writer, replies, reply.type)
  writeOptional(writer, reply.accepted?.ballot, writeBallot)
}

export function acceptedCandidate(reply: PrepareReply): Uint8Array | undefined {
  return reply.type === 'promised' && reply.accepted !== undefined
    ? encodeCandidate(reply.accepted.candidate)
    : undefined
}

/** @throws {MalformedBytes} */
export function readPrepareReply(reader: BytesReader, body: Uint8Array): PrepareReply {
  const type = readChoice(reader, replies)
  if (type !== 'promised') {
    if (body.length > 0) throw new MalformedBytes('a refused vote has a version')
    return readRefused(type, reader)
  }
  const ballot = readOptional(reader, readBallot)
  if ((ballot === undefined) !== (body.length === 0))
    throw new MalformedBytes('a ballot has no version, or the other way')
  return { type, accepted: ballot === undefined ? undefined : { ballot, candidate: decodeCandidate(body) } }
}

export function writeAcceptReply(writer: BytesWriter, reply: AcceptReply): void {
  if (reply.type === 'accepted') writeChoice(writer, replies, reply.type)
  else writeRefused(writer, reply)
}

/** @throws {MalformedBytes} */
export function readAcceptReply(reader: BytesReader): AcceptReply {
  const type = readChoice(reader, replies)
  return type === 'accepted' ? { type } : readRefused(type, reader)
}

function writeRefused(writer: BytesWriter, reply: VoteRefused): void {
  writeChoice(writer, replies, reply.type)
  if (reply.type === 'outbid') writeBallot(writer, reply.promised)
}

function readRefused(type: (typeof replies)[number], reader: BytesReader): VoteRefused {
  if (type === 'outbid') return { type, promised: readBallot(reader) }
  if (type === 'promised' || type === 'accepted') throw new MalformedBytes('a vote answers another question')
  return { type }
}

/** What an acceptor must never forget, and what it knows of having forgotten (docs/rules.md L3). */
export interface StoredVotes {
  readonly state: AcceptorState
  /** Its store has forgotten votes: it votes on higher numbers only. */
  readonly votesAbove: number
  /** What the others know has still to be learnt: until then it does not vote at all. */
  readonly isLearning: boolean
  /** How many pasts had been overruled when it voted last (docs/rules.md L5). */
  readonly forks: number
  /** It was learnt after the store lost something, and what was lost is not recovered yet. */
  readonly hasLearnt: boolean
}

/** As it is stored: format u8 | number | promised | accepted, with its version | votesAbove | two flags | forks. */
export function encodeVotes({ state, votesAbove, isLearning, hasLearnt, forks }: StoredVotes): Uint8Array {
  const writer = new BytesWriter(4096)
  writer.u8(acceptorFormat)
  writer.varint(state.number)
  writeOptional(writer, state.promised, writeBallot)
  writeOptional(writer, state.accepted, (to, { ballot, candidate }) => {
    writeBallot(to, ballot)
    to.bytes(encodeCandidate(candidate))
  })
  writer.varint(votesAbove)
  writer.flag(isLearning)
  writer.flag(hasLearnt)
  writer.varint(forks)
  return writer.finish()
}

/**
 * @throws {MalformedBytes}
 * @throws {UnknownFormat} when a newer Starling wrote it
 */
export function decodeVotes(bytes: Uint8Array): StoredVotes {
  const reader = new BytesReader(bytes)
  const format = reader.u8()
  if (format !== acceptorFormat) throw new UnknownFormat(`votes of format ${format}`)
  const votes = {
    state: {
      number: reader.varint(),
      promised: readOptional(reader, readBallot),
      accepted: readOptional(reader, readAccepted),
    },
    votesAbove: reader.varint(),
    isLearning: reader.flag(),
    hasLearnt: reader.flag(),
    forks: reader.varint(),
  }
  reader.end()
  return votes
}

function readAccepted(reader: BytesReader): AcceptedVersion {
  return { ballot: readBallot(reader), candidate: decodeCandidate(reader.bytes()) }
}
