import { framingBytes } from '../../../lib/wire/frame.ts'
import { encodeFrame } from '../../../lib/wire/frame-writer.ts'
import type { Frame } from '../../../lib/wire/messages.ts'
import { hash } from '../../wire/fixtures/hash.ts'

const lengthBytes = 4

/** One frame behind the other, as they leave a node. */
export function streamOf(frames: readonly Frame[]): Uint8Array {
  return new Uint8Array(Buffer.concat(frames.flatMap((frame) => encodeFrame(frame, hash))))
}

/**
 * The same stream with lengths that are there and checksums that are right: what is mutated are the fields behind them.
 * What is left over becomes part of the last frame.
 */
export function withFraming(stream: Uint8Array): Uint8Array {
  const bytes = Buffer.from(stream)
  for (let at = 0; at + framingBytes < bytes.length; ) {
    const left = bytes.length - at
    const asked = bytes.readUInt32BE(at) + lengthBytes
    const frameBytes = asked <= framingBytes || asked > left ? left : asked
    const content = bytes.subarray(at + framingBytes, at + frameBytes)
    const headerBytes = Math.min(bytes.readUInt32BE(at + 4), content.length)
    bytes.writeUInt32BE(frameBytes - lengthBytes, at)
    bytes.writeUInt32BE(headerBytes, at + 4)
    const [header, body] = [content.subarray(0, headerBytes), content.subarray(headerBytes)]
    const checksum = hash.hash32(new Uint8Array(header))
    bytes.writeUInt32BE(body.length === 0 ? checksum : hash.hash32(new Uint8Array(body), checksum), at + 8)
    at += frameBytes
  }
  return new Uint8Array(bytes)
}

/** The stream in pieces, as a network may bring it: their sizes follow from the bytes, so that an input is always cut alike. */
export function piecesOf(stream: Uint8Array): readonly Uint8Array[] {
  const pieces: Uint8Array[] = []
  let state = hash.hash32(stream)
  for (let at = 0; at < stream.length; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    const most = [1, 4, 16, 200, 65_536][state >>> 29] ?? 40
    const size = 1 + ((state >>> 8) % most)
    pieces.push(stream.slice(at, at + size))
    at += size
  }
  return pieces
}
