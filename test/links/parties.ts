import {
  type AcceptorOwner,
  type AcceptorSettings,
  type Caller,
  FrameAcceptor,
} from '../../lib/links/frame-acceptor.ts'
import { type LinkOwner, type LinkSettings, linkSettingsDefault, type Outcome } from '../../lib/links/frame-link.ts'
import { LinkPool } from '../../lib/links/link-pool.ts'
import { createCryptography } from '../../lib/platform/node-cryptography.ts'
import type { ByteStream } from '../../lib/ports/network.ts'
import type { Time } from '../../lib/ports/time.ts'
import { World } from '../../lib/simulator/world.ts'
import { type Endpoint, toEndpoint, toNodeId } from '../../lib/vocabulary/ids.ts'
import { invariant } from '../../lib/vocabulary/invariant.ts'
import type { TraceContext } from '../../lib/vocabulary/trace-context.ts'
import { FrameReader } from '../../lib/wire/frame-reader.ts'
import { encodeFrame } from '../../lib/wire/frame-writer.ts'
import type { Frame, Hello, Refusal, Request, Response, Welcome } from '../../lib/wire/messages.ts'
import { hash } from '../wire/fixtures/hash.ts'

export const adaId = toNodeId('a'.repeat(32))
export const bobId = toNodeId('b'.repeat(32))
export const adaDigest = { number: 1, documentHash: 11 }
export const bobDigest = { number: 2, documentHash: 22 }

export function newWorld(): World {
  return new World({ seed: 1, hash, createCryptography })
}

export function at(name: string): Endpoint {
  return toEndpoint(`${name}:7101`)
}

export function hello(changes: Partial<Hello> = {}): Hello {
  return {
    type: 'hello',
    wireVersion: 1,
    wireVersionMin: 1,
    cluster: 'test',
    clusterId: '',
    role: 'peer',
    nodeId: adaId,
    startNumber: 1,
    capabilities: [],
    ...changes,
  }
}

export const welcome: Welcome = {
  type: 'welcome',
  wireVersion: 1,
  cluster: 'test',
  clusterId: '',
  nodeId: bobId,
  startNumber: 1,
  capabilities: [],
}

/** A question that names itself, and its answer. */
export function question(name: string): Request {
  return { type: 'list-keys', bucket: 'b', prefix: name, after: '', limit: 1, timeoutMs: 1000 }
}

export function answerTo(message: Request): Response {
  invariant(message.type === 'list-keys', 'tests ask questions only')
  return { type: 'keys', keys: [message.prefix], isComplete: true }
}

export function request(id: number, name: string): Frame {
  return { kind: 'request', id, digest: bobDigest, message: question(name) }
}

export function response(id: number, name: string): Frame {
  return { kind: 'response', id, digest: adaDigest, message: answerTo(question(name)) }
}

interface Served {
  readonly message: Request
  readonly caller: Caller
  readonly respond: (answer: Response | Refusal) => void
  readonly trace: TraceContext | undefined
}

/** The listening side of links, and what it was told. Answers at once unless `isSlow`. */
export interface Listening {
  readonly acceptor: FrameAcceptor
  readonly served: Served[]
  readonly malformed: string[]
  readonly digests: unknown[]
  /** Why connections were cut off. */
  readonly cut: string[]
  isSlow: boolean
}

export function listening(
  world: World,
  name: string,
  options: { settings?: AcceptorSettings; greet?: AcceptorOwner['greet']; owner?: Partial<AcceptorOwner> } = {},
): Listening {
  const ports = world.portsFor(name)
  const served: Served[] = []
  const malformed: string[] = []
  const digests: unknown[] = []
  const cut: string[] = []
  const owner: AcceptorOwner = {
    greet: options.greet ?? (() => welcome),
    serve(message, caller, respond, trace) {
      served.push({ message, caller, respond, trace })
      if (!side.isSlow) respond(answerTo(message))
    },
    digest: () => bobDigest,
    onDigest: (digest, caller) => digests.push({ digest, nodeId: caller.nodeId }),
    onMalformed: (reason) => malformed.push(reason),
    onCut: (reason) => cut.push(reason),
    ...options.owner,
  }
  const side = {
    acceptor: new FrameAcceptor(ports, owner, options.settings),
    served,
    malformed,
    digests,
    cut,
    isSlow: false,
  }
  side.acceptor.listen(at(name), (failure) => invariant(failure === undefined, 'the address is free'))
  world.run(1)
  return side
}

/** One end of a connection that says exactly what a test wants, well-formed or not. */
export class RawPeer {
  readonly heard: Frame[] = []
  readonly closed: string[] = []
  /** How many writes of the other side arrived. */
  writes = 0
  stream: ByteStream | undefined
  readonly #reader = new FrameReader(hash)
  readonly handlers = {
    onBytes: (bytes: Uint8Array) => {
      this.writes += 1
      this.#reader.read(bytes, (frame) => this.heard.push(frame))
    },
    onClosed: (reason: string) => {
      this.closed.push(reason)
    },
  }

  /** Connects from the machine `from`, which gets a process if it has none. */
  static connect(world: World, ports: ReturnType<World['portsFor']>, to: string): RawPeer {
    const peer = new RawPeer()
    ports.streams.connect(at(to), peer.handlers, (_failure, stream) => {
      peer.stream = stream
    })
    invariant(
      world.runUntil(() => peer.stream !== undefined, 1000),
      'somebody listens there',
    )
    return peer
  }

  say(...frames: readonly Frame[]): void {
    this.stream?.write(frames.flatMap((frame) => [...encodeFrame(frame, hash)]))
  }

  sayBytes(bytes: Uint8Array): void {
    this.stream?.write([bytes])
  }

  get heardKinds(): readonly string[] {
    return this.heard.map(({ kind }) => kind)
  }
}

/** A machine that accepts connections and leaves every word to the test. */
export function rawListening(world: World, name: string): RawPeer[] {
  const peers: RawPeer[] = []
  const ports = world.portsFor(name)
  ports.streams.listen(
    at(name),
    (stream) => {
      const peer = new RawPeer()
      peer.stream = stream
      peers.push(peer)
      return peer.handlers
    },
    (failure) => invariant(failure === undefined, 'the address is free'),
  )
  world.run(1)
  return peers
}

/** The connecting side of links, and what it was told. */
export interface Linking {
  readonly time: Time
  readonly pool: LinkPool
  readonly told: string[]
  readonly digests: unknown[]
  /** Asks `to`, and gives the list in which the outcome will stand. */
  ask(to: string, name: string, timeoutMs?: number): Outcome[]
}

export function linking(
  world: World,
  name: string,
  settings: Partial<LinkSettings> = {},
  extra: Partial<LinkOwner> = {},
): Linking {
  const ports = world.portsFor(name)
  const told: string[] = []
  const digests: unknown[] = []
  const owner: LinkOwner = {
    hello: () => hello(),
    digest: () => adaDigest,
    onDigest: (digest, from) => digests.push({ digest, from }),
    onWelcome: (_welcome, from) => told.push(`welcome from ${from}`),
    onGoodbye: (goodbye, from) => told.push(`goodbye from ${from}: ${goodbye.reason}`),
    onMalformed: (reason) => told.push(`malformed: ${reason}`),
    onUntrusted: (reason) => told.push(`untrusted: ${reason}`),
    ...extra,
  }
  const pool = new LinkPool(
    { ...ports, random: ports.random('links'), settings: { ...linkSettingsDefault, ...settings } },
    owner,
  )
  return {
    time: ports.time,
    pool,
    told,
    digests,
    ask(to, question_, timeoutMs = 1000) {
      const outcomes: Outcome[] = []
      pool.request(at(to), question(question_), timeoutMs, (outcome) => outcomes.push(outcome))
      invariant(outcomes.length === 0, 'nobody hears of an outcome inside the call')
      return outcomes
    },
  }
}

/** What became of a request, in one word or with its answer. */
export function told(outcomes: readonly Outcome[]): readonly string[] {
  return outcomes.map((outcome) => {
    switch (outcome.type) {
      case 'answered':
        return outcome.message.type === 'keys' ? `answered ${outcome.message.keys.join()}` : outcome.message.type
      case 'refused':
        return `refused ${outcome.refusal.code}`
      default:
        return `${outcome.type}: ${outcome.reason}`
    }
  })
}
