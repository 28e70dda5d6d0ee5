/**
 * What one encode or decode costs, in microseconds of one thread: records, stored values, tokens, frames.
 * Compare rows of one run with each other (docs/decisions/0007-frame-format.md).
 *
 * node dist/bench/parts/codec.js
 */
import xxhash from 'xxhash-wasm'
import type { KeyRecord } from '../../lib/protocol/causality/record.ts'
import type { Hlc } from '../../lib/protocol/clock/hlc.ts'
import type { Hash } from '../../lib/vocabulary/hash.ts'
import { type Bucket, type Key, toRecordKey } from '../../lib/vocabulary/key.ts'
import { decodeContext, encodeContext } from '../../lib/wire/context-token.ts'
import { FrameReader } from '../../lib/wire/frame-reader.ts'
import { encodeFrame } from '../../lib/wire/frame-writer.ts'
import type { Frame } from '../../lib/wire/messages.ts'
import { decodeRecord, encodeRecord } from '../../lib/wire/record.ts'
import { dataKey } from '../../lib/wire/store-keys.ts'
import { decodeStored, encodeStored } from '../../lib/wire/stored-record.ts'

const rounds = 5
const callsPerRound = 100_000

const { h32Raw, h64Raw } = await xxhash()
const hash: Hash = { hash64: (bytes) => h64Raw(bytes), hash32: (bytes, seed) => h32Raw(bytes, seed) }
const key = toRecordKey('carts' as Bucket, 'user-0123456789' as Key, hash)
const clusterId = '0123456789abcdef'
const asOf = 3_600_000_000_000_001 as Hlc
const digest = { number: 3, documentHash: 0xd16e57ed }
const vv = [1, 2, 3].map((shortId) => ({ shortId, generation: 0xa0a1a2a3, born: 140_000, counter: 140_000 + shortId }))
const record: KeyRecord = {
  mode: 'siblings',
  vv,
  siblings: vv.slice(0, 1).map((dot) => ({
    dot,
    hlc: asOf,
    value: new Uint8Array(1024).fill(7),
    contentType: 'application/octet-stream',
    metadata: [],
    expiresAtMs: undefined,
    checksum: 0xdeadbeef,
    requestId: undefined,
  })),
  deletedHlc: 0 as Hlc,
  done: [],
}
const recordBytes = encodeRecord(record)
const stored = encodeStored(recordBytes, 140_000, hash)
const token = encodeContext({ vv, hlc: asOf, dots: [] }, clusterId, key, hash)
const write: Frame = {
  kind: 'request',
  id: 123_456,
  digest,
  message: {
    type: 'write-record',
    key,
    record: recordBytes,
    purpose: 'write',
    durability: 'os',
    layoutNumber: 3,
    asOf,
    timeoutMs: 2_970,
  },
}
const read: Frame = {
  kind: 'request',
  id: 123_456,
  digest,
  message: { type: 'read-record', key, layoutNumber: 3, timeoutMs: 2_970 },
}
const written: Frame = { kind: 'response', id: 123_456, digest, message: { type: 'record-written' } }
const writeBytes = Buffer.concat(encodeFrame(write, hash))
const readBytes = Buffer.concat(encodeFrame(read, hash))
const writtenBytes = Buffer.concat(encodeFrame(written, hash))
const reader = new FrameReader(hash)

console.log(`write-record: ${writeBytes.length - recordBytes.length} bytes before ${recordBytes.length} of record`)
console.log(`read-record: ${readBytes.length} bytes; a token of three actors: ${token.length} characters`)
measure('record, 1 KiB: encode', () => encodeRecord(record))
measure('record, 1 KiB: decode', () => decodeRecord(recordBytes, hash))
measure('stored record: encode', () => encodeStored(recordBytes, 140_000, hash))
measure('stored record: decode', () => decodeStored(stored, hash))
measure('data key', () => dataKey(17, key))
measure('context token: encode', () => encodeContext({ vv, hlc: asOf, dots: [] }, clusterId, key, hash))
measure('context token: decode', () => decodeContext(token, clusterId, key, hash))
measure('write-record frame: encode', () => encodeFrame(write, hash))
measure('write-record frame: decode', () => reader.read(writeBytes, ignore))
measure('read-record frame: encode', () => encodeFrame(read, hash))
measure('read-record frame: decode', () => reader.read(readBytes, ignore))
measure('record-written frame: encode', () => encodeFrame(written, hash))
measure('record-written frame: decode', () => reader.read(writtenBytes, ignore))

function ignore(): void {}

/** The best of some rounds: the others were disturbed. */
function measure(what: string, call: () => unknown): void {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < rounds; round += 1) {
    const begun = process.hrtime.bigint()
    for (let index = 0; index < callsPerRound; index += 1) call()
    best = Math.min(best, Number(process.hrtime.bigint() - begun) / callsPerRound / 1000)
  }
  console.log(`${best.toFixed(2).padStart(7)} us  ${what}`)
}
