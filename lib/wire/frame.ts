import type { Hash } from '../vocabulary/hash.ts'
import { unreachable } from '../vocabulary/invariant.ts'
import { frameBytesMax } from '../vocabulary/limits.ts'
import { BytesReader } from './bytes-reader.ts'
import type { BytesWriter } from './bytes-writer.ts'
import { readGoodbye, readHello, readWelcome, writeGoodbye, writeHello, writeWelcome } from './handshake-codec.ts'
import type { Frame } from './messages.ts'
import { readRequest, requestBody, requestType, requestTypes, writeRequest } from './request-codec.ts'
import { readResponse, responseBody, responseType, responseTypes, writeResponse } from './response-codec.ts'
import { readTrace, writeTrace } from './trace-codec.ts'
import { DamagedBytes, FrameTooLarge, MalformedBytes } from './unreadable-bytes.ts'

/** Bytes that follow, bytes of header, checksum: u32 each. */
export const framingBytes = 12
export const headerBytesMax = 4 * 1024 * 1024
const noBytes = new Uint8Array(0)

const types = { hello: 1, welcome: 2, goodbye: 3, ping: 4, pong: 5 } as const

/**
 * length of the rest u32 | header length u32 | hash32(body, hash32(header)) u32 | header | body.
 *
 * The header is the message's type u8 and its fields in order; the body, records and values, is opaque here.
 * docs/decisions/0007-frame-format.md
 *
 * @param copiedBytesMax a longer body is left for the caller to send behind what was written
 * @returns that body; undefined when all of the frame is in `writer`
 * @throws {FrameTooLarge} beyond frameBytesMax or headerBytesMax
 */
export function writeFrame(
  writer: BytesWriter,
  frame: Frame,
  copiedBytesMax: number,
  hash: Hash,
): Uint8Array | undefined {
  const start = writer.length
  writer.leaveRoom(framingBytes)
  writeHeader(writer, frame)
  const headerBytes = writer.length - start - framingBytes
  const body = bodyOf(frame) ?? noBytes
  const frameBytes = framingBytes + headerBytes + body.length
  if (headerBytes > headerBytesMax || frameBytes > frameBytesMax) throw new FrameTooLarge(frameBytes)
  writer.u32At(start, frameBytes - 4)
  writer.u32At(start + 4, headerBytes)
  writer.u32At(start + 8, checksumOf(writer.view(start + framingBytes), body, hash))
  if (body.length > copiedBytesMax) return body
  if (body.length > 0) writer.raw(body)
  return undefined
}

/**
 * Reads one whole frame from `bytes`, `from` its first byte to `to`. Bodies are views into `bytes`.
 * @throws {MalformedBytes} or {DamagedBytes}
 */
export function decodeFrame(bytes: Uint8Array, from: number, to: number, hash: Hash): Frame {
  const reader = new BytesReader(bytes, from + 4, to)
  const headerBytes = reader.u32()
  const checksum = reader.u32()
  if (headerBytes > headerBytesMax) throw new MalformedBytes('a header is longer than a header may be')
  const header = reader.raw(headerBytes)
  const body = reader.remaining === 0 ? noBytes : reader.rest()
  if (checksumOf(header, body, hash) !== checksum) throw new DamagedBytes('a frame is damaged')
  reader.moveTo(from + framingBytes, from + framingBytes + headerBytes)
  return readHeader(reader, body, hash)
}

function checksumOf(header: Uint8Array, body: Uint8Array, hash: Hash): number {
  const checksum = hash.hash32(header)
  return body.length === 0 ? checksum : hash.hash32(body, checksum)
}

function bodyOf(frame: Frame): Uint8Array | undefined {
  if (frame.kind === 'request') return requestBody(frame.message)
  if (frame.kind === 'response') return responseBody(frame.message)
  return undefined
}

function writeHeader(writer: BytesWriter, frame: Frame): void {
  switch (frame.kind) {
    case 'request':
      writer.u8(requestTypes[frame.message.type])
      writer.varint(frame.id)
      writer.varint(frame.digest.number)
      writer.u32(frame.digest.documentHash)
      writeRequest(writer, frame.message)
      if (frame.trace !== undefined) writeTrace(writer, frame.trace)
      return
    case 'response':
      writer.u8(responseTypes[frame.message.type])
      writer.varint(frame.id)
      writer.varint(frame.digest.number)
      writer.u32(frame.digest.documentHash)
      return writeResponse(writer, frame.message)
    case 'hello':
      writer.u8(types.hello)
      return writeHello(writer, frame.message)
    case 'welcome':
      writer.u8(types.welcome)
      return writeWelcome(writer, frame.message)
    case 'goodbye':
      writer.u8(types.goodbye)
      return writeGoodbye(writer, frame.message)
    case 'ping':
    case 'pong':
      return writer.u8(types[frame.kind])
    default:
      return unreachable(frame)
  }
}

function readHeader(reader: BytesReader, body: Uint8Array, hash: Hash): Frame {
  const type = reader.u8()
  const request = requestType(type)
  const response = request === undefined ? responseType(type) : undefined
  if (request === undefined && response === undefined) return readControl(type, reader, body)
  const id = reader.varint()
  const digest = { number: reader.varint(), documentHash: reader.u32() }
  let frame: Frame
  if (request === undefined) {
    frame = { kind: 'response', id, digest, message: readResponse(response as ResponseType, reader, body, hash) }
  } else {
    const message = readRequest(request, reader, body, hash)
    const trace = reader.remaining === 0 ? undefined : readTrace(reader)
    frame = { kind: 'request', id, digest, message, trace }
  }
  reader.end()
  return frame
}

type ResponseType = NonNullable<ReturnType<typeof responseType>>

function readControl(type: number, reader: BytesReader, body: Uint8Array): Frame {
  if (body.length > 0) throw new MalformedBytes('a frame has a body it should not have')
  switch (type) {
    // A later version may have added to these three: what is behind the known fields is not read.
    case types.hello:
      return { kind: 'hello', message: readHello(reader) }
    case types.welcome:
      return { kind: 'welcome', message: readWelcome(reader) }
    case types.goodbye:
      return { kind: 'goodbye', message: readGoodbye(reader) }
    case types.ping:
      reader.end()
      return { kind: 'ping' }
    case types.pong:
      reader.end()
      return { kind: 'pong' }
    default:
      throw new MalformedBytes(`a frame of unknown type ${type}`)
  }
}
