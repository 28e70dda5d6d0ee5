import { contextIn } from '../../lib/wire/context-token.ts'
import { valueWith, vidOf } from '../values.ts'
import type { ClientParts, WorkloadClient } from '../workload.ts'
import type { Asked, AskOptions, Door, Ending, Target } from './door.ts'

/** What a client knows of a key: a token, the values it stands for, and which of these are writes of its own. */
export interface Seen {
  readonly token: string
  readonly vids: readonly string[]
  /** Known to the token only as the answer to a write of the client's (docs/rules.md A8). */
  readonly dots: readonly string[]
}

/** How an operation ended, and what its client knows of the key after an `ok`. */
export interface Ended {
  readonly type: Ending['type']
  readonly seen: Seen | undefined
  /** What a read showed. */
  readonly values: readonly string[]
  readonly etag?: string | undefined
  /** Of a write. */
  readonly vid: string
}

const paddingBytesMax = 200

/** One client that writes down what it asks and what comes of it. After an `info` it goes on as another process. */
export class RecordedClient {
  readonly session: string
  readonly #parts: ClientParts
  readonly #door: Door
  #process: number
  #writes = 0

  constructor(parts: ClientParts, door: Door) {
    this.session = `s${parts.number}`
    this.#parts = parts
    this.#door = door
    this.#process = parts.recorder.nextProcess()
  }

  get(key: string, options: AskOptions = {}, target: Target = this.#door.aim()): Promise<Ended> {
    const more = { r: options.r, sloppy: options.sloppy }
    return this.#run({ type: 'get', key, token: undefined, options }, target, '', undefined, more)
  }

  /** @param seen what the write is based on; undefined: a blind write */
  put(key: string, seen: Seen | undefined, options: AskOptions = {}, target = this.#door.aim()): Promise<Ended> {
    const vid = this.#nextVid()
    const padding = Math.floor(this.#parts.fraction() * paddingBytesMax)
    const value = valueWith(vid, key, padding)
    const more = { w: options.w, sloppy: options.sloppy, ttl: options.ttlSeconds, v: options.condition }
    return this.#run({ type: 'put', key, value, token: seen?.token, options }, target, vid, seen, more)
  }

  delete(key: string, seen: Seen, options: AskOptions = {}, target = this.#door.aim()): Promise<Ended> {
    const more = { w: options.w, sloppy: options.sloppy }
    return this.#run({ type: 'delete', key, token: seen.token, options }, target, this.#nextVid(), seen, more)
  }

  async #run(asked: Asked, target: Target, vid: string, seen: Seen | undefined, more: object): Promise<Ended> {
    const { recorder } = this.#parts
    const isRead = asked.type === 'get'
    const base = {
      p: this.#process,
      s: this.session,
      f: asked.type,
      k: asked.key,
      ...(isRead ? {} : { vid }),
      ...(target.node === undefined ? {} : { node: target.node }),
      ...(this.#door.carriesSession ? { ses: true as const } : {}),
      ...(this.#door.idsOfWrites && !isRead ? { rid: vid } : {}),
      ...more,
    }
    const context = isRead ? {} : { ctx: seen?.vids ?? [], ctxDots: seen?.dots, ctxTok: seen?.token }
    recorder.add({ t: 'invoke', ...base, ...context })
    const ending = await target.ask(asked)
    const { by, acks } = ending
    if (ending.type !== 'ok') {
      recorder.add({ t: ending.type, ...base, by, acks, error: ending.error })
      // Nobody knows what this process may still cause: another goes on.
      if (ending.type === 'info') this.#process = recorder.nextProcess()
      return { type: ending.type, seen: undefined, values: [], vid }
    }
    const { values, token, etag } = ending.told
    const vals = values.map(vidOf)
    const hlc = token === undefined ? 0 : (contextIn(token)?.hlc ?? 0)
    recorder.add({ t: 'ok', ...base, ...(isRead ? { vals, tok: token } : { retTok: token }), by, acks, hlc })
    return { type: 'ok', seen: seenAfter(token, isRead ? vals : undefined, vid, seen), values: vals, etag, vid }
  }

  #nextVid(): string {
    this.#writes += 1
    return `${this.session}-${this.#writes}`
  }
}

/** The token of a read stands for what it showed; that of a write for what it had seen, and for the write. */
function seenAfter(
  token: string | undefined,
  vals: readonly string[] | undefined,
  vid: string,
  before: Seen | undefined,
): Seen | undefined {
  if (token === undefined) return undefined
  if (vals !== undefined) return { token, vids: vals, dots: [] }
  return { token, vids: [...(before?.vids ?? []), vid], dots: [...(before?.dots ?? []), vid] }
}

/** A client whose life is a script that yields after each of its operations, and never ends. */
export function scripted(script: AsyncGenerator<void, never>, door: Door): WorkloadClient {
  return {
    async next() {
      await script.next()
    },
    async close() {
      await door.close?.()
    },
  }
}
