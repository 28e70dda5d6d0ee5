import t from 'tap'
import { createCryptography } from '../../lib/platform/node-cryptography.ts'
import type { PeerCertificate, StreamIdentity } from '../../lib/ports/network.ts'
import { principalOfStream } from '../../lib/security/certificate-principal.ts'
import type { DataPlace } from '../../lib/security/data-place.ts'
import { Doorkeeper, type Known } from '../../lib/security/doorkeeper.ts'
import type { Permission, Principal, Role } from '../../lib/security/principal.ts'
import { isSameText } from '../../lib/security/same-text.ts'
import { TokenAuthority } from '../../lib/security/token-authority.ts'
import { bucketScope, demand, makeTokens } from './fixtures/tokens.ts'

const certificate: PeerCertificate = {
  ...{ id: 'abcdef0123456789abcdef', name: 'reports', isForServers: false, expiresAtMs: 5_000 },
  isFor: () => false,
}
const binding = new Uint8Array(32)
const shownByTls: StreamIdentity = { type: 'tls', certificate, problem: undefined, binding }
const nothingByTls: StreamIdentity = { ...shownByTls, certificate: undefined }

t.test('whom a connection names', async (t) => {
  t.equal(principalOfStream({ type: 'plain' }), undefined)
  t.equal(principalOfStream(nothingByTls), undefined)
  t.match(principalOfStream(shownByTls), {
    ...{ id: 'certificate-abcdef0123456789', name: 'reports', role: 'admin', expiresAtMs: 5_000 },
  })
  t.match(principalOfStream({ type: 'secret', keyId: '01020304' }), { id: 'secret-01020304', role: 'admin' })
})

t.test('where tokens are asked for, nothing else counts', async (t) => {
  const { keeper, authority, turnedAway } = keeperOf({ asksForCertificates: true })
  const { texts, map } = makeTokens({ ada: { role: 'read' } })
  demand(authority, map)
  t.equal(keeper.isOn, true)
  const certified = principalOfStream(shownByTls)
  t.match(keeper.recognize({ token: undefined, certificate: certified }), { code: 'unauthenticated' })
  t.match(keeper.recognize({ token: `${texts.ada}x`, certificate: certified }), { code: 'unauthenticated' })
  t.match(keeper.recognize({ token: texts.ada, certificate: certified }), { principal: { name: 'ada', role: 'read' } })
  t.same(turnedAway, ['no-token', 'bad-token'])
})

t.test('where only certificates are asked for, one is enough', async (t) => {
  const { keeper, turnedAway, clock } = keeperOf({ asksForCertificates: true })
  t.equal(keeper.isOn, true)
  t.match(keeper.recognize({ token: 'whatever', certificate: undefined }), {
    ...{ code: 'unauthenticated', hint: /--tls-ca/ },
  })
  const known = keeper.recognize({ token: undefined, certificate: principalOfStream(shownByTls) }) as Known
  t.equal(keeper.isCurrent(known), true)
  clock.wallMs = 5_000
  t.equal(keeper.isCurrent(known), false, 'until it ends')
  t.same(turnedAway, ['no-certificate'])
  t.equal(keeperOf({ asksForCertificates: false }).keeper.isOn, false)
})

t.test('what is remembered holds until any token changes, or this one ends', async (t) => {
  const { keeper, authority, clock } = keeperOf({})
  const { texts, map } = makeTokens({ ada: { role: 'read', expiresAtMs: 1_000 }, bob: { role: 'read' } })
  demand(authority, map)
  const [ada, bob] = [texts.ada, texts.bob].map((token) => keeper.recognize({ token, certificate: undefined }) as Known)
  for (const known of [ada, bob]) t.ok(keeper.isCurrent(known as Known))
  clock.wallMs = 1_000
  t.notOk(keeper.isCurrent(ada as Known))
  t.ok(keeper.isCurrent(bob as Known))
  authority.learn(makeTokens({ cyd: { role: 'read' } }).map)
  t.notOk(keeper.isCurrent(bob as Known))
})

t.test('the role decides first, then the scopes, and a place is looked for only where there are some', async (t) => {
  const { keeper, turnedAway } = keeperOf({})
  const nowhere = (): DataPlace => t.fail('nobody needs the place') as never
  const may = (role: Role, permission: Permission): boolean =>
    keeper.denialOf(principal({ role }), permission, nowhere) === undefined
  t.ok(may('read', 'read'))
  t.notOk(may('read', 'write'))
  t.notOk(may('operator', 'read'))
  t.ok(may('admin', 'administer'))
  t.same(turnedAway, ['role', 'role'])

  const scopes = [
    bucketScope('carts'),
    bucketScope('users', 'eu/'),
    { ...bucketScope('team-', 'a'), isBucketPrefix: true },
  ]
  const reaches = (place: DataPlace | undefined, permission: Permission = 'write'): boolean =>
    keeper.denialOf(principal({ role: 'admin', scopes }), permission, place && (() => place)) === undefined
  const key = (bucket: string, name: string): DataPlace => ({ type: 'key', bucket, key: name })
  const keys = (bucket: string, prefix: string): DataPlace => ({ type: 'keys', bucket, prefix })
  for (const place of [
    key('carts', 'x'),
    key('users', 'eu/'),
    key('users', 'eu/x'),
    key('team-7', 'ab'),
    key('team-', 'a'),
  ])
    t.ok(reaches(place), JSON.stringify(place))
  for (const place of [
    key('cart', 'x'),
    key('cartss', 'x'),
    key('users', 'eu'),
    key('users', 'EU/x'),
    key('team', 'a'),
    key('team-7', 'b'),
    key('$starling', 'tokens'),
  ])
    t.notOk(reaches(place), JSON.stringify(place))
  for (const place of [keys('carts', ''), keys('carts', 'x'), keys('users', 'eu/'), keys('users', 'eu/x')])
    t.ok(reaches(place), JSON.stringify(place))
  for (const place of [keys('users', ''), keys('users', 'eu'), keys('users', 'e'), keys('team-7', '')])
    t.notOk(reaches(place), JSON.stringify(place))
  t.ok(reaches({ type: 'bucket', bucket: 'users' }, 'read'))
  t.ok(reaches({ type: 'bucket', bucket: 'team-7' }, 'read'))
  t.notOk(reaches({ type: 'bucket', bucket: 'others' }, 'read'))
  for (const permission of ['operate', 'administer'] as const) t.notOk(reaches(undefined, permission), permission)
  for (const permission of ['present', 'observe', 'read'] as const) t.ok(reaches(undefined, permission), permission)
})

t.test('texts are compared to their end', async (t) => {
  t.ok(isSameText('abc', 'abc'))
  for (const [one, other] of [
    ['abc', 'abd'],
    ['abc', 'xbc'],
    ['abc', 'ab'],
    ['', 'a'],
    [undefined, ''],
    ['', undefined],
  ])
    t.notOk(isSameText(one, other))
  t.ok(isSameText(undefined, undefined))
})

function keeperOf({ asksForCertificates = false }: { readonly asksForCertificates?: boolean }) {
  const clock = { wallMs: 0 }
  const turnedAway: string[] = []
  const wallMs = (): number => clock.wallMs
  const authority = new TokenAuthority({
    ...{ cryptography: createCryptography(), wallMs, isUpToDate: () => true },
    onRefused: () => {},
  })
  const onTurnedAway = (reason: string): void => void turnedAway.push(reason)
  return {
    keeper: new Doorkeeper({ authority, asksForCertificates, wallMs, onTurnedAway }),
    authority,
    clock,
    turnedAway,
  }
}

function principal(changes: Partial<Principal>): Principal {
  return { id: 'p', name: 'p', role: 'read', scopes: undefined, expiresAtMs: undefined, ...changes }
}
