import { writeFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { join } from 'node:path'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { type ConnectOptions, connect } from '../lib/connect.ts'
import { createCryptography } from '../lib/platform/node-cryptography.ts'
import { createStreams } from '../lib/platform/tcp.ts'
import { clientSecurity } from '../lib/platform/tls/client-security.ts'
import { ResolvedNames } from '../lib/platform/tls/resolved-names.ts'
import { formatSecretKey } from '../lib/security/keyring.ts'
import { type RunningNode, type StartNodeOptions, startNode } from '../lib/start-node.ts'
import { toEndpoint } from '../lib/vocabulary/ids.ts'
import { FrameReader } from '../lib/wire/frame-reader.ts'
import { encodeFrame } from '../lib/wire/frame-writer.ts'
import type { Frame, Hello } from '../lib/wire/messages.ts'
import { TestAuthority } from './fixtures/certificates.ts'
import { hello } from './links/parties.ts'
import { eventually, NodeProcess, nodeIn, within } from './node/fixtures/real-nodes.ts'
import { CertificateDirectory } from './platform/fixtures/certificate-directory.ts'
import { scratchDirectory } from './platform/fixtures/scratch.ts'
import { hash } from './wire/fixtures/hash.ts'

const authority = new TestAuthority()
const secret = formatSecretKey(new Uint8Array(32).fill(1))
const anotherSecret = formatSecretKey(new Uint8Array(32).fill(2))

t.test('nodes with a secret are a cluster; whoever does not have it is none of them', async (t) => {
  const directory = scratchDirectory(t)
  const secretFile = fileWith(directory, 'secret', secret)
  const ada = await NodeProcess.start(t, [
    ...['--name', 'ada', '--data', join(directory, 'ada'), '--secret-file', secretFile],
    ...['--expect', '2', '--log-level', 'warn', '--replicas', '2'],
  ])
  const bob = await nodeIn(t, join(directory, 'bob'), {
    name: 'bob',
    secretFile,
    join: [ada.peer],
    replicas: 2,
    expect: 2,
  })
  const db = await connected(t, ada.peer, { secret })
  await written(() => db)
  t.equal(await valueAt(bob, 'k'), 'v', 'the client inside of a node has what the node has')

  await t.test('clients are told what they need', async (t) => {
    const refused = await failureOf(connect([ada.peer]))
    t.match(refused, {
      code: 'unauthenticated',
      message: /this node has a secret: give the client its option `secret`/,
    })
    const wrong = await failureOf(connect([ada.peer], { secret: anotherSecret, connectTimeoutMs: 1_000 }))
    t.match(wrong.message, /does not take the key [0-9a-f]{8}: its secret file has others/)
  })

  await t.test('a node with another secret, or none, is kept out, and both logs say why', async (t) => {
    const otherFile = fileWith(directory, 'other', anotherSecret)
    const outside = (name: string, flags: readonly string[]): Promise<NodeProcess> => {
      const data = join(directory, name)
      return NodeProcess.start(t, ['--name', name, '--data', data, '--join', ada.peer, '--log-level', 'warn', ...flags])
    }
    const [eve, dan] = await Promise.all([outside('eve', ['--secret-file', otherFile]), outside('dan', [])])
    await logs(eve, /does not take the key [0-9a-f]{8}: its secret file has others/)
    await logs(ada, /it uses the key [0-9a-f]{8}, which is not in the secret file of this node/)
    await logs(dan, /start it with the same --secret-file/)
    await logs(ada, /nodes of this cluster show that they have its secret/)
    t.same(
      bob.node
        .status()
        .members.map(({ name }) => name)
        .sort(),
      ['ada', 'bob'],
    )
    t.notMatch(ada.log + eve.log, new RegExp(`${secret}|${anotherSecret}`))
  })
})

t.test('nodes with certificates know each other by them, and by the secret as well', async (t) => {
  const directory = scratchDirectory(t)
  const secretFile = fileWith(directory, 'secret', secret)
  const adaFiles = new CertificateDirectory(t, authority)
  const bobFiles = new CertificateDirectory(t, authority, authority.issue('bob', { names: ['bob'] }))
  const options = { secretFile, expect: 2, replicas: 2 }
  const ada = await nodeIn(t, join(directory, 'ada'), { name: 'ada', ...options, ...tlsOf(adaFiles) })
  // Known to its seed by its address, and to the others by its name.
  const bob = await nodeIn(t, join(directory, 'bob'), { name: 'bob', ...options, ...tlsOf(bobFiles), join: [ada.peer] })
  const app = authority.issue('app', { purposes: ['clientAuth'] })
  const tls = { ca: authority.cert, ...app }
  const db = await connected(t, ada.peer, { tls })
  await written(() => db)
  t.equal(await valueAt(bob, 'k'), 'v')

  await t.test('clients show one, too, also over HTTPS', async (t) => {
    const refused = await failureOf(connect([ada.peer], { tls: { ca: authority.cert } }))
    t.match(refused, { code: 'unauthenticated', message: /certificate/ })
    t.match(await failureOf(connect([ada.peer], { tls: { ca: authority.cert, ...lapsed('app') } })), {
      message: /has expired/,
    })
    t.match(await failureOf(connect([ada.peer])), { message: /TLS alone/ })
    t.match(
      await failureOf(connect([ada.peer], { tls: { ca: new TestAuthority('another').cert }, connectTimeoutMs: 1_000 })),
      {
        code: 'unreachable',
        message: /authority that is not trusted/,
      },
    )
    t.equal((await getByHttps(ada, { ca: authority.cert, ...app })).text, 'v')
    t.match(await getByHttps(ada, { ca: authority.cert }), { status: 401, text: /client certificate/ })
    t.match(await getByHttps(ada, { ca: authority.cert, ...lapsed('app') }), { status: 401 })
    t.match(await getByHttps(ada, { ca: authority.cert }, '/livez'), { status: 200 }, 'but for probes')
  })

  await t.test('whoever has the certificate of a client is no node', async (t) => {
    const said = await answerTo(ada, hello({ cluster: 'starling', names: ['app'] }), app)
    t.match(said, { kind: 'goodbye', message: { reason: 'forbidden', message: /one of a client/ } })
  })
  await t.test('nor whoever has one of a node, and not the secret', async (t) => {
    const said = await answerTo(ada, hello({ cluster: 'starling', names: ['eve'] }), authority.issue('eve'))
    t.match(said, { kind: 'goodbye', message: { reason: 'forbidden', message: /--secret-file/ } })
  })
  await t.test('nor whoever has one that is not for the node it says it is', async (t) => {
    const said = await answerTo(ada, hello({ cluster: 'starling', names: ['bob'] }), authority.issue('eve'))
    t.match(said, { kind: 'goodbye', message: { reason: 'forbidden', message: /not for the node/ } })
  })

  await t.test('a certificate is renewed while they run', async (t) => {
    const before = await shownBy(ada)
    t.equal(await valueIn(db, 'k'), 'v')
    adaFiles.write(authority.issue('ada'))
    ada.reload()
    const after = await shownBy(ada)
    t.not(after, before, 'over HTTPS')
    t.equal(await valueIn(db, 'k'), 'v', 'connections that exist go on')
    const later = await connected(t, ada.peer, { tls })
    t.equal(await valueIn(later, 'k'), 'v', 'and others are made')
  })
})

t.test('a node whose certificate is no good does not start', async (t) => {
  const directory = scratchDirectory(t)
  for (const [made, message, hint] of [
    [lapsed('ada'), /has expired/, /renew/],
    [authority.issue('app', { purposes: ['clientAuth'] }), /not good for a node/, /extendedKeyUsage/],
  ] as const) {
    const files = new CertificateDirectory(t, authority, made)
    const options = { data: join(directory, 'ada'), name: 'ada', peer: '127.0.0.1:0', ...tlsOf(files) }
    t.match(await failureOf(startNode(options)), { code: 'invalid-parameter', message, hint })
  }
})

t.test('HTTPS without an authority asks clients for nothing', async (t) => {
  const files = new CertificateDirectory(t, authority)
  const { tlsCert, tlsKey } = tlsOf(files)
  const node = await nodeIn(t, join(scratchDirectory(t), 'ada'), { name: 'ada', tlsCert, tlsKey })
  await written(() => node.db)
  t.equal((await getByHttps(node, { ca: authority.cert })).text, 'v')
  const old = await failureOf(getByHttps(node, { ca: authority.cert, maxVersion: 'TLSv1.1' }))
  t.ok(old instanceof Error, 'and speaks nothing older than TLS 1.2')
  const db = await connected(t, node.peer, { tls: { ca: authority.cert } })
  t.equal(await valueIn(db, 'k'), 'v', 'and clients of the peer port may speak TLS, too')
})

function fileWith(directory: string, name: string, text: string): string {
  const path = join(directory, name)
  writeFileSync(path, `${text}\n`, { mode: 0o600 })
  return path
}

function tlsOf({ paths }: CertificateDirectory): Required<Pick<StartNodeOptions, 'tlsCert' | 'tlsKey' | 'tlsCa'>> {
  return { tlsCert: paths.cert, tlsKey: paths.key, tlsCa: paths.ca }
}

function lapsed(name: string) {
  return authority.issue(name, { until: new Date(Date.now() - 1000) })
}

async function connected(t: Test, seed: string, options: ConnectOptions) {
  const db = await connect([seed], { connectTimeoutMs: 30_000, ...options })
  t.teardown(() => db.close())
  return db
}

async function valueIn(db: Awaited<ReturnType<typeof connect>>, key: string): Promise<string> {
  const found = await db.bucket('b').get(key)
  return Buffer.from(found?.siblings[0]?.value ?? []).toString()
}

/** Nodes that have just started have no layout yet. */
async function written(db: () => Awaited<ReturnType<typeof connect>>): Promise<void> {
  const put = (): Promise<unknown> => db().bucket('b').put('k', Buffer.from('v'), { w: 'all' })
  await eventually(
    'it can be written',
    () => put().then(() => 'written', String),
    (seen) => seen === 'written',
  )
}

function valueAt(node: RunningNode, key: string): Promise<string> {
  return eventually(
    `${key} is there`,
    () => valueIn(node.db, key).catch(String),
    (seen) => seen === 'v',
  )
}

async function failureOf(promise: Promise<unknown>): Promise<Error & { readonly code?: string }> {
  try {
    await promise
  } catch (error) {
    return error as Error
  }
  throw new Error('it succeeded')
}

function logs(node: NodeProcess, line: RegExp): Promise<string> {
  return eventually(
    `it logs ${line}`,
    async () => node.log,
    (log) => line.test(log),
  )
}

interface Shown {
  readonly ca: string
  readonly cert?: string
  readonly key?: string
  readonly maxVersion?: 'TLSv1.1'
}

function getByHttps(
  { http }: RunningNode,
  shown: Shown,
  path = '/v1/kv/b/k',
): Promise<{ readonly status: number; readonly text: string }> {
  const [host, port] = (http as string).split(':')
  const agent = new Agent({ ...shown, keepAlive: false })
  return new Promise((resolve, reject) => {
    request({ host, port, path, agent }, async (response) => {
      let text = ''
      for await (const part of response) text += part
      resolve({ status: response.statusCode ?? 0, text })
    })
      .on('error', reject)
      .end()
  })
}

/** The serial number of the certificate of its HTTPS. */
function shownBy({ http }: RunningNode): Promise<string | undefined> {
  const [host, port] = (http as string).split(':')
  return new Promise((resolve, reject) => {
    const app = authority.issue('app')
    const socket: TLSSocket = connectTls({ host, port: Number(port), ca: authority.cert, ...app }, () => {
      resolve(socket.getPeerX509Certificate()?.serialNumber)
      socket.destroy()
    })
    socket.on('error', reject)
  })
}

/** What a node answers to this Hello on a connection with that certificate. */
function answerTo(
  node: RunningNode,
  said: Hello,
  made: { readonly cert: string; readonly key: string },
): Promise<Frame> {
  const parts = { cryptography: createCryptography(), resolvedNames: new ResolvedNames() }
  const security = clientSecurity({ tls: { ca: authority.cert, ...made } }, parts)
  const answered = new Promise<Frame>((resolve, reject) => {
    const reader = new FrameReader(hash)
    const handlers = { onBytes: (bytes: Uint8Array) => void reader.read(bytes, resolve), onClosed: () => undefined }
    createStreams({ security }).connect(toEndpoint(node.peer), handlers, (failure, stream) => {
      if (stream === undefined) reject(new Error(failure?.message))
      else stream.write(encodeFrame({ kind: 'hello', message: said }, hash))
    })
  })
  return within(10_000, 'an answer', answered)
}
