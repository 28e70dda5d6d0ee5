import t from 'tap'
import type { CreatedToken, Done, TokenList } from '../../lib/node/node-api.ts'
import { createCryptography } from '../../lib/platform/node-cryptography.ts'
import { parseBootstrapTokens } from '../../lib/security/bootstrap-tokens.ts'
import { checkNewToken } from '../../lib/security/new-token.ts'
import type { Principal } from '../../lib/security/principal.ts'
import { endedKeptMs, type TokenEntry } from '../../lib/security/token-map.ts'
import type { StarlingError } from '../../lib/vocabulary/errors.ts'
import { MovingCluster } from './fixtures/moving-cluster.ts'
import { TestCluster } from './fixtures/test-cluster.ts'

const three = ['ada', 'bob', 'cyd']
const five = [...three, 'dan', 'eve']
const bootstrap = 'correct-horse-battery-staple-and-more'
const bootstrapTokens = parseBootstrapTokens(bootstrap, createCryptography())
/** From the answer to a change until it is in force at every node. */
const everywhereMs = 5_000

t.test('a token that is made at one node is good there at once, and everywhere within 5 seconds', async (t) => {
  const cluster = askingCluster(five)
  for (const at of five) {
    const { text, token } = create(cluster, at, { name: at, role: 'write', scopes: ['carts', 'team-*/user-'] })
    t.match(who(cluster, at, text), { id: token.id, name: at, role: 'write', expiresAtMs: undefined }, at)
    cluster.world.run(everywhereMs)
    for (const other of five) t.equal(who(cluster, other, text)?.id, token.id, `made at ${at}, good at ${other}`)
  }
  t.equal(cluster.metric('eve', 'starling_tokens'), five.length)
  t.ok(cluster.metric('eve', 'starling_token_age_seconds') < 5)

  await t.test('and in the list of every node, without a word of what its bearer shows', async (t) => {
    for (const at of five) {
      const { tokens, knownSecondsAgo } = list(cluster, at)
      t.same(new Set(tokens.map(({ name }) => name)), new Set(five))
      t.equal(knownSecondsAgo, 0)
    }
  })
})

t.test('a token that is revoked is no good there at once, and nowhere after 5 seconds', async (t) => {
  const cluster = askingCluster(five)
  for (const [index, at] of five.entries()) {
    const { text, token } = create(cluster, 'ada', { name: at, role: 'read' })
    cluster.world.run(everywhereMs)
    const revoked = cluster.answer(at, (node, done: Done<TokenEntry>) => node.revokeToken(token.id, 3_000, done))
    t.ok(revoked.revokedAtMs)
    t.equal(why(cluster, at, text), 'revoked', 'where it was revoked')
    cluster.world.run(everywhereMs)
    for (const other of five) t.equal(why(cluster, other, text), 'revoked', `revoked at ${at}, refused at ${other}`)
    t.equal(cluster.metric('eve', 'starling_tokens'), 0, String(index))
  }
  t.match(
    refusalOf(() =>
      cluster.answer('bob', (node, done: Done<TokenEntry>) => node.revokeToken('0123456789ab', 3_000, done)),
    ),
    { code: 'not-found', aftermath: 'nothing-changed' },
  )
})

t.test('with one node down tokens are known, made and revoked', async (t) => {
  const cluster = askingCluster(three)
  const old = create(cluster, 'ada', { name: 'old', role: 'admin' })
  cluster.world.run(everywhereMs)
  cluster.world.crash('cyd', 'kill')
  cluster.await('cyd is dead', () => stateOf(cluster, 'ada', 'cyd') === 'dead')
  t.equal(who(cluster, 'bob', old.text)?.id, old.token.id)
  const made = create(cluster, 'bob', { name: 'new', role: 'write' })
  cluster.answer('bob', (node, done: Done<TokenEntry>) => node.revokeToken(old.token.id, 3_000, done))
  cluster.world.run(everywhereMs)
  t.equal(who(cluster, 'ada', made.text)?.id, made.token.id)
  t.equal(why(cluster, 'ada', old.text), 'revoked')

  await t.test('and whoever was down knows it as soon as it serves', async (t) => {
    cluster.start('cyd')
    cluster.awaitReady()
    cluster.world.run(everywhereMs)
    t.equal(why(cluster, 'cyd', old.text), 'revoked')
    t.equal(who(cluster, 'cyd', made.text)?.id, made.token.id)
  })
})

t.test('a node that is cut off goes on with what it knew, and says how old that is', async (t) => {
  const cluster = askingCluster(three)
  const { text, token } = create(cluster, 'ada', { name: 'shop', role: 'read', expiresInSeconds: 60 })
  cluster.world.run(everywhereMs)
  cluster.isolate('cyd')
  cluster.answer('ada', (node, done: Done<TokenEntry>) => node.revokeToken(token.id, 3_000, done))
  cluster.world.run(20_000)
  t.equal(who(cluster, 'cyd', text)?.id, token.id)
  t.ok(cluster.metric('cyd', 'starling_token_age_seconds') >= 20)
  t.ok(cluster.metric('cyd', 'starling_token_refresh_failures_total') > 0)
  t.equal(cluster.metric('cyd', 'starling_quorum_failures_total'), 0, 'no request has failed')
  const shown = list(cluster, 'cyd')
  t.ok(shown.knownSecondsAgo >= 20)
  t.match(shown.tokens, [{ id: token.id, revokedAtMs: undefined }])
  t.match(
    refusalOf(() => create(cluster, 'cyd', { name: 'x', role: 'read' })),
    { code: /quorum-unavailable|deadline-exceeded/, aftermath: 'nothing-changed' },
  )

  await t.test('but not longer than a token is good for', async (t) => {
    cluster.world.run(40_000)
    t.equal(why(cluster, 'cyd', text), 'expired')
  })

  await t.test('and knows what was revoked within 5 seconds of being back', async (t) => {
    cluster.heal()
    cluster.world.run(everywhereMs)
    t.equal(why(cluster, 'cyd', text), 'revoked')
    t.ok(cluster.metric('cyd', 'starling_token_age_seconds') < 5)
  })
})

t.test(
  'whoever was down or is cut off sends elsewhere whom it does not know, and tells nobody that a token is none',
  async (t) => {
    const cluster = askingCluster(three)
    const old = create(cluster, 'ada', { name: 'old', role: 'read' })
    cluster.world.run(everywhereMs)
    cluster.world.crash('cyd', 'kill')
    cluster.await('cyd is dead', () => stateOf(cluster, 'ada', 'cyd') === 'dead')
    const made = create(cluster, 'bob', { name: 'new', role: 'read' })
    cluster.start('cyd')
    cluster.await('cyd has opened its store', () => cluster.node('cyd').authority.isKnown)
    t.equal(why(cluster, 'cyd', made.text), 'not-known')
    t.equal(who(cluster, 'cyd', old.text)?.id, old.token.id, 'what it knew is good')
    cluster.awaitReady()
    cluster.world.run(everywhereMs)
    t.equal(who(cluster, 'cyd', made.text)?.id, made.token.id)
    t.equal(why(cluster, 'cyd', `${made.text.slice(0, -2)}AA`), 'unknown', 'it knows all now')
    cluster.isolate('cyd')
    cluster.world.run(2 * everywhereMs)
    t.equal(why(cluster, 'cyd', `${made.text.slice(0, -2)}AA`), 'not-known', 'it may have been made on the other side')
  },
)

t.test('a clock that is known to be wrong makes no token live longer or shorter', async (t) => {
  const cluster = askingCluster(three)
  const { text, token } = create(cluster, 'ada', { name: 'short', role: 'read', expiresInSeconds: 60 })
  cluster.world.run(everywhereMs)
  cluster.world.machine('cyd').clock.wallOffsetMs = -3_600_000
  cluster.world.run(30_000)
  t.equal(who(cluster, 'cyd', text)?.id, token.id)
  cluster.world.run(30_000)
  t.equal(why(cluster, 'ada', text), 'expired')
  t.equal(why(cluster, 'cyd', text), 'expired')
  const asked = { name: 'made there', role: 'read', expiresInSeconds: 60 }
  t.ok(Math.abs((create(cluster, 'cyd', asked).token.expiresAtMs ?? 0) - (token.expiresAtMs ?? 0) - 65_000) < 10_000)
})

t.test('a node that was excluded knows what was revoked since, for it forwards what it is asked', async (t) => {
  const cluster = MovingCluster.begun({
    members: ['ada', 'bob', 'cyd', 'dan'],
    newcomers: [],
    change: (settings) => ({ ...settings, bootstrapTokens }),
  })
  const { text, token } = create(cluster, 'ada', { name: 'shop', role: 'write' })
  cluster.world.run(everywhereMs)
  cluster.world.crash('dan', 'kill')
  cluster.await('dan is dead', () => stateOf(cluster, 'ada', 'dan') === 'dead')
  cluster.change('ada', { action: 'exclude', node: 'dan' })
  cluster.answer('ada', (node, done: Done<TokenEntry>) => node.revokeToken(token.id, 3_000, done))
  cluster.start('dan')
  cluster.await('dan is back', () => cluster.node('dan').self().state === 'excluded')
  t.equal(who(cluster, 'dan', text)?.id, token.id)
  cluster.world.run(everywhereMs)
  t.equal(cluster.node('dan').self().state, 'excluded')
  t.equal(why(cluster, 'dan', text), 'revoked')

  await t.test('also when its place is taken, and it owns nothing', async (t) => {
    cluster.change('ada', { action: 'leave', node: 'dan' })
    cluster.await('dan owns nothing', () => cluster.node('dan').self().state === 'outsider', 60_000)
    const next = create(cluster, 'ada', { name: 'next', role: 'read' })
    cluster.world.run(everywhereMs)
    t.equal(who(cluster, 'dan', next.text)?.id, next.token.id)
  })
})

t.test('tokens survive that all nodes stop, and so does that one is revoked', async (t) => {
  const cluster = askingCluster(three)
  const kept = create(cluster, 'ada', { name: 'kept', role: 'write', scopes: ['carts'] })
  const gone = create(cluster, 'bob', { name: 'gone', role: 'admin' })
  cluster.world.run(everywhereMs)
  cluster.answer('cyd', (node, done: Done<TokenEntry>) => node.revokeToken(gone.token.id, 3_000, done))
  cluster.world.run(everywhereMs)
  for (const name of three) cluster.world.crash(name, 'power')
  cluster.start('cyd')
  cluster.await('cyd has opened its store', () => cluster.node('cyd').authority.isKnown)
  t.match(who(cluster, 'cyd', kept.text), { role: 'write', scopes: [{ bucket: 'carts' }] }, 'alone, before it serves')
  t.equal(
    cluster.metric('cyd', 'starling_token_age_seconds'),
    Number.POSITIVE_INFINITY,
    'and it says that it has not asked',
  )
  t.equal(why(cluster, 'cyd', gone.text), 'revoked')
  cluster.start('ada')
  cluster.start('bob')
  cluster.awaitReady()
  for (const name of three) {
    t.equal(who(cluster, name, kept.text)?.id, kept.token.id, name)
    t.equal(why(cluster, name, gone.text), 'revoked', name)
  }

  await t.test('also at one that lost its directory: it takes none before it has asked', async (t) => {
    cluster.world.crash('cyd', 'kill')
    cluster.await('cyd is dead', () => stateOf(cluster, 'ada', 'cyd') === 'dead')
    cluster.world.machine('cyd').disk.wipe()
    cluster.start('cyd')
    t.equal(why(cluster, 'cyd', kept.text), 'not-known')
    t.ok(who(cluster, 'cyd', bootstrap), 'those of its file it takes')
    cluster.await('cyd serves', () => cluster.node('cyd').self().state === 'serving', 60_000)
    cluster.world.run(everywhereMs)
    t.equal(who(cluster, 'cyd', kept.text)?.id, kept.token.id)
    t.equal(why(cluster, 'cyd', gone.text), 'revoked')
  })
})

t.test('tokens made at the same moment at different nodes are all good', async (t) => {
  const cluster = askingCluster(three)
  const made: (CreatedToken | StarlingError)[] = []
  for (const at of three) {
    cluster.world.inProcess(at, () =>
      cluster.node(at).createToken(checkNewToken({ name: at, role: 'read' }), undefined, 3_000, (error, token) => {
        made.push((error ?? token) as CreatedToken | StarlingError)
      }),
    )
  }
  cluster.await('all are made', () => made.length === three.length)
  cluster.world.run(everywhereMs)
  for (const token of made as CreatedToken[]) {
    for (const at of three) t.equal(who(cluster, at, token.text)?.id, token.token.id)
  }
  t.equal(list(cluster, 'ada').tokens.length, three.length)
})

t.test('a token that was revoked leaves the list after a week, and comes back from no late copy', async (t) => {
  const cluster = askingCluster(three)
  const gone = create(cluster, 'ada', { name: 'gone', role: 'admin' })
  const kept = create(cluster, 'ada', { name: 'kept', role: 'read' })
  cluster.world.run(everywhereMs)
  // Cyd knows both as good, sleeps, and wakes up when the one is long forgotten.
  cluster.world.crash('cyd', 'kill')
  cluster.answer('ada', (node, done: Done<TokenEntry>) => node.revokeToken(gone.token.id, 3_000, done))
  t.equal(list(cluster, 'ada').tokens.length, 2)
  for (const name of three) cluster.world.machine(name).clock.wallOffsetMs += endedKeptMs
  cluster.world.run(30_000)
  t.same(
    list(cluster, 'ada').tokens.map(({ name }) => name),
    ['kept'],
  )
  t.equal(why(cluster, 'ada', gone.text), 'revoked', 'not shown, and still known')
  create(cluster, 'bob', { name: 'another', role: 'read' })
  cluster.world.run(everywhereMs)
  t.equal(why(cluster, 'ada', gone.text), 'unknown', 'forgotten with the next change')

  cluster.start('cyd')
  cluster.await('cyd has opened its store', () => cluster.node('cyd').authority.isKnown)
  t.equal(who(cluster, 'cyd', gone.text)?.id, gone.token.id, 'what it knew last')
  cluster.awaitReady()
  cluster.world.run(everywhereMs)
  create(cluster, 'cyd', { name: 'from cyd', role: 'read' })
  cluster.world.run(everywhereMs)
  for (const at of three) {
    t.equal(why(cluster, at, gone.text), 'unknown', at)
    t.equal(who(cluster, at, kept.text)?.id, kept.token.id, at)
  }
})

t.test('nobody makes a token with more rights than their own', async (t) => {
  const cluster = askingCluster(three)
  const by = (changes: Partial<Principal>): Principal => ({
    ...{ id: 'me', name: 'me', role: 'admin', scopes: undefined, expiresAtMs: undefined },
    ...changes,
  })
  const refused = (own: Partial<Principal>, given: object) =>
    refusalOf(() => create(cluster, 'ada', { name: 'x', role: 'read', ...given }, by(own)))
  t.match(refused({ role: 'write' }, { role: 'operator' }), { code: 'forbidden', aftermath: 'nothing-changed' })
  t.match(refused({ role: 'operator' }, { role: 'read' }), { code: 'forbidden' })
  const carts = checkNewToken({ name: 'x', role: 'read', scopes: ['carts', 'team-*/user-'] }).scopes
  t.match(refused({ scopes: carts }, {}), { code: 'forbidden', message: /all of the data/ })
  for (const scope of ['cart', 'carts*', 'team-*', 'team-a/use', '*']) {
    t.match(refused({ scopes: carts }, { scopes: [scope] }), { code: 'forbidden' }, scope)
  }
  for (const scope of ['carts', 'carts/a', 'team-a*/user-', 'team-a/user-17']) {
    t.same(refused({ scopes: carts }, { scopes: [scope] }), {}, scope)
  }
  const soon = create(cluster, 'ada', { name: 'now', role: 'read' }).token.createdAtMs + 60_000
  t.match(refused({ expiresAtMs: soon }, {}), { code: 'forbidden', message: /expires at .*Z, before/ })
  t.match(refused({ expiresAtMs: soon }, { expiresInSeconds: 70 }), { code: 'forbidden' })
  t.same(refused({ expiresAtMs: soon }, { expiresInSeconds: 50 }), {})
  t.equal(list(cluster, 'ada').tokens[0]?.createdBy, 'me')
})

t.test(
  'where nobody is asked for a token nothing is read, and tokens can be made for the day that it is',
  async (t) => {
    const cluster = TestCluster.formed(three)
    cluster.world.run(everywhereMs)
    t.equal(cluster.node('ada').authority.isOn, false)
    t.equal(cluster.node('ada').authority.isKnown, false, 'nobody has read any')
    t.equal(cluster.metric('ada', 'starling_token_age_seconds'), 0)
    const { text, token } = create(cluster, 'ada', { name: 'shop', role: 'write' })
    t.equal(token.createdBy, '')
    for (const name of three) {
      cluster.world.crash(name, 'kill')
      cluster.start(name, { bootstrapTokens })
      cluster.awaitReady()
    }
    cluster.world.run(everywhereMs)
    for (const name of three) t.equal(who(cluster, name, text)?.id, token.id, name)
  },
)

function askingCluster(names: readonly string[]): TestCluster {
  return TestCluster.formed(names, { change: (settings) => ({ ...settings, bootstrapTokens }) })
}

function create(cluster: TestCluster, at: string, given: object, by?: Principal): CreatedToken {
  const order = checkNewToken(given as Readonly<Record<string, unknown>>)
  return cluster.answer(at, (node, done: Done<CreatedToken>) => node.createToken(order, by, 3_000, done))
}

function list(cluster: TestCluster, at: string): TokenList {
  return cluster.answer(at, (node, done: Done<TokenList>) => node.listTokens(3_000, done))
}

function who(cluster: TestCluster, at: string, text: string): Principal | undefined {
  return cluster.node(at).authority.principalOf(text)
}

function why(cluster: TestCluster, at: string, text: string): string | undefined {
  return cluster.node(at).authority.whyRefused(text)
}

function refusalOf(act: () => unknown): Partial<StarlingError> {
  try {
    act()
    return {}
  } catch (error) {
    return error as StarlingError
  }
}

function stateOf(cluster: TestCluster, at: string, of: string): string | undefined {
  return cluster
    .node(at)
    .status()
    .members.find(({ name }) => name === of)?.state
}
