import { type ErrorCode, InvalidBody, type StarlingError, UnsupportedEncoding } from '../vocabulary/errors.ts'
import type { Exchange } from './exchange.ts'
import { JsonWeight } from './json-weight.ts'
import { refuseEncodings, single } from './request-headers.ts'
import { readBody } from './value-body.ts'

/** What a route that reads a JSON body may answer because of it. */
export const jsonBodyErrors: readonly ErrorCode[] = [
  'invalid-body',
  'unsupported-encoding',
  'value-too-large',
  'overloaded',
]

/** More than any document of the API needs, but a batch. */
const jsonBytesMax = 64 * 1024
/** Of a batch: two hundred for each of its operations. Shorter bodies cannot have enough to matter. */
const jsonValuesMax = 200_000

/**
 * Reads a JSON object from the body; `done` gets undefined where there is no body. Only `application/json` is taken: a
 * page of another origin can make a browser send a form, but not that.
 *
 * @throws {UnsupportedEncoding} for a body of another type
 * @throws {ValueTooLarge} beyond `bytesMax`
 */
export function readJsonBody(
  exchange: Exchange,
  done: (body: Readonly<Record<string, unknown>> | undefined) => void,
  bytesMax = jsonBytesMax,
): void {
  const { headers } = exchange
  refuseEncodings(headers)
  const given = single(headers, 'content-type')
  const type = given?.split(';')[0]?.trim().toLowerCase()
  if (type !== undefined && type !== 'application/json') {
    throw new UnsupportedEncoding(`the body is "${given}", not application/json`, {
      hint: 'Send JSON, with Content-Type: application/json.',
    })
  }
  const take = (bytes: Uint8Array): void => {
    if (bytes.length === 0) return done(undefined)
    if (type === undefined) {
      throw new UnsupportedEncoding('the body has no Content-Type', {
        hint: 'Send JSON, with Content-Type: application/json.',
      })
    }
    done(parseObject(bytes))
  }
  readBody(exchange, bytesMax, take, bytesMax > jsonBytesMax ? weigh() : undefined)
}

/** Finds as it comes what would only be refused when it had come. */
function weigh(): (chunk: Uint8Array) => StarlingError | undefined {
  const weight = new JsonWeight()
  let unweighed: Uint8Array[] | undefined = []
  let bytes = 0
  return (chunk) => {
    bytes += chunk.length
    if (bytes <= jsonBytesMax) {
      unweighed?.push(chunk)
      return undefined
    }
    for (const earlier of unweighed ?? []) weight.add(earlier, jsonValuesMax)
    unweighed = undefined
    weight.add(chunk, jsonValuesMax)
    return weight.values > jsonValuesMax ? tooManyValues : undefined
  }
}

const tooManyValues = new InvalidBody(`the body has more than ${jsonValuesMax} values`, {
  hint: 'Send it in several requests.',
})

/** @throws {InvalidBody} unless these are all the fields that `body` may have */
export function checkFields(body: Readonly<Record<string, unknown>>, known: readonly string[]): void {
  const unknown = Object.keys(body).find((name) => !known.includes(name))
  if (unknown === undefined) return
  throw new InvalidBody(`there is no field "${unknown}" here`, { hint: `Known here: ${known.join(', ')}.` })
}

function parseObject(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  let parsed: unknown
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw new InvalidBody('the body is not JSON')
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new InvalidBody('the body is not a JSON object')
  }
  return parsed as Readonly<Record<string, unknown>>
}
