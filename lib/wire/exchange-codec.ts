import type {
  CompareAnswer,
  ExchangeQuestion,
  LeafCell,
  LeafEntry,
  WantedToken,
} from '../protocol/anti-entropy/exchange-messages.ts'
import type { Hash } from '../vocabulary/hash.ts'
import { unreachable } from '../vocabulary/invariant.ts'
import { BytesReader } from './bytes-reader.ts'
import { BytesWriter } from './bytes-writer.ts'
import { readHlc } from './dot-codec.ts'
import { readEntriesOf, writeEntriesTo } from './merge-codec.ts'
import type { ExchangeAnswer } from './messages.ts'
import { readChoice, readList, writeChoice, writeList } from './part-codec.ts'
import { MalformedBytes } from './unreadable-bytes.ts'

const questions: readonly ExchangeQuestion['type'][] = [
  'compare-roots',
  'compare-branches',
  'compare-leaves',
  'pull-records',
  'mark-dirty',
]
const answers: readonly ExchangeAnswer['type'][] = [
  'roots-compared',
  'branches-compared',
  'leaves-compared',
  'records-pulled',
  'ranges-marked',
]
/** Of one tree: its branches, and the leaves of each. */
const cellsOfBranch = 64
const cellCount = 64
const leavesMax = 4096

/** As a frame's body. */
export function writeQuestion(question: ExchangeQuestion): Uint8Array {
  const writer = new BytesWriter(1024)
  writeChoice(writer, questions, question.type)
  switch (question.type) {
    case 'compare-roots':
      writer.flag(question.isOnly)
      writePartitions(writer, question.partitions)
      writeList(writer, question.groups, writeHash)
      break
    case 'compare-branches':
      writeList(writer, question.partitions, (to, { partition, branches }) => {
        to.u16(partition)
        writeCells(to, branches)
      })
      break
    case 'compare-leaves':
      writeList(writer, question.leaves, writeLeafCell)
      break
    case 'pull-records':
      writeList(writer, question.wanted, writeWanted)
      break
    case 'mark-dirty':
      writePartitions(writer, question.partitions)
      break
    default:
      unreachable(question)
  }
  return writer.finish()
}

/** @throws {MalformedBytes} */
export function readQuestion(body: Uint8Array): ExchangeQuestion {
  const reader = new BytesReader(body)
  const question = readQuestionOf(readChoice(reader, questions), reader)
  reader.end()
  return question
}

function readQuestionOf(type: ExchangeQuestion['type'], reader: BytesReader): ExchangeQuestion {
  switch (type) {
    case 'compare-roots':
      return {
        type,
        isOnly: reader.flag(),
        partitions: readPartitions(reader),
        groups: readList(reader, hashBytes, readHash),
      }
    case 'compare-branches': {
      const partitions = readList(reader, 2 + bitmapBytes, (from) => ({
        partition: from.u16(),
        branches: readCells(from),
      }))
      return { type, partitions }
    }
    case 'compare-leaves':
      return { type, leaves: readList(reader, 3 + hashBytes, readLeafCell) }
    case 'pull-records':
      return { type, wanted: readList(reader, 2 * hashBytes, readWanted) }
    case 'mark-dirty':
      return { type, partitions: readPartitions(reader) }
    default:
      return unreachable(type)
  }
}

/** What a question takes on the wire, its frame and header included. */
export function questionBytes(question: ExchangeQuestion): number {
  return frameOverheadBytes + writeQuestion(question).length
}

export function answerBytes(answer: ExchangeAnswer): number {
  return frameOverheadBytes + writeAnswer(answer).length
}

/** As a frame's body. */
export function writeAnswer(answer: ExchangeAnswer): Uint8Array {
  const writer = new BytesWriter(1024)
  writeChoice(writer, answers, answer.type)
  switch (answer.type) {
    case 'roots-compared':
      writePartitions(writer, answer.busy)
      writeList(writer, answer.groups, (to, { group, roots }) => {
        to.u8(group)
        writeList(to, roots, writeHash)
      })
      break
    case 'branches-compared':
      writePartitions(writer, answer.busy)
      writeList(writer, answer.branches, writeBranch)
      break
    case 'leaves-compared':
      writePartitions(writer, answer.busy)
      writer.varint(answer.answered)
      writeList(writer, answer.leaves, (to, { index, entries }) => {
        to.varint(index)
        writeList(to, entries, writeLeafEntry)
      })
      break
    case 'records-pulled':
      writer.varint(answer.answered)
      writer.varint(answer.asOf)
      writeEntriesTo(writer, answer.entries)
      break
    case 'ranges-marked':
      break
    default:
      unreachable(answer)
  }
  return writer.finish()
}

/** @throws {MalformedBytes} */
export function readAnswer(body: Uint8Array, hash: Hash): ExchangeAnswer {
  const reader = new BytesReader(body)
  const answer = readAnswerOf(readChoice(reader, answers), reader, hash)
  reader.end()
  return answer
}

function readAnswerOf(type: ExchangeAnswer['type'], reader: BytesReader, hash: Hash): ExchangeAnswer {
  switch (type) {
    case 'roots-compared': {
      const busy = readPartitions(reader)
      const groups = readList(reader, 2, (from) => ({ group: from.u8(), roots: readList(from, hashBytes, readHash) }))
      return { type, busy, groups }
    }
    case 'branches-compared':
      return { type, busy: readPartitions(reader), branches: readList(reader, 3 + bitmapBytes, readBranch) }
    case 'leaves-compared': {
      const busy = readPartitions(reader)
      const answered = reader.varint()
      const leaves = readList(reader, 2, (from) => ({
        index: from.varint(),
        entries: readList(from, 2 * hashBytes + 1, readLeafEntry),
      }))
      return { type, busy, answered, leaves }
    }
    case 'records-pulled':
      return { type, answered: reader.varint(), asOf: readHlc(reader), entries: readEntriesOf(reader, hash) }
    case 'ranges-marked':
      return { type }
    default:
      return unreachable(type)
  }
}

type Branch = Extract<CompareAnswer, { readonly type: 'branches-compared' }>['branches'][number]

function writeBranch(writer: BytesWriter, { partition, branch, leaves }: Branch): void {
  const cells: bigint[] = new Array(cellCount).fill(0n)
  for (const [leaf, hash] of leaves) cells[leaf - branch * cellsOfBranch] = hash
  writer.u16(partition)
  writer.u8(branch)
  writeCells(writer, cells)
}

function readBranch(reader: BytesReader): Branch {
  const partition = reader.u16()
  const branch = reader.u8()
  if (branch >= cellsOfBranch) throw new MalformedBytes('a tree has no such branch')
  const leaves: [number, bigint][] = []
  for (const [index, hash] of readCells(reader).entries()) {
    if (hash !== 0n) leaves.push([branch * cellsOfBranch + index, hash])
  }
  return { partition, branch, leaves }
}

/** Which of the 64 are not 0, in 64 bits, then those: most leaves of a tree are empty. */
function writeCells(writer: BytesWriter, cells: readonly bigint[]): void {
  let low = 0
  let high = 0
  for (let index = 0; index < cellCount; index += 1) {
    if ((cells[index] ?? 0n) === 0n) continue
    if (index < 32) low |= 1 << index
    else high |= 1 << (index - 32)
  }
  writer.u32(low >>> 0)
  writer.u32(high >>> 0)
  for (const cell of cells) if (cell !== 0n) writer.u64(cell)
}

function readCells(reader: BytesReader): readonly bigint[] {
  const low = reader.u32()
  const high = reader.u32()
  const cells: bigint[] = []
  for (let index = 0; index < cellCount; index += 1) {
    const isThere = ((index < 32 ? low >>> index : high >>> (index - 32)) & 1) === 1
    const cell = isThere ? reader.u64() : 0n
    if (isThere && cell === 0n) throw new MalformedBytes('an empty cell is not sent')
    cells.push(cell)
  }
  return cells
}

function writeLeafCell(writer: BytesWriter, { partition, leaf, hash }: LeafCell): void {
  writer.u16(partition)
  writer.varint(leaf)
  writer.u64(hash)
}

function readLeafCell(reader: BytesReader): LeafCell {
  return { partition: reader.u16(), leaf: reader.varint(leavesMax - 1), hash: reader.u64() }
}

function writeLeafEntry(writer: BytesWriter, { token, stateHash, newest }: LeafEntry): void {
  writer.u64(token)
  writer.u64(stateHash)
  writer.varint(newest)
}

function readLeafEntry(reader: BytesReader): LeafEntry {
  return { token: reader.u64(), stateHash: reader.u64(), newest: readHlc(reader) }
}

function writeWanted(writer: BytesWriter, { token, stateHash }: WantedToken): void {
  writer.u64(token)
  writer.u64(stateHash)
}

function readWanted(reader: BytesReader): WantedToken {
  return { token: reader.u64(), stateHash: reader.u64() }
}

function writePartitions(writer: BytesWriter, partitions: readonly number[]): void {
  writeList(writer, partitions, (to, partition) => to.u16(partition))
}

function readPartitions(reader: BytesReader): readonly number[] {
  return readList(reader, 2, (from) => from.u16())
}

function writeHash(writer: BytesWriter, hash: bigint): void {
  writer.u64(hash)
}

function readHash(reader: BytesReader): bigint {
  return reader.u64()
}

const hashBytes = 8
/** Lengths and checksum 12, type, id, digest, and of a question who asks and under which layout: rounded up. */
const frameOverheadBytes = 64
const bitmapBytes = 8
