import { isDeepStrictEqual } from 'node:util'
import type { Session } from '../../../lib/protocol/session/session.ts'
import { sessionCharsMax } from '../../../lib/vocabulary/limits.ts'
import { decodeSession, encodeSession } from '../../../lib/wire/session-token.ts'
import fc from '../../fixtures/fast-check.ts'
import { hlc, vector } from '../../wire/fixtures/arbitraries.ts'
import { hash } from '../../wire/fixtures/hash.ts'
import { must, type Target } from '../target.ts'
import { samplesOf } from './samples.ts'
import { base64Of, textOf } from './text.ts'

const clusterId = '0123456789abcdef'
const checksumBytes = 4
const bound = Buffer.concat([Buffer.from([clusterId.length]), Buffer.from(clusterId)])
const session: fc.Arbitrary<Session> = fc.array(
  fc.record({ keyHash: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), seen: fc.record({ vv: vector, hlc }) }),
  { maxLength: 4 },
)

/** `Starling-Session`, as clients send it back. */
export const sessions: Target = {
  name: 'sessions',
  summary: 'session tokens: one that is written again as it was, or undefined',
  seeds: () =>
    samplesOf(session).map((one) => new Uint8Array(Buffer.from(encodeSession(one, clusterId, hash), 'base64url'))),
  repair,
  bytesMax: 2048,
  stepsMax: { base: 2_000, each: 200 },
  inputsInTests: 100_000,
  open: () => ({ run: read }),
}

function read(input: Uint8Array): void {
  decodeSession(textOf(input), clusterId, hash)
  const token = base64Of(input)
  const decoded = decodeSession(token, clusterId, hash)
  if (decoded === undefined) return
  must(token.length <= sessionCharsMax, 'a token has its bound')
  must(decodeSession(token, 'fedcba9876543210', hash) === undefined, 'a token is of its cluster')
  const again = encodeSession(decoded, clusterId, hash)
  must(isDeepStrictEqual(decodeSession(again, clusterId, hash), decoded), 'a session comes back as it was')
}

/** As the encoder would have ended it: a checksum over content and cluster. */
function repair(input: Uint8Array): Uint8Array {
  const end = Math.max(0, input.length - checksumBytes)
  const content = input.subarray(0, end)
  const whole = Buffer.alloc(end + checksumBytes)
  whole.set(content)
  whole.writeUInt32BE(hash.hash32(new Uint8Array(Buffer.concat([content, bound]))), end)
  return new Uint8Array(whole)
}
