import type { BucketMap } from '../protocol/bucket/bucket-map.ts'
import type { BucketProperties } from '../protocol/bucket/properties.ts'
import { type Bucket, bucketProblem } from '../vocabulary/key.ts'
import { bucketBytesMax, siblingsMax, ttlSecondsMax, valueBytesMax } from '../vocabulary/limits.ts'
import { BytesReader } from './bytes-reader.ts'
import { BytesWriter } from './bytes-writer.ts'
import { readDurability, readLevel, readTimeout, writeDurability, writeLevel, writeTimeout } from './client-codec.ts'
import { readHlc } from './dot-codec.ts'
import type { Request } from './messages.ts'
import { readChoice, readList, readOptional, writeChoice, writeList, writeOptional } from './part-codec.ts'
import { MalformedBytes, UnknownFormat } from './unreadable-bytes.ts'

type SetBucket = Request & { readonly type: 'set-bucket' }

const mapVersion = 1
const conflicts: readonly BucketProperties['conflict'][] = ['siblings', 'lww']
const repairs: readonly NonNullable<BucketProperties['readRepair']>[] = ['blocking', 'async', 'off']
/** Version, clock and the ten properties, a byte each. */
const entryBytesMin = 12

/** The properties of all buckets as one value: version u8 | entries, sorted by bucket. Equal maps give equal bytes. */
export function encodeBucketMap(map: BucketMap): Uint8Array {
  const writer = new BytesWriter(16 + map.size * 48)
  writer.u8(mapVersion)
  const sorted = [...map].sort(([one], [other]) => (one < other ? -1 : 1))
  writeList(writer, sorted, (to, [bucket, entry]) => {
    to.text(bucket)
    to.varint(entry.hlc)
    writeProperties(to, entry.properties)
  })
  return writer.finish()
}

/**
 * @throws {MalformedBytes}
 * @throws {UnknownFormat} when a newer Starling wrote them
 */
export function decodeBucketMap(bytes: Uint8Array): BucketMap {
  const reader = new BytesReader(bytes)
  const version = reader.u8()
  if (version !== mapVersion) throw new UnknownFormat(`bucket properties of version ${version}`)
  const entries = readList(reader, 2 + entryBytesMin, (from) => {
    const bucket = readBucketName(from)
    return [bucket, { hlc: readHlc(from), properties: readProperties(from) }] as const
  })
  reader.end()
  const isSorted = entries.every(([bucket], at) => at === 0 || (entries[at - 1]?.[0] as string) < bucket)
  if (!isSorted) throw new MalformedBytes('the buckets are not sorted')
  return new Map(entries)
}

export function writeSetBucket(writer: BytesWriter, request: SetBucket): void {
  writer.text(request.bucket)
  writeProperties(writer, request.properties)
  writeOptional(writer, request.ifVersion, (to, version) => to.varint(version))
  writer.u8(request.hops)
  writeTimeout(writer, request.timeoutMs)
}

export function readSetBucket(reader: BytesReader): SetBucket {
  return {
    type: 'set-bucket',
    bucket: readBucketName(reader),
    properties: readProperties(reader),
    ifVersion: readOptional(reader, (from) => from.varint()),
    hops: reader.u8(),
    timeoutMs: readTimeout(reader),
  }
}

/** @throws {MalformedBytes} also for the database's own buckets, which are closed to clients */
export function readBucketName(reader: BytesReader): Bucket {
  const bucket = reader.text(bucketBytesMax)
  if (bucketProblem(bucket) !== undefined) throw new MalformedBytes('the name of a bucket is not one')
  return bucket as Bucket
}

export function writeProperties(writer: BytesWriter, properties: BucketProperties): void {
  writer.varint(properties.version)
  writeLevel(writer, properties.r)
  writeLevel(writer, properties.w)
  writeLevel(writer, properties.pr)
  writeLevel(writer, properties.pw)
  writeChoice(writer, conflicts, properties.conflict)
  writeDurability(writer, properties.durability)
  writeOptional(writer, properties.readRepair, (to, mode) => writeChoice(to, repairs, mode))
  writeOptional(writer, properties.ttlSeconds, (to, seconds) => to.varint(seconds))
  writer.varint(properties.siblingsMax)
  writer.varint(properties.valueBytesMax)
}

/** What is out of its range came from no Starling that this one understands. */
export function readProperties(reader: BytesReader): BucketProperties {
  return {
    version: reader.varint(),
    r: readLevel(reader),
    w: readLevel(reader),
    pr: readLevel(reader),
    pw: readLevel(reader),
    conflict: readChoice(reader, conflicts),
    durability: readDurability(reader),
    readRepair: readOptional(reader, (from) => readChoice(from, repairs)),
    ttlSeconds: readOptional(reader, (from) => positive(from, ttlSecondsMax)),
    siblingsMax: positive(reader, siblingsMax),
    valueBytesMax: positive(reader, valueBytesMax),
  }
}

function positive(reader: BytesReader, most: number): number {
  const value = reader.varint(most)
  if (value === 0) throw new MalformedBytes('a bound is 0')
  return value
}
