import { deepEqual, equal, ok } from 'node:assert/strict'
import t from 'tap'
import { changeTokens } from '../../lib/security/change-tokens.ts'
import {
  emptyTokenMap,
  endedKeptMs,
  endedKeptMsMin,
  mergeTokenMaps,
  nextNumber,
  type TokenEntry,
  type TokenMap,
  tokensMax,
  withoutEnded,
  withRevoked,
  withToken,
} from '../../lib/security/token-map.ts'
import fc from '../fixtures/fast-check.ts'
import { token, tokenMap } from './fixtures/token-arbitraries.ts'

t.test('the tokens of a cluster merge: commutative, associative and idempotent', async (t) => {
  fc.assert(
    fc.property(tokenMap, tokenMap, tokenMap, (a, b, c) => {
      deepEqual(sorted(mergeTokenMaps(a, b)), sorted(mergeTokenMaps(b, a)))
      deepEqual(sorted(mergeTokenMaps(mergeTokenMaps(a, b), c)), sorted(mergeTokenMaps(a, mergeTokenMaps(b, c))))
      equal(mergeTokenMaps(a, a), a)
      equal(mergeTokenMaps(a, copyOf(a)), a, 'what adds nothing gives the same object, so nobody writes it again')
      const ab = mergeTokenMaps(a, b)
      equal(mergeTokenMaps(ab, a), ab)
      equal(mergeTokenMaps(ab, copyOf(b)), ab)
    }),
    { numRuns: 1_000 },
  )
  t.pass()
})

t.test('a revocation wins every merge', async (t) => {
  fc.assert(
    fc.property(tokenMap, tokenMap, token, fc.nat(), (a, b, { id }, atMs) => {
      const revoked = withRevoked(a, id, atMs)
      const merged = mergeTokenMaps(b, revoked).entries.get(id)
      if (a.entries.has(id)) ok(merged === undefined || merged.revokedAtMs !== undefined)
    }),
  )
  const map = mapOf(tokenNumbered(1))
  const early = withRevoked(map, idOf(1), 5)
  const late = withRevoked(map, idOf(1), 9)
  t.equal(mergeTokenMaps(late, early).entries.get(idOf(1))?.revokedAtMs, 5, 'since the earlier moment')
  t.equal(withRevoked(early, idOf(1), 9), early, 'once is enough')
  t.equal(withRevoked(map, 'ffffffffffff', 9), map)
})

t.test('what was removed comes back from no merge', async (t) => {
  fc.assert(
    fc.property(tokenMap, tokenMap, tokenMap, (a, b, c) => {
      const all = mergeTokenMaps(a, b)
      const removed = withoutEnded(all, Number.MAX_SAFE_INTEGER, 0)
      const gone = [...all.entries.keys()].filter((id) => !removed.entries.has(id))
      const later = mergeTokenMaps(mergeTokenMaps(c, a), mergeTokenMaps(removed, b))
      for (const id of gone) ok(!later.entries.has(id), id)
      for (const [id, { number }] of all.entries) {
        if (!gone.includes(id) && number > c.closed) ok(later.entries.has(id), 'and the others stay')
      }
    }),
    { numRuns: 1_000 },
  )
  t.pass()
})

t.test('a token that is made while another is removed stays', async (t) => {
  const known = withRevoked(mapOf(tokenNumbered(1), tokenNumbered(2)), idOf(2), 0)
  const made = withToken(known, tokenNumbered(nextNumber(known)))
  const removed = withoutEnded(known, endedKeptMs, endedKeptMs)
  t.same([...removed.entries.keys()], [idOf(1)])
  t.equal(removed.closed, 2)
  t.same([...mergeTokenMaps(removed, made).entries.keys()].sort(), [idOf(1), idOf(3)])
  t.equal(nextNumber(removed), 3, 'a number is never given again')
})

t.test('tokens that expired or were revoked go when they ended so long ago', async (t) => {
  const expiring = { ...tokenNumbered(1), expiresAtMs: 1_000 }
  const map = mapOf(expiring, tokenNumbered(2))
  t.equal(withoutEnded(map, 1_099, 100), map)
  t.same([...withoutEnded(map, 1_100, 100).entries.keys()], [idOf(2)])
  const revoked = withRevoked(map, idOf(1), 500)
  t.same([...withoutEnded(revoked, 600, 100).entries.keys()], [idOf(2)], 'whichever came first')
})

t.test('a cluster keeps so many tokens and no more', async (t) => {
  const full = mapOf(...Array.from({ length: tokensMax }, (_, at) => tokenNumbered(at + 1)))
  const nowMs = 1_800_000_000_000
  const create = (map: TokenMap) => changeTokens(map, { type: 'create', token: tokenNumbered(tokensMax + 1) }, nowMs)
  t.match(create(full), { refused: { code: 'precondition-failed', message: /at most 1000 tokens/ } })
  const just = withRevoked(full, idOf(7), nowMs - endedKeptMsMin + 1)
  t.match(
    create(just),
    { refused: { code: 'precondition-failed' } },
    'one that was revoked a moment ago keeps its place',
  )
  const changed = create(withRevoked(full, idOf(7), nowMs - endedKeptMsMin))
  t.equal(changed.next?.entries.size, tokensMax)
  t.notOk(changed.next?.entries.has(idOf(7)))
  t.ok(changed.next?.entries.has(idOf(tokensMax + 1)))
})

t.test('to make or revoke a token again changes nothing', async (t) => {
  const change = { type: 'create', token: tokenNumbered(1) } as const
  const first = changeTokens(emptyTokenMap, change, 0)
  t.same(changeTokens(first.next as TokenMap, change, 0), first)
  const revoke = { type: 'revoke', id: idOf(1), atMs: 5 } as const
  const revoked = changeTokens(first.next as TokenMap, revoke, 5)
  t.match(revoked, { token: { revokedAtMs: 5 } })
  t.match(changeTokens(revoked.next as TokenMap, { ...revoke, atMs: 9 }, 9), { token: { revokedAtMs: 5 } })
  t.match(changeTokens(revoked.next as TokenMap, change, 9), { token: { revokedAtMs: 5 } }, 'it stays revoked')
  t.match(changeTokens(emptyTokenMap, revoke, 5), { refused: { code: 'not-found' } })
})

t.test('of two tokens with one id, which does not happen, one stays, everywhere the same', async (t) => {
  const one = mapOf(tokenNumbered(1))
  const other = mapOf({ ...tokenNumbered(1), hash: new Uint8Array(32).fill(1), role: 'admin', revokedAtMs: 5 })
  t.same(sorted(mergeTokenMaps(one, other)), sorted(mergeTokenMaps(other, one)))
  t.match(mergeTokenMaps(one, other).entries.get(idOf(1)), { role: 'admin', revokedAtMs: 5 })
})

t.test('a change that took longer than tokens are kept is refused, not half done', async (t) => {
  const closed: TokenMap = { closed: 4, entries: new Map() }
  const late = changeTokens(closed, { type: 'create', token: tokenNumbered(4) }, 0)
  t.match(late, { refused: { code: 'precondition-failed', aftermath: 'nothing-changed' } })
})

function mapOf(...tokens: readonly TokenEntry[]): TokenMap {
  return tokens.reduce(withToken, emptyTokenMap)
}

function idOf(number: number): string {
  return number.toString(16).padStart(12, '0')
}

function tokenNumbered(number: number): TokenEntry {
  return {
    ...{ id: idOf(number), number, hash: new Uint8Array(32), name: `t${number}`, role: 'read', scopes: undefined },
    ...{ createdAtMs: 0, createdBy: '', expiresAtMs: undefined, revokedAtMs: undefined },
  }
}

function copyOf({ closed, entries }: TokenMap): TokenMap {
  return { closed, entries: new Map([...entries].map(([id, entry]) => [id, { ...entry }])) }
}

function sorted({ closed, entries }: TokenMap) {
  return { closed, entries: [...entries.values()].sort((one, other) => (one.id < other.id ? -1 : 1)) }
}
