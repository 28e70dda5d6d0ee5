import t from 'tap'
import type { CausalContext } from '../../lib/protocol/causality/record.ts'
import type { Hlc } from '../../lib/protocol/clock/hlc.ts'
import { contextCharsMax } from '../../lib/vocabulary/limits.ts'
import { decodeContext, encodeContext } from '../../lib/wire/context-token.ts'
import fc from '../fixtures/fast-check.ts'
import { context, recordKey } from './fixtures/arbitraries.ts'
import { hash } from './fixtures/hash.ts'
import { named } from './fixtures/names.ts'

const cluster = '0123456789abcdef'
const tea = named('carts', 'tea')
const example: CausalContext = {
  vv: [
    { shortId: 1, generation: 0xa0a1a2a3, born: 140_000, counter: 140_900 },
    { shortId: 2, generation: 0xb0b1b2b3, born: 65_537, counter: 65_537 },
    { shortId: 3, generation: 0xc0c1c2c3, born: 99_000, counter: 180_000 },
  ],
  hlc: 3_600_000_000_000_001 as Hlc,
  dots: [],
}
/** Format 1, frozen: clients keep these. */
const exampleToken = 'AYGAxInlxbIGAwGgoaKj4MUIhAcCsLGys4GABAADwMHCw7iFBuj4BABU1Che'

t.test('a token', async (t) => {
  t.test('brings the context back', async (t) => {
    fc.assert(
      fc.property(context, recordKey, (context, key) => {
        t.same(decodeContext(encodeContext(context, cluster, key, hash), cluster, key, hash), context)
      }),
      { numRuns: 300 },
    )
  })

  t.test('has the characters of format 1', async (t) => {
    t.equal(encodeContext(example, cluster, tea, hash), exampleToken)
    t.same(decodeContext(exampleToken, cluster, tea, hash), example)
  })

  t.test('is short: three actors in 50 to 90 characters that need no escaping', async (t) => {
    t.match(exampleToken, /^[A-Za-z0-9_-]{50,90}$/)
  })

  t.test('is good for its key and its cluster only', async (t) => {
    t.equal(decodeContext(exampleToken, cluster, named('carts', 'tee'), hash), undefined)
    t.equal(decodeContext(exampleToken, cluster, named('cart', 'stea'), hash), undefined)
    t.equal(decodeContext(exampleToken, '0123456789abcdee', tea, hash), undefined)
    t.equal(decodeContext(exampleToken, '', tea, hash), undefined)
  })

  t.test('with any one character changed, added or left out is none', async (t) => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/= .é'
    for (let at = 0; at <= exampleToken.length; at += 1) {
      const [head, tail] = [exampleToken.slice(0, at), exampleToken.slice(at)]
      for (const character of alphabet) {
        if (decodeContext(head + character + tail, cluster, tea, hash) !== undefined) t.fail(`${character} added`)
        if (character === tail[0] || tail === '') continue
        if (decodeContext(head + character + tail.slice(1), cluster, tea, hash) !== undefined)
          t.fail(`${character} put`)
      }
      if (tail !== '' && decodeContext(head + tail.slice(1), cluster, tea, hash) !== undefined) t.fail('one left out')
      if (tail !== '' && decodeContext(head, cluster, tea, hash) !== undefined) t.fail('cut off')
    }
    t.pass()
  })

  t.test('of random characters is none', async (t) => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.base64String()), (noise) => {
        t.equal(decodeContext(noise, cluster, tea, hash), undefined)
      }),
      { numRuns: 300 },
    )
  })

  t.test('with the right checksum around the wrong content is none', async (t) => {
    t.equal(decodeContext(forged('020000 00'), cluster, tea, hash), undefined, 'a version to come')
    t.equal(decodeContext(forged('01 00 05 00'), cluster, tea, hash), undefined, 'more actors than there are')
    t.equal(decodeContext(forged('01 00 00 00 00'), cluster, tea, hash), undefined, 'something behind the end')
    t.equal(decodeContext(forged(`01 00 00 09 ${'00'.repeat(63)}`), cluster, tea, hash), undefined, 'nine dots')
    t.same(decodeContext(forged('01 00 00 00'), cluster, tea, hash), { vv: [], hlc: 0, dots: [] }, 'this one is right')
  })

  t.test('longer than any that we make is not even read', async (t) => {
    t.equal(decodeContext('A'.repeat(contextCharsMax + 1), cluster, tea, hash), undefined)
  })
})

function forged(content: string): string {
  const bytes = Buffer.from(content.replaceAll(' ', ''), 'hex')
  const bound = Buffer.concat([bytes, Buffer.of(cluster.length), Buffer.from(cluster), tea.bytes])
  const checksum = Buffer.alloc(4)
  checksum.writeUInt32BE(hash.hash32(bound))
  return Buffer.concat([bytes, checksum]).toString('base64url')
}
