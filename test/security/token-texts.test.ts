import { deepEqual, equal } from 'node:assert/strict'
import t from 'tap'
import { checkNewToken } from '../../lib/security/new-token.ts'
import { formatScope, parseScope, parseScopes, scopesMax } from '../../lib/security/scope-text.ts'
import {
  decodeTokenChange,
  decodeTokenEntry,
  decodeTokenMap,
  encodeTokenChange,
  encodeTokenEntry,
  encodeTokenMap,
} from '../../lib/security/token-codec.ts'
import { mergeTokenMaps, type TokenMap, withToken } from '../../lib/security/token-map.ts'
import type { StarlingError } from '../../lib/vocabulary/errors.ts'
import { MalformedBytes, UnknownFormat, UnreadableBytes } from '../../lib/wire/unreadable-bytes.ts'
import fc from '../fixtures/fast-check.ts'
import { hex, thrownBy, unhex } from '../wire/fixtures/bytes.ts'
import { scope, token, tokenMap } from './fixtures/token-arbitraries.ts'

t.test('a scope is written as people write it', async (t) => {
  for (const [text, expected] of [
    ['carts', { bucket: 'carts', isBucketPrefix: false, keyPrefix: '' }],
    ['team-*', { bucket: 'team-', isBucketPrefix: true, keyPrefix: '' }],
    ['carts/user-', { bucket: 'carts', isBucketPrefix: false, keyPrefix: 'user-' }],
    ['team-*/eu/', { bucket: 'team-', isBucketPrefix: true, keyPrefix: 'eu/' }],
    ['*', { bucket: '', isBucketPrefix: true, keyPrefix: '' }],
    ['a%2Fb%2A%25/c%25*', { bucket: 'a/b*%', isBucketPrefix: false, keyPrefix: 'c%*' }],
    // A terminal would obey it, and a list have one line more.
    ['ü%0A%1B/%E2%80%AE', { bucket: 'ü\n\u001b', isBucketPrefix: false, keyPrefix: '\u202e' }],
  ] as const) {
    t.same(parseScope(text), expected, text)
    t.equal(formatScope(expected), text)
  }
  fc.assert(fc.property(scope, (given) => deepEqual(parseScope(formatScope(given)), given)))
})

t.test('what is no scope is refused, and the answer says what would be one', async (t) => {
  for (const [text, message, hint] of [
    ['', /names no bucket/, /PREFIX\*/],
    ['/user-', /names no bucket/, /BUCKET\/KEYPREFIX/],
    ['carts/', /no key prefix behind its slash/, /"carts" means all keys/],
    ['te\ud83d*', /not percent-encoded UTF-8/, /%25/],
    ['te*am', /an asterisk inside a name/, /%2A/],
    ['te**', /an asterisk inside a name/, /%2A/],
    ['%zz', /not percent-encoded/, /%25/],
    ['$starling', /of the database itself/, /closed/],
    ['x'.repeat(256), /longer than what it names/, /255 bytes/],
  ] as const) {
    t.match(
      thrownBy(() => parseScope(text)),
      { code: 'invalid-parameter', message, hint },
      text,
    )
  }
  t.match(
    thrownBy(() => parseScopes([])),
    { message: /no scope in the list/, hint: /leave scopes out/ },
  )
  const many = Array.from({ length: scopesMax + 1 }, (_, at) => `b${at}`)
  t.match(
    thrownBy(() => parseScopes(many)),
    { message: /at most 32 scopes, not 33/ },
  )
  t.match(
    thrownBy(() => parseScopes(['a', 'b'].map((end) => `carts/${'x'.repeat(1_023)}${end}`))),
    {
      message: /at most 2048 bytes/,
    },
  )
  t.equal(parseScopes(['carts', 'carts', 'c%61rts']).length, 1, 'each once')
})

t.test('an order for a token is checked, and its answer says which field is wrong', async (t) => {
  const good = { name: 'shop', role: 'write', scopes: ['carts'], expiresInSeconds: 60 }
  t.same(checkNewToken(good), { ...good, scopes: [{ bucket: 'carts', isBucketPrefix: false, keyPrefix: '' }] })
  t.match(checkNewToken({ name: 'shop', role: 'admin', scopes: null, expiresInSeconds: null }), {
    scopes: undefined,
    expiresInSeconds: undefined,
  })
  for (const [change, message] of [
    [{ name: '' }, /"name" must be a text of 1 to 64/],
    [{ name: undefined }, /"name" must be .* not nothing/],
    [{ name: 'x'.repeat(65) }, /"name"/],
    [{ name: 'two\nlines' }, /"name"/],
    [{ name: '\u202eevil' }, /"name"/],
    [{ role: 'root' }, /"role" must be read, write, operator or admin, not "root"/],
    [{ role: undefined }, /"role"/],
    [{ scopes: 'carts' }, /"scopes" must be a list of texts/],
    [{ scopes: [1] }, /"scopes"/],
    [{ scopes: ['carts/'] }, /no key prefix/],
    [{ expiresInSeconds: 0 }, /"expiresInSeconds" must be an integer from 1 to 315360000, not 0/],
    [{ expiresInSeconds: 1.5 }, /"expiresInSeconds"/],
    [{ expiresInSeconds: '60' }, /"expiresInSeconds"/],
  ] as const) {
    t.match(thrownBy(() => checkNewToken({ ...good, ...change })) as StarlingError, {
      code: 'invalid-parameter',
      aftermath: 'nothing-changed',
      message,
    })
  }
})

t.test('tokens as bytes', async (t) => {
  const golden =
    '0105020000000000ff020202020202020202020202020202020202020202020202020202020202020202036f6c64020080d0' +
    '95ffbc3100000181b883a1f732c0ffee00000007030303030303030303030303030303030303030303030303030303030303' +
    '03030473686f700101010563617274730005757365722d80d095ffbc3112626f6f7473747261702d30313233616263640180' +
    'a0f1c2b13400'

  t.test('come back as they were, and equal ones have equal bytes', async (t) => {
    fc.assert(
      fc.property(tokenMap, tokenMap, (a, b) => {
        deepEqual(sorted(decodeTokenMap(encodeTokenMap(a))), sorted(a))
        equal(hex(encodeTokenMap(mergeTokenMaps(a, b))), hex(encodeTokenMap(mergeTokenMaps(b, a))))
      }),
    )
    fc.assert(
      fc.property(token, (entry) => {
        deepEqual(decodeTokenEntry(encodeTokenEntry(entry)), entry)
        for (const change of [
          { type: 'create', token: entry },
          { type: 'revoke', id: entry.id, atMs: entry.createdAtMs },
        ] as const) {
          deepEqual(decodeTokenChange(encodeTokenChange(change)), change)
        }
      }),
    )
    t.pass()
  })

  t.test('have the bytes of version 1', async (t) => {
    const map: TokenMap = [
      {
        ...{ id: 'c0ffee000000', number: 7, hash: new Uint8Array(32).fill(3), name: 'shop', role: 'write' as const },
        scopes: [{ bucket: 'carts', isBucketPrefix: false, keyPrefix: 'user-' }],
        ...{ createdAtMs: 1_700_000_000_000, createdBy: 'bootstrap-0123abcd' },
        ...{ expiresAtMs: 1_800_000_000_000, revokedAtMs: undefined },
      },
      {
        ...{ id: '0000000000ff', number: 2, hash: new Uint8Array(32).fill(2), name: 'old', role: 'operator' as const },
        ...{ scopes: undefined, createdAtMs: 1_700_000_000_000, createdBy: '' },
        ...{ expiresAtMs: undefined, revokedAtMs: 1_750_000_000_001 },
      },
    ].reduce(withToken, { closed: 5, entries: new Map() })
    t.equal(hex(encodeTokenMap(map)), golden)
    t.same(sorted(decodeTokenMap(unhex(golden))), sorted(map))
  })

  t.test('of a newer Starling are refused by name, and so is whatever is none', async (t) => {
    t.ok(thrownBy(() => decodeTokenMap(unhex('020000'))) instanceof UnknownFormat)
    t.ok(thrownBy(() => decodeTokenChange(unhex('0200'))) instanceof UnknownFormat)
    t.ok(thrownBy(() => decodeTokenEntry(unhex('02'))) instanceof UnknownFormat)
    t.ok(thrownBy(() => decodeTokenMap(unhex('01'))) instanceof MalformedBytes)
    t.ok(thrownBy(() => decodeTokenMap(unhex(`${golden}00`))) instanceof MalformedBytes)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
        for (const decode of [decodeTokenMap, decodeTokenEntry, decodeTokenChange]) {
          try {
            decode(bytes)
          } catch (error) {
            if (!(error instanceof UnreadableBytes)) throw error
          }
        }
      }),
    )
  })
})

function sorted({ closed, entries }: ReturnType<typeof decodeTokenMap>) {
  return { closed, entries: [...entries.values()].sort((one, other) => (one.id < other.id ? -1 : 1)) }
}
