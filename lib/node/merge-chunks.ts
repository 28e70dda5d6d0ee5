import { mergeBytesMax, mergeEntriesMax, type RecordEntry } from '../wire/messages.ts'

/** As many as one message may carry; a record larger than that goes alone. */
export function mergeChunks(entries: readonly RecordEntry[]): readonly (readonly RecordEntry[])[] {
  const chunks: RecordEntry[][] = []
  let bytes = 0
  for (const entry of entries) {
    const last = chunks.at(-1)
    const entryBytes = entry.key.bytes.length + entry.record.length
    if (last === undefined || last.length >= mergeEntriesMax || bytes + entryBytes > mergeBytesMax) {
      chunks.push([entry])
      bytes = entryBytes
    } else {
      last.push(entry)
      bytes += entryBytes
    }
  }
  return chunks
}
