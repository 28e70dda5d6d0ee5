import { text } from '../../lib/client/codec.ts'
import { type Bucket, connect, type Database, StarlingError, toCausalContext } from '../../lib/connect.ts'
import { bucket } from '../values.ts'
import type { ClusterView } from '../workload.ts'
import { type Asked, type Door, type Ending, patienceMs, type Target, type Told, timeoutMs } from './door.ts'

const connectTimeoutMs = 2000

/**
 * The client library, one client of its own: it routes by the layout, hedges and tries again by itself, and all its
 * requests are one session.
 */
export class LibraryDoor implements Door {
  readonly carriesSession = true
  readonly idsOfWrites: boolean
  readonly #cluster: ClusterView
  #database: Promise<Database> | undefined

  /**
   * @param options.idsOfWrites every write has an id, and is sent again while nobody knows what became of it; otherwise it
   * is sent once, but for tries that surely changed nothing. How often it is sent the library does not tell: with ids, only
   * for scripts that overwrite nothing (see `isRetried` in test/checkers/history.ts)
   */
  constructor(parts: { readonly cluster: ClusterView }, options: { readonly idsOfWrites: boolean }) {
    this.#cluster = parts.cluster
    this.idsOfWrites = options.idsOfWrites
  }

  aim(): Target {
    return { node: undefined, ask: (asked) => this.#ask(asked) }
  }

  async close(): Promise<void> {
    const database = await this.#database?.catch(() => undefined)
    await database?.close()
  }

  async #ask(asked: Asked): Promise<Ending> {
    let database: Database
    try {
      database = await this.#connected()
    } catch (error) {
      // Nobody was reached, so nothing was asked.
      return { type: 'fail', error: codeOf(error) }
    }
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<Ending>((resolve) => {
      timer = setTimeout(() => resolve({ type: 'info', error: 'no answer' }), timeoutMs + patienceMs)
    })
    try {
      return await Promise.race([late, this.#carryOut(database.bucket(bucket, { codec: text }), asked)])
    } finally {
      clearTimeout(timer)
    }
  }

  async #carryOut(keys: Bucket<string>, asked: Asked): Promise<Ending> {
    try {
      return { type: 'ok', told: await this.#told(keys, asked) }
    } catch (error) {
      if (!(error instanceof StarlingError)) return { type: 'info', error: String(error) }
      return { type: error.aftermath === 'nothing-changed' ? 'fail' : 'info', error: error.code }
    }
  }

  async #told(keys: Bucket<string>, asked: Asked): Promise<Told> {
    const { r, w, sloppy, ttlSeconds } = asked.options
    const context = asked.token === undefined ? undefined : toCausalContext(asked.token)
    const idempotencyKey = this.idsOfWrites ? undefined : false
    switch (asked.type) {
      case 'get': {
        const found = await keys.get(asked.key, { r, sloppy, tombstone: true })
        return { values: found?.siblings.map(({ value }) => value) ?? [], token: found?.context }
      }
      case 'put': {
        const options = { w, sloppy, ttlSeconds, context, idempotencyKey } as const
        return { values: [], token: await keys.put(asked.key, asked.value, options) }
      }
      case 'delete':
        return { values: [], token: await keys.delete(asked.key, { w, sloppy, context, idempotencyKey }) }
    }
  }

  /** At the first request, and again after a failure. */
  #connected(): Promise<Database> {
    if (this.#database === undefined) {
      const seeds = this.#cluster.members.map(({ peer }) => peer)
      const database = connect(seeds, { connectTimeoutMs, deadlineMs: timeoutMs })
      this.#database = database
      database.catch(() => {
        this.#database = undefined
      })
    }
    return this.#database
  }
}

function codeOf(error: unknown): string {
  return error instanceof StarlingError ? error.code : String(error)
}
