import t from 'tap'
import type { DoneEntry, KeyRecord, Sibling } from '../../lib/protocol/causality/record.ts'
import { siblingChecksum } from '../../lib/protocol/causality/state-hash.ts'
import type { Hlc } from '../../lib/protocol/clock/hlc.ts'
import { InvariantViolation } from '../../lib/vocabulary/invariant.ts'
import { decodeRecord, encodeRecord } from '../../lib/wire/record.ts'
import { decodeStored, encodeStored, openValue, sealValue } from '../../lib/wire/stored-record.ts'
import { DamagedBytes, MalformedBytes, UnknownFormat, UnreadableBytes } from '../../lib/wire/unreadable-bytes.ts'
import fc from '../fixtures/fast-check.ts'
import { bytes, lwwRecord, record } from './fixtures/arbitraries.ts'
import { flipped, hex, thrownBy, truncations, unhex } from './fixtures/bytes.ts'
import { hash } from './fixtures/hash.ts'

const ada = { shortId: 1, generation: 0xa0a1a2a3, born: 1000 }
const bob = { shortId: 2, generation: 0xb0b1b2b3, born: 70_000 }

const example: KeyRecord = {
  mode: 'siblings',
  vv: [
    { ...ada, counter: 1005 },
    { ...bob, counter: 70_000 },
  ],
  siblings: [
    {
      dot: { ...ada, counter: 1004 },
      hlc: 3_600_000_000_000_001 as Hlc,
      value: new TextEncoder().encode('tea'),
      contentType: 'text/plain',
      metadata: [['origin', 'Zürich']],
      expiresAtMs: 1_760_000_000_000,
      checksum: 0xdeadbeef,
      requestId: 'r-1',
    },
    {
      dot: { ...bob, counter: 70_000 },
      hlc: 3_600_000_000_000_002 as Hlc,
      value: Uint8Array.of(),
      contentType: 'application/octet-stream',
      metadata: [],
      expiresAtMs: undefined,
      checksum: 7,
      requestId: undefined,
    },
  ],
  deletedHlc: 12 as Hlc,
  done: [{ requestId: 'r-1', dot: { ...ada, counter: 1004 }, bodyHash: 99, hlc: 3_600_000_000_000_001 as Hlc }],
}

/** Format 1, frozen: these bytes stand on disks. A change of the form is a new version that still reads this one. */
const exampleBytes =
  '01000c0201a0a1a2a3e8070502b0b1b2b3f0a20400020001078180c489e5c5b2068080b3c19c3303722d31deadbeef0a7465' +
  '78742f706c61696e01066f726967696e075ac3bc72696368037465610100008280c489e5c5b20600000007000001000101' +
  '638180c489e5c5b206'
const storedBytes = `01e907${exampleBytes}02d3f411`

t.test('a record', async (t) => {
  t.test('comes back as it was', async (t) => {
    fc.assert(
      fc.property(fc.oneof(record, lwwRecord), (record) => {
        t.same(decodeRecord(encodeRecord(record), hash), record)
      }),
      { numRuns: 300 },
    )
  })

  t.test('has the bytes of format 1', async (t) => {
    t.equal(hex(encodeRecord(example)), exampleBytes)
    t.same(decodeRecord(unhex(exampleBytes), hash), example)
  })

  t.test('has one form only', async (t) => {
    fc.assert(
      fc.property(fc.oneof(record, lwwRecord), fc.nat(), (record, seed) => {
        const written = encodeRecord(record)
        const changed = flipped(written, seed % (written.length * 8))
        const read = readOrError(changed)
        t.ok(read instanceof UnreadableBytes || hex(encodeRecord(read)) === hex(changed))
      }),
      { numRuns: 500 },
    )
  })

  t.test('takes its values as views, without copying', async (t) => {
    const written = encodeRecord(example)
    t.equal(decodeRecord(written, hash).siblings[0]?.value.buffer, written.buffer)
  })

  t.test('costs little beside its value', async (t) => {
    const sibling = { ...(example.siblings[1] as Sibling), value: new Uint8Array(1024) }
    t.ok(encodeRecord({ ...example, siblings: [sibling], done: [] }).length <= 1024 + 70)
  })

  t.test('cut off anywhere is malformed', async (t) => {
    for (const cut of truncations(unhex(exampleBytes))) t.match(readOrError(cut), MalformedBytes)
    t.match(readOrError(unhex(`${exampleBytes}00`)), MalformedBytes, 'so is one with something behind it')
  })

  t.test('of a version to come is an unknown format, not a malformed one', async (t) => {
    t.match(readOrError(unhex(`02${exampleBytes.slice(2)}`)), UnknownFormat)
  })

  t.test('must be sorted, and cover its siblings', async (t) => {
    const [one, other] = example.siblings as [Sibling, Sibling]
    t.match(reread({ ...example, siblings: [other, one] }), MalformedBytes)
    t.match(reread({ ...example, siblings: [one, one] }), MalformedBytes)
    t.match(reread({ ...example, vv: example.vv.toReversed() }), MalformedBytes)
    t.match(reread({ ...example, mode: 'lww' }), MalformedBytes, 'and lww holds one value')
    const [entry] = example.done as [DoneEntry]
    t.match(reread({ ...example, done: [entry, { ...entry, requestId: 'r-2' }] }), MalformedBytes, 'done, too')
    const uncovered = { ...one, dot: { ...ada, counter: 1006 } }
    t.match(
      thrownBy(() => encodeRecord({ ...example, siblings: [uncovered] })),
      InvariantViolation,
    )
  })

  t.test('is checked sibling by sibling when asked', async (t) => {
    const siblings = example.siblings.map((sibling) => {
      const { value, contentType, metadata, expiresAtMs } = sibling
      return { ...sibling, checksum: siblingChecksum(value, contentType, metadata, expiresAtMs, hash) }
    })
    const written = encodeRecord({ ...example, siblings })
    t.same(decodeRecord(written, hash, { siblingChecksum }).siblings, siblings)
    for (const part of ['tea', 'plain', 'origin', 'rich']) {
      const changed = flipped(written, Buffer.from(written).indexOf(part) * 8)
      t.match(
        thrownBy(() => decodeRecord(changed, hash, { siblingChecksum })),
        DamagedBytes,
        part,
      )
    }
  })

  t.test('read from random bytes is refused in a declared way', async (t) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (noise, isVersioned) => {
        if (isVersioned && noise.length > 0) noise[0] = 1
        const read = readOrError(noise)
        t.ok(read instanceof UnreadableBytes || hex(encodeRecord(read)) === hex(noise))
      }),
      { numRuns: 1000 },
    )
  })
})

t.test('a stored record', async (t) => {
  t.test('comes back with what it mints as', async (t) => {
    fc.assert(
      fc.property(bytes, fc.option(fc.nat(), { nil: undefined }), (recordBytes, mintAs) => {
        t.same(decodeStored(encodeStored(recordBytes, mintAs, hash), hash), { recordBytes, mintAs })
      }),
      { numRuns: 200 },
    )
  })

  t.test('has the bytes of format 1', async (t) => {
    t.equal(hex(encodeStored(encodeRecord(example), 1000, hash)), storedBytes)
    const { recordBytes, mintAs } = decodeStored(unhex(storedBytes), hash)
    t.same(decodeRecord(recordBytes, hash), example)
    t.equal(mintAs, 1000)
  })

  t.test('shares its memory with nothing: whoever keeps it keeps nothing else', async (t) => {
    const recordBytes = encodeRecord(example)
    const stored = encodeStored(recordBytes, 1000, hash)
    t.ok(stored.buffer.byteLength <= recordBytes.length + 16, `${stored.buffer.byteLength} bytes`)
  })
  t.test('with any one bit turned over, or cut off anywhere, is damaged', async (t) => {
    const written = unhex(storedBytes)
    for (let bit = 0; bit < written.length * 8; bit += 1) {
      const error = thrownBy(() => decodeStored(flipped(written, bit), hash))
      if (!(error instanceof DamagedBytes)) t.fail(`bit ${bit} went unnoticed`)
    }
    for (const cut of truncations(written))
      t.match(
        thrownBy(() => decodeStored(cut, hash)),
        DamagedBytes,
      )
  })

  t.test('of a version to come is an unknown format', async (t) => {
    t.match(
      thrownBy(() => decodeStored(resealed('02aabb'), hash)),
      UnknownFormat,
    )
    t.match(
      thrownBy(() => decodeStored(resealed('01ff'), hash)),
      DamagedBytes,
      'and one with half a number is damaged',
    )
  })

  t.test('made of random bytes is damaged', async (t) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (noise) => {
        t.match(
          thrownBy(() => decodeStored(noise, hash)),
          DamagedBytes,
        )
      }),
      { numRuns: 200 },
    )
  })
})

t.test('a sealed value', async (t) => {
  t.equal(hex(sealValue(unhex('c0ffee'), hash)), '01c0ffee96840941', 'has the bytes of format 1')
  fc.assert(
    fc.property(bytes, fc.nat(), (value, seed) => {
      const sealed = sealValue(value, hash)
      t.same(openValue(sealed, hash), value)
      t.match(
        thrownBy(() => openValue(flipped(sealed, seed % (sealed.length * 8)), hash)),
        DamagedBytes,
      )
    }),
    { numRuns: 200 },
  )
  for (const cut of truncations(sealValue(unhex('c0ffee'), hash))) {
    t.match(
      thrownBy(() => openValue(cut, hash)),
      DamagedBytes,
    )
  }
  t.match(
    thrownBy(() => openValue(resealed('02aabb'), hash)),
    UnknownFormat,
  )
})

function readOrError(bytes: Uint8Array): KeyRecord | UnreadableBytes {
  try {
    return decodeRecord(bytes, hash)
  } catch (error) {
    if (error instanceof UnreadableBytes) return error
    throw error
  }
}

function reread(record: KeyRecord): KeyRecord | UnreadableBytes {
  return readOrError(encodeRecord(record))
}

/** Any content with the right checksum behind it. */
function resealed(content: string): Uint8Array {
  const bytes = Buffer.from(`${content}00000000`, 'hex')
  bytes.writeUInt32BE(hash.hash32(bytes.subarray(0, -4)), bytes.length - 4)
  return bytes
}
