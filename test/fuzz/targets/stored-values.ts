import { isDeepStrictEqual } from 'node:util'
import type { Hlc } from '../../../lib/protocol/clock/hlc.ts'
import { decodeBucketMap, encodeBucketMap } from '../../../lib/wire/bucket-codec.ts'
import { decodeBarrier, encodeBarrier } from '../../../lib/wire/deletion-barrier.ts'
import { decodeForkedOff, encodeForkedOff } from '../../../lib/wire/forked-off.ts'
import { decodeFormer, encodeFormer } from '../../../lib/wire/former-partition.ts'
import { decodeGained, encodeGained } from '../../../lib/wire/gained-partition.ts'
import { decodeCursor, decodeOwned, encodeCursor, encodeOwned } from '../../../lib/wire/hand-back.ts'
import { decodeMemberList, encodeMemberList } from '../../../lib/wire/member-list.ts'
import { decodeOwnRow, encodeOwnRow } from '../../../lib/wire/own-row.ts'
import { decodeRecoveryProgress, encodeRecoveryProgress } from '../../../lib/wire/recovery-progress.ts'
import {
  parseDataKey,
  parseExpiryKey,
  parseHintIndexKey,
  parseHintKey,
  parseIndexKey,
  parseIndexValue,
  parseMetaKey,
  parseTombstoneKey,
} from '../../../lib/wire/store-keys.ts'
import { openValue } from '../../../lib/wire/stored-record.ts'
import { decodeTombstoneEntry, encodeTombstoneEntry } from '../../../lib/wire/tombstone-entry.ts'
import { decodeTree, encodeTree } from '../../../lib/wire/tree-codec.ts'
import { UnreadableBytes } from '../../../lib/wire/unreadable-bytes.ts'
import { decodeVotes, encodeVotes } from '../../../lib/wire/vote-codec.ts'
import fc from '../../fixtures/fast-check.ts'
import { bytes, hlc, u32, u53 } from '../../wire/fixtures/arbitraries.ts'
import { bucketMap } from '../../wire/fixtures/bucket-arbitraries.ts'
import { member, nodeId, row } from '../../wire/fixtures/frame-arbitraries.ts'
import { hash } from '../../wire/fixtures/hash.ts'
import { layoutVersion } from '../../wire/fixtures/layout-arbitraries.ts'
import { must, type Target, unlessRefused } from '../target.ts'
import { samplesOf } from './samples.ts'

interface Codec {
  readonly samples: () => readonly Uint8Array[]
  /** What was read, and what is read of it when it is written again. */
  readonly read: (bytes: Uint8Array) => readonly [value: unknown, again: unknown]
}

function codec<Value>(
  values: fc.Arbitrary<NonNullable<Value>>,
  encode: (value: NonNullable<Value>) => Uint8Array,
  decode: (bytes: Uint8Array) => Value,
): Codec {
  return {
    samples: () => samplesOf(values, 12).map(encode),
    read(bytes) {
      const value = decode(bytes)
      return [value, value == null ? value : decode(encode(value))]
    },
  }
}

const reasons = ['lossy', 'restored', 'wiped'] as const
const partition = fc.nat(65_535)
const ballot = fc.record({ round: u53, node: nodeId })
const leaves = fc
  .uniqueArray(fc.tuple(fc.nat(4095), fc.bigInt({ min: 1n, max: 2n ** 64n - 1n })), { selector: ([leaf]) => leaf })
  .map((pairs) => pairs.toSorted(([a], [b]) => a - b))

/** The first byte of an input says which of them reads the rest. */
const codecs: readonly Codec[] = [
  codec(fc.record({ row, recovering: fc.constantFrom(undefined, ...reasons) }), encodeOwnRow, decodeOwnRow),
  codec(fc.array(member, { maxLength: 3 }), encodeMemberList, decodeMemberList),
  codec(
    fc.record({
      reason: fc.constantFrom(...reasons),
      copiedFrom: hlc,
      copiedUpTo: hlc,
      owed: fc.array(fc.record({ partition, owners: fc.array(nodeId, { maxLength: 3 }) }), { maxLength: 3 }),
    }),
    encodeRecoveryProgress,
    decodeRecoveryProgress,
  ),
  codec(
    fc.record({
      state: fc.record({
        number: u53,
        promised: fc.option(ballot, { nil: undefined }),
        accepted: fc.option(fc.record({ ballot, candidate: layoutVersion }), { nil: undefined }),
      }),
      votesAbove: u53,
      isLearning: fc.boolean(),
      hasLearnt: fc.boolean(),
      forks: u53,
    }),
    encodeVotes,
    decodeVotes,
  ),
  codec(fc.record({ forks: u53, shortId: u32 }), encodeForkedOff, decodeForkedOff),
  codec(fc.record({ stoppedAt: hlc, isGiven: fc.boolean() }), encodeFormer, decodeFormer),
  codec(fc.record({ assignedAt: u53, isCopied: fc.boolean(), after: bytes }), encodeGained, decodeGained),
  codec(fc.record({ number: u53, partitions: fc.array(partition) }), encodeOwned, decodeOwned),
  codec(fc.record({ number: u53, partition, after: bytes }), encodeCursor, decodeCursor),
  codec(fc.record({ gcBarrier: hlc, gcDeleted: hlc }), encodeBarrier, decodeBarrier),
  codec(
    fc.tuple(hlc, hlc).map(([one, other]) => ({
      deletedHlc: Math.min(one, other) as Hlc,
      seenHlc: Math.max(one, other) as Hlc,
    })),
    encodeTombstoneEntry,
    decodeTombstoneEntry,
  ),
  codec(
    fc.record({ epoch: u53, partitionCount: fc.nat(65_536), verifiedAtMs: fc.nat(), leaves }),
    encodeTree,
    decodeTree,
  ),
  codec(bucketMap, encodeBucketMap, decodeBucketMap),
]

const keys: readonly ((bytes: Uint8Array) => unknown)[] = [
  parseDataKey,
  parseHintKey,
  parseTombstoneKey,
  parseExpiryKey,
  parseHintIndexKey,
  parseIndexKey,
  parseIndexValue,
  parseMetaKey,
]

/** What a node keeps about itself, and its store keys. */
export const storedValues: Target = {
  name: 'stored-values',
  summary:
    'what a node keeps about itself, and keys of its store: a value that is written again as it was, or UnreadableBytes',
  seeds: () => codecs.flatMap(({ samples }, index) => samples().map((bytes) => Uint8Array.of(index, ...bytes))),
  bytesMax: 2048,
  stepsMax: { base: 5_000, each: 500 },
  inputsInTests: 100_000,
  open: () => ({ run: read }),
}

function read(input: Uint8Array): void {
  const bytes = input.subarray(1)
  for (const parse of keys) parse(bytes)
  unlessRefused([UnreadableBytes], () => openValue(bytes, hash))
  const chosen = codecs[(input[0] ?? 0) % codecs.length] as Codec
  const read = unlessRefused([UnreadableBytes], () => chosen.read(bytes))
  if (read === undefined) return
  const [value, again] = read
  must(isDeepStrictEqual(again, value), 'a value comes back as it was')
}
