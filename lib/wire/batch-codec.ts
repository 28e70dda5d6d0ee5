import type { ClientAnswer, ClientRequest } from '../protocol/quorum/client-request.ts'
import { batchOperationsMax } from '../vocabulary/limits.ts'
import { BytesReader } from './bytes-reader.ts'
import { BytesWriter } from './bytes-writer.ts'
import {
  answeredSiblings,
  readClientAnswer,
  readClientRequest,
  writeClientAnswer,
  writeClientRequest,
} from './client-codec.ts'
import type { Refusal, Request } from './messages.ts'
import { readList, writeList } from './part-codec.ts'
import { readRefusal, writeRefusal } from './refusal-codec.ts'

type CoordinateMany = Request & { readonly type: 'coordinate-many' }
type Ending = ClientAnswer | Refusal

/** Type, bucket and key with their lengths, timeout, session, receipt, and what any request has behind that. */
const requestBytesMin = 10
const endingBytesMin = 5
const noValue = new Uint8Array(0)
/** Of a batch of small requests; larger ones grow it. */
const roomBytes = 4096

/** All of it but the requests, which are the body. */
export function writeCoordinateMany(writer: BytesWriter, request: CoordinateMany): void {
  writer.u8(request.hops)
  writer.varint(request.answerBytesMax)
}

/** @throws {MalformedBytes} */
export function readCoordinateMany(reader: BytesReader, body: Uint8Array): CoordinateMany {
  return {
    type: 'coordinate-many',
    hops: reader.u8(),
    answerBytesMax: reader.varint(),
    requests: readRequests(body),
  }
}

/** How many, then for each: the value of a put behind its length, else nothing behind a 0; and all the rest of the request. */
export function writeRequests(requests: readonly ClientRequest[]): Uint8Array {
  const writer = new BytesWriter(roomBytes)
  writeList(writer, requests, (to, request) => {
    to.bytes(request.type === 'put' ? request.value : noValue)
    writeClientRequest(to, request)
  })
  return writer.finish()
}

function readRequests(body: Uint8Array): readonly ClientRequest[] {
  const reader = new BytesReader(body)
  const read = (from: BytesReader): ClientRequest => {
    const value = from.bytes()
    return readClientRequest(from, value)
  }
  const requests = readList(reader, requestBytesMin, read, batchOperationsMax)
  reader.end()
  return requests
}

/** How many, then for each whether it was answered; the values of an answer behind their length, and all the rest of it. */
export function writeEndings(endings: readonly Ending[]): Uint8Array {
  const writer = new BytesWriter(roomBytes)
  writeList(writer, endings, (to, ending) => {
    to.flag(ending.type !== 'refused')
    if (ending.type === 'refused') return writeRefusal(to, ending)
    const siblings = answeredSiblings(ending)
    let bytes = 0
    for (const { value } of siblings) bytes += value.length
    to.varint(bytes)
    for (const { value } of siblings) to.raw(value)
    writeClientAnswer(to, ending)
  })
  return writer.finish()
}

/** @throws {MalformedBytes} */
export function readEndings(body: Uint8Array): readonly Ending[] {
  const reader = new BytesReader(body)
  const read = (from: BytesReader): Ending => {
    if (!from.flag()) return readRefusal(from)
    const values = from.bytes()
    return readClientAnswer(from, values)
  }
  const endings = readList(reader, endingBytesMin, read, batchOperationsMax)
  reader.end()
  return endings
}
