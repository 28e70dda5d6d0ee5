import type { Sibling } from '../../lib/protocol/causality/record.ts'
import { hlcZero } from '../../lib/protocol/clock/hlc.ts'
import type { ClientAnswer, ClientRequest } from '../../lib/protocol/quorum/client-request.ts'
import type { StarlingError } from '../../lib/vocabulary/errors.ts'
import type { Bucket, Key } from '../../lib/vocabulary/key.ts'
import type { Random } from '../../lib/vocabulary/random.ts'
import { BytesReader } from '../../lib/wire/bytes-reader.ts'
import { readHlc } from '../../lib/wire/dot-codec.ts'
import type { History } from '../checkers/history.ts'
import type { SimulatedCluster } from './cluster.ts'
import type { Configuration } from './configuration.ts'
import type { ClientOperation } from './script.ts'

export const bucket = 'simulated' as Bucket

const encoder = new TextEncoder()
const sameBytes = encoder.encode('the same')
const decoder = new TextDecoder()

/** What a client knows of a key: a token, the values it stands for, and which of these are writes of its own. */
interface Seen {
  readonly token: string
  readonly vids: readonly string[]
  readonly dots: readonly string[]
}

/** How an operation ended, as its client sees it. */
export type Ending =
  | { readonly type: 'ok'; readonly answer: ClientAnswer }
  | { readonly type: 'fail' | 'info'; readonly error: string }

/** What a client carries from one answer to its next request. */
export interface CarriedSession {
  token: string | undefined
}

/** What the clients of one run share. */
export interface Workload {
  readonly cluster: SimulatedCluster
  readonly configuration: Configuration
  readonly history: History
  /** Process numbers, never used twice. */
  nextProcess(): number
  /** Told in the moment in which a node says that something is done; and when it was asked. */
  acknowledged(node: string, request: ClientRequest, answer: ClientAnswer, askedMs: number): void
  /** Asks for one operation fewer; false when there are none left. */
  takeOperation(): boolean
  /** Told of each operation when it begins. */
  write(operation: Decision): void
}

/** What a client does, apart from when. */
export type Decision = Omit<ClientOperation, 'atMs'>

/** One try of a write at one coordinator; the first is number 1. */
interface Attempt {
  readonly request: Exclude<ClientRequest, { type: 'get' }>
  readonly vid: string
  readonly random: Random
  readonly node: string
  readonly tries: number
}

/** Carries a client's request to a node and the answer back, over a network that may take either. */
export function ask(
  workload: Workload,
  node: string,
  request: ClientRequest,
  random: Random,
  done: (ending: Ending) => void,
  session?: CarriedSession | undefined,
): void {
  const { cluster } = workload
  const { world } = cluster
  let hasEnded = false
  function end(ending: Ending): void {
    if (hasEnded) return
    hasEnded = true
    done(ending)
  }
  world.after(random.fraction() * 2, () => {
    const target = cluster.node(node)
    // Nobody listens: the connection is refused, and nothing was sent.
    if (target === undefined) return end({ type: 'fail', error: 'unreachable' })
    world.inProcess(node, () => {
      const askedMs = world.nowMs
      const answered = (error: StarlingError | undefined, answer: ClientAnswer | undefined, token?: string): void => {
        if (answer !== undefined) workload.acknowledged(node, request, answer, askedMs)
        world.after(random.fraction() * 2, () => {
          // What comes too late for its client, its session does not know of.
          if (session !== undefined && !hasEnded) session.token = token
          end(endingOf(error, answer))
        })
      }
      if (session === undefined) target.serve(request, answered)
      else target.serveInSession(request, session.token, answered)
    })
    world.after(request.timeoutMs + 500, () => end({ type: 'info', error: 'no answer' }))
  })
}

function endingOf(error: StarlingError | undefined, answer: ClientAnswer | undefined): Ending {
  if (answer !== undefined) return { type: 'ok', answer }
  const isHarmless = error?.aftermath === 'nothing-changed'
  return { type: isHarmless ? 'fail' : 'info', error: error?.code ?? 'internal' }
}

/** One client: it does what it is told, one thing at a time, and knows what it has seen. */
export class SimulatedClient {
  readonly number: number
  readonly #workload: Workload
  readonly #session: string
  readonly #seen = new Map<string, Seen>()
  readonly #carried: CarriedSession | undefined
  #process: number

  constructor(workload: Workload, number: number) {
    this.number = number
    this.#workload = workload
    this.#session = `s${number}`
    this.#carried = workload.configuration.sessions ? { token: undefined } : undefined
    this.#process = workload.nextProcess()
  }

  hasSeen(key: string): boolean {
    return this.#seen.has(key)
  }

  /** `done` is told how a read ended: whether there was an answer, and whether it had a context. */
  perform(operation: Decision, done: (read: 'seen' | 'nothing' | 'failed') => void): void {
    const vid = `${this.#session}-${operation.number}`
    const random = this.#workload.cluster.world.random(`operation ${vid}`)
    const seen = operation.context === 'last' ? this.#seen.get(operation.key) : undefined
    if (operation.type === 'delete' && seen === undefined) return done('failed')
    this.#workload.write(operation)
    if (operation.type === 'get') this.#get(operation, random, done)
    else this.#write(operation, operation.type, { vid, seen, random }, () => done('failed'))
  }

  #get({ key, node }: Decision, random: Random, done: (read: 'seen' | 'nothing' | 'failed') => void): void {
    const { cluster, configuration, history } = this.#workload
    const base = { ...this.#base('get', key), r: configuration.r }
    history.add({ t: 'invoke', ...base, node, ns: this.#ns() })
    const ended = (ending: Ending): void => {
      if (ending.type !== 'ok' || ending.answer.type !== 'got') {
        this.#failed(ending, base)
        return done('failed')
      }
      const { context } = ending.answer
      const vids = vidsOf(ending.answer)
      history.add({
        t: 'ok',
        ...base,
        node,
        vals: vids,
        tok: context,
        ...answered(cluster, ending.answer),
        ns: this.#ns(),
      })
      if (context !== undefined) this.#seen.set(key, { token: context, vids, dots: [] })
      done(context === undefined ? 'nothing' : 'seen')
    }
    ask(this.#workload, node, getRequest(configuration, key), random, ended, this.#carried)
  }

  #write(
    { key, node, paddingBytes = 0, ttlSeconds }: Decision,
    kind: 'put' | 'delete',
    { vid, seen, random }: { readonly vid: string; readonly seen: Seen | undefined; readonly random: Random },
    done: () => void,
  ): void {
    const { configuration, history } = this.#workload
    const base = { ...this.#base(kind, key), vid, w: configuration.w, rid: configuration.retries ? vid : undefined }
    history.add({
      t: 'invoke',
      ...base,
      node,
      ctx: seen?.vids ?? [],
      ctxDots: seen?.dots,
      ctxTok: seen?.token,
      ttl: ttlSeconds,
      ns: this.#ns(),
    })
    const value = valueBytes(vid, paddingBytes)
    const request = writeRequest(configuration, kind, key, seen?.token, value, ttlSeconds)
    this.#try({ request, vid, random, node, tries: 1 }, (ending, tries) => {
      if (ending.type !== 'ok') this.#failed(ending, { ...base, tries })
      else {
        const { context } = ending.answer
        const { cluster } = this.#workload
        history.add({ t: 'ok', ...base, tries, retTok: context, ...answered(cluster, ending.answer), ns: this.#ns() })
        // The answer's token stands for what the request had seen and for this write.
        if (context !== undefined) {
          const vids = [...(seen?.vids ?? []), vid]
          this.#seen.set(key, { token: context, vids, dots: [...(seen?.dots ?? []), vid] })
        }
      }
      done()
    })
  }

  /** Where writes have ids, it is tried again at the next coordinator when nobody knows what became of it. */
  #try(attempt: Attempt, done: (ending: Ending, tries: number | undefined) => void): void {
    const { cluster, configuration } = this.#workload
    const { request, vid, random, node, tries } = attempt
    const idempotency = { key: vid, isFirst: tries === 1, since: hlcZero }
    const keyed = configuration.retries ? { ...request, idempotency } : request
    const ended = (ending: Ending): void => {
      if (!configuration.retries) return done(ending, undefined)
      if (ending.type === 'ok') return done(ending, tries)
      const isUnknown = tries > 1 || ending.type === 'info'
      if (!isUnknown || tries > retriesMax) return done(isUnknown ? { ...ending, type: 'info' } : ending, tries)
      const { wanted } = cluster
      const next = wanted[(wanted.indexOf(node) + 1) % wanted.length] as string
      cluster.world.after(retryMs, () => this.#try({ ...attempt, node: next, tries: tries + 1 }, done))
    }
    ask(this.#workload, node, keyed, random, ended, this.#carried)
  }

  #base(f: string, k: string): { p: number; s: string; f: string; k: string; ses: true | undefined } {
    return { p: this.#process, s: this.#session, f, k, ses: this.#carried === undefined ? undefined : true }
  }

  #failed(ending: Ending, base: { p: number; s: string; f: string; k: string; tries?: number | undefined }): void {
    const error = ending.type === 'ok' ? 'wrong answer' : ending.error
    const outcome = ending.type === 'fail' ? 'fail' : 'info'
    this.#workload.history.add({ t: outcome, ...base, error, ns: this.#ns() })
    // Nobody knows what this process may still cause: another goes on.
    if (outcome === 'info') this.#process = this.#workload.nextProcess()
  }

  #ns(): number {
    return Math.floor(this.#workload.cluster.world.nowMs * 1_000_000)
  }
}

export function keyName(number: number): string {
  return `k${number}`
}

export function getRequest({ r, pr, sloppy, timeoutMs }: Configuration, key: string): ClientRequest {
  return { type: 'get', bucket, key: key as Key, timeoutMs, options: { r, pr, sloppy } }
}

/** Whatever any owner has. */
export function getRequestOfAll({ timeoutMs }: Configuration, key: string): ClientRequest {
  return { type: 'get', bucket, key: key as Key, timeoutMs, options: { r: 'all', pr: 0, sloppy: false } }
}

export function writeRequest(
  configuration: Configuration,
  kind: 'put' | 'delete',
  key: string,
  context: string | undefined,
  value: Uint8Array,
  ttlSeconds?: number | undefined,
): Exclude<ClientRequest, { type: 'get' }> {
  const { w, pw, sloppy, durability, timeoutMs } = configuration
  const options = { w, pw, sloppy, durability }
  const common = { bucket, key: key as Key, timeoutMs, options, context, ifMatch: undefined }
  if (kind === 'delete') return { type: 'delete', ...common }
  return {
    type: 'put',
    ...common,
    value: configuration.sameBytes === true ? sameBytes : value,
    contentType: 'text/plain',
    metadata: configuration.sameBytes === true ? [['vid', `${vidIn(value)} `]] : [],
    ttlSeconds,
    returnValue: false,
    ifNoneMatch: false,
  }
}

/** The value's unique id, and bytes after it. */
export function valueBytes(vid: string, paddingBytes: number): Uint8Array {
  return encoder.encode(`${vid} ${'.'.repeat(paddingBytes)}`)
}

/** The ids of the values an answer shows. */
export function vidsOf(answer: Extract<ClientAnswer, { type: 'got' }>): readonly string[] {
  return answer.siblings.map(vidOf)
}

/** Where all values have the same bytes it stands beside them. */
export function vidOf({ value, metadata }: Pick<Sibling, 'value' | 'metadata'>): string {
  const named = metadata[0]
  return named === undefined ? vidIn(value) : vidIn(encoder.encode(named[1]))
}

/** The id at the beginning of a value's bytes. What follows must be as it was written, or the value is nobody's. */
export function vidIn(value: Uint8Array): string {
  const end = value.indexOf(space)
  const vid = decoder.decode(value.subarray(0, end))
  for (let index = end + 1; index < value.length; index += 1) if (value[index] !== padding) return `damaged ${vid}`
  return vid
}

/** What an answer tells besides: who coordinated, and the clock of the latest thing in it. */
export function answered(
  cluster: SimulatedCluster,
  { context, quorum }: ClientAnswer,
): { readonly by: string | undefined; readonly isRepeated?: true; readonly hlc: number } {
  const { coordinator, isRepeated } = quorum
  const by = cluster.nameOf(coordinator)
  const hlc = context === undefined ? 0 : clockOf(context)
  return isRepeated === undefined ? { by, hlc } : { by, isRepeated, hlc }
}

/** A token begins with its version and its clock; only the harness looks into one. */
function clockOf(token: string): number {
  const reader = new BytesReader(Buffer.from(token, 'base64url'))
  reader.u8()
  return readHlc(reader)
}

const space = 0x20
const padding = 0x2e
const retriesMax = 3
const retryMs = 20
