import { parseSibling, type Sibling, type SiblingJson } from '../../http-client/sibling.ts'
import { InvalidBody } from '../../vocabulary/errors.ts'
import { withoutDuplicates } from './same-content.ts'

/** What a key is to hold after the import. */
export interface ImportRecord {
  readonly key: string
  /** At least one; no two the same. */
  readonly siblings: readonly Sibling[]
}

type JsonObject = Readonly<Record<string, unknown>>

/** What a line may hold; the last two are what an export adds for the reader. */
const siblingFields = ['value', 'valueBase64', 'contentType', 'metadata', 'expiresAt', 'etag', 'writtenAt']

/** Bytes that are no text must not be stored as something else. A byte order mark, which some editors write, is passed over. */
const decoder = new TextDecoder('utf-8', { fatal: true })

/** @throws {InvalidBody} when the line is not a record */
export function parseImportLine(line: Uint8Array): ImportRecord {
  const { key, siblings, ...fields } = parseObject(decode(line))
  if (typeof key !== 'string') throw new InvalidBody('the line has no "key" that is a string')
  if (siblings === undefined) return { key, siblings: [parseOne(fields)] }
  const [beside] = Object.keys(fields)
  if (beside !== undefined) throw new InvalidBody(`the line has both "siblings" and ${JSON.stringify(beside)}`)
  if (!Array.isArray(siblings) || siblings.length === 0) throw new InvalidBody('"siblings" is not a list of values')
  return { key, siblings: withoutDuplicates(siblings.map(parseOne)) }
}

function decode(line: Uint8Array): string {
  try {
    return decoder.decode(line)
  } catch {
    throw new InvalidBody('the line is not UTF-8')
  }
}

function parseObject(text: string): JsonObject {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw new InvalidBody(`the line is not JSON: ${(error as Error).message}`)
  }
  if (!isObject(parsed)) throw new InvalidBody('the line is not a JSON object')
  return parsed
}

function parseOne(json: unknown): Sibling {
  if (!isObject(json)) throw new InvalidBody('a sibling is not a JSON object')
  for (const [field, value] of Object.entries(json)) {
    // A misspelt field would be lost without a word.
    if (!siblingFields.includes(field)) throw new InvalidBody(`unknown field ${JSON.stringify(field)}`)
    const isWhole = field === 'metadata' ? isTextMap(value) : isText(value)
    if (!isWhole)
      throw new InvalidBody(
        `"${field}" is not ${field === 'metadata' ? 'an object of Unicode strings' : 'a Unicode string'}`,
      )
  }
  const { expiresAt } = json
  if (typeof expiresAt === 'string' && Number.isNaN(Date.parse(expiresAt)))
    throw new InvalidBody('"expiresAt" is not a time')
  try {
    return parseSibling(json as SiblingJson)
  } catch (error) {
    throw new InvalidBody((error as Error).message)
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isTextMap(value: unknown): boolean {
  return isObject(value) && Object.values(value).every(isText)
}

/** Half a surrogate pair is no character: as UTF-8 it would come back as another one. */
function isText(value: unknown): boolean {
  return typeof value === 'string' && value.isWellFormed()
}
