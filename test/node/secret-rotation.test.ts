import t from 'tap'
import type { StarlingNode } from '../../lib/node/node.ts'
import type { Done } from '../../lib/node/node-api.ts'
import { keysHeldMsMax, SecretService } from '../../lib/node/secret-service.ts'
import type { SecretChanged, SecretOrder, SecretStatus } from '../../lib/node/secret-views.ts'
import { createCryptography } from '../../lib/platform/node-cryptography.ts'
import { plainIdentity, type StreamIdentity } from '../../lib/ports/network.ts'
import { PlanRefused, type StarlingError } from '../../lib/vocabulary/errors.ts'
import { toEndpoint } from '../../lib/vocabulary/ids.ts'
import { KeptSecrets, secretKeyOf } from '../security/fixtures/kept-secret.ts'
import { ManualTime } from './fixtures/fake-parts.ts'
import { TestCluster } from './fixtures/test-cluster.ts'

const cryptography = createCryptography()
const one = secretKeyOf(1)
const names = ['ada', 'bob', 'cyd']

t.test('a key is changed in three steps, and no request fails meanwhile', async (t) => {
  const { cluster, secrets } = formed()
  let written = 0
  const load = (): void => {
    for (const name of names) {
      written += 1
      t.match(cluster.put(name, `k${written}`, 'v', { w: 'all', sloppy: false }), { code: 'ok' })
    }
  }
  load()
  const added = order(cluster, 'ada', { action: 'add' })
  const two = added.keyId
  t.not(two, one.id)
  for (const name of names) t.same(secrets.of(name).ids, [one.id, two], `${name} receives with it`)
  load()
  t.match(order(cluster, 'bob', { action: 'use', keyId: two }), { nodes: names.map(() => ({ problem: undefined })) })
  for (const name of names) t.same(secrets.of(name).ids, [two, one.id], `${name} sends with it`)
  load()
  order(cluster, 'cyd', { action: 'remove', keyId: one.id })
  for (const name of names) t.same(secrets.of(name).ids, [two], `${name} has forgotten the other`)
  load()
  cluster.world.run(60_000)
  load()
  for (const name of names) {
    t.equal(
      cluster
        .node(name)
        .status()
        .members.filter(({ state }) => state === 'alive').length,
      3,
    )
    t.equal(cluster.metric(name, 'starling_datagrams_dropped_total', 'unknown-key'), 0, `${name} missed nothing`)
    t.equal(secrets.of(name).writes, 3)
  }

  await t.test('and whoever is started anew comes back with it', async (t) => {
    cluster.world.crash('bob', 'kill')
    cluster.start('bob')
    cluster.awaitReady()
    t.match(cluster.put('bob', 'k', 'v', { w: 'all', sloppy: false }), { code: 'ok' })
  })
})

t.test('status says who has which keys, and nothing of them', async (t) => {
  const { cluster, secrets } = formed()
  const { keyId } = order(cluster, 'ada', { action: 'add' })
  secrets.of('cyd').keep([one])
  const status = answerOf<SecretStatus>(cluster, 'ada', (node, done) => node.secretStatus(1000, done))
  t.same(byName(status), { ada: [one.id, keyId], bob: [one.id, keyId], cyd: [one.id] })
  t.notMatch(JSON.stringify(status), Buffer.from(one.bytes).toString('base64url'))
  cluster.world.crash('bob', 'kill')
  cluster.await('bob is dead', () => stateOf(cluster, 'bob') === 'dead')
  const later = answerOf<SecretStatus>(cluster, 'ada', (node, done) => node.secretStatus(1000, done))
  t.match(
    later.nodes.find(({ name }) => name === 'bob'),
    { keyIds: undefined, problem: 'it is dead' },
  )
})

t.test('an order that would cut somebody off is refused, names them, and leaves everything as it was', async (t) => {
  const { cluster, secrets } = formed()
  const { keyId: two } = order(cluster, 'ada', { action: 'add' })
  const isUnchanged = (): boolean => names.every((name) => secrets.of(name).keyring.sending === one)

  await t.test('use, while a member lacks the key', async (t) => {
    secrets.of('cyd').keep([one])
    t.match(refused(cluster, 'ada', { action: 'use', keyId: two }), {
      message: /cyd could not read what is sent with it/,
      checks: [{ ok: true }, { ok: true }, { name: 'everybody-has-it', ok: false }],
      hint: /force/,
    })
    t.ok(isUnchanged())

    await t.test('until it was brought there', async (t) => {
      t.match(order(cluster, 'bob', { action: 'add', keyId: two }), { keyId: two })
      t.same(secrets.of('cyd').ids, [one.id, two])
    })
  })

  await t.test('a rehearsal says the same, and changes nothing', async (t) => {
    const rehearsed = { action: 'use', keyId: two, isRehearsal: true } as const
    t.match(order(cluster, 'ada', rehearsed), { keyId: two })
    t.ok(isUnchanged())
    t.match(refused(cluster, 'ada', { ...rehearsed, action: 'remove', keyId: one.id }), { message: /in use/ })
  })

  await t.test('remove, while a member sends with it', async (t) => {
    secrets.of('bob').keep([...secrets.of('bob').keyring.keys].reverse())
    t.match(refused(cluster, 'ada', { action: 'remove', keyId: one.id }), { message: /in use at ada, cyd/ })
    t.match(refused(cluster, 'bob', { action: 'remove', keyId: two }), { message: /in use at bob/ })
    t.same(secrets.of('cyd').ids, [one.id, two])
  })

  await t.test('use and remove, while a member cannot be asked', async (t) => {
    cluster.world.crash('cyd', 'kill')
    cluster.await('cyd is dead', () => stateOf(cluster, 'cyd') === 'dead')
    t.match(refused(cluster, 'ada', { action: 'use', keyId: two }), { message: /not known of cyd \(it is dead\)/ })
    t.match(refused(cluster, 'ada', { action: 'remove', keyId: one.id }), { message: /cyd \(it is dead\)/ })

    await t.test('unless it is meant: who is there does it, who is away is named', async (t) => {
      const changed = order(cluster, 'ada', { action: 'use', keyId: two, force: true })
      t.match(
        changed.nodes.find(({ name }) => name === 'cyd'),
        { problem: 'it is dead' },
      )
      t.same(secrets.of('ada').ids, [two, one.id])
      t.same(secrets.of('cyd').ids, [one.id, two])
      // It has the key, so this time it was right.
      cluster.start('cyd')
      cluster.awaitReady()
      t.match(cluster.put('cyd', 'k', 'v', { w: 'all', sloppy: false }), { code: 'ok' })
    })
  })

  await t.test('what no keyring has is not found, and the last key stays', async (t) => {
    t.match(failure(cluster, 'ada', { action: 'use', keyId: '00000000' }), { code: 'not-found' })
    t.match(refused(cluster, 'ada', { action: 'remove', keyId: two }), { message: /use another one first/ })
  })
})

t.test('a member whose file cannot be written is named, and the order can be given again', async (t) => {
  const { cluster, secrets } = formed()
  secrets.of('bob').failure = 'EROFS: read-only file system'
  const added = order(cluster, 'ada', { action: 'add' })
  t.match(
    added.nodes.find(({ name }) => name === 'bob'),
    { keyIds: undefined, problem: /secret cannot be written: EROFS/ },
  )
  t.same(secrets.of('cyd').ids, [one.id, added.keyId])
  t.match(refused(cluster, 'cyd', { action: 'use', keyId: added.keyId }), { message: /bob could not read/ })
  secrets.of('bob').failure = undefined
  order(cluster, 'ada', { action: 'add', keyId: added.keyId })
  t.same(secrets.of('bob').ids, [one.id, added.keyId])
})

t.test('two orders at a time cannot pass each other', async (t) => {
  const { cluster, secrets } = formed()
  const { keyId: two } = order(cluster, 'ada', { action: 'add' })
  const endings: unknown[] = []
  const done = (error: StarlingError | undefined): void => void endings.push(error)
  const base = { force: true, isRehearsal: false, timeoutMs: 3000 }
  cluster.world.inProcess('ada', () => cluster.node('ada').changeSecret({ ...base, action: 'use', keyId: two }, done))
  cluster.world.inProcess('bob', () =>
    cluster.node('bob').changeSecret({ ...base, action: 'remove', keyId: two }, done),
  )
  cluster.await('both end', () => endings.length === 2)
  t.ok(endings.some((error) => error instanceof PlanRefused && /another order changes the keys/.test(error.message)))
  cluster.world.run(20_000)
  const [sending] = new Set(names.map((name) => secrets.of(name).keyring.sending.id))
  t.ok(
    names.every((name) => secrets.of(name).ids.includes(sending as string)),
    'everybody reads what anybody sends',
  )
  t.equal(cluster.metricSum('starling_datagrams_dropped_total', 'unknown-key'), 0)
  t.match(order(cluster, 'cyd', { action: 'add' }), { action: 'add' }, 'and a refused order holds nobody up')
})

t.test('an order that comes late finds the keys as somebody else wants them, and does nothing', async (t) => {
  const secret = new KeptSecrets(one).of('ada')
  const time = new ManualTime()
  const service = new SecretService({ time, cryptography, secret })
  const two = secretKeyOf(2)
  const add = { change: 'add', keyId: two.id, key: two.bytes } as const
  t.match(service.change({ step: 7, ...add }), { code: 'busy' }, 'nobody asked before')
  service.tell(7)
  t.match(service.tell(8), { code: 'busy' })
  t.match(service.tell(0), { keyIds: [one.id] }, 'whoever only asks is answered')
  time.pass(keysHeldMsMax)
  t.match(service.change({ step: 7, ...add }), { code: 'busy' }, 'too late')
  service.tell(7)
  time.pass(keysHeldMsMax)
  service.tell(8)
  t.match(service.change({ step: 7, ...add }), { code: 'busy' }, 'another one came between')
  t.match(service.change({ step: 8, ...add }), { keyIds: [one.id, two.id] })
  service.tell(9)
  t.match(service.change({ step: 9, ...add, key: one.bytes, keyId: '00000000' }), { code: 'malformed' })
})

t.test('keys are not taken over a connection that others can read', async (t) => {
  const secret = new KeptSecrets(one).of('ada')
  const service = new SecretService({ time: new ManualTime(), cryptography, secret })
  const two = secretKeyOf(2)
  const order = { type: 'change-secret', step: 7, change: 'add', keyId: two.id, key: two.bytes } as const
  const caller = { role: 'peer', nodeId: 'b'.repeat(32), token: '' } as const
  const answers: unknown[] = []
  const give = (identity: StreamIdentity, remote: string): void => {
    service.tell(7)
    service.serve(order, { ...caller, remote: toEndpoint(remote), identity }, (answer) => answers.push(answer))
  }
  give(plainIdentity, '10.0.0.2:7071')
  t.match(answers.pop(), { type: 'refused', code: 'forbidden' })
  t.same(secret.ids, [one.id])
  give({ type: 'secret', keyId: one.id }, '10.0.0.2:7071')
  t.match(answers.pop(), { keyIds: [one.id, two.id] })
  give(plainIdentity, '127.0.0.1:7071')
  t.match(answers.pop(), { keyIds: [one.id, two.id] }, 'on loopback nobody listens')
})

t.test('a member that the order does not reach in time is named, and goes on', async (t) => {
  const { cluster, secrets } = formed()
  cluster.isolate('cyd')
  const added = order(cluster, 'ada', { action: 'add' })
  t.match(
    added.nodes.find(({ name }) => name === 'cyd'),
    { keyIds: undefined },
  )
  t.same(secrets.of('bob').ids, [one.id, added.keyId])
  cluster.heal()
  t.match(cluster.put('cyd', 'k', 'v', { w: 'all', sloppy: false }), { code: 'ok' })
})

t.test('without a secret there is nothing to change', async (t) => {
  const cluster = TestCluster.formed(['ada'])
  t.match(failure(cluster, 'ada', { action: 'add' }), { code: 'not-found', hint: /docs/ })
  const asked = endingOf<SecretStatus>(cluster, 'ada', (node, done) => node.secretStatus(1000, done))
  t.match(asked.error, { code: 'not-found' })
})

function formed(): { readonly cluster: TestCluster; readonly secrets: KeptSecrets } {
  const secrets = new KeptSecrets(one)
  const change = (settings: ConstructorParameters<typeof StarlingNode>[1]) => ({
    ...settings,
    secret: secrets.of(settings.name),
  })
  return { cluster: TestCluster.formed(names, { change }), secrets }
}

type Order = Pick<SecretOrder, 'action'> & Partial<SecretOrder>

function order(cluster: TestCluster, at: string, given: Order): SecretChanged {
  return answerOf<SecretChanged>(cluster, at, (node, done) => node.changeSecret(whole(given), done))
}

function failure(cluster: TestCluster, at: string, given: Order): StarlingError | undefined {
  return endingOf<SecretChanged>(cluster, at, (node, done) => node.changeSecret(whole(given), done)).error
}

function refused(cluster: TestCluster, at: string, given: Order): PlanRefused {
  const error = failure(cluster, at, given)
  if (error instanceof PlanRefused) return error
  throw new Error(`it was not refused: ${error?.message}`)
}

function whole(given: Order): SecretOrder {
  return { keyId: undefined, force: false, isRehearsal: false, timeoutMs: 3000, ...given }
}

function answerOf<Answer>(
  cluster: TestCluster,
  at: string,
  ask: (node: StarlingNode, done: Done<Answer>) => void,
): Answer {
  const { error, answer } = endingOf(cluster, at, ask)
  if (answer === undefined) throw error
  return answer
}

function endingOf<Answer>(
  cluster: TestCluster,
  at: string,
  ask: (node: StarlingNode, done: Done<Answer>) => void,
): { readonly error: StarlingError | undefined; readonly answer: Answer | undefined } {
  let ending: { readonly error: StarlingError | undefined; readonly answer: Answer | undefined } | undefined
  cluster.world.inProcess(at, () =>
    ask(cluster.node(at), (error, answer) => {
      ending = { error, answer }
    }),
  )
  cluster.await('an answer', () => ending !== undefined)
  return ending as NonNullable<typeof ending>
}

function byName({ nodes }: SecretStatus): Readonly<Record<string, readonly string[] | undefined>> {
  return Object.fromEntries(nodes.map(({ name, keyIds }) => [name, keyIds]))
}

function stateOf(cluster: TestCluster, name: string): string | undefined {
  return cluster
    .node('ada')
    .status()
    .members.find((member) => member.name === name)?.state
}
