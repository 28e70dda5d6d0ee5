import type { Actor, Dot, VersionVector } from '../protocol/causality/dot.ts'
import type { Hlc } from '../protocol/clock/hlc.ts'
import { invariant } from '../vocabulary/invariant.ts'
import type { BytesReader } from './bytes-reader.ts'
import type { BytesWriter } from './bytes-writer.ts'
import { MalformedBytes } from './unreadable-bytes.ts'

const u32Max = 0xffffffff
/** shortId, generation, born, counter: 1 + 4 + 1 + 1. */
export const dotBytesMin = 7

/** shortId varint | generation u32 | born varint | counter - born varint. */
export function writeDot(writer: BytesWriter, dot: Dot): void {
  invariant(dot.counter >= dot.born, 'a dot is not older than its actor')
  writer.varint(dot.shortId)
  writer.u32(dot.generation)
  writer.varint(dot.born)
  writer.varint(dot.counter - dot.born)
}

export function readDot(reader: BytesReader): Dot {
  const shortId = reader.varint(u32Max)
  const generation = reader.u32()
  const born = reader.varint()
  const counter = born + reader.varint(Number.MAX_SAFE_INTEGER - born)
  return { shortId, generation, born, counter }
}

/** How many, then each. */
export function writeVector(writer: BytesWriter, vector: VersionVector): void {
  writer.varint(vector.length)
  for (const dot of vector) writeDot(writer, dot)
}

/** A vector is sorted by actor and names each once; what is not is refused. */
export function readVector(reader: BytesReader): VersionVector {
  const count = reader.count(dotBytesMin)
  const vector: Dot[] = []
  let last: Dot | undefined
  for (let index = 0; index < count; index += 1) {
    const dot = readDot(reader)
    if (last !== undefined && compareActors(last, dot) >= 0) throw new MalformedBytes('a vector is not sorted by actor')
    vector.push(dot)
    last = dot
  }
  return vector
}

/** Where the actor of `dot` stands in `vector`, or -1. */
export function actorIndex(vector: VersionVector, dot: Actor): number {
  for (let index = 0; index < vector.length; index += 1) {
    const entry = vector[index] as Dot
    if (entry.generation === dot.generation && entry.shortId === dot.shortId && entry.born === dot.born) return index
  }
  return -1
}

export function readHlc(reader: BytesReader): Hlc {
  return reader.varint() as Hlc
}

/** The order of vectors: by short id, generation, born. */
function compareActors(left: Actor, right: Actor): number {
  return left.shortId - right.shortId || left.generation - right.generation || left.born - right.born
}

/** The order of siblings and of finished writes: by actor, then counter. */
export function compareDots(left: Dot, right: Dot): number {
  return compareActors(left, right) || left.counter - right.counter
}
