import type { Test } from 'tap'
import type {
  ByteStream,
  DatagramSocket,
  Datagrams,
  NetworkFailure,
  StreamHandlers,
  StreamListener,
  Streams,
} from '../../lib/ports/network.ts'
import { type Endpoint, formatEndpoint, parseEndpoint } from '../../lib/vocabulary/ids.ts'

/** A network without faults of its own, and a process on it. */
export interface NetworkWorld {
  /** Where the process of the test can listen: a host, without a port. */
  readonly host: string
  readonly datagrams: Datagrams
  readonly streams: Streams
  /** Lets the world go on until `holds`; fails the test when it never does. */
  until(holds: () => boolean): Promise<void>
  /** Lets the world go on for a while in which whatever can happen happens. */
  settle(): Promise<void>
  /** Another process that listens and sends back what it gets; `die` kills it without a word. */
  startEcho(): Promise<{ readonly endpoint: Endpoint; die(): Promise<void> }>
}

/** What every implementation of the datagram port promises on a network without faults. */
export function datagramsContract(t: Test, makeWorld: (t: Test) => Promise<NetworkWorld>): void {
  t.test('datagrams arrive whole, with the address of their sender', async (t) => {
    const world = await makeWorld(t)
    const ada = await bound(world)
    const bob = await bound(world)
    ada.socket.send(bob.socket.local, bytes('hello'))
    await world.until(() => bob.received.length === 1)
    t.same(bob.received, [{ text: 'hello', from: ada.socket.local }])
    t.equal(Object.getPrototypeOf(bob.arrays[0]), Uint8Array.prototype, 'plain bytes, not a Buffer')

    await t.test('of up to bytesMax; larger ones never leave', async (t) => {
      const { bytesMax } = world.datagrams
      ada.socket.send(bob.socket.local, new Uint8Array(bytesMax + 1))
      ada.socket.send(bob.socket.local, new Uint8Array(bytesMax))
      ada.socket.send(bob.socket.local, new Uint8Array(0))
      await world.until(() => bob.received.length === 3)
      t.same(
        bob.arrays
          .slice(1)
          .map((array) => array.length)
          .sort((a, b) => a - b),
        [0, bytesMax],
      )
    })

    await t.test('and what cannot arrive is no error', async (t) => {
      const gone = await bound(world)
      await closed(world, gone.socket)
      t.doesNotThrow(() => {
        ada.socket.send(gone.socket.local, bytes('nobody'))
        ada.socket.send(formatEndpoint('no-such-host.invalid', 7401), bytes('nobody'))
        ada.socket.send(formatEndpoint(world.host, 0), bytes('nobody'))
      })
      await world.settle()
      ada.socket.send(bob.socket.local, bytes('still here'))
      await world.until(() => bob.received.some((one) => one.text === 'still here'))
    })

    await t.test('nor is sending when closed, which is heard by nobody', async (t) => {
      const heard = bob.received.length
      await closed(world, bob.socket)
      ada.socket.send(bob.socket.local, bytes('too late'))
      bob.socket.send(ada.socket.local, bytes('too late'))
      await closed(world, ada.socket)
      await closed(world, ada.socket)
      await world.settle()
      t.equal(bob.received.length, heard)
      t.same(ada.received, [])
    })
  })

  t.test('an address that is taken is refused as in-use, until it is free', async (t) => {
    const world = await makeWorld(t)
    const first = await bound(world)
    t.equal((await refusedBinding(world, first.socket.local)).kind, 'in-use')
    await closed(world, first.socket)
    const second = await bound(world, first.socket.local)
    t.equal(second.socket.local, first.socket.local)
    await closed(world, second.socket)
  })
}

/** What every implementation of the stream port promises on a network without faults. */
export function streamsContract(t: Test, makeWorld: (t: Test) => Promise<NetworkWorld>): void {
  t.test('a stream carries bytes both ways, in order', async (t) => {
    const { world, near, far, listener } = await connected(t, makeWorld)
    t.equal(near.stream.remote, listener.local)

    near.stream.write([bytes('a'), bytes('bc'), bytes('')])
    near.stream.write([bytes('d')])
    near.stream.write([])
    far.stream.write([bytes('answer')])
    await world.until(() => far.text() === 'abcd' && near.text() === 'answer')
    t.equal(Object.getPrototypeOf(far.chunks[0]), Uint8Array.prototype, 'plain bytes, not a Buffer')

    await t.test('as many as there are, and says when the system has them', async (t) => {
      const before = far.length()
      const large = new Uint8Array(24 * 1024 * 1024).map((_, index) => (index * 7 + (index >> 8)) & 255)
      const chunks = Array.from({ length: 48 }, (_, index) => large.subarray(index << 19, (index + 1) << 19))
      const drainedBefore = near.drained
      near.stream.write(chunks)
      t.ok(near.stream.unsentBytes > 0, 'more than a system takes at once')
      t.equal(near.drained, drainedBefore, 'no callback runs inside the call')
      await world.until(() => far.length() === before + large.length)
      await world.until(() => near.drained > drainedBefore)
      t.equal(near.stream.unsentBytes, 0)
      t.equal(Buffer.compare(far.all().subarray(before), large), 0)
    })
    near.stream.destroy()
    await world.until(() => near.reasons.length === 1 && far.reasons.length === 1)
    await closed(world, listener)
  })

  t.test('end sends what was written before it ends, on both sides once', async (t) => {
    const { world, near, far, listener } = await connected(t, makeWorld)
    const large = new Uint8Array(4 * 1024 * 1024).fill(7)
    near.stream.write([large])
    near.stream.end()
    await world.until(() => near.reasons.length === 1 && far.reasons.length === 1)
    t.equal(far.length(), large.length)
    t.equal(far.lengthAtEnd, large.length, 'nothing arrives after onClosed')

    near.stream.write([bytes('too late')])
    far.stream.write([bytes('too late')])
    far.stream.end()
    near.stream.destroy()
    far.stream.destroy()
    await world.settle()
    t.equal(near.reasons.length, 1)
    t.equal(far.reasons.length, 1)
    t.equal(far.length(), large.length)
    await closed(world, listener)
  })

  t.test('destroy ends at once, but not inside the call', async (t) => {
    const { world, near, far, listener } = await connected(t, makeWorld)
    far.stream.write([bytes('not to be heard')])
    near.stream.write([new Uint8Array(16 * 1024 * 1024)])
    near.stream.destroy()
    t.same(near.reasons, [])
    await world.until(() => near.reasons.length === 1 && far.reasons.length === 1)
    t.equal(near.length(), 0)
    near.stream.destroy()
    await world.settle()
    t.equal(near.reasons.length, 1)
    t.equal(near.drained, 0, 'what was never sent was not handed over')
    await closed(world, listener)
  })

  t.test('a handler may end its own stream', async (t) => {
    const world = await makeWorld(t)
    const ends: string[] = []
    const listener = await listening(world, (stream) => ({
      onBytes: () => stream.destroy(),
      onClosed: (reason) => ends.push(reason),
    }))
    const near = await connectedTo(world, listener.local)
    near.stream.write([bytes('go')])
    await world.until(() => near.reasons.length === 1 && ends.length === 1)
    await closed(world, listener)
    t.equal(ends.length, 1)
  })

  t.test('a process that dies ends its streams', async (t) => {
    const world = await makeWorld(t)
    const echo = await world.startEcho()
    const near = await connectedTo(world, echo.endpoint)
    near.stream.write([bytes('are you there?')])
    await world.until(() => near.text() === 'are you there?')
    await echo.die()
    await world.until(() => near.reasons.length === 1)
    t.equal((await refusedConnecting(world, echo.endpoint)).kind, 'refused')
  })

  t.test('connecting to where nobody listens is refused, once, and no stream closes', async (t) => {
    const world = await makeWorld(t)
    const listener = await listening(world, () => silent())
    await closed(world, listener)
    const failure = await refusedConnecting(world, listener.local)
    t.equal(failure.kind, 'refused')
    t.not(failure.message, '')
  })

  t.test('connecting to a name without an address is unreachable', async (t) => {
    const world = await makeWorld(t)
    const failure = await refusedConnecting(world, formatEndpoint('no-such-host.invalid', 7401))
    t.equal(failure.kind, 'unreachable')
  })

  t.test('a listener', async (t) => {
    const { world, near, far, listener } = await connected(t, makeWorld)
    const { port } = parseEndpoint(listener.local) as { port: number }
    t.not(port, 0, 'port 0 asks for a free one')

    await t.test('has its address for itself', async (t) => {
      t.equal((await refusedListening(world, listener.local)).kind, 'in-use')
    })

    await t.test('that closes lets its streams go on, and its address go', async (t) => {
      await closed(world, listener)
      near.stream.write([bytes('still')])
      await world.until(() => far.text() === 'still')
      t.equal((await refusedConnecting(world, listener.local)).kind, 'refused')
      await closed(world, listener)
    })
    near.stream.destroy()
    await world.until(() => far.reasons.length === 1)
  })
}

class Recorder implements StreamHandlers {
  readonly chunks: Uint8Array[] = []
  readonly reasons: string[] = []
  lengthAtEnd = -1
  drained = 0

  onBytes(bytes: Uint8Array): void {
    this.chunks.push(bytes)
  }

  onClosed(reason: string): void {
    this.reasons.push(reason)
    this.lengthAtEnd = this.length()
  }

  onDrained(): void {
    this.drained += 1
  }

  length(): number {
    return this.chunks.reduce((length, chunk) => length + chunk.length, 0)
  }

  all(): Buffer {
    return Buffer.concat(this.chunks)
  }

  text(): string {
    return this.all().toString()
  }
}

class Side extends Recorder {
  #stream: ByteStream | undefined

  get stream(): ByteStream {
    if (this.#stream === undefined) throw new Error('not connected')
    return this.#stream
  }

  set stream(stream: ByteStream) {
    this.#stream = stream
  }
}

async function connected(t: Test, makeWorld: (t: Test) => Promise<NetworkWorld>) {
  const world = await makeWorld(t)
  const accepted: Side[] = []
  const listener = await listening(world, (stream) => {
    const side = new Side()
    side.stream = stream
    accepted.push(side)
    return side
  })
  const near = await connectedTo(world, listener.local)
  await world.until(() => accepted.length === 1)
  return { world, listener, near, far: accepted[0] as Side }
}

async function connectedTo(world: NetworkWorld, to: Endpoint): Promise<Side> {
  const side = new Side()
  const { failure, result } = await answered<ByteStream>(world, (done) => world.streams.connect(to, side, done))
  if (result === undefined) throw new Error(failure?.message)
  side.stream = result
  return side
}

async function refusedConnecting(world: NetworkWorld, to: Endpoint): Promise<NetworkFailure> {
  const side = new Side()
  const { failure, answers } = await answered<ByteStream>(world, (done) => world.streams.connect(to, side, done))
  await world.settle()
  if (failure === undefined || answers() !== 1 || side.reasons.length > 0) throw new Error('it was not refused once')
  return failure
}

async function listening(
  world: NetworkWorld,
  onStream: (stream: ByteStream) => StreamHandlers,
): Promise<StreamListener> {
  const at = formatEndpoint(world.host, 0)
  const { failure, result } = await answered<StreamListener>(world, (done) => world.streams.listen(at, onStream, done))
  if (result === undefined) throw new Error(failure?.message)
  return result
}

async function refusedListening(world: NetworkWorld, at: Endpoint): Promise<NetworkFailure> {
  const { failure } = await answered<StreamListener>(world, (done) => world.streams.listen(at, silent, done))
  if (failure === undefined) throw new Error('it listens')
  return failure
}

function silent(): StreamHandlers {
  return new Recorder()
}

interface BoundSocket {
  readonly socket: DatagramSocket
  readonly received: { readonly text: string; readonly from: Endpoint }[]
  readonly arrays: Uint8Array[]
}

async function bound(world: NetworkWorld, at: Endpoint = formatEndpoint(world.host, 0)): Promise<BoundSocket> {
  const received: { text: string; from: Endpoint }[] = []
  const arrays: Uint8Array[] = []
  const { failure, result } = await answered<DatagramSocket>(world, (done) => {
    world.datagrams.bind(at, (array, from) => arrays.push(array) && received.push({ text: text(array), from }), done)
  })
  if (result === undefined) throw new Error(failure?.message)
  return { socket: result, received, arrays }
}

async function refusedBinding(world: NetworkWorld, at: Endpoint): Promise<NetworkFailure> {
  const { failure } = await answered<DatagramSocket>(world, (done) => world.datagrams.bind(at, () => undefined, done))
  if (failure === undefined) throw new Error('it is bound')
  return failure
}

/** Asks, checks that the answer does not come inside the call, and lets the world go on until it is there. */
async function answered<Result>(
  world: NetworkWorld,
  ask: (done: (failure: NetworkFailure | undefined, result: Result | undefined) => void) => void,
): Promise<{ failure: NetworkFailure | undefined; result: Result | undefined; answers: () => number }> {
  let answers = 0
  let failure: NetworkFailure | undefined
  let result: Result | undefined
  ask((...answer) => {
    answers += 1
    failure = answer[0]
    result = answer[1]
  })
  if (answers > 0) throw new Error('called back inside the call')
  await world.until(() => answers > 0)
  return { failure, result, answers: () => answers }
}

/** Closes, and lets the world go on until it is. */
async function closed(world: NetworkWorld, what: { close(done: () => void): void }): Promise<void> {
  let isClosed = false
  what.close(() => {
    isClosed = true
  })
  await world.until(() => isClosed)
}

function bytes(string: string): Uint8Array {
  return new TextEncoder().encode(string)
}

function text(array: Uint8Array): string {
  return new TextDecoder().decode(array)
}
