import { isDeepStrictEqual } from 'node:util'
import { createCryptography } from '../../../lib/platform/node-cryptography.ts'
import { parseBootstrapTokens } from '../../../lib/security/bootstrap-tokens.ts'
import { formatScope, parseScope, parseScopes } from '../../../lib/security/scope-text.ts'
import { TokenAuthority } from '../../../lib/security/token-authority.ts'
import {
  decodeTokenChange,
  decodeTokenEntry,
  decodeTokenMap,
  encodeTokenChange,
  encodeTokenEntry,
  encodeTokenMap,
} from '../../../lib/security/token-codec.ts'
import type { TokenEntry } from '../../../lib/security/token-map.ts'
import { mintToken } from '../../../lib/security/token-text.ts'
import { InvalidParameter } from '../../../lib/vocabulary/errors.ts'
import { UnreadableBytes } from '../../../lib/wire/unreadable-bytes.ts'
import { must, type Target, type Trial, unlessRefused } from '../target.ts'
import { bytesOf, textOf } from './text.ts'

const cryptography = createCryptography((count) => new Uint8Array(count).fill(5))
const minted = mintToken(cryptography)
const file = 'k'.repeat(40)
const entry: TokenEntry = {
  ...{ id: minted.id, hash: minted.hash, number: 1, name: 'ci', role: 'read', createdAtMs: 1, createdBy: 'root' },
  ...{ scopes: [{ bucket: 'carts', isBucketPrefix: true, keyPrefix: 'a' }], expiresAtMs: 9, revokedAtMs: undefined },
}
const map = { closed: 0, entries: new Map([[entry.id, entry]]) }

/** What is shown as a token, what stands in a token file, scopes, and what the cluster keeps of its tokens. */
export const tokens: Target = {
  name: 'tokens',
  summary:
    'tokens shown, token files, scopes and stored tokens: known only if they were made, or refused as documented',
  seeds: () => [
    ...[minted.text, file, 'starling_', `${minted.text}=`].map((text) => seed(0, bytesOf(text))),
    ...[`${file}\n`, `# ours\n\n${file}\r\n${'x'.repeat(512)}\n`].map((text) => seed(1, bytesOf(text))),
    ...['carts', 'team-*', 'carts/user-', '%2A%2f/%', 'a/b/c'].map((text) => seed(2, bytesOf(text))),
    seed(3, encodeTokenMap(map)),
    seed(4, encodeTokenEntry(entry)),
    seed(5, encodeTokenChange({ type: 'create', token: entry })),
    seed(5, encodeTokenChange({ type: 'revoke', id: entry.id, atMs: 8 })),
  ],
  words: [minted.text, minted.id, file, '*', '/', '%', '%2F', '$', '\n', '#'],
  bytesMax: 1024,
  stepsMax: { base: 5_000, each: 300 },
  inputsInTests: 100_000,
  open,
}

function seed(place: number, bytes: Uint8Array): Uint8Array {
  return Uint8Array.of(place, ...bytes)
}

/** The first byte says who reads the rest. */
function open(): Trial {
  const authority = new TokenAuthority({ cryptography, wallMs: () => 5, isUpToDate: () => true, onRefused: () => {} })
  authority.demandTokens(parseBootstrapTokens(file, cryptography))
  authority.learn(map)
  const readers: readonly ((bytes: Uint8Array) => void)[] = [
    (bytes) => show(authority, textOf(bytes)),
    (bytes) => readFile(textOf(bytes)),
    (bytes) => readScope(textOf(bytes)),
    (bytes) => readStored(bytes, decodeTokenMap, encodeTokenMap),
    (bytes) => readStored(bytes, decodeTokenEntry, encodeTokenEntry),
    (bytes) => readStored(bytes, decodeTokenChange, encodeTokenChange),
  ]
  return { run: (input) => readers[(input[0] ?? 0) % readers.length]?.(input.subarray(1)) }
}

function show(authority: TokenAuthority, text: string): void {
  const principal = authority.principalOf(text)
  const isOurs = text === minted.text || text === file
  must((principal !== undefined) === isOurs, 'only a token that was made is known')
  must((authority.whyRefused(text) === undefined) === isOurs, 'and all others are refused for a reason')
}

function readFile(text: string): void {
  try {
    const read = parseBootstrapTokens(text, cryptography)
    must(read.length > 0, 'a token file holds tokens')
  } catch (error) {
    if (!(error instanceof InvalidParameter)) throw error
    const said = `${error.message} ${error.hint}`
    const lines = text.split('\n').map((line) => line.trim())
    must(!lines.some((line) => line.length > 12 && said.includes(line)), 'what stands in the file is not said')
  }
}

function readScope(text: string): void {
  const scope = unlessRefused([InvalidParameter], () => parseScope(text))
  unlessRefused([InvalidParameter], () => parseScopes(text.split(',')))
  if (scope === undefined) return
  must(isDeepStrictEqual(parseScope(formatScope(scope)), scope), 'a scope comes back as it was')
}

function readStored<Value>(
  bytes: Uint8Array,
  decode: (bytes: Uint8Array) => Value,
  encode: (value: Value) => Uint8Array,
): void {
  const value = unlessRefused([UnreadableBytes], () => decode(bytes))
  if (value !== undefined) must(isDeepStrictEqual(decode(encode(value)), value), 'what is stored comes back as it was')
}
