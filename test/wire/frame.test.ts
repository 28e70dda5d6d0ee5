import t from 'tap'
import type { PutRequest } from '../../lib/protocol/quorum/client-request.ts'
import { batchOperationsMax, frameBytesMax } from '../../lib/vocabulary/limits.ts'
import { headerBytesMax } from '../../lib/wire/frame.ts'
import { FrameReader } from '../../lib/wire/frame-reader.ts'
import { encodeFrame, FrameWriter } from '../../lib/wire/frame-writer.ts'
import type { Frame } from '../../lib/wire/messages.ts'
import { requestTypes } from '../../lib/wire/request-codec.ts'
import { responseTypes } from '../../lib/wire/response-codec.ts'
import { FrameTooLarge } from '../../lib/wire/unreadable-bytes.ts'
import fc from '../fixtures/fast-check.ts'
import { flipped, hex, thrownBy, unhex } from './fixtures/bytes.ts'
import { frame } from './fixtures/frame-arbitraries.ts'
import { goldenFrames } from './fixtures/golden-frames.ts'
import { hash } from './fixtures/hash.ts'
import { named } from './fixtures/names.ts'

t.test('a frame', async (t) => {
  t.test('comes back as it was', async (t) => {
    fc.assert(
      fc.property(frame, (frame) => {
        t.same(read(encoded(frame)), { frames: [frame], malformed: undefined })
      }),
      { numRuns: 800 },
    )
  })

  t.test('has the bytes of wire version 1', async (t) => {
    const messages = new Set<string>()
    for (const { frame, bytes } of goldenFrames) {
      const name = 'message' in frame ? frame.message.type : frame.kind
      messages.add(name)
      t.equal(hex(encoded(frame)), bytes, name)
      t.same(read(unhex(bytes)).frames, [frame], name)
    }
    for (const name of [
      'hello',
      'welcome',
      'goodbye',
      'ping',
      'pong',
      ...Object.keys({ ...requestTypes, ...responseTypes }),
    ]) {
      t.ok(messages.has(name), `${name} is among the golden bytes`)
    }
  })

  t.test('with any one bit turned over is refused, whatever it holds', async (t) => {
    for (const { bytes } of goldenFrames) {
      const whole = unhex(bytes)
      // The first four bytes are how long it is: more of them only waits for more.
      for (let bit = 32; bit < whole.length * 8; bit += 1) {
        const { frames, malformed } = read(flipped(whole, bit))
        if (frames.length > 0 || malformed === undefined) t.fail(`bit ${bit} of ${bytes} went unnoticed`)
      }
      for (let bit = 0; bit < 32; bit += 1) {
        if (read(flipped(whole, bit)).frames.length > 0) t.fail(`bit ${bit} of ${bytes} went unnoticed`)
      }
    }
    t.pass()
  })

  t.test('with a checksum that is right and a content that is wrong is refused', async (t) => {
    fc.assert(
      fc.property(frame, fc.nat(), fc.nat(255), fc.boolean(), (frame, seed, byte, isCut) => {
        const whole = encoded(frame)
        const headerBytes = new DataView(whole.buffer, whole.byteOffset).getUint32(4)
        const at = seed % headerBytes
        const header = whole.slice(12, 12 + (isCut ? at : headerBytes))
        if (!isCut) header[at] = byte
        const forged = framed(header, whole.slice(12 + headerBytes))
        const { frames, malformed } = read(forged)
        // Some changes make another frame that could have been sent; then it is that frame, in its own form.
        const isHandshake = (header[0] as number) < 4
        if (malformed === undefined && !isHandshake) t.equal(hex(encoded(frames[0] as Frame)), hex(forged))
      }),
      { numRuns: 1500 },
    )
  })

  t.test('of a handshake may have grown since: an addition that is not known is passed over', async (t) => {
    const handshakes = goldenFrames.filter(({ frame }) => ['hello', 'welcome', 'goodbye'].includes(frame.kind))
    for (const { bytes, frame } of handshakes) {
      t.same(read(framed(Uint8Array.of(...unhex(bytes).subarray(12), 99, 2, 7, 7), unhex(''))).frames, [frame])
    }
    const cut = read(framed(Uint8Array.of(...unhex(goldenFrames[0]?.bytes ?? '').subarray(12), 99, 2, 7), unhex('')))
    t.match(cut.malformed, /./, 'one that ends too early is damage')
    const { malformed } = read(framed(unhex('0401'), unhex('')))
    t.equal(malformed, 'there are bytes after the end', 'any other frame must end where it ends')
  })

  t.test('carries a large body as it is, without copying', async (t) => {
    const value = new Uint8Array(8 * 1024 * 1024)
    const chunks = encodeFrame(coordinate(value), hash)
    t.equal(chunks.length, 2)
    t.equal(chunks[1], value, 'the very array')
    t.ok((chunks[0] as Uint8Array).length < 256)
    const whole = Buffer.concat(chunks)
    const { frames } = read(whole)
    const request = (frames[0] as ReturnType<typeof coordinate>).message.request
    t.equal(request.value.buffer, whole.buffer, 'and gives it out as a view')
    t.equal(request.value.length, value.length)
  })

  t.test('leaves with the others of its turn in one chunk', async (t) => {
    const writer = new FrameWriter(hash)
    for (const { frame } of goldenFrames.slice(0, 5)) writer.add(frame)
    const chunks = writer.take()
    t.equal(chunks.length, 1)
    t.same(
      read(chunks[0] as Uint8Array).frames,
      goldenFrames.slice(0, 5).map(({ frame }) => frame),
    )
    t.same([writer.isEmpty, writer.take()], [true, []], 'and is taken once')
  })

  t.test('too large to be made leaves the others as they are', async (t) => {
    const writer = new FrameWriter(hash)
    writer.add({ kind: 'ping' })
    t.match(
      thrownBy(() => writer.add(coordinate(new Uint8Array(frameBytesMax)))),
      FrameTooLarge,
    )
    writer.add({ kind: 'pong' })
    t.same(read(Buffer.concat(writer.take())).frames, [{ kind: 'ping' }, { kind: 'pong' }])
  })

  t.test('that cannot be written leaves the others as they are, too', async (t) => {
    const writer = new FrameWriter(hash)
    writer.add({ kind: 'ping' })
    t.ok(thrownBy(() => writer.add({ ...coordinate(unhex('')), message: readRecord(Number.NaN) })))
    writer.add({ kind: 'pong' })
    t.same(read(Buffer.concat(writer.take())).frames, [{ kind: 'ping' }, { kind: 'pong' }])
  })

  t.test('carries a small body in one chunk with its header', async (t) => {
    t.equal(encodeFrame(coordinate(new Uint8Array(1024)), hash).length, 1)
  })

  t.test('sends what is left of a timeout in whole milliseconds, rounded up', async (t) => {
    const { message } = read(encoded({ ...coordinate(unhex('')), message: readRecord(0.2) })).frames[0] as Frame & {
      message: { timeoutMs: number }
    }
    t.equal(message.timeoutMs, 1)
    const [longest] = read(encoded({ ...coordinate(unhex('')), message: readRecord(60_000.000_001) })).frames
    t.match(longest, { message: { timeoutMs: 60_000 } }, 'and never as more than anybody takes')
  })

  t.test('larger than a frame may be is not made', async (t) => {
    t.match(
      thrownBy(() => encodeFrame(coordinate(new Uint8Array(frameBytesMax)), hash)),
      FrameTooLarge,
    )
    const keys = Array.from({ length: 5 }, () => 'k'.repeat(1024 * 1024))
    const header = { ...coordinate(unhex('')).message, request: { ...putOf(unhex('')), ifMatch: keys } }
    t.ok(keys.join('').length > headerBytesMax)
    t.match(
      thrownBy(() => encodeFrame({ ...coordinate(unhex('')), message: header }, hash)),
      FrameTooLarge,
    )
  })
})

t.test('a frame of many requests', async (t) => {
  t.test('has no more of them than a batch, however small they are', async (t) => {
    const one = { type: 'get', bucket: 'b', key: 'k', timeoutMs: 1, options: { sloppy: true } } as const
    const many = (count: number) =>
      ({
        ...coordinate(unhex('')),
        message: { type: 'coordinate-many', hops: 0, answerBytesMax: 1, requests: new Array(count).fill(one) },
      }) as unknown as Frame
    t.equal(read(encoded(many(batchOperationsMax))).frames.length, 1)
    t.match(read(encoded(many(batchOperationsMax + 1))), { frames: [], malformed: 'a list is longer than it may be' })
  })
})

t.test('the reader', async (t) => {
  t.test('finds the same frames in whatever chunks they come', async (t) => {
    fc.assert(
      fc.property(
        fc.array(frame, { minLength: 1, maxLength: 6 }),
        fc.infiniteStream(fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 3000 }))),
        (frames, sizes) => {
          const reader = new FrameReader(hash)
          const found: Frame[] = []
          for (const chunk of cut(joined(frames), sizes)) {
            t.equal(
              reader.read(chunk, (frame) => found.push(frame)),
              undefined,
            )
          }
          t.same(found, frames)
          t.equal(reader.heldBytes, 0)
        },
      ),
      { numRuns: 200 },
    )
  })

  t.test('gives out a frame as soon as its last byte is there, and not before', async (t) => {
    const bytes = encoded(coordinate(new Uint8Array(3000)))
    const reader = new FrameReader(hash)
    let count = 0
    for (let at = 0; at < bytes.length; at += 1) {
      t.equal(count, 0)
      reader.read(bytes.slice(at, at + 1), () => {
        count += 1
      })
    }
    t.equal(count, 1)
  })

  t.test('keeps a frame that spans chunks apart from those that follow', async (t) => {
    const bytes = joined([
      coordinate(Uint8Array.of(1, 1)),
      coordinate(Uint8Array.of(2, 2)),
      coordinate(Uint8Array.of(3, 3)),
    ])
    const reader = new FrameReader(hash)
    const values: Uint8Array[] = []
    const third = Math.ceil(bytes.length / 3) + 5
    for (const chunk of [bytes.slice(0, third), bytes.slice(third, 2 * third), bytes.slice(2 * third)]) {
      reader.read(chunk, (frame) => values.push((frame as ReturnType<typeof coordinate>).message.request.value))
    }
    t.same(values, [Uint8Array.of(1, 1), Uint8Array.of(2, 2), Uint8Array.of(3, 3)])
  })

  t.test('holds what came, not what was promised', async (t) => {
    const reader = new FrameReader(hash)
    const before = process.memoryUsage().arrayBuffers
    for (let index = 0; index < 50; index += 1) new FrameReader(hash).read(promise(frameBytesMax - 4), () => {})
    reader.read(promise(frameBytesMax - 4), () => {})
    t.equal(reader.heldBytes, 8)
    t.ok(process.memoryUsage().arrayBuffers - before < 8 * 1024 * 1024, '51 promises of 16 MiB')
  })

  t.test('believes no length above the largest frame, nor one below the smallest', async (t) => {
    for (const [length, reason] of [
      [frameBytesMax - 3, 'a frame is larger than a frame may be'],
      [0xffffffff, 'a frame is larger than a frame may be'],
      [0, 'a frame is smaller than a frame can be'],
      [8, 'a frame is smaller than a frame can be'],
    ] as const) {
      t.equal(read(promise(length)).malformed, reason)
      const reader = new FrameReader(hash)
      for (const byte of promise(length)) reader.read(Uint8Array.of(byte), () => {})
      t.equal(
        reader.read(unhex('00'), () => {}),
        reason,
        'byte by byte, too',
      )
    }
    t.equal(read(Buffer.from('GET / HTTP/1.1\r\n\r\n')).malformed, 'a frame is larger than a frame may be')
  })

  t.test('reads nothing after something malformed', async (t) => {
    const good = encoded({ kind: 'ping' })
    const bad = flipped(good, 8 * 12)
    const reader = new FrameReader(hash)
    const found: Frame[] = []
    const reason = reader.read(Buffer.concat([good, bad, good]), (frame) => found.push(frame))
    t.equal(reason, 'a frame is damaged')
    t.same(found, [{ kind: 'ping' }], 'what came before was good')
    t.equal(
      reader.read(good, (frame) => found.push(frame)),
      reason,
    )
    t.equal(found.length, 1)
  })

  t.test('of random bytes says so and throws nothing', async (t) => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 80 })), (chunks) => {
        const reader = new FrameReader(hash)
        for (const chunk of chunks) reader.read(chunk, () => t.fail('a frame from noise'))
      }),
      { numRuns: 500 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 120 }), fc.uint8Array({ maxLength: 40 }), (header, body) => {
        const { frames, malformed } = read(framed(header, body))
        t.equal(frames.length === 1, malformed === undefined)
      }),
      { numRuns: 1000 },
    )
  })

  t.test('lets the bugs of its listener through', async (t) => {
    t.throws(() =>
      new FrameReader(hash).read(encoded({ kind: 'ping' }), () => {
        throw new TypeError('a bug')
      }),
    )
  })
})

function encoded(frame: Frame): Uint8Array {
  return new Uint8Array(Buffer.concat(encodeFrame(frame, hash)))
}

function joined(frames: readonly Frame[]): Uint8Array {
  return Buffer.concat(frames.map(encoded))
}

function read(bytes: Uint8Array): { readonly frames: readonly Frame[]; readonly malformed: string | undefined } {
  const frames: Frame[] = []
  const malformed = new FrameReader(hash).read(bytes, (frame) => frames.push(frame))
  return { frames, malformed }
}

/** Any header and body in a frame whose lengths and checksum are right. */
function framed(header: Uint8Array, body: Uint8Array): Uint8Array {
  const framing = Buffer.alloc(12)
  framing.writeUInt32BE(8 + header.length + body.length, 0)
  framing.writeUInt32BE(header.length, 4)
  framing.writeUInt32BE(body.length === 0 ? hash.hash32(header) : hash.hash32(body, hash.hash32(header)), 8)
  return Buffer.concat([framing, header, body])
}

/** The first eight bytes of a frame whose rest has `length` bytes. */
function promise(length: number): Uint8Array {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt32BE(length)
  return bytes
}

function* cut(bytes: Uint8Array, sizes: Iterator<number>): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; ) {
    const size = sizes.next().value as number
    yield bytes.slice(at, at + size)
    at += size
  }
}

function coordinate(value: Uint8Array) {
  return {
    kind: 'request' as const,
    id: 1,
    digest: { number: 1, documentHash: 2 },
    message: { type: 'coordinate' as const, hops: 0, request: putOf(value) },
  }
}

function putOf(value: Uint8Array): PutRequest {
  const { bucket, key } = named('carts', 'tea')
  return {
    type: 'put',
    bucket,
    key,
    timeoutMs: 3000,
    options: { w: 'quorum', pw: 0, sloppy: true, durability: undefined },
    context: undefined,
    value,
    contentType: 'text/plain',
    metadata: [],
    ttlSeconds: undefined,
    returnValue: false,
    ifMatch: undefined,
    ifNoneMatch: false,
  }
}

function readRecord(timeoutMs: number) {
  return { type: 'read-record' as const, key: named('carts', 'tea'), layoutNumber: 1, timeoutMs }
}
