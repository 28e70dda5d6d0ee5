import t from 'tap'
import { toClientSettings } from '../../lib/client/client-settings.ts'
import { text } from '../../lib/client/codec.ts'
import { Database } from '../../lib/client/database.ts'
import type { Caller } from '../../lib/links/frame-acceptor.ts'
import { FrameConnection } from '../../lib/links/frame-connection.ts'
import type { Outcome } from '../../lib/links/frame-link.ts'
import { FrameAccess } from '../../lib/node/frame-access.ts'
import { readIdentity } from '../../lib/node/identity-file.ts'
import type { CreatedToken, Done } from '../../lib/node/node-api.ts'
import type { NodeSettings } from '../../lib/node/node-settings.ts'
import { RebuildCheck } from '../../lib/node/rebuild-check.ts'
import { createCryptography } from '../../lib/platform/node-cryptography.ts'
import { parseBootstrapTokens } from '../../lib/security/bootstrap-tokens.ts'
import { Doorkeeper } from '../../lib/security/doorkeeper.ts'
import { checkNewToken } from '../../lib/security/new-token.ts'
import { TokenAuthority } from '../../lib/security/token-authority.ts'
import type { TokenEntry } from '../../lib/security/token-map.ts'
import type { StarlingError } from '../../lib/vocabulary/errors.ts'
import { toEndpoint } from '../../lib/vocabulary/ids.ts'
import { type Frame, type Hello, type Request, wireVersion } from '../../lib/wire/messages.ts'
import { askers, exampleRequests, frameRows, nameOf } from '../references/permissions-table.ts'
import { TestCluster } from './fixtures/test-cluster.ts'

const names = ['ada', 'bob', 'cyd']
/** What each node was started with last. */
const asking = new Map<string, NodeSettings>()
const bootstrap = 'correct-horse-battery-staple-and-more'
const everywhereMs = 5_000

t.test('each kind of frame request, asked by each role', async (t) => {
  const cluster = askingCluster()
  const tokens = new Map<string, string | undefined>([['nobody', undefined]])
  for (const role of ['read', 'write', 'operator', 'admin'])
    tokens.set(role, create(cluster, { name: role, role }).text)
  cluster.world.run(everywhereMs)
  for (const asker of askers) {
    const ask = frameClient(cluster, asker, { token: tokens.get(asker) })
    for (const row of frameRows()) {
      const message = exampleRequests().find((one) => nameOf(one) === row.request)
      if (message === undefined) {
        t.fail(`test/wire/fixtures/golden-frames.ts has no ${row.request}`)
        continue
      }
      const outcome = await ask(message)
      const isAllowed = outcome.type === 'answered' || (outcome.type === 'refused' && !isDenial(outcome.refusal.code))
      t.equal(isAllowed, row.mayAsk[asker], `${asker}: ${row.request} ${JSON.stringify(outcome).slice(0, 200)}`)
      if (asker === 'nobody')
        t.match(outcome, { type: 'refused', refusal: { code: 'unauthenticated', aftermath: 'nothing-changed' } })
      else if (!isAllowed)
        t.match(outcome, { type: 'refused', refusal: { code: 'forbidden', aftermath: 'nothing-changed' } })
    }
  }
  t.ok(cluster.metric('ada', 'starling_requests_turned_away_total', 'no-token') > 0)
  t.ok(cluster.metric('ada', 'starling_requests_turned_away_total', 'role') > 0)
  t.ok(cluster.metric('ada', 'starling_requests_turned_away_total', 'members-only') > 0)
})

t.test('whoever is not known is not spoken with', async (t) => {
  const cluster = askingCluster()
  const expiring = create(cluster, { name: 'brief', role: 'admin', expiresInSeconds: 1 }).text
  const revoked = create(cluster, { name: 'gone', role: 'admin' })
  revoke(cluster, revoked.token.id)
  cluster.world.run(everywhereMs)
  for (const [name, token] of Object.entries({
    none: undefined,
    wrong: `${bootstrap}!`,
    expiring,
    revoked: revoked.text,
  })) {
    const outcome = await frameClient(cluster, name, { token })({ type: 'discover' })
    t.match(outcome, { type: 'refused', refusal: { code: 'unauthenticated' } }, name)
  }
  t.ok(cluster.metric('ada', 'starling_refused_handshakes_total', 'unauthenticated') >= 4)
})

t.test('what members ask for others was allowed where it came in', async (t) => {
  const cluster = askingCluster()
  for (const at of names) t.equal(cluster.put(at, `at-${at}`, 'v', { w: 'all' }).code, 'ok')
  cluster.setProperties('bob', { w: 'all' })
  const member = frameClient(cluster, 'member', { role: 'peer', nodeId: cluster.node('bob').id as never })
  t.match(await member({ type: 'coordinate', hops: 1, request: cluster.getRequest('k') }), { type: 'answered' })
})

t.test('a node that is to be rebuilt asks as the member that it is', async (t) => {
  const cluster = askingCluster()
  cluster.world.run(1_000)
  cluster.world.crash('cyd', 'kill')
  cluster.await('cyd is dead', () => cluster.status('ada').members.some(({ state }) => state === 'dead'))
  const ports = cluster.world.portsFor('cyd')
  const identity = readIdentity(ports.directory)
  const outcomeWith = (settings: NodeSettings, known: typeof identity): string => {
    const outcomes: string[] = []
    cluster.world.inProcess('cyd', () =>
      new RebuildCheck(ports, settings, known, (problem) => outcomes.push(problem?.message ?? 'may')).begin(),
    )
    cluster.await('an outcome', () => outcomes.length > 0)
    return outcomes[0] as string
  }
  t.equal(outcomeWith(asking.get('cyd') as NodeSettings, identity), 'may')
  t.equal(outcomeWith(asking.get('cyd') as NodeSettings, undefined), 'may', 'also when it cannot read who it is')
  const { bootstrapTokens: _none, ...without } = asking.get('cyd') as NodeSettings
  t.not(outcomeWith(without, identity), 'may', 'with nothing to show it is a client as others are')
})

t.test('scopes hold for frames as they do for HTTP', async (t) => {
  const cluster = askingCluster()
  const { text: token } = create(cluster, { name: 'shop', role: 'write', scopes: ['carts/eu-', 'stock'] })
  cluster.world.run(everywhereMs)
  const ask = frameClient(cluster, 'shop', { token })
  const codeOf = async (message: Request): Promise<string> => {
    const outcome = await ask(message)
    return outcome.type === 'refused' ? outcome.refusal.code : outcome.type
  }
  const range = { start: '', end: '', after: '', reverse: false, limit: 10 }
  const scan = (bucket: string, prefix: string): Request => ({
    ...{ type: 'scan', withValues: true, timeoutMs: 1_000 },
    range: { ...range, bucket: bucket as never, prefix },
  })
  t.equal(await codeOf({ type: 'coordinate', hops: 0, request: cluster.putRequest('eu-1', 'v') }), 'answered')
  t.equal(await codeOf({ type: 'coordinate', hops: 0, request: cluster.putRequest('us-1', 'v') }), 'forbidden')
  t.equal(await codeOf({ type: 'coordinate', hops: 9, request: cluster.getRequest('us-1') }), 'forbidden')
  t.equal(await codeOf(scan('carts', 'eu-')), 'answered')
  t.equal(await codeOf(scan('carts', 'eu')), 'forbidden')
  t.equal(await codeOf(scan('carts', '')), 'forbidden')
  t.equal(await codeOf(scan('stock', '')), 'answered')
  t.equal(await codeOf({ type: 'read-bucket', bucket: 'carts' as never }), 'answered')
  t.equal(await codeOf({ type: 'read-bucket', bucket: 'other' as never }), 'forbidden')

  for (const key of ['eu', 'eu-2', 'eu.', 'us-1']) t.equal(cluster.put('ada', key, 'v').code, 'ok')
  const everywhere = ['', 'a', 'eu', 'eu-', 'eu-1', 'eu.', 'us-1', 'zz']
  const found = new Set<string>()
  for (const reverse of [false, true]) {
    for (const after of everywhere) {
      for (const [start, end] of everywhere.flatMap((from) => everywhere.map((to) => [from, to] as const))) {
        if (end !== '' && start > end) continue
        const bounds = { ...range, bucket: 'carts' as never, prefix: 'eu-', start, end, after, reverse }
        const outcome = await ask({ type: 'scan', range: bounds, withValues: false, timeoutMs: 1_000 })
        if (outcome.type !== 'answered' || outcome.message.type !== 'scanned') continue
        for (const { key } of outcome.message.entries) found.add(key)
      }
    }
  }
  t.same([...found].sort(), ['eu-1', 'eu-2'], 'no bound and no cursor leads out of the prefix')

  const many = await ask({
    type: 'coordinate-many',
    hops: 0,
    answerBytesMax: 1_000_000,
    requests: ['us-1', 'eu-1', 'us-2', 'eu-2'].map((key) => cluster.getRequest(key)),
  })
  t.match(many, {
    message: { endings: [{ code: 'forbidden' }, { type: 'got' }, { code: 'forbidden' }, { type: 'got' }] },
  })
  const none = await ask({
    type: 'coordinate-many',
    hops: 0,
    answerBytesMax: 1_000_000,
    requests: ['us-1', 'us-2'].map((key) => cluster.getRequest(key)),
  })
  t.match(none, { message: { endings: [{ code: 'forbidden' }, { code: 'forbidden' }] } })
})

t.test('no token opens the buckets of the database itself', async (t) => {
  const cluster = askingCluster()
  for (const [index, message] of [
    { type: 'coordinate', hops: 0, request: { ...cluster.getRequest('tokens'), bucket: '$starling' } },
    {
      type: 'coordinate-many',
      hops: 0,
      answerBytesMax: 1_000,
      requests: [{ ...cluster.getRequest('tokens'), bucket: '$starling' }],
    },
    { type: 'read-bucket', bucket: '$starling' },
  ].entries()) {
    const ask = frameClient(cluster, `admin${index}`, { token: bootstrap })
    t.equal((await ask(message as unknown as Request)).type, 'unknown', 'the connection is ended')
  }
})

t.test('a client whose token is revoked, or expires, is no client any more within five seconds', async (t) => {
  const cluster = askingCluster()
  const { token, text: shown } = create(cluster, { name: 'shop', role: 'write' })
  cluster.world.run(everywhereMs)
  const db = library(cluster, () => shown)
  const carts = db.bucket('carts', { codec: text })
  await settle(cluster, db.connected())
  for (const key of ['a', 'b', 'c', 'd', 'e']) await settle(cluster, carts.put(key, 'v'))
  revoke(cluster, token.id)
  cluster.world.run(everywhereMs)
  for (const key of ['a', 'b', 'c', 'd', 'e', 'a']) {
    const beganMs = cluster.world.nowMs
    t.match(await refusalFrom(settle(cluster, carts.put(key, 'w'))), {
      code: 'unauthenticated',
      aftermath: 'nothing-changed',
      retryable: false,
    })
    t.ok(cluster.world.nowMs - beganMs < 500, 'said at once, not failed over until the deadline')
  }
  t.match(await refusalFrom(settle(cluster, library(cluster, () => shown, 'again').connected())), {
    code: 'unauthenticated',
    hint: /`token`/,
  })

  await t.test('and is one again as soon as it shows another one', async (t) => {
    let current = create(cluster, { name: 'brief', role: 'write', expiresInSeconds: 20 }).text
    cluster.world.run(everywhereMs)
    const other = library(cluster, () => current, 'other')
    await settle(cluster, other.connected())
    const bucket = other.bucket('carts', { codec: text })
    for (const key of ['a', 'b', 'c', 'd', 'e']) await settle(cluster, bucket.put(key, 'x'))
    cluster.world.run(20_000)
    t.match(await refusalFrom(settle(cluster, bucket.put('a', 'y'))), { code: 'unauthenticated' })
    current = bootstrap
    cluster.world.run(1_000)
    for (const key of ['a', 'b', 'c', 'd', 'e']) await settle(cluster, bucket.put(key, 'z'))
  })
})

t.test('who did it is known by the time of the answer, also when their token is good no more', async (t) => {
  const cryptography = createCryptography()
  const wallMs = (): number => clock.wallMs
  const clock = { wallMs: 0 }
  const authority = new TokenAuthority({ cryptography, wallMs, isUpToDate: () => true, onRefused: () => {} })
  authority.demandTokens(parseBootstrapTokens(bootstrap, cryptography))
  const access = new FrameAccess(
    new Doorkeeper({ authority, asksForCertificates: false, wallMs, onTurnedAway: () => {} }),
  )
  const caller: Caller = {
    ...{ role: 'client', nodeId: '', remote: toEndpoint('10.0.0.9:1'), token: bootstrap },
    identity: { type: 'plain' },
  }
  t.equal(access.nameOf({ ...caller, token: undefined }), undefined)
  t.match(access.principalOf(caller), { role: 'admin' })
  authority.demandTokens(parseBootstrapTokens(`another-${bootstrap}`, cryptography))
  t.match(access.principalOf(caller), { code: 'no-layout' })
  t.match(access.nameOf(caller), { id: /^bootstrap-/ }, 'what was begun before is theirs')
})

function askingCluster(): TestCluster {
  const bootstrapTokens = parseBootstrapTokens(bootstrap, createCryptography())
  const change = (settings: NodeSettings): NodeSettings => {
    asking.set(settings.name, { ...settings, bootstrapTokens })
    return { ...settings, bootstrapTokens }
  }
  return TestCluster.formed(names, { change })
}

function create(cluster: TestCluster, given: object): CreatedToken {
  const order = checkNewToken(given as Readonly<Record<string, unknown>>)
  return cluster.answer('ada', (node, done: Done<CreatedToken>) => node.createToken(order, undefined, 3_000, done))
}

function revoke(cluster: TestCluster, id: string): void {
  cluster.answer('ada', (node, done: Done<TokenEntry>) => node.revokeToken(id, 3_000, done))
}

/** Asks ada, on a connection of its own, and says what it wants to in its Hello: whatever a well-kept link would hold back. */
function frameClient(
  cluster: TestCluster,
  machine: string,
  { token, ...changes }: Partial<Omit<Hello, 'token'>> & { readonly token?: string | undefined },
): (message: Request) => Promise<Outcome> {
  const { time, streams, hash } = cluster.world.portsFor(`client-${machine}`)
  const heard: Frame[] = []
  let isClosed = false
  const connection = new FrameConnection(
    { time, hash },
    {
      onFrame: (frame) => heard.push(frame),
      onClosed: () => {
        isClosed = true
      },
    },
  )
  const hello: Hello = {
    ...{ type: 'hello', wireVersion, wireVersionMin: 1, cluster: 'test', clusterId: '' },
    ...{ role: 'client', nodeId: '', startNumber: 0, capabilities: [] },
    ...changes,
    ...(token === undefined ? {} : { token }),
  }
  connection.send({ kind: 'hello', message: hello })
  streams.connect(toEndpoint('ada:7101'), connection.handlers, (_failure, stream) => {
    if (stream !== undefined) connection.attach(stream)
  })
  let asked = 0
  return async (message) => {
    asked += 1
    const id = asked
    cluster.await('a greeting', () => heard.length > 0)
    connection.send({ kind: 'request', id, digest: { number: 0, documentHash: 0 }, message })
    const answer = (): Frame | undefined =>
      heard.find((frame) => frame.kind === 'goodbye' || (frame.kind === 'response' && frame.id === id))
    cluster.await('an answer', () => answer() !== undefined || isClosed)
    const frame = answer()
    if (frame?.kind === 'response') {
      return frame.message.type === 'refused'
        ? { type: 'refused', refusal: frame.message }
        : { type: 'answered', message: frame.message }
    }
    if (frame?.kind !== 'goodbye') return { type: 'unknown', reason: 'the connection was ended' }
    const { reason, message: words } = frame.message
    const code = reason === 'unauthenticated' ? reason : 'malformed'
    return {
      type: 'refused',
      refusal: { type: 'refused', code, message: words, aftermath: 'nothing-changed', hint: '' },
    }
  }
}

function library(cluster: TestCluster, token: () => string, machine = 'library'): Database {
  const { time, streams, names: dns, hash, random } = cluster.world.portsFor(machine)
  const settings = toClientSettings(
    names.map((name) => `${name}:7101`),
    { cluster: 'test', token },
  )
  return new Database({ time, streams, names: dns, hash, random: random('client') }, settings)
}

async function settle<Result>(cluster: TestCluster, promise: Promise<Result>): Promise<Result> {
  let isSettled = false
  const settled = (): void => {
    isSettled = true
  }
  promise.then(settled, settled)
  for (let turn = 0; !isSettled && turn < 20_000; turn += 1) {
    cluster.world.run(1)
    await new Promise((resolve) => setImmediate(resolve))
  }
  return promise
}

async function refusalFrom(promise: Promise<unknown>): Promise<Partial<StarlingError>> {
  try {
    await promise
    return {}
  } catch (error) {
    return error as StarlingError
  }
}

function isDenial(code: string): boolean {
  return code === 'unauthenticated' || code === 'forbidden'
}
