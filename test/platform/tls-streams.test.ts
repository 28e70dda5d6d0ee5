import { connect as connectTcp, type createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import t, { type Test } from 'tap'
import { createNames } from '../../lib/platform/dns.ts'
import { createCryptography } from '../../lib/platform/node-cryptography.ts'
import { createStreams } from '../../lib/platform/tcp.ts'
import type { CertificateSource } from '../../lib/platform/tls/certificate-files.ts'
import { toCertificates } from '../../lib/platform/tls/certificates.ts'
import { ResolvedNames } from '../../lib/platform/tls/resolved-names.ts'
import { handshakesMax } from '../../lib/platform/tls/stream-door.ts'
import { peerTls, type StreamSecurity } from '../../lib/platform/tls/stream-security.ts'
import { createDatagrams } from '../../lib/platform/udp.ts'
import type { ByteStream, NetworkFailure, StreamGate } from '../../lib/ports/network.ts'
import { formatSecretKey, Keyring, type SecretKey, toSecretKey } from '../../lib/security/keyring.ts'
import { type Endpoint, parseEndpoint, toEndpoint } from '../../lib/vocabulary/ids.ts'
import { type NetworkWorld, streamsContract } from '../contracts/network.ts'
import { type MadeCertificate, TestAuthority } from '../fixtures/certificates.ts'
import { Child } from './fixtures/child.ts'

const cryptography = createCryptography()
const [one, two] = [keyOf(1), keyOf(2)]
const authority = new TestAuthority()
const ada = authority.issue('ada')

t.test('streams under a secret are streams', async (t) => streamsContract(t, worldOf(withSecret(one))))
t.test('streams under certificates are streams', async (t) => streamsContract(t, worldOf(withCertificate(ada))))

t.test('by the secret both sides show that they have a key of it', async (t) => {
  const { at, accepted } = await listening(t, withSecret(two, one))
  const near = await connected(withSecret(one), at)
  t.same(near.stream.identity, { type: 'secret', keyId: one.id })
  t.same((await accepted()).identity, near.stream.identity, 'also by one that does not send any more')

  await t.test('and not one that the other side has not', async (t) => {
    const { at, failures } = await listening(t, withSecret(two))
    const failure = await refused(withSecret(one), at)
    t.equal(failure.kind, 'untrusted')
    t.match(failure.message, `does not take the key ${one.id}`)
    t.match(failures, [
      { kind: 'unknown-key', reason: new RegExp(`the key ${one.id}, which is not in the secret file`) },
    ])
  })
  await t.test('nor its name alone', async (t) => {
    const { at, failures } = await listening(t, withSecret(one))
    const failure = await refused(withSecret({ ...two, id: one.id }), at)
    t.equal(failure.kind, 'untrusted')
    t.match(failures, [{ kind: 'wrong-key' }])
  })
})

t.test('a key that is taken into the secret, or out of it, counts from the next connection on', async (t) => {
  const keyring = new Keyring([one])
  const { at } = await listening(t, { ...withSecret(one), keyring })
  const first = await connected(withSecret(one), at)
  keyring.replace([two])
  await refused(withSecret(one), at)
  await connected(withSecret(two), at)
  t.equal(await first.echoOf('still here'), 'still here')
})

t.test('whoever asks by the secret takes no certificate for it, whoever has signed that', async (t) => {
  const impostor = createTlsServer({ ...peerTls, cert: ada.cert, key: ada.key }, (socket) => socket.end('hello'))
  const at = await portOf(t, impostor)
  const failure = await refused(withSecret(one), at)
  t.equal(failure.kind, 'untrusted')
  t.match(failure.message, /does not|has shown|not trusted/)
})

t.test('by certificates both sides see one of an authority they trust', async (t) => {
  const { at, accepted } = await listening(t, withCertificate(ada))
  const bob = authority.issue('bob', { names: ['bob', '127.0.0.1'] })
  const near = await connected(withCertificate(bob), at)
  const far = await accepted()
  const [seen, shown] = [near.stream.identity, far.identity]
  if (seen.type !== 'tls' || shown.type !== 'tls') throw new Error('both sides have shown certificates')
  t.match(seen.certificate, { name: 'ada', isForServers: true })
  t.match(shown.certificate, { name: 'bob', id: /^[0-9a-f]{64}$/ })
  t.ok(shown.certificate?.isFor('bob'))
  t.notOk(shown.certificate?.isFor('ada'))
  t.same(seen.binding, shown.binding, 'and have something in common that nobody else knows')
  const again = await connected(withCertificate(bob), at)
  t.notSame((again.stream.identity as typeof seen).binding, seen.binding, 'which is another on each connection')

  await t.test('one of a client is told from one of a node', async (t) => {
    const { at, accepted } = await listening(t, withCertificate(ada))
    await connected(withCertificate(authority.issue('app', { purposes: ['clientAuth'] })), at)
    t.match((await accepted()).identity, { certificate: { name: 'app', isForServers: false } })
  })
  await t.test('whoever shows none, or one that is no good, is known for that', async (t) => {
    const before = new Date(Date.now() - 1000)
    for (const [shown, problem] of [
      [undefined, undefined],
      [authority.issue('late', { until: before }), /has expired/],
      [new TestAuthority('another').issue('stranger'), /authority that is not trusted/],
      [authority.issue('server', { purposes: ['serverAuth'] }), /extendedKeyUsage/],
    ] as const) {
      const { at, accepted } = await listening(t, withCertificate(ada))
      await connected(withCertificate(shown, authority, false), at)
      const { identity } = await accepted()
      t.match(identity, { type: 'tls', certificate: undefined }, String(problem))
      if (problem !== undefined) t.match(identity, { problem })
    }
  })
})

t.test('whoever asks by certificates is shown one that is for whom it looks for, or it goes away', async (t) => {
  const before = new Date(Date.now() - 1000)
  for (const [shown, reason] of [
    [authority.issue('late', { until: before }), /has expired/],
    [authority.issue('early', { from: new Date(Date.now() + 3_600_000) }), /not good yet/],
    [new TestAuthority('another').issue('stranger'), /not trusted/],
    [authority.issue('elsewhere', { names: ['elsewhere', '10.0.0.1'] }), /is for .*elsewhere.*, not for 127\.0\.0\.1/],
    [authority.issue('app', { purposes: ['clientAuth'] }), /not made for this side/],
  ] as const) {
    const { at } = await listening(t, { ...withCertificate(shown), dialsWith: 'nothing' })
    const failure = await refused(withCertificate(ada), at)
    t.equal(failure.kind, 'untrusted')
    t.match(failure.message, reason)
  }

  await t.test('a node may be known by its name', async (t) => {
    const { at } = await listening(t, withCertificate(authority.issue('bob', { names: ['bob'] })))
    await refused(withCertificate(ada), at, ['cyd'])
    await connected(withCertificate(ada), at, ['cyd', 'bob'])
    t.pass()
  })
  await t.test('and whoever looks for a name finds it behind the address that this leads to', async (t) => {
    const { at } = await listening(t, withCertificate(authority.issue('bob', { names: ['localhost'] })))
    const security = withCertificate(ada)
    await refused(security, at)
    const names = createNames(security.resolvedNames)
    await new Promise((resolve) => names.resolve(toEndpoint(`localhost:${parseEndpoint(at)?.port}`), resolve))
    await connected(security, at)
    t.pass()
  })
})

t.test('a side that has a secret and a certificate is asked either way', async (t) => {
  const { at, accepted } = await listening(t, { ...withCertificate(ada), keyring: new Keyring([one]) })
  await connected(withSecret(one), at)
  t.same((await accepted()).identity, { type: 'secret', keyId: one.id })
  await connected(withCertificate(authority.issue('bob')), at)
  t.match((await accepted()).identity, { type: 'tls', certificate: { name: 'bob' } })
  const failure = await refused(withSecret(two), at)
  t.equal(failure.kind, 'untrusted', 'and whoever has another key is not given the certificate instead')

  await t.test('no connection is a continuation of another one', async (t) => {
    const { port } = parseEndpoint(at) as { port: number }
    let session: Buffer | undefined
    const ask = (): Promise<boolean> =>
      new Promise((resolve, reject) => {
        const { cert, key } = ada
        const socket = connectTls({
          port,
          host: '127.0.0.1',
          ca: authority.cert,
          cert,
          key,
          ...(session && { session }),
        })
        socket.on('session', (given) => {
          session = given
        })
        socket.on('error', reject)
        socket.on('secureConnect', () => socket.write('x'))
        socket.on('data', () => {
          resolve(socket.isSessionReused())
          socket.destroy()
        })
      })
    await ask()
    t.equal(await ask(), false, 'or it would be judged by the certificates of that time')
  })
})

t.test('what is plain is told by its first byte, and handed on as what it is', async (t) => {
  const { at, accepted } = await listening(t, withSecret(one))
  const near = await connected(undefined, at)
  t.equal(await near.echoOf('\0plain as ever'), '\0plain as ever')
  t.same((await accepted()).identity, { type: 'plain' })

  await t.test('and a side that speaks TLS finds out that the other does not', async (t) => {
    const { at } = await listening(t, undefined)
    t.match(await refused(withSecret(one), at), { kind: 'untrusted' })
  })
})

t.test('strangers hold no more than a bounded number of handshakes, for a bounded time', async (t) => {
  const { at, failures } = await listening(t, withSecret(one))
  const { port } = parseEndpoint(at) as { port: number }
  const silent: Socket[] = []
  t.teardown(() => {
    for (const socket of silent) socket.destroy()
  })
  for (let count = 0; count < handshakesMax + 5; count += 1) {
    const socket = connectTcp({ port, host: '127.0.0.1' })
    socket.on('error', () => undefined)
    silent.push(socket)
  }
  await until(() => failures.filter(({ kind }) => kind === 'too-many').length === 5)
  // One of those that sends the beginning of a handshake, and no more of it.
  silent.at(-1)?.write(Buffer.from([0x16, 3, 1]))
  await connected(withSecret(one), at)
  t.equal(failures.filter(({ kind }) => kind === 'timeout').length, 0, 'whoever is one of ours comes in meanwhile')
  await until(() => failures.filter(({ kind }) => kind === 'timeout').length >= handshakesMax - 1, 10_000)
  await connected(withSecret(one), at)
  t.pass('then there is room again')
})

t.test('garbage behind the first byte of TLS ends one connection, and is told', async (t) => {
  const { at, failures } = await listening(t, withSecret(one))
  const { port } = parseEndpoint(at) as { port: number }
  const socket = connectTcp({ port, host: '127.0.0.1' }, () => socket.write(Buffer.alloc(600, 0x16)))
  await new Promise((resolve) => socket.on('error', () => undefined).on('close', resolve))
  await until(() => failures.length === 1)
  t.match(failures, [{ kind: 'tls' }])
  await connected(withSecret(one), at)
})

t.test('whoever is not admitted is not read at all', async (t) => {
  let isOpen = false
  const { at } = await listening(t, withSecret(one), { admits: () => isOpen })
  t.equal((await refused(withSecret(one), at)).kind, 'untrusted')
  isOpen = true
  await connected(withSecret(one), at)
})

t.test('renewed certificates are shown from the next connection on, and the others go on', async (t) => {
  const renewable = new Renewable(ada)
  const { at } = await listening(t, { ...withCertificate(ada), certificates: renewable })
  const bob = withCertificate(authority.issue('bob'))
  const first = await connected(bob, at)
  renewable.renew(authority.issue('ada', { names: ['ada-again', '127.0.0.1'] }))
  const second = await connected(bob, at)
  t.match(first.stream.identity, { certificate: { name: 'ada' } })
  const { identity } = second.stream
  t.ok(identity.type === 'tls' && identity.certificate?.isFor('ada-again'))
  t.equal(await first.echoOf('still here'), 'still here')
})

function keyOf(filling: number): SecretKey {
  return toSecretKey(new Uint8Array(32).fill(filling), cryptography)
}

function withSecret(...keys: readonly SecretKey[]): StreamSecurity {
  const resolvedNames = new ResolvedNames()
  return { cryptography, resolvedNames, keyring: new Keyring(keys), certificates: undefined, dialsWith: 'secret' }
}

function withCertificate(made: MadeCertificate | undefined, by = authority, isChecked = true): StreamSecurity {
  const texts = { cert: made?.cert, key: made?.key, ca: by.cert }
  // What no node would start with is what others must not fall for.
  const current = isChecked || made === undefined ? checked(texts) : { ...texts, leaf: undefined, authorities: [] }
  const certificates: CertificateSource = { current, onChanged: () => () => undefined }
  return {
    cryptography,
    resolvedNames: new ResolvedNames(),
    keyring: undefined,
    certificates,
    dialsWith: 'certificate',
  }
}

function checked(texts: { cert: string | undefined; key: string | undefined; ca: string }) {
  try {
    return toCertificates(texts, { cert: 'cert', key: 'key', ca: 'ca' }, Date.now())
  } catch {
    return { ...texts, leaf: undefined, authorities: [] }
  }
}

class Renewable implements CertificateSource {
  current
  #listener = (): void => undefined

  constructor(made: MadeCertificate) {
    this.current = checked({ ...made, ca: authority.cert })
  }

  onChanged(listener: () => void): () => void {
    this.#listener = listener
    return () => undefined
  }

  renew(made: MadeCertificate): void {
    this.current = checked({ ...made, ca: authority.cert })
    this.#listener()
  }
}

interface Failure {
  readonly kind: string
  readonly reason: string
}

/** A side that says back whatever it is told. */
async function listening(t: Test, security: StreamSecurity | undefined, gate: Partial<StreamGate> = {}) {
  const failures: Failure[] = []
  const streams: ByteStream[] = []
  const waiting: ((stream: ByteStream) => void)[] = []
  const at = await new Promise<Endpoint>((resolve, reject) => {
    createStreams({ security }).listen(
      toEndpoint('127.0.0.1:0'),
      (stream) => {
        const waiter = waiting.shift()
        if (waiter === undefined) streams.push(stream)
        else waiter(stream)
        return { onBytes: (bytes) => stream.write([bytes]), onClosed: () => undefined }
      },
      (failure, listener) => {
        if (listener === undefined) return reject(new Error(failure?.message))
        t.teardown(() => new Promise<void>((done) => listener.close(done)))
        resolve(listener.local)
      },
      {
        admits: () => true,
        onFailedHandshake: (kind, reason) => failures.push({ kind, reason }),
        ...gate,
      },
    )
  })
  t.teardown(() => {
    for (const stream of streams) stream.destroy()
  })
  const accepted = (): Promise<ByteStream> => {
    const stream = streams.shift()
    return stream === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(stream)
  }
  return { at, failures, accepted }
}

interface Connected {
  readonly stream: ByteStream
  echoOf(text: string): Promise<string>
}

function connected(security: StreamSecurity | undefined, to: Endpoint, names?: readonly string[]): Promise<Connected> {
  return new Promise((resolve, reject) => {
    let heard = ''
    let onHeard = (): void => undefined
    const handlers = {
      onBytes: (bytes: Uint8Array) => {
        heard += Buffer.from(bytes).toString()
        onHeard()
      },
      onClosed: () => onHeard(),
    }
    const done = (failure: NetworkFailure | undefined, stream: ByteStream | undefined): void => {
      if (stream === undefined) return reject(new Error(failure?.message))
      t.teardown(() => stream.destroy())
      resolve({
        stream,
        async echoOf(text) {
          stream.write([Buffer.from(text)])
          await new Promise<void>((resolve) => {
            onHeard = () => heard.length >= text.length && resolve()
          })
          return heard
        },
      })
    }
    createStreams({ security }).connect(to, handlers, done, names)
  })
}

function refused(security: StreamSecurity, to: Endpoint, names?: readonly string[]): Promise<NetworkFailure> {
  return new Promise((resolve, reject) => {
    const handlers = { onBytes: () => undefined, onClosed: () => undefined }
    createStreams({ security }).connect(
      to,
      handlers,
      (failure) => (failure === undefined ? reject(new Error('it was taken')) : resolve(failure)),
      names,
    )
  })
}

async function portOf(t: Test, server: ReturnType<typeof createServer>): Promise<Endpoint> {
  server.on('tlsClientError', () => undefined)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return toEndpoint(`127.0.0.1:${(server.address() as { port: number }).port}`)
}

async function until(isSo: () => boolean, msMax = 5_000): Promise<void> {
  for (let waitedMs = 0; !isSo(); waitedMs += 10) {
    if (waitedMs > msMax) throw new Error('it has not come to that')
    await sleep(10)
  }
}

/** The other process is given the same. */
function worldOf(security: StreamSecurity): (t: Test) => Promise<NetworkWorld> {
  return async (t) => ({
    host: '127.0.0.1',
    datagrams: createDatagrams(),
    streams: createStreams({ security }),
    until,
    settle: () => sleep(30),
    async startEcho() {
      const { keyring, certificates } = security
      const { cert, key, ca } = certificates?.current ?? {}
      const secret = keyring === undefined ? undefined : formatSecretKey(keyring.sending.bytes)
      const child = new Child(t, 'echo', [JSON.stringify({ secret, tls: certificates && { cert, key, ca } })])
      await child.hasSaid(1)
      return { endpoint: toEndpoint(child.said[0] as string), die: () => child.kill() }
    },
  })
}
