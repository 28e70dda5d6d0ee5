import t from 'tap'
import type { Hlc } from '../../lib/protocol/clock/hlc.ts'
import type { Session } from '../../lib/protocol/session/session.ts'
import { sessionCharsMax } from '../../lib/vocabulary/limits.ts'
import { decodeSession, encodeSession } from '../../lib/wire/session-token.ts'
import fc from '../fixtures/fast-check.ts'
import { hlc, vector } from './fixtures/arbitraries.ts'
import { hash } from './fixtures/hash.ts'

const cluster = '0123456789abcdef'
const sessions: fc.Arbitrary<Session> = fc.array(
  fc.record({ keyHash: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), seen: fc.record({ vv: vector, hlc }) }),
  { maxLength: 6 },
)
const example: Session = [
  {
    keyHash: 0xa0a1a2a3a4a5a6a7n,
    seen: {
      vv: [{ shortId: 1, generation: 0xa0a1a2a3, born: 140_000, counter: 140_900 }],
      hlc: 3_600_000_000_000_001 as Hlc,
    },
  },
  { keyHash: 1n, seen: { vv: [], hlc: 0 as Hlc } },
]
/** Format 1, frozen: clients keep these. */
const exampleToken = 'AaChoqOkpaangYDEieXFsgYBAaChoqPgxQiEBwAAAAAAAAABAADA10y0'

t.test('a session token', async (t) => {
  t.test('brings the session back', async (t) => {
    fc.assert(
      fc.property(sessions, (session) => {
        t.same(decodeSession(encodeSession(session, cluster, hash), cluster, hash), session)
      }),
      { numRuns: 300 },
    )
  })

  t.test('has the characters of format 1', async (t) => {
    t.equal(encodeSession(example, cluster, hash), exampleToken)
    t.same(decodeSession(exampleToken, cluster, hash), example)
  })

  t.test('is good for its cluster only', async (t) => {
    t.equal(decodeSession(exampleToken, '0123456789abcdee', hash), undefined)
    t.equal(decodeSession(exampleToken, '', hash), undefined)
  })

  t.test('with any one character changed, added or left out is none', async (t) => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/= .é'
    for (let at = 0; at <= exampleToken.length; at += 1) {
      const [head, tail] = [exampleToken.slice(0, at), exampleToken.slice(at)]
      for (const character of alphabet) {
        if (decodeSession(head + character + tail, cluster, hash) !== undefined) t.fail(`${character} added`)
        if (character === tail[0] || tail === '') continue
        if (decodeSession(head + character + tail.slice(1), cluster, hash) !== undefined) t.fail(`${character} put`)
      }
      if (tail !== '' && decodeSession(head + tail.slice(1), cluster, hash) !== undefined) t.fail('one left out')
    }
    t.equal(decodeSession('', cluster, hash), undefined)
  })

  t.test('of a newer Starling is none', async (t) => {
    const bytes = Buffer.from(encodeSession(example, cluster, hash), 'base64url')
    const content = Buffer.concat([Buffer.of(2), bytes.subarray(1, -4)])
    const name = Buffer.from(cluster)
    const checksum = hash.hash32(Buffer.concat([content, Buffer.of(name.length), name]))
    const newer = Buffer.concat([content, Buffer.alloc(4)])
    newer.writeUInt32BE(checksum, content.length)
    t.equal(decodeSession(newer.toString('base64url'), cluster, hash), undefined)
    newer[0] = 1
    const same = hash.hash32(Buffer.concat([newer.subarray(0, -4), Buffer.of(name.length), name]))
    newer.writeUInt32BE(same, content.length)
    t.same(decodeSession(newer.toString('base64url'), cluster, hash), example, 'the version alone makes it one')
  })

  t.test('stays below 16 KiB: what was touched longest ago is left out', async (t) => {
    const vv = Array.from({ length: 40 }, (_, shortId) => ({
      shortId,
      generation: 7,
      born: 1_000_000_000,
      counter: 2_000_000_000,
    }))
    const large: Session = Array.from({ length: 64 }, (_, key) => ({
      keyHash: BigInt(key),
      seen: { vv, hlc: 3_600_000_000_000_001 as Hlc },
    }))
    const token = encodeSession(large, cluster, hash)
    t.ok(token.length <= sessionCharsMax && token.length > sessionCharsMax - 1000)
    const kept = decodeSession(token, cluster, hash)
    t.same(kept, large.slice(0, kept?.length))
  })
})
