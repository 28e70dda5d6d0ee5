import { isDeepStrictEqual } from 'node:util'
import { contextCharsMax } from '../../../lib/vocabulary/limits.ts'
import { contextIn, decodeContext, encodeContext } from '../../../lib/wire/context-token.ts'
import { context } from '../../wire/fixtures/arbitraries.ts'
import { hash } from '../../wire/fixtures/hash.ts'
import { named } from '../../wire/fixtures/names.ts'
import { must, type Target } from '../target.ts'
import { samplesOf } from './samples.ts'
import { base64Of, textOf } from './text.ts'

const clusterId = '0123456789abcdef'
const key = named('carts', 'ada')
const checksumBytes = 4
/** In front of the token: the names it is bound to. */
const bound = Buffer.concat([Buffer.from([clusterId.length]), Buffer.from(clusterId), key.bytes])

/** `Starling-Context`, as clients send it back. */
export const contexts: Target = {
  name: 'contexts',
  summary: 'context tokens: one that is written again as it was, or undefined',
  seeds: () =>
    samplesOf(context).map((one) => new Uint8Array(Buffer.from(encodeContext(one, clusterId, key, hash), 'base64url'))),
  repair,
  bytesMax: 2048,
  stepsMax: { base: 2_000, each: 200 },
  inputsInTests: 100_000,
  open: () => ({ run: read }),
}

function read(input: Uint8Array): void {
  const asText = textOf(input)
  must(decodeContext(asText, clusterId, key, hash) === undefined || asText.length > 8, 'noise is no token')
  contextIn(asText)
  const token = base64Of(input)
  contextIn(token)
  const decoded = decodeContext(token, clusterId, key, hash)
  if (decoded === undefined) return
  must(token.length <= contextCharsMax, 'a token has its bound')
  must(decodeContext(token, clusterId, named('carts', 'bob'), hash) === undefined, 'a token is of its key')
  const again = encodeContext(decoded, clusterId, key, hash)
  must(isDeepStrictEqual(decodeContext(again, clusterId, key, hash), decoded), 'a context comes back as it was')
}

/** As the encoder would have ended it: a checksum over content and names. */
function repair(input: Uint8Array): Uint8Array {
  const end = Math.max(0, input.length - checksumBytes)
  const content = input.subarray(0, end)
  const whole = Buffer.alloc(end + checksumBytes)
  whole.set(content)
  whole.writeUInt32BE(hash.hash32(new Uint8Array(Buffer.concat([content, bound]))), end)
  return new Uint8Array(whole)
}
