import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createNames } from '../../lib/platform/dns.ts'
import { createStreams } from '../../lib/platform/tcp.ts'
import { createDatagrams, type UnsentReason } from '../../lib/platform/udp.ts'
import type { ByteStream, DatagramSocket, NetworkFailure } from '../../lib/ports/network.ts'
import { type Endpoint, toEndpoint } from '../../lib/vocabulary/ids.ts'
import { datagramsContract, type NetworkWorld, streamsContract } from '../contracts/network.ts'
import { Child } from './fixtures/child.ts'

t.test('datagrams', async (t) => datagramsContract(t, makePlatformWorld))
t.test('streams', async (t) => streamsContract(t, makePlatformWorld))

t.test('datagrams that do not leave are counted by reason', async (t) => {
  const reasons: UnsentReason[] = []
  const socket = await bind(
    toEndpoint('127.0.0.1:0'),
    () => undefined,
    (reason) => reasons.push(reason),
  )
  socket.send(socket.local, new Uint8Array(1401))
  socket.send(toEndpoint('127.0.0.1:0'), new Uint8Array(1))
  socket.send(toEndpoint('[::1]:7401'), new Uint8Array(1))
  await until(() => reasons.length === 3)
  t.same(reasons, ['oversize', 'refused-by-system', 'refused-by-system'])
  socket.close(() => undefined)
})

t.test('datagrams find a name', async (t) => {
  const received: Endpoint[] = []
  const socket = await bind(toEndpoint('127.0.0.1:0'), (_, from) => received.push(from))
  const byName = toEndpoint(socket.local.replace('127.0.0.1', 'localhost'))
  socket.send(byName, new Uint8Array(1))
  await until(() => received.length === 1)
  socket.send(byName, new Uint8Array(1))
  await until(() => received.length === 2)
  t.same(received, [socket.local, socket.local])
  socket.close(() => undefined)
})

t.test('a socket for both families hides that an IPv4 address is mapped', async (t) => {
  const received: Endpoint[] = []
  const both = await bind(toEndpoint('[::]:0'), (_, from) => received.push(from)).catch(() => undefined)
  if (both === undefined) {
    t.pass('it binds', { skip: 'this machine has no IPv6' })
    return
  }
  const four = await bind(toEndpoint('127.0.0.1:0'), (_, from) => received.push(from))
  const bothByFour = toEndpoint(both.local.replace('[::]', '127.0.0.1'))
  four.send(bothByFour, new Uint8Array(1))
  await until(() => received.length === 1)
  both.send(four.local, new Uint8Array(1))
  await until(() => received.length === 2)
  t.same(received, [four.local, bothByFour])
  both.close(() => four.close(() => undefined))
})

t.test('a host that answers nothing is unreachable when the time to connect is over', async (t) => {
  const deaf = new Child(t, 'deaf-listener', [])
  await deaf.hasSaid(1)
  const port = Number(deaf.said[0])
  deaf.stop()
  // The system takes a few connections in the name of the one that sleeps; then it answers no more.
  const streams = createStreams({ connectTimeoutMs: 250 })
  const handlers = { onBytes: () => undefined, onClosed: () => undefined }
  const failures: NetworkFailure[] = []
  const opened: ByteStream[] = []
  for (let attempt = 0; attempt < 20; attempt += 1) {
    streams.connect(toEndpoint(`127.0.0.1:${port}`), handlers, (failure, stream) => {
      if (failure !== undefined) failures.push(failure)
      if (stream !== undefined) opened.push(stream)
    })
  }
  await until(() => failures.length + opened.length === 20)
  t.equal(failures[0]?.kind, 'unreachable')
  t.match(failures[0]?.message, '250 ms')
  for (const stream of opened) stream.destroy()
})

t.test('names', async (t) => {
  t.same(await resolve('127.0.0.1:7401'), ['127.0.0.1:7401'], 'an address is its own answer')
  t.same(await resolve('[::1]:7401'), ['[::1]:7401'])
  t.ok((await resolve('localhost:7401')).every((address) => /^(127\.|\[::1\])/.test(address)))
  t.same(await resolve('no-such-host.invalid:7401'), [])
})

async function makePlatformWorld(t: Test): Promise<NetworkWorld> {
  return {
    host: '127.0.0.1',
    datagrams: createDatagrams(),
    streams: createStreams(),
    until,
    settle: () => sleep(30),
    async startEcho() {
      const child = new Child(t, 'echo', [])
      await child.hasSaid(1)
      return { endpoint: toEndpoint(child.said[0] as string), die: () => child.kill() }
    },
  }
}

async function until(holds: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 20_000
  while (!holds()) {
    if (performance.now() > deadlineMs) throw new Error(`never came true: ${holds}`)
    await sleep(1)
  }
}

function bind(
  at: Endpoint,
  onDatagram: (bytes: Uint8Array, from: Endpoint) => void,
  onUnsent?: (reason: UnsentReason) => void,
): Promise<DatagramSocket> {
  return new Promise((resolve, reject) => {
    createDatagrams(onUnsent).bind(at, onDatagram, (failure, socket) => {
      if (socket === undefined) reject(new Error(failure?.message))
      else resolve(socket)
    })
  })
}

function resolve(endpoint: string): Promise<readonly Endpoint[]> {
  return new Promise((done) => createNames().resolve(toEndpoint(endpoint), done))
}
