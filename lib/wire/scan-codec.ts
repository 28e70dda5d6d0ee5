import { type Bucket, bucketProblem, type Key, keyProblem } from '../vocabulary/key.ts'
import { bucketBytesMax, keyBytesMax, listLimitMax } from '../vocabulary/limits.ts'
import { BytesReader } from './bytes-reader.ts'
import { BytesWriter } from './bytes-writer.ts'
import { readContext, readSiblings, readTimeout, writeSibling, writeTimeout } from './client-codec.ts'
import type { Request, Response, ScanEntry, ScanRange } from './messages.ts'
import { readList, readOptional, readText, writeList, writeOptional, writeText } from './part-codec.ts'
import { MalformedBytes } from './unreadable-bytes.ts'

type RequestOf<Type extends Request['type']> = Extract<Request, { type: Type }>
type ResponseOf<Type extends Response['type']> = Extract<Response, { type: Type }>

/** A bucket's name in a list of the database's own: `$starling` is one of them. */
const bucketTextMax = bucketBytesMax

export function writeListIndex(writer: BytesWriter, { range, layoutNumber, timeoutMs }: RequestOf<'list-index'>): void {
  writeRange(writer, range)
  writer.varint(layoutNumber)
  writeTimeout(writer, timeoutMs)
}

export function readListIndex(reader: BytesReader): RequestOf<'list-index'> {
  return { type: 'list-index', range: readRange(reader), layoutNumber: reader.varint(), timeoutMs: readTimeout(reader) }
}

export function writeTellBuckets(writer: BytesWriter, request: RequestOf<'tell-buckets'>): void {
  writer.text(request.after)
  writer.varint(request.limit)
  writer.varint(request.layoutNumber)
  writeTimeout(writer, request.timeoutMs)
}

export function readTellBuckets(reader: BytesReader): RequestOf<'tell-buckets'> {
  return {
    type: 'tell-buckets',
    after: reader.text(bucketTextMax),
    limit: readLimit(reader),
    layoutNumber: reader.varint(),
    timeoutMs: readTimeout(reader),
  }
}

export function writeScan(writer: BytesWriter, { range, withValues, timeoutMs }: RequestOf<'scan'>): void {
  writeRange(writer, range)
  writer.flag(withValues)
  writeTimeout(writer, timeoutMs)
}

export function readScan(reader: BytesReader): RequestOf<'scan'> {
  return { type: 'scan', range: readRange(reader), withValues: reader.flag(), timeoutMs: readTimeout(reader) }
}

export function writeIndexListed(writer: BytesWriter, { isComplete, silent }: ResponseOf<'index-listed'>): void {
  writer.flag(isComplete)
  writePartitions(writer, silent)
}

export function indexListedBody({ keys, hinted }: ResponseOf<'index-listed'>): Uint8Array {
  const writer = new BytesWriter(1024)
  writeList(writer, keys, writeText)
  writeList(writer, hinted, writeText)
  return writer.finish()
}

export function readIndexListed(reader: BytesReader, body: Uint8Array): ResponseOf<'index-listed'> {
  const lists = new BytesReader(body)
  const keys = readList(lists, 1, readText)
  const hinted = readList(lists, 1, readText)
  lists.end()
  return { type: 'index-listed', keys, hinted, isComplete: reader.flag(), silent: readPartitions(reader) }
}

export function writeBucketsTold(writer: BytesWriter, { isComplete, silent }: ResponseOf<'buckets-told'>): void {
  writer.flag(isComplete)
  writePartitions(writer, silent)
}

export function bucketsToldBody({ buckets }: ResponseOf<'buckets-told'>): Uint8Array {
  const writer = new BytesWriter(1024)
  writeList(writer, buckets, (to, { bucket, key }) => {
    to.text(bucket)
    to.text(key)
  })
  return writer.finish()
}

export function readBucketsTold(reader: BytesReader, body: Uint8Array): ResponseOf<'buckets-told'> {
  const list = new BytesReader(body)
  const buckets = readList(list, 2, (from) => ({ bucket: from.text(bucketTextMax), key: from.text(keyBytesMax) }))
  list.end()
  return { type: 'buckets-told', buckets, isComplete: reader.flag(), silent: readPartitions(reader) }
}

/** All but the values: they are the body, one after the other. */
export function writeScanned(writer: BytesWriter, { entries, next, missing }: ResponseOf<'scanned'>): void {
  writer.text(next)
  writePartitions(writer, missing)
  writeList(writer, entries, writeEntry)
}

export function scannedBody({ entries }: ResponseOf<'scanned'>): Uint8Array | undefined {
  const values = entries.flatMap(({ siblings }) => siblings?.map(({ value }) => value) ?? [])
  return values.length < 2 ? values[0] : Buffer.concat(values)
}

export function readScanned(reader: BytesReader, body: Uint8Array): ResponseOf<'scanned'> {
  const next = reader.text(keyBytesMax)
  const missing = readPartitions(reader)
  const values = new BytesReader(body)
  const entries = readList(reader, 4, (from) => readEntry(from, values))
  values.end()
  return { type: 'scanned', entries, next, missing }
}

function writeEntry(writer: BytesWriter, { key, context, siblings }: ScanEntry): void {
  writer.text(key)
  writeOptional(writer, context, writeText)
  writeOptional(writer, siblings, (to, list) => writeList(to, list, writeSibling))
}

function readEntry(reader: BytesReader, values: BytesReader): ScanEntry {
  const key = reader.text(keyBytesMax)
  if (keyProblem(key) !== undefined) throw new MalformedBytes('not a name')
  return {
    key: key as Key,
    context: readOptional(reader, readContext),
    siblings: readOptional(reader, (from) => readSiblings(from, values)),
  }
}

function writeRange(writer: BytesWriter, range: ScanRange): void {
  writer.text(range.bucket)
  writer.text(range.prefix)
  writer.text(range.start)
  writer.text(range.end)
  writer.text(range.after)
  writer.flag(range.reverse)
  writer.varint(range.limit)
}

function readRange(reader: BytesReader): ScanRange {
  const bucket = reader.text(bucketBytesMax)
  if (bucketProblem(bucket) !== undefined) throw new MalformedBytes('not a name')
  return {
    bucket: bucket as Bucket,
    prefix: reader.text(keyBytesMax),
    start: reader.text(keyBytesMax),
    end: reader.text(keyBytesMax),
    after: reader.text(keyBytesMax),
    reverse: reader.flag(),
    limit: readLimit(reader),
  }
}

/** One more than a client may ask for: who makes a page looks one key further. */
function readLimit(reader: BytesReader): number {
  const limit = reader.varint(listLimitMax + 1)
  if (limit === 0) throw new MalformedBytes('a page of no keys')
  return limit
}

function writePartitions(writer: BytesWriter, partitions: readonly number[]): void {
  writeList(writer, partitions, (to, partition) => to.u16(partition))
}

function readPartitions(reader: BytesReader): readonly number[] {
  return readList(reader, 2, (from) => from.u16())
}
