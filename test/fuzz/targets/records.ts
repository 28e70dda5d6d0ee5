import { isDeepStrictEqual } from 'node:util'
import { mergeRecords } from '../../../lib/protocol/causality/merge.ts'
import { siblingChecksum, stateHash } from '../../../lib/protocol/causality/state-hash.ts'
import { decodeRecord, encodeRecord } from '../../../lib/wire/record.ts'
import { decodeStored, encodeStored } from '../../../lib/wire/stored-record.ts'
import { UnreadableBytes } from '../../../lib/wire/unreadable-bytes.ts'
import { lwwRecord, record } from '../../wire/fixtures/arbitraries.ts'
import { hash } from '../../wire/fixtures/hash.ts'
import { named } from '../../wire/fixtures/names.ts'
import { must, type Target, unlessRefused } from '../target.ts'
import { samplesOf } from './samples.ts'
import { withChecksum } from './trailing-checksum.ts'

const key = named('carts', 'ada')

/** What stands under a data key, as a disk may give it back. */
export const records: Target = {
  name: 'records',
  summary: 'stored records, damaged: one that merges with itself and is written again as it was, or UnreadableBytes',
  seeds: () => [...samplesOf(record), ...samplesOf(lwwRecord)].map((one) => encodeStored(encodeRecord(one), 7, hash)),
  repair: withChecksum,
  bytesMax: 4096,
  stepsMax: { base: 5_000, each: 500 },
  inputsInTests: 100_000,
  open: () => ({ run: read }),
}

function read(input: Uint8Array): void {
  const stored = unlessRefused([UnreadableBytes], () => decodeStored(input, hash))
  if (stored === undefined) return
  const { recordBytes, mintAs } = stored
  const found = unlessRefused([UnreadableBytes], () => decodeRecord(recordBytes, hash))
  if (found === undefined) return
  unlessRefused([UnreadableBytes], () => decodeRecord(recordBytes, hash, { siblingChecksum }))
  const again = encodeStored(encodeRecord(found), mintAs, hash)
  must(isDeepStrictEqual(decodeRecord(encodeRecord(found), hash), found), 'a record comes back as it was')
  must(again.length <= input.length + 16, 'a record does not grow by being read')
  stateHash(key, found, hash)
  const merged = mergeRecords(found, found)
  must(stateHash(key, merged, hash) === stateHash(key, found, hash), 'a record merged with itself is the same')
}
