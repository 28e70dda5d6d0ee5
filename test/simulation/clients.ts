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
import { type Configuration, pick } from './configuration.ts'

export const bucket = 'simulated' as Bucket

const encoder = new TextEncoder()
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
  /** Told in the moment in which a node says that a put is done. */
  acknowledged(node: string, request: ClientRequest, answer: ClientAnswer): void
  /** Asks for one operation fewer; false when there are none left. */
  takeOperation(): boolean
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
      const answered = (error: StarlingError | undefined, answer: ClientAnswer | undefined, token?: string): void => {
        if (answer !== undefined) workload.acknowledged(node, request, answer)
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

/** One client: one thing at a time, at random coordinators, until the run has no operations left. */
export class SimulatedClient {
  readonly #workload: Workload
  readonly #session: string
  readonly #random: Random
  readonly #seen = new Map<string, Seen>()
  readonly #carried: CarriedSession | undefined
  #process: number
  #writes = 0
  #isIdle = false

  constructor(workload: Workload, number: number, random: Random) {
    this.#workload = workload
    this.#session = `s${number}`
    this.#random = random
    this.#carried = workload.configuration.sessions ? { token: undefined } : undefined
    this.#process = workload.nextProcess()
  }

  get isIdle(): boolean {
    return this.#isIdle
  }

  start(): void {
    this.#think()
  }

  #think(): void {
    const thinkMs = this.#workload.configuration.thinkMs * 2 * this.#random.fraction()
    this.#workload.cluster.world.after(thinkMs, () => this.#next())
  }

  #next(): void {
    const { configuration } = this.#workload
    if (!this.#workload.takeOperation()) {
      this.#isIdle = true
      return
    }
    const key = keyName(this.#random.below(configuration.keys))
    const seen = this.#seen.get(key)
    let share = this.#random.fraction()
    const falls = (part: number): boolean => {
      share -= part
      return share < 0
    }
    const { readShare, blindShare, chainShare, deleteShare } = configuration
    if (falls(readShare)) return this.#get(key, () => this.#think())
    if (falls(blindShare)) return this.#write('put', key, undefined)
    // Going on from the last answer, without reading again.
    if (seen !== undefined && falls(chainShare)) return this.#write('put', key, seen)
    const kind = this.#random.fraction() < deleteShare ? 'delete' : 'put'
    this.#get(key, (read) => {
      if (!this.#workload.takeOperation()) this.#think()
      else if (kind === 'put' || read !== undefined) this.#write(kind, key, read)
      else this.#think()
    })
  }

  #get(key: string, then: (seen: Seen | undefined) => void): void {
    const { cluster, configuration, history } = this.#workload
    const node = pick(this.#random, cluster.wanted)
    const base = { ...this.#base('get', key), r: configuration.r }
    history.add({ t: 'invoke', ...base, node, ns: this.#ns() })
    const ended = (ending: Ending): void => {
      if (ending.type !== 'ok' || ending.answer.type !== 'got') {
        this.#failed(ending, base)
        return this.#think()
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
      const seen = context === undefined ? undefined : { token: context, vids, dots: [] }
      if (seen !== undefined) this.#seen.set(key, seen)
      then(seen)
    }
    ask(this.#workload, node, getRequest(configuration, key), this.#random, ended, this.#carried)
  }

  #write(kind: 'put' | 'delete', key: string, seen: Seen | undefined): void {
    const { configuration, history } = this.#workload
    this.#writes += 1
    const vid = `${this.#session}-${this.#writes}`
    const value = valueBytes(vid, this.#random.below(configuration.valueBytesMax))
    const expires = kind === 'put' && configuration.ttlShare > 0 && this.#random.fraction() < configuration.ttlShare
    const ttl = expires ? configuration.ttlSeconds : undefined
    const base = { ...this.#base(kind, key), vid, w: configuration.w, rid: configuration.retries ? vid : undefined }
    history.add({
      t: 'invoke',
      ...base,
      ctx: seen?.vids ?? [],
      ctxDots: seen?.dots,
      ctxTok: seen?.token,
      ttl,
      ns: this.#ns(),
    })
    const request = { ...writeRequest(configuration, kind, key, seen?.token, value, ttl) }
    this.#try(request, vid, undefined, (ending, tries) => {
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
      this.#think()
    })
  }

  /**
   * At some coordinator; and where writes have ids, at another one again when nobody knows what became of it.
   * @param first when it was tried first, and how often until now
   */
  #try(
    request: Exclude<ClientRequest, { type: 'get' }>,
    vid: string,
    first: { readonly atMs: number; readonly tries: number } | undefined,
    done: (ending: Ending, tries: number | undefined) => void,
  ): void {
    const { cluster, configuration } = this.#workload
    const { world } = cluster
    const node = pick(this.#random, cluster.wanted)
    const idempotency = { key: vid, isFirst: first === undefined, since: hlcZero }
    const keyed = configuration.retries ? { ...request, idempotency } : request
    const { atMs, tries } = first ?? { atMs: world.nowMs, tries: 0 }
    const ended = (ending: Ending): void => {
      if (!configuration.retries) return done(ending, undefined)
      if (ending.type === 'ok') return done(ending, tries + 1)
      const isUnknown = first !== undefined || ending.type === 'info'
      if (!isUnknown || tries === retriesMax) return done(isUnknown ? { ...ending, type: 'info' } : ending, tries + 1)
      world.after(retryMs, () => this.#try(request, vid, { atMs, tries: tries + 1 }, done))
    }
    ask(this.#workload, node, keyed, this.#random, ended, this.#carried)
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
    value,
    contentType: 'text/plain',
    metadata: [],
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

export function vidOf(sibling: Pick<Sibling, 'value'>): string {
  return vidIn(sibling.value)
}

/** The id at the beginning of a value's bytes. */
export function vidIn(value: Uint8Array): string {
  return decoder.decode(value.subarray(0, value.indexOf(space)))
}

/** What an answer tells besides: who coordinated, and the clock of the latest thing in it. */
export function answered(
  cluster: SimulatedCluster,
  { context, quorum }: ClientAnswer,
): { readonly by: string | undefined; readonly hlc: number } {
  return { by: cluster.nameOf(quorum.coordinator), hlc: context === undefined ? 0 : clockOf(context) }
}

/** A token begins with its version and its clock; only the harness looks into one. */
function clockOf(token: string): number {
  const reader = new BytesReader(Buffer.from(token, 'base64url'))
  reader.u8()
  return readHlc(reader)
}

const space = 0x20
const retriesMax = 3
const retryMs = 20
