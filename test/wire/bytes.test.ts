import t from 'tap'
import { BytesReader } from '../../lib/wire/bytes-reader.ts'
import { BytesWriter } from '../../lib/wire/bytes-writer.ts'
import { MalformedBytes } from '../../lib/wire/unreadable-bytes.ts'
import fc from '../fixtures/fast-check.ts'
import { u32, u53 } from './fixtures/arbitraries.ts'
import { hex, thrownBy, unhex } from './fixtures/bytes.ts'

t.test('what the writer wrote the reader reads, however small the writer began', async (t) => {
  const part = fc.oneof(
    fc.record({ kind: fc.constant('u8' as const), value: fc.nat(255) }),
    fc.record({ kind: fc.constant('u16' as const), value: fc.nat(65535) }),
    fc.record({ kind: fc.constant('u32' as const), value: u32 }),
    fc.record({ kind: fc.constant('u64' as const), value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) }),
    fc.record({ kind: fc.constant('f64' as const), value: fc.double({ noNaN: true, noDefaultInfinity: true }) }),
    fc.record({ kind: fc.constant('varint' as const), value: u53 }),
    fc.record({ kind: fc.constant('flag' as const), value: fc.boolean() }),
    fc.record({ kind: fc.constant('text' as const), value: fc.string({ unit: 'grapheme', maxLength: 120 }) }),
    fc.record({ kind: fc.constant('bytes' as const), value: fc.uint8Array({ maxLength: 300 }) }),
  )
  fc.assert(
    fc.property(fc.array(part, { maxLength: 20 }), fc.nat(64), (parts, capacity) => {
      const writer = new BytesWriter(capacity)
      for (const { kind, value } of parts) (writer[kind] as (value: unknown) => void).call(writer, value)
      const reader = new BytesReader(writer.finish())
      const read = parts.map(({ kind }) => ({ kind, value: reader[kind]() }))
      reader.end()
      t.same(read, parts)
    }),
    { numRuns: 300 },
  )
})

t.test('a varint', async (t) => {
  for (const [value, form] of [
    [0, '00'],
    [127, '7f'],
    [128, '8001'],
    [16383, 'ff7f'],
    [2 ** 31, '8080808008'],
    [2 ** 32 - 1, 'ffffffff0f'],
    [2 ** 53 - 1, 'ffffffffffffff0f'],
  ] as const) {
    t.equal(hex(varint(value)), form, `${value} is ${form}`)
    t.equal(new BytesReader(unhex(form)).varint(), value)
  }
  t.throws(() => varint(-1))
  t.throws(() => varint(0.5))
  t.throws(() => varint(2 ** 53))
  t.match(
    thrownBy(() => new BytesReader(unhex('8000')).varint()),
    MalformedBytes,
    'has one form only',
  )
  t.match(
    thrownBy(() => new BytesReader(unhex('ffffffffffffff10')).varint()),
    MalformedBytes,
    'ends at 2^53 - 1',
  )
  t.match(
    thrownBy(() => new BytesReader(unhex('ffffffffffffffffff01')).varint()),
    MalformedBytes,
    'has 8 bytes at most',
  )
  t.match(
    thrownBy(() => new BytesReader(varint(256)).varint(255)),
    MalformedBytes,
    'respects the range asked for',
  )
  t.match(
    thrownBy(() => new BytesReader(varint(2)).varint(1)),
    MalformedBytes,
  )
})

t.test('the reader believes no length', async (t) => {
  const gigabytes = varint(2 ** 40)
  t.match(
    thrownBy(() => new BytesReader(gigabytes).bytes()),
    MalformedBytes,
  )
  t.match(
    thrownBy(() => new BytesReader(gigabytes).text()),
    MalformedBytes,
  )
  t.match(
    thrownBy(() => new BytesReader(gigabytes).count(1)),
    MalformedBytes,
  )
  t.match(
    thrownBy(() => new BytesReader(varint(11)).bytes(10)),
    MalformedBytes,
    'nor one above what was allowed',
  )
})

t.test('the reader takes no text that is not UTF-8, no flag but 0 and 1, no number that is none', async (t) => {
  t.match(
    thrownBy(() => new BytesReader(unhex('01ff')).text()),
    MalformedBytes,
  )
  t.match(
    thrownBy(() => new BytesReader(unhex(`14${'61'.repeat(19)}ff`)).text()),
    MalformedBytes,
  )
  t.match(
    thrownBy(() => new BytesReader(unhex('02')).flag()),
    MalformedBytes,
  )
  t.match(
    thrownBy(() => new BytesReader(unhex('7ff0000000000000')).f64()),
    MalformedBytes,
  )
})

t.test('a part of a larger array is read and never left', async (t) => {
  const whole = unhex('aabbccdd')
  const reader = new BytesReader(whole, 1, 3)
  t.equal(reader.remaining, 2)
  t.same(reader.rest(), unhex('bbcc'))
  t.match(
    thrownBy(() => reader.u8()),
    MalformedBytes,
  )
  t.equal(reader.rest().length, 0)
  const bytes = new BytesReader(unhex('02aabb')).bytes()
  t.equal(bytes.constructor, Uint8Array, 'views are plain arrays, also of a Buffer')
  t.equal(new BytesReader(Buffer.from('02aabb', 'hex')).bytes().constructor, Uint8Array)
})

t.test('random bytes make the reader throw nothing but MalformedBytes', async (t) => {
  const methods = ['u8', 'u16', 'u32', 'u64', 'f64', 'varint', 'bytes', 'text', 'flag'] as const
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.array(fc.constantFrom(...methods)), (bytes, calls) => {
      const reader = new BytesReader(bytes)
      const error = thrownBy(() => {
        for (const call of calls) reader[call]()
      })
      return error === undefined || error instanceof MalformedBytes
    }),
    { numRuns: 1000 },
  )
  t.pass()
})

function varint(value: number): Uint8Array {
  const writer = new BytesWriter(0)
  writer.varint(value)
  return writer.finish()
}
