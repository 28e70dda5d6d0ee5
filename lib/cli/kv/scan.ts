import type { Listing } from '../../http-client/listing.ts'
import { connect, requestOptions } from '../client-options.ts'
import { exitCode } from '../exit-code.ts'
import { note, writeData, writeLine } from '../output.ts'
import type { RangeFlags } from './options.ts'

export interface ScanFlags extends RangeFlags {
  readonly limit?: number
  readonly values?: boolean
}

export async function scan(bucket: string, flags: ScanFlags): Promise<void> {
  const { prefix, start, end, limit, values } = flags
  const range = { prefix, start, end, limit, values: flags.json === true ? values : undefined }
  const listing = connect(flags).list(bucket, { ...range, ...requestOptions(flags) })
  if (flags.json) await printDocument(bucket, listing)
  else for await (const { key } of listing) await writeLine(key)
  reportMissing(listing)
}

/** One document, written as the keys arrive: a bucket may be larger than the memory. */
async function printDocument(bucket: string, listing: Listing): Promise<void> {
  await writeData(`{"apiVersion":"v1","kind":"KeyList","bucket":${JSON.stringify(bucket)},"items":[`)
  let separator = ''
  for await (const entry of listing) {
    await writeData(`${separator}${JSON.stringify(entry)}`)
    separator = ','
  }
  const { complete, missing } = listing
  await writeLine(`],"complete":${complete},"missing":${JSON.stringify(missing)}}`)
}

/** A listing with holes must not pass for a whole one. */
export function reportMissing(listing: Listing): void {
  if (listing.complete) return
  process.exitCode = exitCode.partial
  note(`starling: the listing is partial: ${listing.missing.length} partitions had too few owners in reach`)
}
