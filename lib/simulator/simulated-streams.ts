import {
  type ByteStream,
  type NetworkFailure,
  plainIdentity,
  type StreamGate,
  type StreamHandlers,
  type StreamIdentity,
  type StreamListener,
  type Streams,
} from '../ports/network.ts'
import type { Keyring } from '../security/keyring.ts'
import { type Endpoint, formatEndpoint, parseEndpoint } from '../vocabulary/ids.ts'
import { SimulatedEvent } from './event-queue.ts'
import type { Machine } from './machine.ts'
import type { Link, SimulatedNetwork } from './simulated-network.ts'
import { ProcessCall, ProcessEvent, type SimulatedProcess } from './simulated-process.ts'

/** What the system takes from a writer before the receiver has read it. */
const socketBufferBytes = 256 * 1024
/** How often a connection is asked for again while nothing answers, and for how long. */
const connectRetryMs = 1000
const connectTimeoutMs = 5000

/** A process's share of TCP. */
export class SimulatedStreams implements Streams {
  readonly #process: SimulatedProcess
  readonly #network: SimulatedNetwork

  constructor(process: SimulatedProcess, network: SimulatedNetwork) {
    this.#process = process
    this.#network = network
  }

  connect(
    to: Endpoint,
    handlers: StreamHandlers,
    done: (failure: NetworkFailure | undefined, stream: ByteStream | undefined) => void,
  ): void {
    if (!this.#process.isAlive) return
    const { host, port } = parseEndpoint(to) as { host: string; port: number }
    const { world, machine } = this.#process
    const target = this.#network.machineOf(host, machine)
    if (target === undefined) {
      const failure: NetworkFailure = { kind: 'unreachable', message: `no host ${host}` }
      world.at(world.nowMs + 1, new ProcessCall(this.#process, () => done(failure, undefined)))
      return
    }
    const there = this.#network.link(machine, target)
    const attempt = new ConnectAttempt(
      this.#process,
      there,
      this.#network.link(target, machine),
      to,
      port,
      handlers,
      done,
    )
    world.at(world.nowMs + there.drawStreamDelayMs(), attempt)
  }

  listen(
    at: Endpoint,
    onStream: (stream: ByteStream) => StreamHandlers,
    done: (failure: NetworkFailure | undefined, listener: StreamListener | undefined) => void,
    gate?: StreamGate,
  ): void {
    const process = this.#process
    if (!process.isAlive) return
    const { host, port } = parseEndpoint(at) as { host: string; port: number }
    const { world, machine } = process
    const chosen = port === 0 ? machine.freePort(machine.listeners) : port
    if (machine.listeners.has(chosen)) {
      const failure: NetworkFailure = { kind: 'in-use', message: `${at} is in use` }
      world.at(world.nowMs, new ProcessCall(process, () => done(failure, undefined)))
      return
    }
    const listener = new SimulatedListener(process, formatEndpoint(host, chosen), chosen, onStream, gate)
    machine.listeners.set(chosen, listener)
    process.atDeath(() => listener.die())
    world.at(world.nowMs, new ProcessCall(process, () => done(undefined, listener)))
  }
}

export class SimulatedListener implements StreamListener {
  readonly local: Endpoint
  readonly process: SimulatedProcess
  readonly onStream: (stream: ByteStream) => StreamHandlers
  readonly gate: StreamGate | undefined
  readonly #port: number

  constructor(
    process: SimulatedProcess,
    local: Endpoint,
    port: number,
    onStream: (stream: ByteStream) => StreamHandlers,
    gate: StreamGate | undefined,
  ) {
    this.process = process
    this.local = local
    this.#port = port
    this.onStream = onStream
    this.gate = gate
  }

  close(done: () => void): void {
    this.die()
    const { world } = this.process
    if (this.process.isAlive) world.at(world.nowMs, new ProcessCall(this.process, done))
  }

  die(): void {
    const { listeners } = this.process.machine
    if (listeners.get(this.#port) === this) listeners.delete(this.#port)
  }
}

/** Asks for a connection until it is answered or the time is up. */
class ConnectAttempt extends SimulatedEvent {
  readonly #process: SimulatedProcess
  readonly #there: Link
  readonly #back: Link
  readonly #to: Endpoint
  readonly #port: number
  readonly #handlers: StreamHandlers
  readonly #done: (failure: NetworkFailure | undefined, stream: ByteStream | undefined) => void
  readonly #startedMs: number

  constructor(
    process: SimulatedProcess,
    there: Link,
    back: Link,
    to: Endpoint,
    port: number,
    handlers: StreamHandlers,
    done: (failure: NetworkFailure | undefined, stream: ByteStream | undefined) => void,
  ) {
    super()
    this.#process = process
    this.#there = there
    this.#back = back
    this.#to = to
    this.#port = port
    this.#handlers = handlers
    this.#done = done
    this.#startedMs = process.world.nowMs
  }

  override happen(): void {
    if (!this.#process.isAlive) return
    const { world, machine } = this.#process
    const target = this.#there.to
    if (!target.isOn || this.#there.isCut || this.#back.isCut) {
      if (world.nowMs - this.#startedMs >= connectTimeoutMs) this.#fail('unreachable', 'no answer in time')
      else world.at(world.nowMs + connectRetryMs, this)
      return
    }
    const listener = target.listeners.get(this.#port)
    if (listener === undefined) {
      this.#fail('refused', 'nobody listens there')
      return
    }
    const from = formatEndpoint(machine.name, machine.drawEphemeralPort())
    if (listener.gate?.admits(from) === false) return this.#fail('failed', 'reset by the other side')
    const identity = identityBetween(this.#process.keyring, listener.process.keyring)
    if (identity === undefined) {
      const reason = `it uses the key ${this.#process.keyring?.sending.id}, which is not known here`
      listener.gate?.onFailedHandshake('unknown-key', reason, from)
      return this.#fail('untrusted', 'it does not know the key')
    }
    const near = new StreamEnd(this.#process, this.#to, this.#there, identity)
    const far = new StreamEnd(listener.process, from, this.#back, identity)
    near.pipe.connect(far)
    far.pipe.connect(near)
    near.handlers = this.#handlers
    const answered = new ProcessCall(this.#process, () => {
      near.isOpen = true
      this.#done(undefined, near)
    })
    // Whatever the other side writes at once arrives after the answer.
    const answeredMs = world.nowMs + this.#back.drawStreamDelayMs()
    far.pipe.arrivesAtMs = answeredMs
    world.at(answeredMs, answered)
    listener.process.run(new ProcessCall(listener.process, () => far.accept(listener)))
  }

  #fail(kind: 'refused' | 'unreachable' | 'untrusted' | 'failed', message: string): void {
    const { world } = this.#process
    const failure: NetworkFailure = { kind, message: `${this.#to}: ${message}` }
    const call = new ProcessCall(this.#process, () => this.#done(failure, undefined))
    world.at(world.nowMs + this.#back.drawDelayMs(), call)
  }
}

/** What TLS makes of two secret files: both sides show the key, or there is no connection. */
function identityBetween(near: Keyring | undefined, far: Keyring | undefined): StreamIdentity | undefined {
  if (near === undefined) return plainIdentity
  const { id } = near.sending
  return far?.find(id) === undefined ? undefined : { type: 'secret', keyId: id }
}

/** One side of a connection. */
export class StreamEnd implements ByteStream {
  readonly remote: Endpoint
  readonly identity: StreamIdentity
  readonly process: SimulatedProcess
  /** Carries what this side writes. */
  readonly pipe: Pipe
  handlers: StreamHandlers | undefined
  isOpen = false
  #isEnding = false
  #isClosed = false

  constructor(process: SimulatedProcess, remote: Endpoint, link: Link, identity: StreamIdentity) {
    this.process = process
    this.remote = remote
    this.identity = identity
    this.pipe = new Pipe(this, link)
    process.machine.streamEnds.add(this)
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  get unsentBytes(): number {
    return this.#isClosed ? 0 : Math.max(0, this.pipe.bytesUnderWay - socketBufferBytes)
  }

  write(chunks: readonly Uint8Array[]): void {
    if (this.#isClosed || this.#isEnding || !this.process.isAlive) return
    const chunk = chunks.length === 1 ? (chunks[0] as Uint8Array) : joinChunks(chunks)
    if (chunk.length > 0) this.pipe.send(chunk)
  }

  end(): void {
    if (this.#isClosed || this.#isEnding || !this.process.isAlive) return
    this.#isEnding = true
    this.pipe.send('end')
  }

  destroy(): void {
    if (this.#isClosed || !this.process.isAlive) return
    this.pipe.send('reset')
    const { world } = this.process
    world.at(world.nowMs, new ProcessCall(this.process, () => this.close('destroyed here')))
    // Nothing arrives any more.
    this.#isEnding = true
    this.isOpen = false
  }

  accept(listener: SimulatedListener): void {
    this.isOpen = true
    this.handlers = listener.onStream(this)
  }

  /** What the other side sent, in order; called inside the process. */
  receive(segment: Segment): void {
    if (this.#isClosed) return
    if (segment === 'reset') this.close('reset by the other side')
    else if (segment === 'end') {
      // The other side has ended: so does this one, after what it has written.
      if (!this.#isEnding) this.pipe.send('end')
      this.close('ended by the other side')
    } else if (this.isOpen) this.handlers?.onBytes(segment)
  }

  /** What was unsent is with the system now. */
  drained(): void {
    if (!this.#isClosed && this.isOpen) this.handlers?.onDrained?.()
  }

  close(reason: string): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.process.machine.streamEnds.delete(this)
    this.handlers?.onClosed(reason)
  }

  /** The process died: a kill lets the system say goodbye, a power cut says nothing. */
  die(kind: 'kill' | 'power'): void {
    this.#isClosed = true
    if (kind === 'kill') this.pipe.send('reset')
    else this.pipe.lose()
  }
}

type Segment = Uint8Array | 'end' | 'reset'

/**
 * What one side of a connection has written and the other has not read: first in, first out, one arrival at a time.
 * While the way is cut it waits, as TCP does, and nobody is told.
 */
class Pipe extends ProcessEvent {
  bytesUnderWay = 0
  /** When the last thing sent arrives: nothing overtakes. */
  arrivesAtMs = 0
  readonly #near: StreamEnd
  readonly #link: Link
  #far: StreamEnd | undefined
  #segments: Segment[] = []
  #timesMs: number[] = []
  #isScheduled = false

  constructor(near: StreamEnd, link: Link) {
    super()
    this.#near = near
    this.#link = link
  }

  /** The machine at the other end. */
  get target(): Machine {
    return this.#link.to
  }

  connect(far: StreamEnd): void {
    this.#far = far
  }

  send(segment: Segment): void {
    const { world } = this.#near.process
    this.arrivesAtMs = Math.max(this.arrivesAtMs, world.nowMs + this.#link.drawStreamDelayMs())
    if (typeof segment !== 'string') this.bytesUnderWay += segment.length
    this.#segments.push(segment)
    this.#timesMs.push(this.arrivesAtMs)
    if (!this.#isScheduled) this.#schedule(this.arrivesAtMs)
  }

  /** Nothing of this will arrive. */
  lose(): void {
    this.#segments = []
    this.#timesMs = []
    this.bytesUnderWay = 0
  }

  override happen(): void {
    const far = this.#far
    if (far === undefined || this.#segments.length === 0) {
      this.#isScheduled = false
      return
    }
    if (this.#link.isCut || !this.#link.to.isOn) {
      this.#link.whenMended(() => this.#schedule(far.process.world.nowMs + this.#link.drawMendDelayMs()))
      return
    }
    if (far.process.isAlive) far.process.run(this)
    else this.#answerForTheDead(far)
  }

  override deliver(): void {
    const far = this.#far as StreamEnd
    const { world } = far.process
    this.#isScheduled = false
    // What one delivery causes may send more through this pipe: it arrives later, never now.
    let count = 0
    while (count < this.#timesMs.length && (this.#timesMs[count] as number) <= world.nowMs) count += 1
    if (count === 0) count = 1
    const segments = this.#segments.splice(0, count)
    this.#timesMs.splice(0, count)
    const next = this.#timesMs[0]
    if (next !== undefined) this.#schedule(Math.max(next, world.nowMs))
    const wasUnsent = this.bytesUnderWay > socketBufferBytes
    for (const segment of segments) {
      if (typeof segment === 'string') far.receive(segment)
      else {
        this.bytesUnderWay -= segment.length
        world.trace.addBytes(segment)
        const split = this.#link.drawSplit(segment.length)
        if (split > 0) {
          far.receive(segment.subarray(0, split))
          far.receive(segment.slice(split))
        } else far.receive(segment)
      }
    }
    if (wasUnsent && this.bytesUnderWay <= socketBufferBytes && this.#near.process.isAlive) {
      world.at(world.nowMs, new ProcessCall(this.#near.process, () => this.#near.drained()))
    }
  }

  /** The machine is there and knows no such connection: its system resets it. */
  #answerForTheDead(far: StreamEnd): void {
    this.#isScheduled = false
    this.lose()
    if (!this.#near.isClosed && this.#near.process.isAlive) far.pipe.send('reset')
  }

  #schedule(atMs: number): void {
    this.#isScheduled = true
    this.#near.process.world.at(atMs, this)
  }
}

function joinChunks(chunks: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const chunk of chunks) length += chunk.length
  const joined = new Uint8Array(length)
  let offset = 0
  for (const chunk of chunks) {
    joined.set(chunk, offset)
    offset += chunk.length
  }
  return joined
}

/** Ends a connection from the middle, as a firewall or a router does: both sides hear of it, what was under way is lost. */
export function resetConnections(between: Machine, and: Machine): number {
  let count = 0
  for (const machine of [between, and]) {
    const other = machine === between ? and : between
    for (const end of machine.streamEnds) {
      if (end.pipe.target !== other || !end.process.isAlive) continue
      end.pipe.lose()
      end.pipe.send('reset')
      count += 1
    }
  }
  return count
}
