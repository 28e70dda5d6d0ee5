import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { type CityRecord, contentType } from './city-records.ts'

/** How an export differs from its source. All zero but `same`: nothing was lost, changed, added or doubled. */
export interface Comparison {
  /** Keys with exactly one value, of the same bytes and content type. */
  readonly same: number
  readonly missing: number
  readonly different: number
  /** In the export but not in the source. */
  readonly foreign: number
  /** Keys that stand in the export more than once. */
  readonly twice: number
  /** Keys with more than one value. */
  readonly withSiblings: number
  /** The keys of the first few differences. */
  readonly examples: readonly string[]
}

interface ExportedLine {
  readonly key: string
  readonly value?: string
  readonly valueBase64?: string
  readonly contentType?: string
  readonly siblings?: readonly unknown[]
}

const examplesMax = 10

/** Compares the file that `starling kv export` wrote with the records that it should hold. */
export async function compareExport(file: string, source: Iterable<CityRecord>): Promise<Comparison> {
  const awaited = new Map<string, string>()
  for (const { key, value } of source) awaited.set(key, value)
  const seen = new Set<string>()
  const counts = { same: 0, missing: 0, different: 0, foreign: 0, twice: 0, withSiblings: 0 }
  const examples: string[] = []
  const count = (kind: keyof typeof counts, key: string): void => {
    counts[kind] += 1
    if (kind !== 'same' && examples.length < examplesMax) examples.push(`${key} ${kind}`)
  }
  for await (const text of createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY })) {
    const line = JSON.parse(text) as ExportedLine
    const { key } = line
    if (seen.has(key)) {
      count('twice', key)
      continue
    }
    seen.add(key)
    const value = awaited.get(key)
    if (value === undefined) count('foreign', key)
    else if (line.siblings !== undefined) count('withSiblings', key)
    else count(isSame(line, value) ? 'same' : 'different', key)
  }
  for (const key of awaited.keys()) if (!seen.has(key)) count('missing', key)
  return { ...counts, examples }
}

function isSame(line: ExportedLine, value: string): boolean {
  return line.contentType === contentType && bytesOf(line).equals(Buffer.from(value))
}

function bytesOf({ value, valueBase64 }: ExportedLine): Buffer {
  return value === undefined ? Buffer.from(valueBase64 ?? '', 'base64') : Buffer.from(value)
}
