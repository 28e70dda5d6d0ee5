import type { Listing } from '../../http-client/listing.ts'
import { connect, requestOptions } from '../client-options.ts'
import { exitCode } from '../exit-code.ts'
import { note, writeData, writeLine } from '../output.ts'
import type { RangeFlags } from './options.ts'

export interface ScanFlags extends RangeFlags {
  readonly limit?: number
  readonly values?: boolean
  readonly reverse?: boolean
  readonly cursor?: string
}

export async function scan(bucket: string, flags: ScanFlags): Promise<void> {
  const { prefix, start, end, limit, reverse, cursor, values } = flags
  const range = { prefix, start, end, limit, reverse, cursor, values: flags.json === true ? values : undefined }
  const listing = connect(flags).list(bucket, { ...range, ...requestOptions(flags) })
  if (flags.json) await printDocument(bucket, listing)
  else for await (const { key } of listing) await writeLine(key)
  if (flags.json !== true && listing.cursor !== undefined) note(`more: --cursor ${listing.cursor}`)
  reportMissing(listing)
}

/** One document, an item on each line, written as the keys arrive: a bucket may be larger than the memory. */
async function printDocument(bucket: string, listing: Listing): Promise<void> {
  const head = `{"apiVersion":"v1","kind":"KeyList","bucket":${JSON.stringify(bucket)},"items":[\n`
  // With the first key, and not before: a scan that fails at once prints no half of a document.
  let before = head
  for await (const entry of listing) {
    await writeData(`${before}${JSON.stringify(entry)}`)
    before = ',\n'
  }
  if (before === head) await writeData(head)
  const { complete, missing, cursor = null } = listing
  await writeLine(`\n],"cursor":${JSON.stringify(cursor)},"complete":${complete},"missing":${JSON.stringify(missing)}}`)
}

/** A listing with holes must not pass for a whole one. */
export function reportMissing(listing: Listing): void {
  if (listing.complete) return
  process.exitCode = exitCode.partial
  note(`starling: the listing is partial: ${listing.missing.length} partitions had too few owners in reach`)
}
