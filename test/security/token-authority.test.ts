import t from 'tap'
import { createCryptography } from '../../lib/platform/node-cryptography.ts'
import { type BootstrapToken, bootstrapTokensMax, parseBootstrapTokens } from '../../lib/security/bootstrap-tokens.ts'
import { TokenAuthority } from '../../lib/security/token-authority.ts'
import { emptyTokenMap, type TokenEntry, withoutEnded, withRevoked, withToken } from '../../lib/security/token-map.ts'
import { hashToken, idOfToken, mintToken } from '../../lib/security/token-text.ts'
import { InvalidParameter } from '../../lib/vocabulary/errors.ts'

const cryptography = createCryptography()
const first = 'correct-horse-battery-staple-and-more'
const second = 'AAAAC3NzaC1lZDI1NTE5AAAAIJ+/eq=.~_-!'

t.test('a token file holds one token a line, each an admin', async (t) => {
  const tokens = parseBootstrapTokens(`# of november\n${first}\r\n\n  ${second} \n`, cryptography)
  t.equal(tokens.length, 2)
  for (const { principal } of tokens) {
    t.match(principal, { id: /^bootstrap-[0-9a-f]{8}$/, role: 'admin', scopes: undefined, expiresAtMs: undefined })
  }
  const alone = parseBootstrapTokens(second, cryptography)
  t.equal(alone[0]?.principal.id, tokens[1]?.principal.id, 'called the same wherever it stands')
})

t.test('what is no token is refused by its line, without a word of what stands there', async (t) => {
  for (const [text, message] of [
    ['', /holds no token/],
    ['# nothing yet\n', /holds no token/],
    [`${first}\nhunter2`, /line 2 of the token file has 7 characters/],
    ['h'.repeat(513), /line 1 of the token file has 513 characters/],
    [`${first} hunter2`, /line 1 of the token file holds what no header can carry/],
    [`${first}-zürich`, /line 1 .* no header/],
    [`${first}\n${first}`, /line 2 of the token file repeats/],
    [Array.from({ length: bootstrapTokensMax + 1 }, (_, at) => `${first}${at}`).join('\n'), /holds 17 tokens/],
  ] as const) {
    const thrown = caught(() => parseBootstrapTokens(text, cryptography))
    t.ok(thrown instanceof InvalidParameter, String(message))
    t.match(thrown.message, message)
    t.notMatch(`${thrown.message} ${(thrown as InvalidParameter).hint}`, /hunter2|horse/)
  }
})

t.test('a token says by itself which one it is', async (t) => {
  const { id, text, hash } = mintToken(cryptography)
  t.match(text, /^starling_[0-9a-f]{12}_[\w-]{43}$/)
  t.equal(idOfToken(text), id)
  t.same(hash, hashToken(text, cryptography))
  t.not(mintToken(cryptography).text, text)
  for (const other of [`${text}A`, text.slice(1), text.replace('_', '-'), `starling_${id.toUpperCase()}_x`, '']) {
    t.equal(idOfToken(other), undefined, other)
  }
})

t.test('nobody is asked until the node is told to', async (t) => {
  const { authority } = authorityOf()
  t.equal(authority.isOn, false)
  const before = authority.version
  authority.demandTokens(parseBootstrapTokens(first, cryptography))
  t.equal(authority.isOn, true)
  t.ok(authority.version > before)
})

t.test('the tokens of the file are good, also before the node knows any of its cluster', async (t) => {
  const { authority, refused } = authorityOf(`${first}\n${second}`)
  t.match(authority.principalOf(first), { role: 'admin', scopes: undefined })
  t.match(authority.principalOf(second), { role: 'admin' })
  t.not(authority.principalOf(first)?.id, authority.principalOf(second)?.id)
  t.equal(authority.principalOf(`${first}x`), undefined)
  t.equal(authority.principalOf(first.toUpperCase()), undefined)
  t.same(refused, ['not-known', 'not-known'], 'they may be tokens that it will learn of')

  await t.test('until the file has others', async (t) => {
    const before = authority.version
    authority.demandTokens(parseBootstrapTokens(second, cryptography))
    t.ok(authority.version > before, 'whoever remembers an answer asks again')
    t.equal(authority.principalOf(first), undefined)
    t.match(authority.principalOf(second), { role: 'admin' })
  })
})

t.test('of the tokens that the cluster has made', async (t) => {
  const { authority, refused, clock } = authorityOf(first)
  const token = mintToken(cryptography)
  const entry: TokenEntry = {
    ...{ id: token.id, number: 1, hash: token.hash, name: 'shop', role: 'write', createdBy: 'bootstrap-00000000' },
    scopes: [{ bucket: 'carts', isBucketPrefix: false, keyPrefix: '' }],
    createdAtMs: 1_000,
    expiresAtMs: 5_000,
    revokedAtMs: undefined,
  }
  const map = withToken(emptyTokenMap, entry)
  t.equal(authority.whyRefused(token.text), 'not-known')
  authority.learn(emptyTokenMap)
  t.equal(authority.whyRefused(token.text), 'unknown')
  authority.learn(map)
  const version = authority.version
  authority.learn(map)
  t.equal(authority.version, version, 'the same again is no change')

  await t.test('the bearer of one is who it was made for', async (t) => {
    t.match(authority.principalOf(token.text), { id: token.id, name: 'shop', role: 'write', expiresAtMs: 5_000 })
    t.equal(authority.whyRefused(token.text), undefined)
    t.equal(authority.inForce, 1)
  })

  await t.test('nobody is, who knows its id alone', async (t) => {
    refused.length = 0
    const forged = `${token.text.slice(0, -2)}AA`
    t.equal(authority.principalOf(forged), undefined)
    t.equal(authority.principalOf(`starling_${token.id}_`), undefined)
    t.equal(authority.principalOf(Buffer.from(token.hash).toString('base64url')), undefined)
    t.same(refused, ['unknown', 'unknown', 'unknown'])
  })

  await t.test('nobody can say so who does not know what was made since', async (t) => {
    clock.isUpToDate = false
    t.equal(authority.whyRefused(mintToken(cryptography).text), 'not-known')
    t.match(authority.principalOf(token.text), { id: token.id }, 'what is known is good all the same')
    clock.isUpToDate = true
  })

  await t.test('one is good until it expires, by the wall clock', async (t) => {
    refused.length = 0
    clock.wallMs = 4_999
    t.ok(authority.principalOf(token.text))
    clock.wallMs = 5_000
    t.equal(authority.principalOf(token.text), undefined)
    t.same(refused, ['expired'])
    t.equal(authority.inForce, 0)
    clock.wallMs = 0
  })

  await t.test('one that is revoked is no good, and neither when it is removed', async (t) => {
    refused.length = 0
    const revoked = withRevoked(map, token.id, 2_000)
    authority.learn(revoked)
    t.ok(authority.version > version)
    t.equal(authority.principalOf(token.text), undefined)
    authority.learn(withoutEnded(revoked, 3_000, 1_000))
    t.equal(authority.principalOf(token.text), undefined)
    t.same(refused, ['revoked', 'unknown'])
  })
})

t.test('a text without end is refused before it is hashed', async (t) => {
  let hashed = 0
  const counting = {
    ...cryptography,
    sha256: (bytes: Uint8Array) => {
      hashed += 1
      return cryptography.sha256(bytes)
    },
  }
  const authority = new TokenAuthority({
    ...{ cryptography: counting, wallMs: () => 0, isUpToDate: () => true },
    onRefused: () => {},
  })
  t.equal(authority.principalOf('x'.repeat(513)), undefined)
  t.equal(hashed, 0)
  t.equal(authority.principalOf('x'.repeat(512)), undefined)
  t.equal(hashed, 1)
})

function authorityOf(file?: string) {
  const refused: string[] = []
  const clock = { wallMs: 0, isUpToDate: true }
  const authority = new TokenAuthority({
    cryptography,
    wallMs: () => clock.wallMs,
    isUpToDate: () => clock.isUpToDate,
    onRefused: (reason) => refused.push(reason),
  })
  if (file !== undefined) authority.demandTokens(tokensOf(file))
  return { authority, refused, clock }
}

function tokensOf(file: string): readonly BootstrapToken[] {
  return parseBootstrapTokens(file, cryptography)
}

function caught(run: () => unknown): Error {
  try {
    run()
  } catch (error) {
    return error as Error
  }
  throw new Error('nothing was thrown')
}
