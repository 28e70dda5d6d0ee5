import type { Sibling } from '../../lib/protocol/causality/record.ts'
import type { ClientAnswer, ClientRequest, QuorumLevel } from '../../lib/protocol/quorum/client-request.ts'
import type { StarlingError } from '../../lib/vocabulary/errors.ts'
import type { Bucket, Key } from '../../lib/vocabulary/key.ts'
import type { Random } from '../../lib/vocabulary/random.ts'
import type { SimulatedCluster } from './cluster.ts'
import { type Configuration, pick } from './configuration.ts'
import type { History } from './history.ts'

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

/** What the clients of one run share. */
export interface Workload {
  readonly cluster: SimulatedCluster
  readonly configuration: Configuration
  readonly history: History
  /** Process numbers, never used twice. */
  nextProcess(): number
  /** Told in the moment in which a node says that a put is done. */
  acknowledged(node: string, request: ClientRequest): void
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
      target.serve(request, (error, answer) => {
        if (error === undefined) workload.acknowledged(node, request)
        world.after(random.fraction() * 2, () => end(endingOf(error, answer)))
      })
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
  #process: number
  #writes = 0
  #isIdle = false

  constructor(workload: Workload, number: number, random: Random) {
    this.#workload = workload
    this.#session = `s${number}`
    this.#random = random
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
    const node = pick(this.#random, cluster.names)
    const { r, sloppy, timeoutMs } = configuration
    const base = { p: this.#process, s: this.#session, f: 'get', k: key, r, node }
    history.add({ t: 'invoke', ...base, ns: this.#ns() })
    ask(this.#workload, node, getRequest(key, r, sloppy, timeoutMs), this.#random, (ending) => {
      if (ending.type !== 'ok' || ending.answer.type !== 'got') {
        this.#failed(ending, base)
        return this.#think()
      }
      const { context } = ending.answer
      const vids = vidsOf(ending.answer)
      history.add({ t: 'ok', ...base, vals: vids, tok: context, ns: this.#ns() })
      const seen = context === undefined ? undefined : { token: context, vids, dots: [] }
      if (seen !== undefined) this.#seen.set(key, seen)
      then(seen)
    })
  }

  #write(kind: 'put' | 'delete', key: string, seen: Seen | undefined): void {
    const { cluster, configuration, history } = this.#workload
    const node = pick(this.#random, cluster.names)
    this.#writes += 1
    const vid = `${this.#session}-${this.#writes}`
    const base = { p: this.#process, s: this.#session, f: kind, k: key, vid, w: configuration.w, node }
    history.add({
      t: 'invoke',
      ...base,
      ctx: seen?.vids ?? [],
      ctxDots: seen?.dots,
      ctxTok: seen?.token,
      ns: this.#ns(),
    })
    const padding = this.#random.below(configuration.valueBytesMax)
    const request = writeRequest(configuration, kind, key, seen?.token, valueBytes(vid, padding))
    ask(this.#workload, node, request, this.#random, (ending) => {
      if (ending.type !== 'ok') this.#failed(ending, base)
      else {
        const { context } = ending.answer
        history.add({ t: 'ok', ...base, retTok: context, ns: this.#ns() })
        // The answer's token stands for what the request had seen and for this write.
        if (context !== undefined) {
          const vids = [...(seen?.vids ?? []), vid]
          this.#seen.set(key, { token: context, vids, dots: [...(seen?.dots ?? []), vid] })
        }
      }
      this.#think()
    })
  }

  #failed(ending: Ending, base: { p: number; s: string; f: string; k: string }): void {
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

export function getRequest(key: string, r: QuorumLevel, sloppy: boolean, timeoutMs: number): ClientRequest {
  return { type: 'get', bucket, key: key as Key, timeoutMs, options: { r, pr: 0, sloppy } }
}

export function writeRequest(
  configuration: Configuration,
  kind: 'put' | 'delete',
  key: string,
  context: string | undefined,
  value: Uint8Array,
): ClientRequest {
  const { w, sloppy, durability, timeoutMs } = configuration
  const options = { w, pw: 0, sloppy, durability }
  const common = { bucket, key: key as Key, timeoutMs, options, context, ifMatch: undefined }
  if (kind === 'delete') return { type: 'delete', ...common }
  return {
    type: 'put',
    ...common,
    value,
    contentType: 'text/plain',
    metadata: [],
    ttlSeconds: undefined,
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

const space = 0x20
